"""A JSON document with one thing wrong, for every place in it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

Place = tuple[str | int, ...]  # keys and list positions that lead to a value

OTHER_VALUES: dict[str, Any] = {
    "null": None,
    "true": True,
    "zero": 0,
    "negative": -1,
    "huge": 2**63,
    "beyond float": 10**400,
    "fraction": 0.5,
    "tiny": 1e-300,
    "empty text": "",
    "text": "text",
    "control characters": "a\u0000b\u202e",
    "up": "../../outside",
    "list": [],
    "nested list": [[[]]],
    "object": {},
    "unknown object": {"unexpected": 1},
}


@dataclass(frozen=True)
class Fault:
    """One thing wrong at one place; the text of the whole document is made when it is asked for."""

    name: str
    place: Place
    make: Callable[[Any, Place], bytes]

    def text(self, document: Any) -> bytes:
        """The document with the fault in it."""
        return self.make(document, self.place)

    def __str__(self) -> str:
        return f"{shown(self.place)}: {self.name}"


def faults(document: Any) -> Iterator[Fault]:
    """All faults of a document."""
    for place, value in places(document):
        yield Fault("removed", place, _without)
        yield Fault("twice", place, _repeated)
        for name, other in (*OTHER_VALUES.items(), *_enlarged(value)):
            yield Fault(name, place, partial(_with, value=other))
        if isinstance(place[-1], str):
            yield Fault("renamed", place, _renamed)


def some(document: Any, count: int, *, seed: int) -> list[Fault]:
    """So many of the faults, or all where there are no more; a seed chooses the same ones each time."""
    every = list(faults(document))
    return every if count >= len(every) else random.Random(seed).sample(every, count)


def places(value: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every value of a document but the document itself, with its place."""
    items: Any = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for step, child in items:
        yield (*place, step), child
        yield from places(child, (*place, step))


def shown(place: Place) -> str:
    """As messages write it: graphs.segment.inputs.rows.shape[0]."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return text.removeprefix(".")


def _enlarged(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, str):
        yield "long text", value + "x" * 100_000
    elif isinstance(value, bool) or value is None:
        return
    elif isinstance(value, int | float):
        yield "a thousand times", value * 1000
        yield "one more", value + 1
        yield "largest", 2**31 - 1
    elif isinstance(value, list):
        yield "again and again", value * 2000 or [0] * 2000
    elif isinstance(value, dict):
        more = next(iter(value.values()), 1)
        yield "many more", {**value, **{f"more{index}": more for index in range(1000)}}


def _copy(document: Any, place: Place) -> tuple[Any, Any, Any]:
    """A copy, the parent of a place in it, and the last step to the place."""
    parent = result = json.loads(json.dumps(document))
    for step in place[:-1]:
        parent = parent[step]
    return result, parent, place[-1]


def _without(document: Any, place: Place) -> bytes:
    result, parent, step = _copy(document, place)
    parent.pop(step)
    return json.dumps(result).encode()


def _with(document: Any, place: Place, value: Any) -> bytes:
    result, parent, step = _copy(document, place)
    parent[step] = value
    return json.dumps(result).encode()


def _renamed(document: Any, place: Place) -> bytes:
    result, parent, step = _copy(document, place)
    parent[f"{step}_"] = parent.pop(step)
    return json.dumps(result).encode()


def _repeated(document: Any, place: Place) -> bytes:
    """A key that stands twice in its object, or an item that stands twice in its list."""
    result, parent, step = _copy(document, place)
    if isinstance(parent, list):
        parent.insert(step, parent[step])
        return json.dumps(result).encode()
    twice = _LastTwice({key: value for key, value in parent.items() if key != step} | {step: parent[step]})
    return _with(result, place[:-1], twice) if len(place) > 1 else json.dumps(twice).encode()


class _LastTwice(dict[str, Any]):
    """An object that is written with its last key twice."""

    def items(self) -> Any:
        pairs = list(super().items())
        return [*pairs, pairs[-1]]
