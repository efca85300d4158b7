"""Streams do what their documentation says in whatever order they are used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.reliability.effort import effort
from tests.reliability.stream_machine import machine_of
from tests.runtime.state_bundles import write_box_bundle, write_memory_bundle
from tests.runtime.toy_bundle import write_colour_bundle, write_failing_bundle, write_running_mean_bundle
from vosrt import Segmenter

STEPS = 20  # of one sequence of calls


WRITERS: dict[str, Callable[[Path], Path]] = {
    "colour": lambda folder: write_colour_bundle(folder, ids=True),
    "running mean": write_running_mean_bundle,
    "fails on white": write_failing_bundle,
    "memory": write_memory_bundle,
    "box": write_box_bundle,
}


def run_machine(machine: type, examples: int, tally) -> None:
    """Sequences of calls, the same ones each time; counts every step of them."""

    class Counted(machine):
        def _step(self, mask, **options):
            tally.tried()
            return super()._step(mask, **options)

        def _unchanged_by(self, act):
            tally.fault()
            super()._unchanged_by(act)

    quiet = settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Counted, settings=quiet)


@effort("examples", 5, 300)
@pytest.mark.parametrize("kind", WRITERS)
def test_any_order_of_calls(kind, examples, tmp_path, tally):
    segmenter = Segmenter(WRITERS[kind](tmp_path / "bundle"), threads=1)
    run_machine(machine_of(segmenter, tmp_path, fails_on_white=kind == "fails on white"), examples, tally)


@effort("examples", 3, 150)
def test_any_order_of_calls_with_mirrored_frames(colour_bundle, examples, tmp_path, tally):
    segmenter = Segmenter(colour_bundle, flip=True, threads=1)
    run_machine(machine_of(segmenter, tmp_path), examples, tally)


@effort("examples", 2, 60)
def test_any_order_of_calls_on_a_trained_network(examples, tmp_path, tally):
    bundle = "cfbi-lite-davis"
    alone, ensemble = (Segmenter(names, device="cpu", threads=1) for names in (bundle, [bundle, bundle]))
    run_machine(machine_of(alone, tmp_path, ensemble=ensemble, size=(33, 41)), examples, tally)
