"""`vosrt adapt`: weights of location-sensitive embeddings for the objects of one video.

Ci, Wang and Wang, "Video Object Segmentation by Learning Location-Sensitive Embeddings", ECCV 2018, 4.4:
what the network is sure of in the given boxes is foreground, what lies outside is background, and the
network is trained on that. With `--two-scan` it then follows the objects through the whole video and is
trained once more on what it is sure of in every fifth frame; only a file has a future to look at, so no
stream can do this. The result is a checkpoint: export it, and stream the video.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional as F

from vosrt.box_prompt import Box, checked_box
from vosrt.bundle_finder import likely_part
from vosrt.commands import option_readers
from vosrt.errors import Error, InputError
from vosrt.exit_status import exit_status
from vosrt.models import build_network, load_checkpoint
from vosrt.models.location_sensitive_network import CELLS, SIDE, LocationSensitiveNetwork
from vosrt.models.search_box import cut_out, search_box_around
from vosrt.sources.open_source import open_source
from vosrt.whole_file import write_whole_file

LOGGER = logging.getLogger(__name__)
EPOCHS, RATE = 20, 2.5e-5  # of the paper
SURE, SURELY_NOT = 0.8, 0.2  # in a later frame
INTERVAL = 5  # frames from one example of the scan to the next
_MOST_EXAMPLES = 600  # of the scan, for memory; with more of them every second one goes
_UNKNOWN = 255


@dataclass(frozen=True)
class Example:
    """An object as the network sees it.

    Attributes:
        crop: normed, `[1, 3, 321, 321]`.
        truth: uint8 `[41, 41]`: 1 foreground, 0 background, 255 unknown.
    """

    crop: Tensor
    truth: Tensor


def main(argv: Sequence[str] | None = None) -> int:
    """Adapt; returns the exit status: 0, 2 for a mistake of the user's, 130 after Ctrl-C."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    return exit_status(partial(_run, arguments), interrupted="nothing was written")


def _run(arguments: argparse.Namespace) -> int:
    output = _checked_output(Path(arguments.output), overwrite=arguments.overwrite)
    network = build_network(arguments.model)
    if not isinstance(network, LocationSensitiveNetwork):
        raise InputError("--model", value=arguments.model, allowed="lse-lite or lse")
    load_checkpoint(network, arguments.checkpoint)
    settings = {"epochs": arguments.epochs, "rate": arguments.learning_rate, "only_head": arguments.only_head}
    first = first_frame(arguments.video)
    boxes = [checked_box(box, size=first.shape[:2]) for box in arguments.box]
    examples = [first_example(network, first, box) for box in boxes]
    losses = adapt(network, examples, **settings)
    LOGGER.info("first frame: loss %.4f, then %.4f", losses[0], losses[-1])
    if arguments.two_scan:
        with open_source(arguments.video) as source:
            seen = scanned_examples(network, (frame.image for frame in source), boxes)
        if seen:
            losses = adapt(network, seen, **(settings | {"epochs": 1}))
            LOGGER.info("%d examples of the whole video: mean loss %.4f", len(seen), np.mean(losses))
    state = {name: value.contiguous() for name, value in network.state_dict().items()}
    if not all(bool(value.isfinite().all()) for value in state.values()):
        raise Error("training broke down: weights are no finite numbers", cure="lower --learning-rate")
    _write(output, state, {"model": arguments.model, "adapted": "to the objects of one video"})
    print(f"weights in {output}")
    return 0


def _checked_output(output: Path, *, overwrite: bool) -> Path:
    """Refuse what could not be written, before minutes of training.

    Raises:
        InputError: it is no name for weights, or something is there already.
    """
    if output.suffix != ".safetensors" or not output.parent.is_dir():
        raise InputError("--output", value=str(output), allowed="a .safetensors file in a folder that exists")
    if output.exists() and not (overwrite and output.is_file()):
        raise InputError(f"{output} exists", cure="give --overwrite to replace a file, or another name")
    return output


def _write(output: Path, state: dict[str, Tensor], notes: dict[str, str]) -> None:
    """Write weights as a whole or not at all.

    Raises:
        InputError: there is no room, or nothing can be written there.
    """
    try:
        write_whole_file(output, save(state, notes))  # `save_file` would make a file for its owner alone
    except OSError as error:
        raise InputError(
            f"{output} cannot be written ({error.strerror})", cure="make room, or choose another --output"
        ) from error


def first_frame(video: str) -> NDArray[np.uint8]:
    """BGR uint8 `[H, W, 3]`.

    Raises:
        InputError: nothing is there, or it holds no frames.
    """
    with open_source(video) as source:
        for frame in source:
            return frame.image
    raise InputError(f"{video} holds no frames")


@torch.no_grad()
def first_example(network: LocationSensitiveNetwork, frame: NDArray[np.uint8], box: Box) -> Example:
    """What is known of an object in a box.

    Args:
        network: in evaluation mode.
        frame: BGR uint8 `[H, W, 3]`.
        box: x0, y0, x1, y1 in pixels, ends excluded.
    """
    image = _normed(network, frame)
    boxes = torch.tensor([box], dtype=torch.float32)
    (confidence,) = network.find(image, boxes)
    x0, y0, x1, y1 = box
    foreground = torch.from_numpy(likely_part(confidence[0].numpy(), box))
    background = torch.ones_like(foreground)
    background[y0:y1, x0:x1] = False
    return _example(image, search_box_around(boxes, image.shape), foreground, background)


