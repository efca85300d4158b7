"""Times of a frame's graphs, on the host and on a GPU."""

from __future__ import annotations

import pickle
from types import SimpleNamespace

from vosrt.stage_times import stage_times

SPANS = {"encode": [(1.0, 3.0), (3.5, 4.0)], "segment": [(4.0, 10.0)]}


def device(name: str, asked: list) -> SimpleNamespace:
    def milliseconds(before: float, after: float) -> float:
        asked.append((before, after))
        return after - before

    return SimpleNamespace(name=name, milliseconds=milliseconds)


def test_runs_of_a_role_are_added_up():
    times = stage_times(device("cpu", []), SPANS, 12.0)
    assert type(times) is dict
    assert times == {"encode": 2.5, "segment": 6.0, "total": 12.0}


def test_a_gpu_is_asked_only_when_someone_looks():
    asked: list = []
    times = stage_times(device("cuda", asked), SPANS, 12.0)
    assert list(times) == ["encode", "segment", "total"]
    assert times["total"] == 12.0
    assert asked == []
    assert times["encode"] == 2.5
    assert dict(times) == pickle.loads(pickle.dumps(times)) == {"encode": 2.5, "segment": 6.0, "total": 12.0}
    assert len(asked) == 3  # once


def test_a_frame_without_graphs_has_a_total_alone():
    assert dict(stage_times(device("cuda", []), {}, 1.0)) == {"total": 1.0}
