"""The policy of a latency budget: smaller frames, then fewer."""

from __future__ import annotations

from itertools import pairwise

from vosrt.latency_budget import LatencyBudget


class Camera:
    """Frames whose work goes with their pixels; the clock goes on with them."""

    def __init__(self, budget: LatencyBudget, *, work: float, waiting: float = 0.0) -> None:
        self.budget, self.work, self.waiting = budget, work, waiting
        self.now = 0.0
        self.scales: list[float] = []

    def run(self, frames: int) -> None:
        for _ in range(frames):
            work = self.work * self.budget.scale**2
            self.now += work
            if self.budget.add(work + self.waiting, work, self.now):
                self.scales.append(self.budget.scale)


def test_within_the_budget_nothing_changes():
    camera = Camera(LatencyBudget(0.1), work=0.08)
    camera.run(500)
    assert camera.scales == []


def test_sizes_go_down_until_the_budget_is_kept():
    camera = Camera(LatencyBudget(0.1), work=0.16)
    camera.run(20)
    assert camera.scales == [0.75]  # 0.09 s
    camera.work = 0.4
    camera.run(60)
    assert camera.scales == [0.75, 0.5]


def test_sizes_go_up_again_when_there_is_room():
    camera = Camera(LatencyBudget(0.1), work=0.4)
    camera.run(40)
    camera.work = 0.03
    camera.run(2000)
    assert camera.scales == [0.75, 0.5, 0.75, 1.0]


def test_a_size_that_proves_too_much_is_tried_ever_more_seldom():
    """What waits on other cameras does not go with the pixels: the expectation is too good each time."""
    camera = Camera(LatencyBudget(0.1), work=0.02, waiting=0.02)
    changes: list[float] = []
    camera.budget.add(1, 1, 0)
    for _ in range(40_000):
        camera.waiting = 0.1 if camera.budget.scale == 1 else 0.02
        before = len(camera.scales)
        camera.run(1)
        if len(camera.scales) > before and camera.scales[-1] == 1:
            changes.append(camera.now)
    gaps = [after - before for before, after in pairwise(changes)]
    assert len(gaps) >= 3
    assert all(after > 1.5 * before for before, after in pairwise(gaps[:5]))


def test_late_frames_are_dropped_only_where_a_fresh_one_can_be_in_time():
    budget = LatencyBudget(0.1)
    assert not budget.is_late(9.0)
    camera = Camera(budget, work=0.32, waiting=0.05)  # 0.08 at half of the sides
    camera.run(60)
    assert budget.scale == 0.5
    assert budget.is_late(0.03)
    assert not budget.is_late(0.01)
    camera.work = 1.0  # 0.25: no frame can be in time, so none is dropped
    camera.run(20)
    assert not budget.is_late(0.03)
