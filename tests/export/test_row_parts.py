"""Rows computed in parts give what they give at once; the manifest says what they need."""

import numpy as np
import pytest

from vosrt import InputError, Segmenter
from vosrt.bundle import Bundle
from vosrt.export.parity_clip import make_clip
from vosrt.memory_budget import estimate

pytestmark = pytest.mark.xdist_group("lite")  # the shared bundles are exported in one process only
OBJECTS, SIZE = 9, (145, 193)


def run(bundle, memory_limit):
    """Label maps, last probabilities, and how often `segment` ran per frame."""
    frames, _ = make_clip(3, *SIZE, 1)
    mask = np.zeros(SIZE, np.uint8)
    for index in range(OBJECTS):
        mask[12 * index : 12 * index + 10, 20 * (index % 3) : 20 * (index % 3) + 40] = index + 1
    segmenter = Segmenter(bundle, memory_limit=memory_limit)
    calls = []
    original = segmenter.executor.run
    segmenter.executor.run = lambda role, *rest: calls.append(role) or original(role, *rest)
    stream = segmenter.stream()
    results = [
        stream.step(frame, mask if index == 0 else None, probabilities=True)
        for index, frame in enumerate(frames)
    ]
    return [result.labels for result in results], results[-1].probabilities, calls.count("segment") / 2


def test_rows_in_parts_give_the_same_as_at_once(lite_bundle):
    graphs = Bundle.open(lite_bundle).manifest.graphs
    pixels = SIZE[0] * SIZE[1]
    joining = estimate(graphs["finish"], OBJECTS + 1, pixels)
    at_once, expected, calls = run(lite_bundle, None)
    assert calls == 1
    for rows, parts in ((3, 4), (1, 10)):
        labels, probabilities, calls = run(
            lite_bundle, int(max(estimate(graphs["segment"], rows, pixels), joining)) + 1000
        )
        assert calls == parts
        np.testing.assert_allclose(probabilities, expected, atol=1e-4)
        for one, other in zip(labels, at_once, strict=True):
            assert (one == other).mean() > 0.999


def test_memory_that_cannot_be_had_is_refused_before_it_is_taken(lite_bundle):
    with pytest.raises(InputError, match=r"9 objects on \d+ pixels need about") as caught:
        run(lite_bundle, 100_000)
    assert "memory_limit" in caught.value.cure


def test_a_row_of_a_fixed_bundle_is_not_counted(fixed_lite_bundle):
    assert all(graph.memory is None for graph in Bundle.open(fixed_lite_bundle).manifest.graphs.values())
