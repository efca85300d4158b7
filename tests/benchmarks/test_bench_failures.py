"""Candidates that cannot run: they end a comparison, or are left out of it."""

import json
from dataclasses import replace

import pytest

from tests.benchmarks.stand_in_python import write_python
from tests.runtime.toy_bundle import write_colour_bundle
from vosrt.benchmarks import bench
from vosrt.benchmarks.bench_clip import generated_clip
from vosrt.benchmarks.bench_run import BenchRun, Turns
from vosrt.benchmarks.candidate import Candidate
from vosrt.errors import InputError

SMALL = ["--size", "64x97", "--frames", "3", "--warm-up", "1", "--rounds", "2", "--threads", "1"]
FAILS_LATER = """
from vosrt import stream
from vosrt.errors import InputError

step = stream.Stream.step


def fail_later(self, frame, mask=None, **options):
    if self._now.index == 3:
        raise InputError("a frame that this one cannot take")
    return step(self, frame, mask, **options)


stream.Stream.step = fail_later
"""


def run_bench(tmp_path, *arguments):
    """Status, and the document if one was written."""
    file = tmp_path / "bench.json"
    status = bench.main([*SMALL, "--json", str(file), *arguments])
    return status, json.loads(file.read_text()) if file.exists() else None


def test_who_cannot_run_is_left_out_if_that_is_asked_for(tmp_path, capsys, toy):
    executors = [toy, "--executors", "onnxruntime,tensorrt,torch"]
    assert run_bench(tmp_path, *executors) == (2, None)
    report = tmp_path / "speed.md"
    status, document = run_bench(tmp_path, *executors, "--keep-going", "--markdown", str(report))
    assert status == 1
    (run,) = document["runs"]
    assert (run["executor"], run["baseline"]) == ("onnxruntime", None)
    assert run["frames"] == 3
    torch, tensorrt = document["failed"]
    assert (torch["executor"], tensorrt["executor"]) == ("torch", "tensorrt")
    assert "the bundle's options name no model" in torch["error"]
    assert "tensorrt" in tensorrt["error"]
    assert tensorrt["error"] in capsys.readouterr().err
    assert tensorrt["error"] in report.read_text()


def test_failures_are_written_when_none_can_run(tmp_path, toy):
    until = ["--until", "5", "--rounds", "6", "--frames", "6"]
    status, document = run_bench(tmp_path, toy, "--executors", "tensorrt", "--keep-going", *until)
    assert (status, document["runs"], len(document["failed"])) == (1, [], 1)


def test_weights_that_are_not_there_are_a_failure_of_those_that_need_them(tmp_path, toy):
    bundle = write_colour_bundle(tmp_path / "trained")
    document = json.loads((bundle / "bundle.json").read_text())
    document["source"] = {"file": "weights.pth", "sha256": "ab" * 32, "stand_in": False}
    (bundle / "bundle.json").write_text(json.dumps(document))
    status, found = run_bench(tmp_path, str(bundle), "--executors", "onnxruntime,torch", "--keep-going")
    assert status == 1
    assert [run["executor"] for run in found["runs"]] == ["onnxruntime"]
    assert [failed["executor"] for failed in found["failed"]] == ["torch"]


@pytest.fixture
def candidates(tmp_path):
    """Three of one scene; the first, the baseline, fails with its fourth frame."""
    bundle = str(write_colour_bundle(tmp_path / "colour"))
    plain = Candidate(bundle, "colour", "onnxruntime", "float32", 1, 1, None, (64, 96))
    python = write_python(tmp_path / "other", customized=FAILS_LATER).path
    others = [replace(plain, threads=threads) for threads in (1, 2)]
    return [replace(plain, python=python), *others]


def test_another_baseline_takes_over(candidates):
    clips = {candidates[0].scene: generated_clip((64, 96), 1, frames=9)}
    run = BenchRun(candidates, clips, Turns(1, 4, 2), lambda text: None, keep_going=True)
    first, second = run.run()
    assert [one.candidate for one in (first, second)] == candidates[1:]
    assert (first.is_baseline, second.is_baseline) == (True, False)
    assert len(first.frames) == len(second.frames) == 4
    assert (first.free, first.fed) == ([], [])
    assert len(second.free) == 6  # all frames of the rounds
    assert second.fed
    assert set(second.free + second.fed) == {1.0}
    assert "a frame that this one cannot take" in str(run.failures[candidates[0]])


def test_without_keeping_going_the_first_failure_ends_all(candidates):
    clips = {candidates[0].scene: generated_clip((64, 96), 1, frames=9)}
    with pytest.raises(InputError, match="a frame that this one cannot take"):
        BenchRun(candidates, clips, Turns(1, 4, 2), lambda text: None).run()