@dataclass(frozen=True)
class Followed:
    """A frame on which objects were followed.

    Attributes:
        image: normed, `[1, 3, H, W]`.
        box: where each object was looked for, `[n, 4]`; empty on the first frame.
        final: fused foreground of each object, `[n, H, W]`; empty on the first frame.
        labels: int32 `[H, W]`, objects from 1 on.
    """

    image: Tensor
    box: Tensor
    final: Tensor
    labels: Tensor


def followed(
    network: LocationSensitiveNetwork, frames: Iterable[NDArray[np.uint8]], boxes: Sequence[Box]
) -> Iterator[Followed]:
    """Follow objects from their boxes on the first frame.

    Args:
        network: in evaluation mode.
        frames: BGR uint8 `[H, W, 3]` each.
        boxes: one per object: x0, y0, x1, y1 in pixels, ends excluded.
    """
    rows = torch.arange(len(boxes) + 1, dtype=torch.int32)
    box = missed = final = torch.empty(0)
    for index, frame in enumerate(frames):
        with torch.no_grad():
            image = _normed(network, frame)
            if index == 0:
                labels = _first_labels(network, image, boxes)
                yield Followed(image, box, final, labels)
                box, missed = network.reference(labels, rows)
                continue
            final = network.looked_for(image, box)
            (probabilities,) = network.segment(image, box, rows)
            labels = rows[probabilities.argmax(0)]
        yield Followed(image, box, final, labels)
        box, missed = network.memorize(labels, rows, box, missed)


def scanned_examples(
    network: LocationSensitiveNetwork, frames: Iterable[NDArray[np.uint8]], boxes: Sequence[Box]
) -> list[Example]:
    """What the network is sure of in later frames, as it follows the objects from their boxes."""
    kept: list[Example] = []
    interval = INTERVAL
    for index, seen in enumerate(followed(network, frames, boxes)):
        if index and index % interval == 0:
            kept += [
                _example(seen.image, seen.box[i : i + 1], final >= SURE, final <= SURELY_NOT)
                for i, final in enumerate(seen.final)
                if bool((final >= SURE).any())
            ]
        if len(kept) > _MOST_EXAMPLES:
            kept, interval = kept[::2], interval * 2
    return kept


def adapt(
    network: LocationSensitiveNetwork,
    examples: Sequence[Example],
    *,
    epochs: int = EPOCHS,
    rate: float = RATE,
    only_head: bool = False,
) -> list[float]:
    """Train the foreground on examples, statistics of batch norms as they are.

    Args:
        network: in evaluation mode, changed in place.
        examples: one at a time, in their order.
        epochs: over all examples.
        rate: of stochastic gradient descent with momentum 0.9.
        only_head: leave all but the foreground's head alone.

    Returns:
        the loss before each step.
    """
    trained = network.foreground if only_head else network
    optimizer = torch.optim.SGD(trained.parameters(), lr=rate, momentum=0.9, weight_decay=5e-4)
    losses = []
    for example in itertools.chain.from_iterable(itertools.repeat(examples, epochs)):
        optimizer.zero_grad(set_to_none=True)
        logits = network.foreground(network.trunk_features(example.crop))[0, 0]
        known = example.truth != _UNKNOWN
        loss = F.binary_cross_entropy_with_logits(logits[known], example.truth[known].to(logits.dtype))
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def _normed(network: LocationSensitiveNetwork, frame: NDArray[np.uint8]) -> Tensor:
    return network.encode(torch.from_numpy(np.ascontiguousarray(frame))[None])[0]


def _first_labels(network: LocationSensitiveNetwork, image: Tensor, boxes: Sequence[Box]) -> Tensor:
    """Labels of the first frame, int32 `[H, W]`; where masks overlap the surer object is seen."""
    (confidence,) = network.find(image, torch.tensor(boxes, dtype=torch.float32))
    likely = [likely_part(each.numpy(), box) for each, box in zip(confidence, boxes, strict=True)]
    masked = confidence * torch.from_numpy(np.stack(likely)).to(confidence.dtype)
    best, index = masked.max(0)
    return torch.where(best > 0, index + 1, torch.zeros_like(index)).to(torch.int32)


def _example(image: Tensor, box: Tensor, foreground: Tensor, background: Tensor) -> Example:
    """Cut an object out; `foreground` and `background` are bool `[H, W]`."""
    maps = torch.stack([foreground, background]).to(torch.float32)[None]
    is_object, is_rest = cut_out(maps, box, CELLS)[0] > 0.5
    truth = torch.full((CELLS, CELLS), _UNKNOWN, dtype=torch.uint8)
    truth[is_rest] = 0
    truth[is_object] = 1
    return Example(cut_out(image, box, SIDE), truth)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vosrt adapt", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add: Any = parser.add_argument
    add("video", help="a file, or a folder of images")
    add("--checkpoint", required=True, metavar="FILE", help="weights to start from")
    add("--model", default="lse-lite", help="lse-lite or lse (lse-lite)")
    add(
        "--box",
        type=option_readers.box,
        action="append",
        required=True,
        metavar="x0,y0,x1,y1",
        help="around an object in the first frame; once per object",
    )
    add(
        "--two-scan", action="store_true", help="follow the objects through the video, and train on that, too"
    )
    add("--only-head", action="store_true", help="train the foreground's head alone")
    add("--epochs", type=option_readers.positive, default=EPOCHS, help=f"on the first frame ({EPOCHS})")
    add("--learning-rate", type=option_readers.learning_rate, default=RATE, help=f"({RATE})")
    add("-o", "--output", required=True, metavar="FILE", help="checkpoint to write, .safetensors")
    add("--overwrite", action="store_true", help="replace an existing file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
