"""The same input gives the same labels: in another stream, in another process, after saving and restoring."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.reliability.effort import effort
from tests.reliability.stream_machine import frame_of
from vosrt import Segmenter
from vosrt.result import Result

ROOT = Path(__file__).parents[2]
SIZE, JOINS = (33, 49), {0: (1,), 4: (9, 30)}


def mask_at(index: int) -> np.ndarray | None:
    """One object at the start, two more later."""
    if index not in JOINS:
        return None
    mask = np.zeros(SIZE, np.uint8)
    for value in JOINS[index]:
        mask[value % 20 : value % 20 + 9, value : value + 12] = value
    return mask


def digest(result: Result) -> str:
    """Of everything that a user sees of a frame but the time it took."""
    text = f"{result.ids} {sorted(result.confidence.items())} {result.lost} {result.frame_index}"
    return hashlib.sha256(result.labels.tobytes() + text.encode()).hexdigest()


def run(bundle: str, frames: int, threads: int) -> list[str]:
    stream = Segmenter(bundle, device="cpu", threads=threads).stream()
    return [digest(stream.step(frame_of(index, SIZE), mask_at(index))) for index in range(frames)]


@effort("frames", 10, 300)
@pytest.mark.parametrize("threads", [1, pytest.param(2, marks=pytest.mark.full)])
@pytest.mark.parametrize("kind", ["toy", "cfbi-lite-davis"])
def test_streams_and_processes_agree(colour_bundle, kind, threads, frames, tally):
    bundle = str(colour_bundle) if kind == "toy" else kind
    expected = run(bundle, frames, threads)
    assert run(bundle, frames, threads) == expected
    program = "import sys; from tests.reliability.test_determinism import run; "
    program += "print('\\n'.join(run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))"
    for seed in ("0", "1") if kind == "toy" else ("0",):  # of Python's hashes, which order sets
        command = [sys.executable, "-c", program, bundle, str(frames), str(threads)]
        settings = {"env": {**os.environ, "PYTHONHASHSEED": seed}, "cwd": ROOT}
        other = subprocess.run(command, capture_output=True, text=True, check=True, **settings)
        assert other.stdout.split() == expected
        tally.tried(frames)


@effort("frames", 10, 300)
@pytest.mark.parametrize("kind", ["toy", "cfbi-lite-davis"])
def test_a_stream_that_is_saved_and_restored_after_every_frame_agrees(
    colour_bundle, kind, frames, tmp_path, tally
):
    bundle = str(colour_bundle) if kind == "toy" else kind
    segmenter = Segmenter(bundle, device="cpu", threads=1)
    stream, found = segmenter.stream(), []
    for index in range(frames):
        found.append(digest(stream.step(frame_of(index, SIZE), mask_at(index))))
        stream.save(tmp_path / "stream.npz")
        stream = segmenter.stream(tmp_path / "stream.npz")
    assert found == run(bundle, frames, 1)
    tally.tried(frames)
