"""Rules that turn a frame's size into the size at which a network sees it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

from vosrt.errors import InputError
from vosrt.strict_json import Node

SMALLEST_SIDE = 16  # pixels: one cell of a stride-16 network
LARGEST_SIDE = 16384  # pixels: more than any network is run at


@dataclass(frozen=True)
class NativeSize:
    """The network sees the frame in its own size; padding, if any, happens inside the graph."""

    rule: ClassVar[str] = "native"

    def network_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the network's height and width for a frame."""
        return _checked(height, width, (height, width))

    def scaled(self, factor: float) -> ResizeRule:
        """The same rule at another scale."""
        return self if factor == 1 else Scale(factor)

    def limited(self, long_edge: int) -> ResizeRule:
        """The rule for frames that are first shrunk to a long edge of so many pixels."""
        return LongEdge(long_edge, multiple=1, offset=0)


@dataclass(frozen=True)
class LongEdge:
    """Shrink frames whose long edge exceeds a limit, then round each side to `k * multiple + offset`.

    With 1040, 1.0, 16 and 1 this is the rule of CFBI: 480x854 becomes 481x849.
    """

    max_long_edge: float
    scale: float = 1.0
    multiple: int = 16
    offset: int = 1
    rule: ClassVar[str] = "long_edge"

    def network_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the network's height and width for a frame."""
        long_edge = max(height, width)
        shrink = self.max_long_edge / long_edge if long_edge > self.max_long_edge else 1.0
        # The order of the product and the truncation decide some sizes: keep both.
        exact = _limited(height, width, (shrink * height * self.scale, shrink * width * self.scale))
        sides = (int(exact[0]), int(exact[1]))
        return _checked(height, width, (self._rounded(sides[0]), self._rounded(sides[1])))

    def scaled(self, factor: float) -> ResizeRule:
        """The same rule at another scale."""
        return replace(self, scale=self.scale * factor)

    def limited(self, long_edge: int) -> ResizeRule:
        """The same rule with another limit."""
        return replace(self, max_long_edge=long_edge)

    def _rounded(self, side: int) -> int:
        # round() takes ties to even, as the networks were trained and evaluated
        return round((side - self.offset) / self.multiple) * self.multiple + self.offset


@dataclass(frozen=True)
class Scale:
    """The frame's size times a factor, halves rounded up."""

    scale: float
    rule: ClassVar[str] = "scale"

    def network_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the network's height and width for a frame."""
        exact = _limited(height, width, (self.scale * height, self.scale * width))
        sides = (math.floor(exact[0] + 0.5), math.floor(exact[1] + 0.5))
        return _checked(height, width, sides)

    def scaled(self, factor: float) -> ResizeRule:
        """The same rule at another scale."""
        return Scale(self.scale * factor)

    def limited(self, long_edge: int) -> ResizeRule:
        """The rule for frames that are first shrunk to a long edge of so many pixels; halves are cut off."""
        return LongEdge(long_edge, self.scale, multiple=1, offset=0)


@dataclass(frozen=True)
class FixedSize:
    """One network size for every frame."""

    size: tuple[int, int]  # height, width
    rule: ClassVar[str] = "fixed"

    def network_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the network's height and width for a frame."""
        return _checked(height, width, self.size)

    def scaled(self, factor: float) -> ResizeRule:
        """The rule itself.

        Raises:
            InputError: another scale than 1: the size is fixed.
        """
        if factor != 1:
            raise self._refused("scales", factor, allowed="1")
        return self

    def limited(self, long_edge: int) -> ResizeRule:
        """No rule: the size is fixed.

        Raises:
            InputError: always.
        """
        raise self._refused("long_edge", long_edge, allowed="none")

    def _refused(self, option: str, value: float, *, allowed: str) -> InputError:
        fixed = f"the network's input is fixed to {self.size[0]}x{self.size[1]}"
        return InputError(option, value=value, allowed=f"{allowed}: {fixed}", cure="leave it out")


ResizeRule = NativeSize | LongEdge | Scale | FixedSize
RULES = ("native", "long_edge", "scale", "fixed")


def parse_resize_rule(node: Node) -> ResizeRule:
    """Read the manifest's `input.resize`."""
    settings = ["max_long_edge", "scale", "multiple", "offset", "size"]
    rule = node.fields(["rule"], settings)["rule"].choice(RULES)
    if rule == "native":
        node.fields(["rule"])
        return NativeSize()
    if rule == "scale":
        return Scale(node.fields(["rule", "scale"])["scale"].number(positive=True))
    if rule == "fixed":
        size = node.fields(["rule", "size"])["size"]
        sides = [side.integer(minimum=SMALLEST_SIDE) for side in size.items()]
        if len(sides) != 2:
            raise size.error(allowed="[height, width]")
        return FixedSize((sides[0], sides[1]))
    fields = node.fields(["rule", "max_long_edge", "scale", "multiple", "offset"])
    return LongEdge(
        fields["max_long_edge"].number(positive=True),
        fields["scale"].number(positive=True),
        fields["multiple"].integer(minimum=1),
        fields["offset"].integer(minimum=0),
    )


def resize_rule_to_json(rule: ResizeRule) -> dict[str, Any]:
    """Write a rule as the manifest's `input.resize`."""
    fields = {
        name: list(value) if isinstance(value, tuple) else value for name, value in asdict(rule).items()
    }
    return {"rule": rule.rule, **fields}


def _checked(height: int, width: int, network: tuple[int, int]) -> tuple[int, int]:
    for name, (h, w) in {"frame": (height, width), "network input": network}.items():
        if min(h, w) < SMALLEST_SIDE:
            raise InputError(
                f"a {height}x{width} frame is too small: {name}",
                value=f"{h}x{w}",
                allowed=f"at least {SMALLEST_SIDE} pixels on each side",
                cure="use larger frames or one of a less extreme shape",
            )
    _limited(height, width, network)
    return network


def _limited(height: int, width: int, network: tuple[float, float]) -> tuple[float, float]:
    if not all(side <= LARGEST_SIDE for side in network):  # nor NaN, which no comparison holds for
        raise InputError(
            f"a {height}x{width} frame becomes too large: network input",
            value="x".join(f"{side:.6g}" for side in network),
            allowed=f"at most {LARGEST_SIDE} pixels on each side",
            cure="use smaller frames, or export with a smaller scale",
        )
    return network
