"""Rows in parts that fit into memory."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest

from tests.runtime.manifest_examples import fed, graph, typed
from vosrt import InputError, Segmenter
from vosrt.available_memory import available_memory
from vosrt.manifest_graph import Graph
from vosrt.memory_budget import default_limit, least_limit, parse_bytes, row_parts
from vosrt.strict_json import Node


def graphs(
    memory: dict[str, float] | None, *, declared: int | str = "rows", finish: bool = True
) -> dict[str, Graph]:
    """A `segment` that needs `memory`, and what joins its rows."""
    scores = typed("float32", [declared, 2, "h", "w"])
    segment = graph("segment", {"x": fed("state.memory.x", "float32", [declared])}, {"scores": scores})
    joined = graph(
        "finish", {"rows": fed("rows", "int32", [declared])}, {"labels": typed("int32", ["H", "W"])}
    )
    segment |= {"memory": memory} if memory else {}
    documents = {"segment": segment} | ({"finish": joined} if finish else {})
    return {role: Graph.parse(Node(document)) for role, document in documents.items()}


def parts(memory: dict[str, float] | None, rows: int, limit: int, **options) -> list[tuple[int, int]]:
    of_bundle = graphs(memory, **options)
    return row_parts(of_bundle, "segment", rows, frame_pixels=1000, network_pixels=1000, limit=limit)


def test_rows_that_fit_are_computed_at_once():
    assert parts({"fixed": 10, "row": 100}, 3, 930_000) == [(0, 3)]


def test_rows_that_do_not_fit_are_computed_in_equal_parts():
    assert parts({"fixed": 10, "row": 100}, 45, 4_830_000) == [(0, 15), (15, 30), (30, 45)]
    assert parts({"fixed": 10, "row": 100}, 7, 930_000) == [(0, 2), (2, 4), (4, 7)]
    assert parts({"fixed": 0, "row": 100}, 3, 300_000) == [(0, 1), (1, 2), (2, 3)]


def test_a_graph_that_is_open_in_objects_is_computed_in_parts_of_the_objects():
    assert parts({"fixed": 10, "row": 100}, 45, 4_830_000, declared="objects") == [
        (0, 14),
        (14, 29),
        (29, 44),
    ]
    assert parts({"fixed": 10, "row": 100}, 3, 930_000, declared="objects") == [(0, 2)]


@pytest.mark.parametrize(
    ("limit", "expected"), [(930_000, [(0, 2)]), (330_000, [(0, 1), (1, 2)]), (930_000_000, [(0, 2)])]
)
def test_a_graph_that_is_told_which_objects_to_compute_is_computed_in_parts(limit, expected):
    document = graph(
        "memorize", {"part": fed("part", "int32", ["part"])}, {"keys": typed("float32", ["part", 8])}
    )
    of_bundle = graphs(None) | {
        "memorize": Graph.parse(Node(document | {"memory": {"fixed": 10, "row": 100}}))
    }
    options = {"frame_pixels": 1000, "network_pixels": 1000, "limit": limit}
    assert row_parts(of_bundle, "memorize", 3, **options) == expected
    assert row_parts(of_bundle, "memorize", 1, **options) == [(0, 0)]


@pytest.mark.parametrize("rows", range(1, 46))
@pytest.mark.parametrize("limit", [330_000, 930_000, 1_530_000, 4_830_000])
def test_parts_of_one_size_hold_every_row_and_no_more_than_fits(rows, limit):
    memory = {"fixed": 10, "row": 100}
    options = {"frame_pixels": 1000, "network_pixels": 1000, "limit": limit}
    equal = row_parts(graphs(memory), "segment", rows, **options, one_size=True)
    assert len({stop - start for start, stop in equal}) == 1
    assert {row for start, stop in equal for row in range(start, stop)} == set(range(rows))
    others = row_parts(graphs(memory), "segment", rows, **options)
    assert len(equal) == len(others)
    assert equal[0][1] == max(stop - start for start, stop in others)


def test_the_least_limit_is_the_smallest_that_is_accepted():
    of_bundle, pixels = graphs({"fixed": 10.5, "row": 100}), {"frame_pixels": 1001, "network_pixels": 1001}
    least = least_limit(of_bundle, 5, **pixels)
    assert row_parts(of_bundle, "segment", 5, **pixels, limit=least)[0] == (0, 1)
    with pytest.raises(InputError, match="4 objects"):
        row_parts(of_bundle, "segment", 5, **pixels, limit=least - 1)
    assert least_limit(graphs(None), 5, **pixels) == 0


def test_unknown_memory_is_taken_at_once():
    assert parts(None, 45, 1) == [(0, 45)]


@pytest.mark.parametrize("options", [{}, {"finish": False}, {"declared": 45}])
def test_too_little_for_what_cannot_be_split_is_an_error_before_anything_is_taken(options):
    limit = 270_000 if not options else 3_000_000
    with pytest.raises(InputError, match="44 objects on 1000 pixels need about") as caught:
        parts({"fixed": 0, "row": 100}, 45, limit, **options)
    assert "--memory-limit" in caught.value.cure


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2G", 2 << 30),
        ("1.5g", 3 << 29),
        ("800MiB", 800 << 20),
        ("64k", 64 << 10),
        ("123456", 123456),
        ("1 TB", None),
    ],
)
def test_sizes_as_people_write_them(text, size):
    if size is None:
        with pytest.raises(InputError, match="memory limit"):
            parse_bytes(text)
    else:
        assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "G", "-1G", "0", "1e3", "two", "9999999999T", "9" * 400, "1GG"])
def test_other_texts_are_refused(text):
    with pytest.raises(InputError, match="such as 2G"):
        parse_bytes(text)


def test_default_limit_is_a_share_of_what_is_free():
    free = available_memory()
    assert free is None or free > 1 << 20
    assert 0 < default_limit() <= 1 << 30


def test_objects_that_the_next_frame_has_no_memory_for_do_not_join():
    """Those that are there are followed on."""
    frame = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    mask = np.zeros((64, 96), np.uint8)
    mask[8:16, 8:16] = 1
    many = np.repeat(np.repeat(np.arange(96, dtype=np.uint8).reshape(8, 12), 8, axis=0), 8, axis=1)
    (variant,) = Segmenter("cfbi-nano-davis", device="cpu").variants
    pixels = {"frame_pixels": 64 * 96, "network_pixels": prod(variant.resize.network_size(64, 96))}
    limit = least_limit(variant.manifest.graphs, 6, **pixels)
    stream = Segmenter("cfbi-nano-davis", device="cpu", memory_limit=limit).stream()
    stream.step(frame, mask)
    with pytest.raises(InputError, match="95 objects on"):
        stream.step(frame, many)
    assert stream.step(frame).ids == (1,)
