"""Masks from boxes and clicks by a promptable network: Segment Anything and what has its interface.

Kirillov et al., "Segment Anything", ICCV 2023. Two ONNX files: an image encoder, run once for each frame, and
a decoder of prompts with the inputs and outputs of the authors' own export.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.box_prompt import Box
from vosrt.click_prompt import Click
from vosrt.errors import BundleError, InputError, reason_of
from vosrt.import_onnxruntime import import_onnxruntime, new_session_options
from vosrt.optional_import import import_for
from vosrt.regular_file import require_regular_file

_SIDE = 1024  # pixels of the long edge of the encoder's input, where the file does not say
_MEAN = np.array((123.675, 116.28, 103.53), np.float32)  # of ImageNet's red, green and blue
_SPREAD = np.array((58.395, 57.12, 57.375), np.float32)
_OUTSIDE, _INSIDE, _CORNERS, _PADDING = 0, 1, (2, 3), -1  # labels of points
_MASK_SIDE = 256  # of the earlier mask that a decoder may be given
_NEEDED = ("image_embeddings", "point_coords", "point_labels")


class PromptedSegmenter:
    """Finds objects with a promptable network; a `MaskFinder` for `Segmenter(finder=…)`.

    The encoder takes a normalised image `[1, 3, S, S]`: red, green, blue, the frame in its upper left corner;
    or `[H, W, 3]` in bytes' range where it does all that itself.

    Args:
        encoder: ONNX file.
        decoder: ONNX file.
        threads: of ONNX Runtime.

    Raises:
        InputError: a file is not there.
        BundleError: it does not load, or has another interface.
    """

    def __init__(
        self, encoder: str | os.PathLike[str], decoder: str | os.PathLike[str], *, threads: int = 2
    ) -> None:
        self._encoder = _session(encoder, threads)
        self._decoder = _session(decoder, threads)
        (self._image,) = self._encoder.get_inputs()[:1]
        self._inputs = {value.name: value for value in self._decoder.get_inputs()}
        missing = [name for name in _NEEDED if name not in self._inputs]
        if missing:
            raise BundleError(
                f"{os.fspath(decoder)} is no decoder of prompts",
                value=sorted(self._inputs),
                allowed=f"a graph with the inputs {', '.join(_NEEDED)}",
                cure="give the encoder first and the decoder second",
            )
        sides = [size for size in self._image.shape if isinstance(size, int) and size > 3]
        self._side = max(sides, default=_SIDE)
        # the last frame and what the encoder made of it
        self._seen: tuple[bytes, NDArray[np.float32]] | None = None

    def __call__(
        self, frame: NDArray[np.uint8], box: Box | None, clicks: Sequence[Click]
    ) -> NDArray[np.bool_]:
        """See `MaskFinder`."""
        points, labels = self._points(frame, box, clicks)
        height, width = frame.shape[:2]
        given = {
            "image_embeddings": self._embedding(frame),
            "point_coords": points[None],
            "point_labels": labels[None],
            "mask_input": np.zeros((1, 1, _MASK_SIDE, _MASK_SIDE), np.float32),
            "has_mask_input": np.zeros(1, np.float32),
            "orig_im_size": np.array([height, width], np.float32),
        }
        masks, scores = self._decode({name: given[name] for name in self._inputs if name in given})
        best = int(np.argmax(scores)) if scores is not None else 0
        mask = masks[best] > 0
        return mask if mask.shape == (height, width) else self._enlarged(masks[best], height, width)

    def _points(
        self, frame: NDArray[np.uint8], box: Box | None, clicks: Sequence[Click]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Places in pixels of the encoder's input, `[n, 2]`, and what they mean, `[n]`."""
        scale = self._side / max(frame.shape[:2])
        places = [(click.x + 0.5, click.y + 0.5) for click in clicks]
        labels = [_INSIDE if click.is_inside else _OUTSIDE for click in clicks]
        if box is None:
            places, labels = [*places, (0.0, 0.0)], [*labels, _PADDING]
        else:
            places, labels = [*places, box[:2], box[2:]], [*labels, *_CORNERS]
        return np.array(places, np.float32) * np.float32(scale), np.array(labels, np.float32)

    def _embedding(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        key, seen = frame.tobytes(), self._seen
        if seen is None or seen[0] != key:
            image = np.ascontiguousarray(frame[..., ::-1])
            (embedding,) = self._encoder.run(None, {self._image.name: self._prepared(image)})[:1]
            self._seen = seen = key, embedding  # streams of other threads may exchange it at any time
        return seen[1]

    def _prepared(self, image: NDArray[np.uint8]) -> NDArray[Any]:
        cv2 = import_for("preparing a frame for a promptable network", "cv2")
        scale = self._side / max(image.shape[:2])
        size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
        resized = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
        dtype = np.uint8 if self._image.type == "tensor(uint8)" else np.float32
        if len(self._image.shape) == 3:
            return resized.astype(dtype)
        normal = (resized.astype(np.float32) - _MEAN) / _SPREAD
        padded = np.zeros((self._side, self._side, 3), np.float32)
        padded[: size[1], : size[0]] = normal
        return np.ascontiguousarray(padded.transpose(2, 0, 1)[None])

    def _decode(self, inputs: dict[str, Any]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Logits of masks, `[k, h, w]`, and their scores, `[k]`."""
        outputs = self._decoder.run(None, inputs)
        by_name = dict(zip([value.name for value in self._decoder.get_outputs()], outputs, strict=True))
        masks = by_name.get("masks", outputs[0])
        scores = by_name.get("iou_predictions")
        return masks.reshape(-1, *masks.shape[-2:]), None if scores is None else scores.reshape(-1)

    def _enlarged(self, logits: NDArray[np.float32], height: int, width: int) -> NDArray[np.bool_]:
        """A mask of the padded square at low resolution, for the frame."""
        cv2 = import_for("enlarging a mask", "cv2")
        square = cv2.resize(logits, (self._side, self._side), interpolation=cv2.INTER_LINEAR)
        scale = self._side / max(height, width)
        part = square[: round(height * scale), : round(width * scale)]
        return cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR) > 0


def _session(path: str | os.PathLike[str], threads: int) -> Any:
    runtime = import_onnxruntime()
    try:
        require_regular_file(path)
    except OSError as error:
        raise InputError(f"{os.fspath(path)} cannot be read ({error.strerror})") from error
    try:
        options = new_session_options(runtime, threads)
        return runtime.InferenceSession(os.fspath(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        what = f"{os.fspath(path)} does not load ({reason_of(error)})"
        raise BundleError(what, cure="give an ONNX file") from error
