"""The state of a bundle: what a stream remembers from frame to frame, and by which rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vosrt.manifest_graph import DTYPES, NAME, all_to_json, parse_shape
from vosrt.strict_json import Node

RULES = ("reference", "previous", "memory")
JOINS = ("append", "row", "replace")
SETTINGS = {"reference": ["capacity"], "previous": [], "memory": ["capacity", "every", "pin_first"]}


@dataclass(frozen=True)
class StateTensor:
    """One remembered tensor: what feeds it, what its axes mean and how it grows when objects join.

    `join` is "append" (a slot is added on a frame with a mask), "row" (rows of objects given on the frame
    are replaced or added, other rows stay) or "replace" (the whole tensor is new each time). Axis "object"
    has one entry per object, "row" one per object plus the background, "slot" one per remembered frame.
    """

    source: str
    dtype: str
    shape: tuple[int | str, ...]
    axes: tuple[str, ...]
    join: str = "replace"
    fill: float | None = None  # value of unused slots and of rows that have no value yet
    initial: str | None = None  # source of the first value of objects given on a frame
    ids: bool = False  # values are object ids: what belongs to a removed object becomes background

    @classmethod
    def parse(cls, node: Node) -> StateTensor:
        """Read from JSON."""
        fields = node.fields(["from", "dtype", "shape", "axes", "join"], ["fill", "initial", "ids"])
        axis = "object, slot, channel, h, w or another lower-case name"
        return cls(
            source=fields["from"].text(),
            dtype=fields["dtype"].choice(DTYPES),
            shape=parse_shape(fields["shape"]),
            axes=tuple(item.text(r"[a-z][a-z0-9_]*", allowed=axis) for item in fields["axes"].items()),
            join=fields["join"].choice(JOINS),
            fill=_fill(fields["fill"], fields["dtype"].choice(DTYPES)) if "fill" in fields else None,
            initial=fields["initial"].text() if "initial" in fields else None,
            ids=_ids(fields["ids"], fields["dtype"].text()) if "ids" in fields else False,
        )

    def to_json(self) -> dict[str, Any]:
        """Write as JSON."""
        optional = {"fill": self.fill, "initial": self.initial, "ids": self.ids or None}
        return {
            "from": self.source,
            "dtype": self.dtype,
            "shape": list(self.shape),
            "axes": list(self.axes),
            "join": self.join,
            **{name: value for name, value in optional.items() if value is not None},
        }


@dataclass(frozen=True)
class StateEntry:
    """Tensors remembered together by one rule: of reference frames, the previous frame or a memory."""

    rule: str
    tensors: Mapping[str, StateTensor]
    capacity: int | None = None  # slots: reference frames, or kept memory frames beside the latest
    every: int | None = None  # each k-th frame is kept; among references by the user's wish alone
    pin_first: bool | None = None  # memory: an object's first slot is never given up

    @property
    def keeps_frames(self) -> bool:
        """Whether frames are kept side by side, each in a slot."""
        return any("slot" in tensor.axes for tensor in self.tensors.values())

    @property
    def slots_are_fixed(self) -> bool:
        """Whether a tensor's shape says how many slots there are."""
        places = [(tensor.axes, tensor.shape) for tensor in self.tensors.values() if "slot" in tensor.axes]
        return any(isinstance(shape[axes.index("slot")], int) for axes, shape in places)

    @classmethod
    def parse(cls, node: Node) -> StateEntry:
        """Read from JSON."""
        rule = node.fields(["rule"], [*SETTINGS["memory"], "tensors"])["rule"].choice(RULES)
        fields = node.fields(["rule", *SETTINGS[rule], "tensors"])
        tensors = fields["tensors"].mapping(pattern=NAME)
        if not tensors:
            raise fields["tensors"].error(allowed="at least one tensor")
        return cls(
            rule,
            {name: StateTensor.parse(tensor) for name, tensor in tensors.items()},
            capacity=fields["capacity"].integer(minimum=1) if "capacity" in fields else None,
            every=fields["every"].integer(minimum=1) if "every" in fields else None,
            pin_first=fields["pin_first"].boolean() if "pin_first" in fields else None,
        )

    def to_json(self) -> dict[str, Any]:
        """Write as JSON."""
        settings = {"capacity": self.capacity, "every": self.every, "pin_first": self.pin_first}
        given = {name: value for name, value in settings.items() if value is not None}
        return {"rule": self.rule, **given, "tensors": all_to_json(self.tensors)}


def _ids(node: Node, dtype: str) -> bool:
    if node.boolean() and dtype != "int32":
        raise node.error(allowed="false, or true for a tensor of dtype int32")
    return bool(node.value)


def _fill(node: Node, dtype: str) -> float:
    ranges = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**53), 2**53), "uint8": (0, 255), "bool": (0, 1)}
    if dtype in ranges:
        low, high = ranges[dtype]
        return node.integer(low, high, allowed=f"an integer from {low} to {high}, which {dtype} holds")
    return node.number()
