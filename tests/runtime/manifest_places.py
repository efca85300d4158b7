"""Every place of the examples' JSON, what kind of place it is, and documents that are wrong there."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.runtime.manifest_examples import Json, cfbi_manifest, space_time_memory_manifest
from vosrt.errors import BundleError
from vosrt.manifest import Manifest
from vosrt.strict_json import Node, parse_json

Place = tuple[str | int, ...]  # keys and list positions that lead to a value

WRONG: dict[str, Any] = {  # one value of each JSON type
    "null": None,
    "boolean": True,
    "integer": 7,
    "number": 7.5,
    "string": "text",
    "list": [[]],
    "object": {"unexpected": 1},
}
FREE_NAMES = [  # objects whose keys are names, not fields; the names of roles and precisions are known
    r"producer|options|parity",
    r"graphs|graphs\.\w+\.file",
    r"graphs\.\w+\.(inputs|outputs)",
    r"state|state\.\w+\.tensors",
]
KNOWN_NAMES = r"graphs|graphs\.\w+\.file"
FREE_FORM = r"parity\..*"  # any JSON
OPTIONAL = r"state\.\w+\.tensors\.\w+\.(fill|initial)"
SEVERAL_TYPES = {  # places where more than the type of the example is right
    r"frame_size": {"null", "list"},
    r"objects": {"null", "integer"},
    r"options\.\w+": {"null", "boolean", "integer", "number", "string", "list"},
    r"options\.\w+\[\d+\]": {"null", "boolean", "integer", "number", "string"},
    r"input\.resize\.(scale|max_long_edge)": {"integer", "number"},
    r".*\.shape\[\d+\]": {"integer", "string"},
}
WORD = r"(.*\.)?(dtype|rule|join|color|from)"  # strings among a few known ones


def parsed(document: object) -> Manifest:
    return Manifest.parse(Node(parse_json(json.dumps(document).encode(), document="bundle.json")))


def refused(document: object) -> BundleError:
    with pytest.raises(BundleError) as caught:
        parsed(document)
    return caught.value


def place_in(error: BundleError) -> str:
    """The place that an error names."""
    match = re.match(r"bundle\.json: (\S+?):?( |$)", error.what)
    assert match, f"no place in {error}"
    return match.group(1)


def shown(place: Place) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return text.removeprefix(".")


def places(value: object, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every value of a document but the document itself, with its place."""
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for step, child in items:
        yield (*place, step), child
        yield from places(child, (*place, step))


def classified(place: Place) -> str:
    """What kind of place this is: free form, list item, free name, known name or field."""
    path, parent = shown(place), shown(place[:-1])
    if re.fullmatch(FREE_FORM, path) and len(place) > 2:
        return "free form"
    if isinstance(place[-1], int):
        return "list item"
    if re.fullmatch(KNOWN_NAMES, parent):
        return "known name"
    if any(re.fullmatch(pattern, parent) for pattern in FREE_NAMES):
        return "free name"
    return "optional field" if re.fullmatch(OPTIONAL, path) else "field"


def json_type(value: object) -> str:
    types = {type(None): "null", bool: "boolean", int: "integer", float: "number", str: "string"}
    return {**types, list: "list", dict: "object"}[type(value)]


def right_types(place: Place, value: object, document: Json) -> set[str]:
    path = shown(place)
    if re.fullmatch(FREE_FORM, path):
        return set(WRONG)
    if path.endswith(".fill"):
        whole = at(document, place[:-1])["dtype"].startswith("int")
        return {"integer"} if whole else {"integer", "number"}
    for pattern, types in SEVERAL_TYPES.items():
        if re.fullmatch(pattern, path):
            return types
    return {json_type(value)}


def at(document: Any, place: Place) -> Any:
    for step in place:
        document = document[step]
    return document


def changed(document: Json, place: Place, change: Callable[[Any, Any], None]) -> Json:
    """A copy in which `change` was called with the parent of a place and the last step to the place."""
    result = json.loads(json.dumps(document))
    change(at(result, place[:-1]), place[-1])
    return result


def without(document: Json, place: Place) -> Json:
    return changed(document, place, lambda parent, key: parent.pop(key))


def replaced(document: Json, place: Place, value: object) -> Json:
    return changed(document, place, lambda parent, key: parent.__setitem__(key, copy.deepcopy(value)))


def renamed(document: Json, place: Place, name: str) -> Json:
    return changed(document, place, lambda parent, key: parent.__setitem__(name, parent.pop(key)))


def readers(document: Json, source: str) -> set[str]:
    """Places that link to a source or to something in it."""
    return {
        shown(place)
        for place, value in places(document)
        if place[-1] in ("from", "initial") and (value == source or str(value).startswith(f"{source}."))
    }


def source_name(place: Place) -> str:
    """How links name a graph, an output or a part of the state; empty for names that nothing links to."""
    names = [str(step) for step in place]
    if place[0] == "state":
        return ".".join(name for name in names if name != "tensors")
    return ".".join(names[1:2] + names[3:]) if "outputs" in place or names[:-1] == ["graphs"] else ""


def with_fixed_objects(document: Json, objects: int) -> Json:
    """A copy whose shapes are those of an export for a number of objects."""
    text = json.dumps(document).replace('["objects", ', f"[{objects}, ").replace('["rows"', f"[{objects + 1}")
    return json.loads(text) | {"objects": objects}


def links_to(document: Json, place: Place) -> set[str]:
    """Places that link to a free name, outside of what it names."""
    source, inside = source_name(place), f"{shown(place)}."
    return {path for path in readers(document, source) if not path.startswith(inside)} if source else set()


CFBI = cfbi_manifest()
MEMORY = space_time_memory_manifest()
CASES = [(CFBI, place) for place, _ in places(CFBI)]
CASES += [(MEMORY, place) for place, _ in places(MEMORY) if place[0] == "state"]


def cases(*kinds: str, named: str = ".*") -> pytest.MarkDecorator:
    """Parametrise a test with the places of some kinds in both documents; `named` narrows them down."""
    chosen = [
        (document, place)
        for document, place in CASES
        if classified(place) in kinds and re.fullmatch(named, shown(place))
    ]
    ids = [f"{document['family']}-{shown(place)}" for document, place in chosen]
    return pytest.mark.parametrize(("document", "place"), chosen, ids=ids)
