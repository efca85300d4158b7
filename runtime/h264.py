"""How videos are encoded, in files and over networks."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.errors import MissingDependencyError
from vosrt.optional_import import import_for

_ENCODER = "libx264"
# zerolatency: no frame waits inside the encoder, where a kill would lose it
_SETTINGS = {"preset": "veryfast", "tune": "zerolatency", "crf": "20"}
_BT709, _LIMITED = 1, 1  # FFmpeg's numbers for the colour space of HD video and for its range 16..235


def import_encoder() -> Any:
    """The package av, with an H.264 encoder in it.

    Raises:
        MissingDependencyError: it is missing, or has none.
    """
    av = import_for("writing a video", "av")
    if _ENCODER not in av.codecs_available:
        raise MissingDependencyError(
            f"this installation of av cannot encode H.264 ({_ENCODER} is not in it)",
            cure="pip install --force-reinstall --only-binary av av",
        )
    return av


def add_h264_stream(
    container: Any,
    *,
    height: int,
    width: int,
    rate: Fraction,
    ticks: int,
    pixel_aspect: Fraction = Fraction(1),
) -> Any:
    """Add a video stream to an output container of av.

    Args:
        container: to add it to.
        height: of frames, even.
        width: of frames, even.
        rate: frames per second; nominal, where frames come with times.
        ticks: per second, in which times of frames are given.
        pixel_aspect: width of a pixel over its height.
    """
    stream = container.add_stream(_ENCODER, rate=rate, options=_SETTINGS)
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    context = stream.codec_context
    context.time_base = Fraction(1, ticks)
    context.gop_size = max(1, round(rate))  # a key frame each second, for seeking and for those who join
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    context.color_range = _LIMITED
    context.sample_aspect_ratio = pixel_aspect
    return stream


class H264Frames:
    """Frames for an encoder; they share a converter, which starts its threads once.

    Args:
        av: the package.
        ticks: per second, in which times of frames are given.
    """

    def __init__(self, av: Any, ticks: int) -> None:
        self._av = av
        self._tick = Fraction(1, ticks)
        self._converter = av.video.reformatter.VideoReformatter()

    def frame(self, image: NDArray[np.uint8], tick: int) -> Any:
        """The next one.

        Args:
            image: BGR uint8 `[H, W, 3]`, both sides even.
            tick: when it is shown.
        """
        given = self._av.VideoFrame.from_ndarray(image, format="bgr24")
        frame = self._converter.reformat(
            given, format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"
        )
        frame.pts, frame.time_base = tick, self._tick
        return frame


def even_sides(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Repeat the last row and column where a side is odd: yuv420p halves both sides of the colour planes."""
    height, width = image.shape[:2]
    if height % 2 or width % 2:
        image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return np.ascontiguousarray(image)
