"""Which runs are recorded when more come than can be."""

from __future__ import annotations

from vosrt.trt.recordings import MOST, Recordings


class Machine:
    """Runs by key; `launched` and `made` hold what was launched and recorded."""

    def __init__(self) -> None:
        self.recordings = Recordings()
        self.launched, self.made, self.refused = [], [], 0

    def run(self, key: int) -> None:
        recording = self.recordings.find(key)
        if recording is not None:
            assert recording == f"recording of {key}"
            self.launched.append(key)
        elif not self.recordings.saw(key, lambda: self._record(key)):
            self.refused += 1

    def _record(self, key: int) -> str:
        self.made.append(key)
        return f"recording of {key}"


def test_a_run_is_recorded_the_second_time_and_launched_from_then_on():
    machine = Machine()
    for key in [1, 2, 1, 1, 2, 2, 3]:
        machine.run(key)
    assert (machine.made, machine.launched) == ([1, 2], [1, 2])


def test_with_more_runs_in_turn_than_recordings_as_many_as_can_be_are_launched_every_time():
    for count in (MOST + 2, 4 * MOST, 16 * MOST):
        machine = Machine()
        for _ in range(5):
            machine.launched.clear()
            for key in range(count):
                machine.run(key)
        assert machine.made == list(range(MOST))
        assert machine.launched == list(range(MOST))
        assert machine.refused > 0


def test_runs_that_never_come_again_soon_enough_are_not_recorded_in_vain():
    machine = Machine()
    for _ in range(4):
        for key in range(40 * MOST):
            machine.run(key)
    assert not machine.made


def test_recordings_out_of_use_give_way():
    machine = Machine()
    for _ in range(3):
        for key in range(MOST):
            machine.run(key)
    for _ in range(2000):
        machine.run(-1)
    assert machine.made[MOST:] == [-1]
    assert machine.launched[-1] == -1


def test_what_is_forgotten_is_recorded_anew():
    machine = Machine()
    for _ in range(2):
        machine.run(1)
    machine.recordings.clear()
    for _ in range(3):
        machine.run(1)
    assert (machine.made, machine.launched) == ([1, 1], [1])
