"""One of the ways in which a stream looks at every frame: a network, at a scale, plain or mirrored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

from vosrt.errors import InputError
from vosrt.executor import Executor
from vosrt.manifest import Graph, Manifest
from vosrt.memory_budget import least_limit, row_parts, split_dimension
from vosrt.number_check import checked_whole, is_number
from vosrt.resize_rule import LARGEST_SIDE, ResizeRule

MOST_SCALES = 16
MOST_KNOWN_PARTS = 256
SMALLEST_LONG_EDGE = 64  # pixels: with less nothing is left to see


@dataclass(frozen=True)
class Variant:
    """Variants know nothing of each other; their probabilities are averaged, and all get the fused labels."""

    manifest: Manifest
    executor: Executor
    scale: float = 1.0
    flipped: bool = False  # sees mirrored frames and remembers mirrored tensors

    @cached_property
    def resize(self) -> ResizeRule:
        """The bundle's rule at this scale."""
        return self.manifest.input.resize.scaled(self.scale)

    @property
    def name(self) -> str:
        """For messages: "cfbi-resnet101 x1.3 flipped"."""
        return variant_name(self.manifest.name, self.scale, self.flipped)

    @cached_property
    def holds_frame(self) -> bool:
        """Whether a state tensor takes the frame itself, which then outlives the step."""
        tensors = (tensor for entry in self.manifest.state.values() for tensor in entry.tensors.values())
        return any("frame" in (tensor.source, tensor.initial) for tensor in tensors)

    @property
    def open_graphs(self) -> Mapping[str, Graph]:
        """The graphs as they were exported: the manifest's own may have a fixed number of objects."""
        return (self.manifest.exported or self.manifest).graphs

    @cached_property
    def split_dimensions(self) -> dict[str, str | None]:
        """The dimension by which each role's graph can be computed in parts; None for those that cannot."""
        return {role: split_dimension(self.open_graphs, role) for role in self.open_graphs}

    def parts(self, role: str, rows: int, size: tuple[int, int], limit: int) -> list[tuple[int, int]]:
        """As `row_parts`, worked out once for all frames that are alike.

        All parts are equal where the number of objects is fixed: an engine is built for each size.

        Args:
            role: whose parts.
            rows: background, objects and unused capacity.
            size: height and width of the frame.
            limit: bytes.

        Raises:
            InputError: not even one row at a time fits.
        """
        asked = (role, rows, size, limit)
        parts = self._known_parts.get(asked)
        if parts is None:
            pixels, one_size = self._pixels(size), self.manifest.exported is not None
            parts = row_parts(self.open_graphs, role, rows, **pixels, limit=limit, one_size=one_size)
            if len(self._known_parts) >= MOST_KNOWN_PARTS:
                self._known_parts.clear()
            self._known_parts[asked] = parts
        return parts

    def check_memory(self, size: tuple[int, int], limit: int) -> None:
        """Check that a frame fits, where the number of objects is fixed.

        Args:
            size: height and width of the frame.
            limit: bytes that its graphs may take.

        Raises:
            InputError: not even one row at a time fits.
        """
        for role, dimension in self.split_dimensions.items():
            if dimension is not None:
                self.parts(role, self._most_rows, size, limit)

    def least_memory(self, size: tuple[int, int]) -> int:
        """The smallest limit for which `check_memory` accepts frames of a size."""
        if not any(self.split_dimensions.values()):
            return 0
        return least_limit(self.open_graphs, self._most_rows, **self._pixels(size))

    @property
    def _most_rows(self) -> int:
        """Background and objects, where their number is fixed."""
        return 1 + (self.manifest.objects or 1)

    def _pixels(self, size: tuple[int, int]) -> dict[str, int]:
        return {"frame_pixels": prod(size), "network_pixels": prod(self.resize.network_size(*size))}

    @cached_property
    def _known_parts(self) -> dict[tuple[str, int, tuple[int, int], int], list[tuple[int, int]]]:
        return {}

    @property
    def has_probabilities(self) -> bool:
        """Whether the bundle gives probabilities."""
        return "probabilities" in self.manifest.graphs[self.manifest.result_role].outputs

    @property
    def probabilities_have_frame_size(self) -> bool:
        """Whether probabilities come at the size of the frame; if not, at that of the network's input."""
        output = self.manifest.graphs[self.manifest.result_role].outputs.get("probabilities")
        frames = [v for v in self.manifest.graphs["encode"].inputs.values() if v.source == "frame"]
        return output is not None and bool(frames) and output.shape[1:] == frames[0].shape[1:3]


def variant_name(bundle: str, scale: float, flipped: bool) -> str:
    """A variant for messages."""
    return f"{bundle}{'' if scale == 1 else f' x{scale:g}'}{' flipped' if flipped else ''}"


def checked_scales(scales: object) -> tuple[float, ...]:
    """Check test-time scales.

    Raises:
        InputError: not a list of numbers from 0.1 to 8, each once.
    """
    allowed = f"up to {MOST_SCALES} different numbers from 0.1 to 8"
    given = [scales] if is_number(scales) else scales
    if isinstance(given, str) or not isinstance(given, Sequence) or not 1 <= len(given) <= MOST_SCALES:
        raise InputError("scales", value=scales, allowed=allowed)
    for scale in given:
        if not is_number(scale) or not 0.1 <= scale <= 8:
            raise InputError("scales", value=scale, allowed=allowed)
    if len(set(given)) != len(given):
        raise InputError("scales", value=scales, allowed=allowed, cure="name each scale once")
    return tuple(float(scale) for scale in given)


def checked_long_edge(long_edge: object) -> int | None:
    """Check a limit of the networks' input.

    Raises:
        InputError: neither None nor a whole number that can be a side.
    """
    if long_edge is None:
        return None
    return checked_whole("long_edge", long_edge, SMALLEST_LONG_EDGE, LARGEST_SIDE)


def check_fusible(variants: Sequence[Variant]) -> None:
    """Several variants are fused by their probabilities, so each must have them.

    Raises:
        InputError: a bundle gives labels only, or is fixed to one network size and asked for another.
    """
    for variant in variants:
        if variant.manifest.frame_size is not None and variant.scale != 1:
            raise InputError(
                f"scales of bundle {variant.manifest.name}",
                value=variant.scale,
                allowed="1: it was exported for one frame size",
                cure="export again without --frame, or with --scale",
            )
        _ = variant.resize  # a fixed network size refuses other scales
        if len(variants) > 1 and not variant.has_probabilities:
            raise InputError(
                f"bundle {variant.manifest.name} has no probabilities and cannot be averaged with others",
                cure="use it alone at one scale and without flip, or export again",
            )
