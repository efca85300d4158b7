"""Whether engines give the labels that the bundle gives in float32."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from vosrt.cpu_device import CpuDevice
from vosrt.device import Device
from vosrt.errors import BundleError
from vosrt.label_agreement import LEAST_AGREEMENT, Agreement, agreement_of
from vosrt.memory_budget import default_limit
from vosrt.sources.test_pattern import PatternSettings, TestPattern
from vosrt.stream import Stream
from vosrt.variant import Variant

FRAMES = 8  # the first is given
_MOST_OBJECTS = 3  # of the generated scene


def compare_with_float32(
    variants: Sequence[Variant],
    device: Device,
    reference: Sequence[Variant],
    size: tuple[int, int],
    *,
    objects: int,
    memory_limit: int,
) -> Agreement:
    """Segment a generated scene twice, every frame from the same masks.

    Args:
        variants: on the engines.
        device: where their arrays lie.
        reference: the same in float32 on the CPU.
        size: height and width of the frames.
        objects: there is room for so many.
        memory_limit: most bytes that the engines of a frame may take: decides in which parts they run.
    """
    frames = scene(size, objects)
    # Memory of a GPU says nothing of the host's: there, rows come one by one rather than not at all.
    on_host = max(default_limit(), *(variant.least_memory(size) for variant in reference))
    return agreement_of(
        Stream(reference, CpuDevice(), memory_limit=on_host),
        Stream(variants, device, memory_limit=memory_limit),
        frames,
        [variant.manifest for variant in variants],
    )


def require_agreement(agreement: Agreement, name: str) -> None:
    """Refuse engines that differ too much.

    Raises:
        BundleError: less than `LEAST_AGREEMENT`.
    """
    if agreement.mean < LEAST_AGREEMENT:
        raise BundleError(
            f"{name}: the engines differ too much: {agreement}",
            allowed=f"at least {LEAST_AGREEMENT:.1%}",
            cure="use --precision float32, or accept it with --allow-drift (weights that are not trained "
            "give such masks)",
        )


def scene(size: tuple[int, int], objects: int) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Frames and their masks, with a few objects, but no more than there is room for."""
    height, width = size
    shown = min(objects, _MOST_OBJECTS)
    settings = PatternSettings(height=height, width=width, objects=shown, frames=FRAMES)
    with TestPattern(settings) as source:
        for frame in source:
            assert frame.truth is not None
            yield frame.image, frame.truth
