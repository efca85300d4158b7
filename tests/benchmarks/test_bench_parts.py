"""Order of the turns, the clip, statistics, and processes that die."""

import multiprocessing
import os
import signal
import threading
from dataclasses import replace

import numpy as np
import pytest

from tests.benchmarks.stand_in_python import write_python
from tests.runtime.toy_bundle import write_colour_bundle
from vosrt.benchmarks.bench_clip import BenchClip, generated_clip
from vosrt.benchmarks.bench_run import LONGEST_TURN, MOST_FED_FRAMES, Turns
from vosrt.benchmarks.candidate import Candidate
from vosrt.benchmarks.candidate_process import BenchmarkError, CandidateProcess
from vosrt.benchmarks.candidate_server import Memory, Startup, Step, serve
from vosrt.benchmarks.measurement import Measurement, latency_of, rounded
from vosrt.benchmarks.message import send_message
from vosrt.errors import InputError


def candidate_of(bundle, executor="onnxruntime"):
    return Candidate(
        str(bundle), "title", executor, "float32", 1, threads=1, long_edge=None, input_size=(24, 32)
    )


def is_running(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(("warm_up", "frames", "rounds"), [(0, 1, 1), (2, 7, 3), (1, 3, 10), (3, 20, 20)])
def test_every_timed_frame_comes_once_and_in_order(warm_up, frames, rounds):
    turns = Turns(warm_up, frames, rounds)
    parts = turns.round_frames()
    assert [0, *turns.warm_up_frames(), *(index for part in parts for index in part)] == list(
        range(turns.length)
    )
    assert len(parts) == min(rounds, frames)
    assert sum(len(part) - 1 for part in parts) == frames  # the first of a round is not timed
    assert max(map(len, Turns(1, 12345, 1).round_frames())) <= LONGEST_TURN + 1
    fed = turns.fed_frames()
    assert len(fed) == min(MOST_FED_FRAMES, turns.length - 1 - warm_up)
    assert set(fed) <= set(range(1 + warm_up, turns.length))


def test_a_clip_is_played_to_and_fro():
    frames = np.arange(4, dtype=np.uint8).reshape(4, 1, 1, 1)
    clip = BenchClip(frames, np.zeros((1, 1), np.uint8))
    assert [int(clip.frame(index).item()) for index in range(9)] == [0, 1, 2, 3, 2, 1, 0, 1, 2]
    assert BenchClip(frames[:1], clip.mask).frame(5).item() == 0


def test_every_object_of_a_generated_clip_is_visible():
    for objects in (1, 3, 6):
        clip = generated_clip((96, 128), objects, frames=2)
        assert np.unique(clip.mask).tolist() == list(range(objects + 1))
        assert clip.frames.shape == (2, 96, 128, 3)


def test_statistics_are_those_of_the_timed_frames():
    latency = latency_of([4.0, 1.0, 3.0, 2.0])
    assert latency == pytest.approx(
        {"p50": 2.5, "p90": 3.7, "p95": 3.85, "p99": 3.97, "mean": 2.5, "min": 1.0, "max": 4.0}
    )
    assert rounded(123456.0) == 123500.0
    assert rounded(float("nan")) is None


def test_ratios_say_how_many_times_as_fast_and_which_share_of_the_memory():
    labels = np.zeros((2, 2), np.uint8)
    slow = Measurement(candidate_of("bundle"), Startup(0, 0), memory=Memory(100, 500), is_baseline=True)
    fast = Measurement(candidate_of("bundle"), Startup(0, 0), memory=Memory(50, 150), free=[1.0, 0.5])
    for measurement, step in (
        (slow, Step(100.0, {"encode": 30.0}, labels)),
        (fast, Step(20.0, {"encode": 10.0}, labels, 35.0)),
    ):
        measurement.rounds.append([])
        measurement.add(step)
    assert (fast.outside, fast.cpu) == ([10.0], [35.0])
    assert fast.ratios(slow) == {"speed": 5.0, "peak_rss": 0.3, "peak_rss_above_opening": 0.25}
    equal = fast.equal_labels()
    assert (equal["free_mean"], equal["free_worst"], equal["fed_mean"]) == (0.75, 0.5, None)


def test_a_process_that_is_killed_is_an_error_that_names_it(tmp_path):
    python = write_python(tmp_path / "other")
    candidate = candidate_of(write_colour_bundle(tmp_path / "colour"))
    with CandidateProcess(replace(candidate, python=python.path)) as process:
        (child,) = python.processes()
        os.kill(child, signal.SIGKILL)
        with pytest.raises(BenchmarkError, match=r"of title, .* ended with status -9; free memory"):
            process.call("memory")
    assert not is_running(child)


def test_a_process_ends_with_its_context_after_a_mistake_too(tmp_path):
    python = write_python(tmp_path / "other")
    candidate = candidate_of(write_colour_bundle(tmp_path / "colour"))
    with CandidateProcess(replace(candidate, python=python.path)) as process:
        assert process.startup.imports > 0
    with pytest.raises(KeyError), CandidateProcess(replace(candidate, python=python.path)):
        raise KeyError
    assert len(python.processes()) == 2
    assert not any(map(is_running, python.processes()))


def test_a_process_that_cannot_serve_says_why(tmp_path, capfd):
    python = write_python(tmp_path / "other", option="-S")  # without installed packages
    candidate = candidate_of(write_colour_bundle(tmp_path / "colour"))
    with pytest.raises(BenchmarkError, match="ended with status 1; see its message above"):
        CandidateProcess(replace(candidate, python=python.path))
    assert "No module named" in capfd.readouterr().err


def test_a_candidate_that_cannot_open_is_an_error_and_leaves_no_process(tmp_path):
    python = write_python(tmp_path / "other")
    candidate = candidate_of(write_colour_bundle(tmp_path / "colour"))
    with pytest.raises(InputError):
        CandidateProcess(replace(candidate, threads=0, python=python.path))
    (child,) = python.processes()
    assert not is_running(child)


def test_a_measured_process_may_lose_its_reader_with_an_answer_unread(tmp_path):
    ours, theirs = multiprocessing.Pipe()
    send_message(ours, candidate_of(write_colour_bundle(tmp_path / "colour")))
    serving = threading.Thread(target=serve, args=(theirs,))
    failures = []
    before, threading.excepthook = threading.excepthook, failures.append
    try:
        serving.start()
        assert ours.poll(60)
        ours.close()
        serving.join(60)
    finally:
        threading.excepthook = before
    assert not serving.is_alive()
    assert not failures
