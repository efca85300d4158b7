"""A fault in any place of a manifest is an error that names the place."""

from __future__ import annotations

import re

import pytest

from tests.runtime.manifest_places import (
    CASES,
    CFBI,
    WORD,
    WRONG,
    at,
    cases,
    changed,
    classified,
    json_type,
    links_to,
    parsed,
    place_in,
    refused,
    renamed,
    replaced,
    right_types,
    shown,
    without,
)

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
