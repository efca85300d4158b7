"""Parts of a manifest that do not fit together are an error that names both."""

from __future__ import annotations

import json
import re

import pytest

from tests.runtime.manifest_examples import (
    cfbi_manifest,
    running_appearance_manifest,
    space_time_memory_manifest,
    zoom_in_manifest,
)
from tests.runtime.manifest_places import (
    CFBI,
    changed,
    place_in,
    refused,
    renamed,
    replaced,
    shown,
    with_fixed_objects,
    without,
)

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
