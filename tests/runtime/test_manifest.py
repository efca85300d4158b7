"""Manifests of four families are read; whatever is wrong in one is an error that names the place.

Faults are put into every place of an example's JSON; `classified` says what kind of place each one is.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.manifest_examples import (
    EXAMPLES,
    Json,
    cfbi_manifest,
    running_appearance_manifest,
    space_time_memory_manifest,
    zoom_in_manifest,
)
from vosrt.errors import BundleError
from vosrt.manifest import Manifest, read_manifest, write_bundle_manifest
from vosrt.strict_json import MAX_BYTES, Node, parse_json

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


# --- what is right ---


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_manifest_of_each_family_is_read_and_written_unchanged(example):
    document = example()
    manifest = parsed(document)
    assert manifest.to_json() == document
    assert parsed(manifest.to_json()) == manifest


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_written_manifest_is_read_back_equal_and_leaves_no_other_file(example, tmp_path):
    manifest = parsed(example())
    write_bundle_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path) == manifest
    assert [path.name for path in tmp_path.iterdir()] == ["bundle.json"]


def test_fixed_frame_size_and_number_of_objects_are_read():
    manifest = parsed(with_fixed_objects(running_appearance_manifest(), 3) | {"frame_size": [480, 854]})
    assert manifest.frame_size == (480, 854)
    assert manifest.objects == 3
    assert manifest.graphs["segment"].inputs["mu"].shape == (3, 4, 512)


def test_parity_carries_any_json():
    document = cfbi_manifest() | {"parity": {"measured": [1, {"x": [None, True, "ü"]}], "bundle": None}}
    assert parsed(document).to_json()["parity"] == document["parity"]


def test_manifest_that_would_not_be_read_is_not_written(tmp_path):
    manifest = parsed(cfbi_manifest())
    for broken in ({"options": {"scale": float("nan")}}, {"options": {"scale": {1}}}, {"name": "two words"}):
        with pytest.raises(BundleError):
            write_bundle_manifest(tmp_path, Manifest(**(vars(manifest) | broken)))
    assert list(tmp_path.iterdir()) == []


# --- a fault in every place ---


@cases("field")
def test_missing_field_is_named(document, place):
    error = refused(without(document, place))
    assert error.what == f"bundle.json: {shown(place)} is missing"
    assert error.cure == f"add the field {place[-1]!r}"


@cases("optional field")
def test_optional_field_may_be_missing(document, place):
    shorter = without(document, place)
    assert parsed(shorter).to_json() == shorter


@cases("field", "optional field", "known name")
def test_misspelt_field_is_named_with_the_right_spelling(document, place):
    misspelt = f"{place[-1]}x"
    error = refused(renamed(document, place, misspelt))
    assert error.what == f"bundle.json: {shown((*place[:-1], misspelt))} is not a known field"
    assert error.cure == f"did you mean {place[-1]!r}?"
    assert str(place[-1]) in error.allowed.split(", ")


@cases("field", "optional field", "known name", "free name", "list item", "free form")
def test_value_of_another_type_is_named(document, place):
    right = right_types(place, at(document, place), document)
    assert json_type(at(document, place)) in right
    for kind in WRONG.keys() - right:
        error = refused(replaced(document, place, WRONG[kind]))
        assert place_in(error) == shown(place), f"{kind}: {error}"
        assert error.allowed, f"{kind}: {error}"


@cases("free name", "list item", "free form", named=r"(options|parity)\..*")
def test_options_and_parity_take_values_of_several_types(document, place):
    for kind in right_types(place, at(document, place), document) - {"list"}:
        other = replaced(document, place, WRONG[kind])
        assert parsed(other).to_json() == other


@pytest.mark.parametrize("value", [None, True, 7, "text", [], [{}]], ids=repr)
def test_document_that_is_no_object_is_refused(value):
    assert "bundle.json: the document" in refused(value).what


@cases("field", named=WORD)
def test_misspelt_word_is_named_with_the_right_spelling(document, place):
    word = at(document, place)
    error = refused(replaced(document, place, f"{word}x"))
    assert place_in(error) == shown(place)
    assert error.value == f"{word}x"
    assert error.cure == f"did you mean {word!r}?"
    assert word in error.allowed.split(", ")


@cases("known name", "free name")
def test_part_that_others_need_may_not_be_missing(document, place):
    shorter = without(document, place)
    siblings, links = at(document, place[:-1]), links_to(document, place)
    if place in (("graphs", "encode"), ("graphs", "segment")):
        assert refused(shorter).what == f"bundle.json: {shown(place)} is missing"
    elif len(siblings) == 1 and place[-2] in ("file", "inputs", "outputs", "tensors"):
        error = refused(shorter)
        assert place_in(error) == shown(place[:-1])
        assert error.allowed == "at least one entry"
    elif links:
        assert place_in(refused(shorter)) in links
    else:
        assert parsed(shorter).to_json() == shorter


@cases("free name")
def test_part_that_others_need_may_not_be_renamed(document, place):
    other_name, links = renamed(document, place, f"{place[-1]}_2"), links_to(document, place)
    if links:
        assert place_in(refused(other_name)) in links
    else:
        assert parsed(other_name).to_json() == other_name


def test_walk_of_the_examples_meets_every_kind_of_place():
    kinds = {classified(place) for _, place in CASES}
    assert kinds == {"field", "optional field", "known name", "free name", "list item", "free form"}
    linked = [
        place for document, place in CASES if classified(place) == "free name" and links_to(document, place)
    ]
    assert {shown(place[:1]) for place in linked} == {"graphs", "state"}


@pytest.mark.parametrize("name", ["two words", "1st", "ä", "a.b", "", "a-b"])
@pytest.mark.parametrize(
    "place", ["graphs.encode.inputs.frame", "graphs.encode.outputs.embedding", "state.previous"]
)
def test_unusable_name_is_named(place, name):
    error = refused(renamed(CFBI, tuple(place.split(".")), name))
    assert "is not a usable name" in error.what
    assert error.value == name
    assert error.what.startswith(f"bundle.json: {place.rpartition('.')[0]}.")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("name", "two words"),
        ("name", ""),
        ("family", "../cfbi"),
        ("source.sha256", "0123"),
        ("source.sha256", "ABCDEF01" * 8),
        ("graphs.encode.file.float32.sha256", "g" * 64),
        ("graphs.encode.file.float32.path", "../encode.onnx"),
        ("graphs.encode.file.float32.path", "graphs/../../encode.onnx"),
        ("graphs.encode.file.float32.path", "/etc/encode.onnx"),
        ("graphs.encode.file.float32.path", "graphs\\encode.onnx"),
        ("graphs.encode.file.float32.path", "C:encode.onnx"),
        ("graphs.encode.file.float32.path", "encode\n.onnx"),
        ("graphs.encode.file.float32.path", "."),
        ("producer.torch", ""),
        ("input.color", "BGR"),
        ("input.resize.rule", "longest"),
        ("input.resize.scale", 0),
        ("input.resize.max_long_edge", -1040.0),
        ("input.resize.multiple", 0),
        ("input.resize.offset", -1),
        ("frame_size", [480]),
        ("frame_size", [480, 854, 3]),
        ("objects", 0),
        ("objects", 255),
        ("state.reference.capacity", 0),
        ("state.reference.tensors.labels.fill", 2**31),
        ("state.reference.tensors.bank.fill", 1e39),
    ],
)
def test_value_out_of_range_is_named(place, value):
    error = refused(replaced(CFBI, tuple(place.split(".")), value))
    assert place_in(error) == place
    assert error.allowed


@pytest.mark.parametrize(
    "place",
    [
        "graphs.encode.file",
        "graphs.encode.inputs",
        "graphs.segment.outputs",
        "state.previous.tensors",
        "state.reference.tensors",
    ],
)
def test_part_without_entries_is_named(place):
    error = refused(replaced(CFBI, tuple(place.split(".")), {}))
    assert place_in(error) == place
    assert error.allowed == ("at least one entry" if "graphs" in place else "at least one tensor")


@pytest.mark.parametrize("dimension", [0, -1, "", "3", "h w'", "H;"])
def test_dimension_that_is_neither_a_size_nor_a_name_is_named(dimension):
    error = refused(replaced(CFBI, ("graphs", "encode", "outputs", "embedding", "shape", 2), dimension))
    assert place_in(error) == "graphs.encode.outputs.embedding.shape[2]"


@pytest.mark.parametrize("side", [0, 15, -480])
def test_frame_size_below_one_cell_is_named(side):
    assert place_in(refused(replaced(CFBI, ("frame_size",), [480, side]))) == "frame_size[1]"


@pytest.mark.parametrize(
    ("rule", "missing"),
    [({"rule": "scale"}, "scale"), ({"rule": "fixed"}, "size"), ({"rule": "long_edge", "scale": 1}, "max")],
    ids=lambda value: value if isinstance(value, str) else value["rule"],
)
def test_resize_rule_without_its_setting_is_named(rule, missing):
    error = refused(replaced(CFBI, ("input", "resize"), rule))
    assert re.fullmatch(rf"bundle\.json: input\.resize\.{missing}\w* is missing", error.what)


@pytest.mark.parametrize(
    ("rule", "unknown"),
    [
        ({"rule": "native", "scale": 1}, "scale"),
        ({"rule": "scale", "scale": 1, "multiple": 16}, "multiple"),
        ({"rule": "fixed", "size": [321, 321], "offset": 1}, "offset"),
    ],
    ids=["native", "scale", "fixed"],
)
def test_resize_rule_with_a_setting_of_another_is_named(rule, unknown):
    error = refused(replaced(CFBI, ("input", "resize"), rule))
    assert error.what == f"bundle.json: input.resize.{unknown} is not a known field"


@pytest.mark.parametrize("size", [[321], [321, 321, 3], [321, 8], 321])
def test_fixed_network_size_must_be_height_and_width(size):
    error = refused(replaced(CFBI, ("input", "resize"), {"rule": "fixed", "size": size}))
    assert place_in(error).startswith("input.resize.size")


def test_state_rule_takes_only_its_own_settings():
    every = changed(CFBI, ("state", "previous", "every"), lambda parent, key: parent.__setitem__(key, 5))
    assert refused(every).what == "bundle.json: state.previous.every is not a known field"
    pinned = changed(
        CFBI, ("state", "reference", "pin_first"), lambda parent, key: parent.__setitem__(key, True)
    )
    assert refused(pinned).what == "bundle.json: state.reference.pin_first is not a known field"


# --- parts that do not fit together ---


@pytest.mark.parametrize(
    ("example", "place", "value", "cure"),
    [
        (
            cfbi_manifest,
            "graphs.reference.inputs.embedding.from",
            "segment.probabilities",
            "not there yet",
        ),
        (cfbi_manifest, "graphs.segment.inputs.reference_bank.from", "reference.bank", "state can carry"),
        (cfbi_manifest, "graphs.segment.inputs.previous_labels.from", "step.labels", "state can carry"),
        (cfbi_manifest, "graphs.segment.inputs.embedding.from", "segment.labels", "not there yet"),
        (
            cfbi_manifest,
            "graphs.segment.inputs.previous_embedding.from",
            "state.previous.embeding",
            "did you mean 'state.previous.embedding'?",
        ),
        (
            cfbi_manifest,
            "graphs.segment.inputs.previous_labels.from",
            "state.previuos.labels",
            "did you mean 'state.previous.labels'?",
        ),
        (cfbi_manifest, "graphs.segment.inputs.rows.from", "state.previous.valid", ""),
        (cfbi_manifest, "state.reference.tensors.bank.from", "segment.probabilities", "not there yet"),
        (cfbi_manifest, "state.previous.tensors.labels.from", "reference.bank_labels", "not on every frame"),
        (cfbi_manifest, "state.previous.tensors.labels.from", "state.previous.labels", "not there yet"),
        (space_time_memory_manifest, "state.memory.tensors.keys.from", "memorise.keys", "did you mean"),
        (space_time_memory_manifest, "graphs.memorize.inputs.frame.from", "memorize.keys", "not there yet"),
        (running_appearance_manifest, "state.appearance.tensors.mu.initial", "memorize.mu", "not there yet"),
        (zoom_in_manifest, "state.search.tensors.box.initial", "reference.boxes", "did you mean"),
    ],
)
def test_link_to_what_is_not_there_is_named(example, place, value, cure):
    error = refused(replaced(example(), tuple(place.split(".")), value))
    assert place_in(error) == place
    assert error.value == value
    assert cure in error.cure
    assert error.allowed


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("graphs.segment.inputs.rows.dtype", "int64"),
        ("graphs.encode.inputs.frame.dtype", "float32"),
        ("graphs.segment.inputs.embedding.dtype", "float16"),
        ("graphs.segment.inputs.previous_labels.dtype", "uint8"),
        ("graphs.segment.outputs.labels.dtype", "int64"),
        ("graphs.segment.outputs.probabilities.dtype", "float16"),
        ("graphs.segment.inputs.rows.shape", ["rows", 1]),
        ("graphs.encode.inputs.frame.shape", ["H", "W", 3]),
        ("graphs.encode.inputs.frame.shape", [1, "H", "W", 4]),
        ("graphs.segment.inputs.embedding.shape", [1, 64, "4*h+1", "4*w+1"]),
        ("graphs.segment.inputs.reference_labels.shape", ["slots", "h", "w", 1]),
        ("graphs.segment.outputs.labels.shape", [1, "H", "W"]),
        ("graphs.segment.outputs.probabilities.shape", ["H", "W"]),
    ],
)
def test_reader_and_producer_of_different_type_are_named(place, value):
    error = refused(replaced(CFBI, tuple(place.split(".")), value))
    assert place_in(error) == place
    assert re.search(r", as \S+ has", error.allowed)


@pytest.mark.parametrize(
    ("name", "reader", "field", "value"),
    [
        ("labels", "reference_labels", "dtype", "int64"),
        ("bank", "reference_bank", "dtype", "float16"),
        ("bank", "reference_bank", "shape", ["slots", "h", "w", 64]),
    ],
)
def test_state_tensor_of_another_type_than_what_feeds_it_is_named(name, reader, field, value):
    tensor = ("state", "reference", "tensors", name, field)
    only_state = replaced(CFBI, tensor, value)
    assert place_in(refused(only_state)) == f"graphs.segment.inputs.{reader}.{field}"
    both = replaced(only_state, ("graphs", "segment", "inputs", reader, field), value)
    assert place_in(refused(both)) == shown(tensor)


def test_state_tensor_with_other_rank_than_what_feeds_it_is_named():
    place = ("state", "previous", "tensors", "labels")
    document = replaced(CFBI, (*place, "shape"), ["slots", "H", "W"])
    document = replaced(document, (*place, "axes"), ["plane", "h", "w"])
    document = replaced(
        document, ("graphs", "segment", "inputs", "previous_labels", "shape"), ["s", "H", "W"]
    )
    assert place_in(refused(document)) == "state.previous.tensors.labels.shape"


@pytest.mark.parametrize("role", ["encode", "segment"])
def test_bundle_without_its_main_graphs_is_refused(role):
    error = refused(without(CFBI, ("graphs", role)))
    assert error.what == f"bundle.json: graphs.{role} is missing"


def test_bundle_without_any_graph_is_refused():
    assert "graphs.encode is missing" in refused(replaced(CFBI, ("graphs",), {})).what


def test_unknown_role_is_named_with_the_known_ones():
    document = changed(
        CFBI, ("graphs", "decode"), lambda graphs, key: graphs.__setitem__(key, graphs["segment"])
    )
    error = refused(document)
    assert error.what == "bundle.json: graphs.decode is not a known field"
    assert error.allowed == "encode, match, segment, finish, reference, memorize, adapt, find"


def test_graph_that_lacks_a_precision_is_named():
    other = {"path": "encode.float16.onnx", "sha256": "0" * 64}
    document = changed(
        CFBI, ("graphs", "encode", "file", "float16"), lambda file, key: file.__setitem__(key, other)
    )
    error = refused(document)
    assert place_in(error) == "graphs.reference.file"
    assert "float16, float32" in error.allowed


def test_segment_must_give_labels_or_probabilities():
    document = renamed(CFBI, ("graphs", "segment", "outputs", "labels"), "map")
    document = renamed(document, ("graphs", "segment", "outputs", "probabilities"), "scores")
    error = refused(document)
    assert place_in(error) == "graphs.segment.outputs"
    assert "labels" in error.allowed
    assert "probabilities" in error.allowed


def test_probabilities_that_are_read_must_be_given():
    document = renamed(space_time_memory_manifest(), ("graphs", "segment", "outputs", "probabilities"), "p")
    document["graphs"]["segment"]["outputs"]["labels"] = {"dtype": "int32", "shape": ["H", "W"]}
    error = refused(document)
    assert "graphs.segment.outputs.probabilities is missing" in error.what
    assert "step.probabilities" in error.cure


@pytest.mark.parametrize("source", ["box", "lost"])
def test_state_from_segment_needs_a_first_value(source):
    error = refused(without(zoom_in_manifest(), ("state", "search", "tensors", source, "initial")))
    assert error.what == f"bundle.json: state.search.tensors.{source}.initial is missing"
    assert f"'segment.{source}'" in error.cure


def test_state_from_memorize_of_a_segmented_result_needs_a_first_value():
    document = without(running_appearance_manifest(), ("state", "appearance", "tensors", "mu", "initial"))
    # What memorize reads is missing on the first frame: both its own state and the coarse mask.
    assert refused(document).what.startswith("bundle.json: ")
    document["graphs"]["memorize"]["inputs"].pop("mu")
    error = refused(document)
    assert error.what == "bundle.json: state.appearance.tensors.mu.initial is missing"


def test_reference_state_has_no_first_value_besides_itself():
    document = changed(
        CFBI,
        ("state", "reference", "tensors", "labels", "initial"),
        lambda tensor, key: tensor.__setitem__(key, "reference.bank_labels"),
    )
    assert place_in(refused(document)) == "state.reference.tensors.labels.initial"


def test_graph_that_runs_before_its_state_has_a_value_is_named():
    document = cfbi_manifest()
    document["graphs"]["encode"]["inputs"]["last"] = {
        "from": "state.previous.labels",
        "dtype": "int32",
        "shape": ["H", "W"],
    }
    error = refused(document)
    assert place_in(error) == "graphs.encode.inputs.last.from"
    assert "encode runs before this state has a value" in error.cure


@pytest.mark.parametrize(
    ("place", "value", "named"),
    [
        ("previous.tensors.labels.axes", ["h"], "axes"),
        ("previous.tensors.labels.axes", ["h", "h"], "axes"),
        ("previous.tensors.labels.axes", ["slot", "w"], "join"),
        ("previous.tensors.labels.join", "append", "join"),
        ("previous.tensors.labels.join", "row", "join"),
        ("reference.tensors.labels.join", "row", "join"),
        ("reference.tensors.labels.join", "replace", "join"),
        ("reference.tensors.labels.axes", ["plane", "h", "w"], "join"),
    ],
)
def test_join_that_does_not_suit_the_axes_is_named(place, value, named):
    error = refused(replaced(CFBI, ("state", *place.split(".")), value))
    assert place_in(error) == f"state.{place.rpartition('.')[0]}.{named}"


def test_memory_tensor_must_append_or_join_by_row():
    document = space_time_memory_manifest()
    error = refused(replaced(document, ("state", "memory", "tensors", "keys", "join"), "replace"))
    assert place_in(error) == "state.memory.tensors.keys.join"
    assert error.allowed == "append or row"


@pytest.mark.parametrize("slots", [1, 20, 22])
def test_memory_has_one_slot_more_than_it_keeps(slots):
    document = json.loads(json.dumps(space_time_memory_manifest()).replace("21", str(slots)))
    error = refused(document)
    assert place_in(error) == "state.memory.tensors.keys.shape[1]"
    assert error.allowed == "a name or 21 for axis 'slot'"


@pytest.mark.parametrize("slots", [7, 9])
def test_reference_has_as_many_slots_as_its_capacity(slots):
    error = refused(json.loads(json.dumps(CFBI).replace('"slots"', str(slots))))
    assert place_in(error) == "state.reference.tensors.bank.shape[0]"
    assert error.allowed == "a name or 8 for axis 'slot'"


@pytest.mark.parametrize("objects", [2, 4, None])
def test_number_of_objects_must_be_that_of_the_shapes(objects):
    document = with_fixed_objects(running_appearance_manifest(), 3)
    error = refused(document | {"objects": objects})
    assert place_in(error) == "graphs.segment.outputs.probabilities.shape"
    rows = "rows" if objects is None else objects + 1
    assert error.allowed == f"{[rows, 'H', 'W']}, as step.probabilities has"


@pytest.mark.parametrize(("objects", "allowed"), [(2, "a name or 2"), (None, "a name (objects is null)")])
def test_number_of_objects_must_be_that_of_the_state(objects, allowed):
    text = json.dumps(zoom_in_manifest()).replace('["objects"', "[3")
    error = refused(json.loads(text) | {"objects": objects})
    assert place_in(error) == "state.search.tensors.box.shape[0]"
    assert error.allowed == f"{allowed} for axis 'object'"


def test_reserved_tensor_name_is_refused():
    document = renamed(CFBI, ("state", "previous", "tensors", "labels"), "valid")
    document["graphs"]["segment"]["inputs"]["previous_labels"]["from"] = "state.previous.valid"
    assert "state.previous.tensors.valid has a reserved name" in refused(document).what


# --- the file ---


def write_text(folder: Path, text: str | bytes) -> Path:
    data = text if isinstance(text, bytes) else text.encode()
    (folder / "bundle.json").write_bytes(data)
    return folder


def read_error(folder: Path) -> BundleError:
    with pytest.raises(BundleError) as caught:
        read_manifest(folder)
    return caught.value


def test_repeated_key_is_named(tmp_path):
    text = json.dumps(CFBI).replace('"objects": null', '"objects": null, "objects": 3')
    assert "'objects' stands twice" in str(read_error(write_text(tmp_path, text)))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_number_that_is_not_finite_is_refused(tmp_path, number):
    text = json.dumps(CFBI).replace('"max_long_edge": 1040.0', f'"max_long_edge": {number}')
    error = read_error(write_text(tmp_path, text))
    assert "is not valid JSON" in error.what
    assert number in error.what


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_cut_off_file_is_refused(tmp_path, share):
    text = json.dumps(CFBI)
    error = read_error(write_text(tmp_path, text[: int(len(text) * share)]))
    assert "is not valid JSON" in error.what
    assert error.cure == "export again"


def test_every_cut_of_a_manifest_is_a_clear_error():
    text = json.dumps(zoom_in_manifest()).encode()
    for length in range(0, len(text), 7):
        with pytest.raises(BundleError):
            parse_json(text[:length], document="bundle.json")


@pytest.mark.parametrize("data", [b"\xff\xfe{\x00}\x00", b'{"name": "caf\xe9"}', b'{"name": "\\ud800"}'])
def test_file_that_is_not_utf8_is_refused(tmp_path, data):
    assert "is not UTF-8 text" in read_error(write_text(tmp_path, data)).what


def test_deeply_nested_file_is_refused(tmp_path):
    assert "nested too deeply" in read_error(write_text(tmp_path, "[" * 200_000)).what


def test_too_large_file_is_refused_and_says_how_large_it_may_be(tmp_path):
    text = json.dumps(CFBI)
    write_text(tmp_path, text + " " * (MAX_BYTES - len(text)))
    read_manifest(tmp_path)  # as large as allowed
    error = read_error(write_text(tmp_path, text + " " * (MAX_BYTES - len(text) + 1)))
    assert "is too large" in error.what
    assert str(MAX_BYTES) in error.allowed


def test_newer_format_is_named_before_its_new_fields():
    error = refused(CFBI | {"format": 2, "something_new": 1})
    assert place_in(error) == "format"
    assert error.value == 2
    assert "install the vosrt that wrote it" in error.cure


def test_long_values_are_shortened_in_messages():
    error = refused(CFBI | {"name": "x " * 5000})
    assert len(str(error)) < 300


@pytest.mark.parametrize(("place", "key"), [("source", "file"), ("producer", "torch")])
def test_text_that_a_terminal_would_obey_is_refused(place, key):
    document = copy.deepcopy(CFBI)
    document[place][key] = "\x1b[2J"
    error = refused(document)
    assert place_in(error) == f"{place}.{key}"
    assert error.allowed == "printable text"


def test_lone_surrogate_is_not_written(tmp_path):
    manifest = dataclasses.replace(parsed(CFBI), options={"name": "\ud800"})
    with pytest.raises(BundleError, match="cannot be written as UTF-8"):
        write_bundle_manifest(tmp_path, manifest)
    assert list(tmp_path.iterdir()) == []
