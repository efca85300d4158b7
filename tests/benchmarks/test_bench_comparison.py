"""Two runs compared: what is certain, what is the machine's, what is a regression."""

from __future__ import annotations

import copy
import json
import math
import os
import random
import subprocess
import sys

import pytest

from vosrt.benchmarks import bench
from vosrt.benchmarks.bench_compare import compare_files
from vosrt.benchmarks.confidence import LEAST_PAIRS, LEAST_ROUNDS, median_interval, ratio_between


def run_of(rounds, *, yardstick=10.0, memory=100.0, **changes):
    times = sorted(value for part in rounds for value in part)
    return {
        "bundle": "net",
        "executor": "onnxruntime",
        "device": "cpu",
        "precision": "float32",
        "size": [480, 854],
        "input_size": [480, 854],
        "objects": 1,
        "threads": 2,
        "latency_ms": {"p50": times[len(times) // 2]},
        "rounds_ms": rounds,
        "yardstick_ms": [yardstick] * len(rounds),
        "peak_rss_above_opening_mb": memory,
    } | changes


@pytest.fixture
def written(tmp_path):
    def write(name, *runs, cpu="a cpu"):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps({"runs": list(runs), "environment": {"cpu": cpu, "cores": 2}}))
        return path

    return write


def noisy(factor, seed, rounds=12, noise=0.01):
    """Rounds of five frames; each round has a speed of its own."""
    draw = random.Random(seed)
    speeds = [factor * draw.gauss(1, noise) for _ in range(rounds)]
    return [[100 * speed * draw.gauss(1, 0.01) for _ in range(5)] for speed in speeds]


class TestInterval:
    def test_a_few_rounds_tell_nothing(self):
        assert not median_interval([[1.0]] * (LEAST_ROUNDS - 1)).is_known
        assert median_interval([[1.0]] * LEAST_ROUNDS).is_known

    def test_it_leaves_out_as_many_rounds_as_the_binomial_distribution_allows(self):
        """Sign test at 5 %: none of 6 to 8 rounds at an end, 1 of 9 to 11, 2 of 12 to 14, 5 of 20."""
        for count, skipped in ((6, 0), (8, 0), (9, 1), (11, 1), (12, 2), (20, 5)):
            found = median_interval([[float(value)] for value in range(count)])
            assert (found.low, found.high) == (skipped, count - 1 - skipped)

    def test_it_holds_the_median_as_often_as_it_says(self):
        draw = random.Random(1)
        tries = 2000
        hits = 0
        for _ in range(tries):
            found = median_interval([[draw.lognormvariate(0, 1)] for _ in range(10)])
            hits += found.low <= 1 <= found.high
        assert hits / tries > 0.95

    def test_frames_of_a_round_count_as_one(self):
        found = median_interval([[value, value, 100.0] for value in (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)])
        assert (found.low, found.high) == (1, 6)


def wandering(draw, count, likeness, deviation=0.04):
    """Rounds of a machine whose speed wanders: an autoregressive series."""
    speed, found = draw.gauss(0, 1), []
    for _ in range(count):
        found.append(math.exp(deviation * speed))
        speed = likeness * speed + math.sqrt(1 - likeness**2) * draw.gauss(0, 1)
    return found


class TestRatio:
    def test_a_few_rounds_tell_nothing(self):
        few = ratio_between([([1.0] * 12, [2.0] * (LEAST_ROUNDS - 1))])
        assert (few.middle, few.low, few.high, few.is_certain) == (2, 0, math.inf, False)
        enough = ratio_between([([1.0] * 12, [2.0] * LEAST_ROUNDS)])
        assert (enough.middle, enough.low, enough.high) == pytest.approx((2, 2, 2))
        assert enough.is_certain

    @pytest.mark.parametrize("likeness", [0, 0.6, 0.95])
    def test_equal_runs_differ_seldom_however_the_machine_wanders(self, likeness):
        draw = random.Random(2)
        tries = 1000
        pairs = [tuple(wandering(draw, 24, likeness) for _ in range(2)) for _ in range(tries)]
        assert sum(ratio_between([pair]).is_certain for pair in pairs) / tries < 0.1 * likeness + 0.01

    @pytest.mark.parametrize("count", [LEAST_PAIRS, 5])
    def test_equal_runs_in_turns_differ_as_seldom_as_it_says(self, count):
        draw = random.Random(3)
        tries = 2000
        found = 0
        for _ in range(tries):
            runs = [[math.exp(draw.gauss(0, 0.1))] * 6 for _ in range(2 * count)]
            found += ratio_between(list(zip(runs[::2], runs[1::2], strict=True))).is_certain
        assert 0.003 < found / tries < 0.02

    def test_a_tenth_is_found_on_a_machine_that_wanders_a_little(self):
        draw = random.Random(4)
        for _ in range(100):
            one, other = (wandering(draw, 24, 0.3, 0.01) for _ in range(2))
            found = ratio_between([(one, [1.1 * value for value in other])])
            assert found.is_certain
            assert abs(found.middle - 1.1) < 0.03

    def test_pairs_in_turns_find_what_the_machine_hides_from_two_runs(self):
        draw = random.Random(5)
        speeds = [math.exp(draw.gauss(0, 0.2)) for _ in range(5)]  # the machine's, from pair to pair
        pairs = [(wandering(draw, 12, 0.5, 0.02), wandering(draw, 12, 0.5, 0.02)) for _ in speeds]
        slowed = [
            ([s * a for a in one], [1.1 * s * b for b in other])
            for s, (one, other) in zip(speeds, pairs, strict=True)
        ]
        found = ratio_between(slowed)
        assert found.low > 1
        assert found.low < 1.1 < found.high

    def test_it_has_no_direction(self):
        low, high = [1.0, 3, 2, 5, 4, 7, 6], [600.5, 800.5, 700.5, 1000, 900, 10000, 1100]
        there, back = ratio_between([(low, high)]), ratio_between([(high, low)])
        assert there.low > 1
        assert back.high < 1
        assert there.middle == pytest.approx(1 / back.middle)
        assert there.low == pytest.approx(1 / back.high)


def status(*files, **options):
    extra = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    return bench.main(["--compare", *map(str, files), *extra])


def test_a_tenth_slower_is_a_regression_and_the_same_is_none(written):
    old = written("old", run_of(noisy(1, seed=0)))
    assert status(old, written("slow", run_of(noisy(1.10, seed=1)))) == 1
    assert status(old, written("fast", run_of(noisy(0.85, seed=2)))) == 0
    for seed in range(3, 23):
        assert status(old, written("same", run_of(noisy(1, seed=seed)))) == 0


def test_a_slower_machine_is_no_regression(written, capsys):
    old = written("old", run_of(noisy(1, seed=0)))
    assert status(old, written("new", run_of(noisy(1.3, seed=1), yardstick=13.0))) == 0
    assert "| 1.300 |" in capsys.readouterr().out
    assert status(old, written("other", run_of(noisy(1.3, seed=1), yardstick=10.0))) == 1


def test_what_disturbs_some_frames_is_no_regression(written):
    old = written("old", run_of(noisy(1, seed=0)))
    disturbed = noisy(1, seed=1)
    for part in disturbed:
        part[:3] = [2 * value for value in part[:3]]
    assert status(old, written("new", run_of(disturbed))) == 0


def test_runs_in_turns_are_compared_as_pairs(written, capsys):
    """The machine is another one from pair to pair, and the fixed work does not show it."""
    speeds = {0: 1.0, 1: 1.4, 2: 0.8, 3: 1.2}
    same, slower = [], []
    for number, speed in speeds.items():
        old = written(f"old{number}", run_of(noisy(speed, seed=number)))
        same += [old, written(f"same{number}", run_of(noisy(speed, seed=10 + number)))]
        slower += [old, written(f"slower{number}", run_of(noisy(1.1 * speed, seed=20 + number)))]
    assert status(*same) == 0
    assert status(*slower) == 1
    capsys.readouterr()
    assert status(*same[:3]) == 2
    assert "--compare needs pairs of files" in capsys.readouterr().err


def test_a_gpus_frames_are_not_measured_by_the_cpus_yardstick(written):
    old = written("old", run_of(noisy(1, seed=0), device="cuda"))
    new = written("new", run_of(noisy(1.3, seed=1), device="cuda", yardstick=13.0))
    assert status(old, new) == 1


def test_more_memory_is_a_regression(written, capsys):
    old = written("old", run_of(noisy(1, seed=0)))
    assert status(old, written("new", run_of(noisy(1, seed=1), memory=130.0))) == 1
    assert "LARGER" in capsys.readouterr().out
    assert status(old, written("near", run_of(noisy(1, seed=1), memory=105.0))) == 0


def test_tolerance_is_the_users(written):
    old, new = written("old", run_of(noisy(1, seed=0))), written("new", run_of(noisy(1.2, seed=1)))
    assert status(old, new) == 1
    assert status(old, new, tolerance=40) == 0


def test_what_is_not_certain_is_said(written, capsys):
    old = written("old", run_of(noisy(1, seed=0, noise=0.3)))
    assert status(old, written("new", run_of(noisy(1.1, seed=4, noise=0.3)))) == 0
    few = run_of(noisy(1, seed=0)[:3])
    assert status(written("few", few), written("more", run_of(noisy(1.5, seed=0)))) == 0
    assert "too few rounds to be certain" in capsys.readouterr().out


def test_other_candidates_and_machines_are_remarked(written):
    one, other = run_of(noisy(1, seed=0)), run_of(noisy(1, seed=0), objects=3)
    files = [written("old", one, other), written("new", copy.deepcopy(one), cpu="another cpu")]
    comparisons, remarks = compare_files(files)
    assert len(comparisons) == 1
    assert any("only before" in remark for remark in remarks)
    assert any("another machine: cpu a cpu, then another cpu" in remark for remark in remarks)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"runs": [{}], "environment": {}}', '{"runs": 3}'])
def test_files_of_other_kinds_are_refused(written, tmp_path, capsys, content):
    strange = tmp_path / "strange.json"
    strange.write_text(content)
    good = written("good", run_of(noisy(1, seed=0)))
    assert status(good, strange) == 2
    assert "is no result of vosrt bench" in capsys.readouterr().err
    assert status(good, tmp_path / "absent.json") == 2
    assert status(good, written("other", run_of(noisy(1, seed=0), bundle="else"))) == 2
    assert "no candidate in common" in capsys.readouterr().err


SLOWER = """
import time
from vosrt.stream import Stream

step = Stream.step


def slow_step(self, *arguments, **options):
    started = time.perf_counter()
    result = step(self, *arguments, **options)
    end = started + 1.1 * (time.perf_counter() - started)
    while time.perf_counter() < end:
        pass
    return result


Stream.step = slow_step
"""


@pytest.mark.full  # three minutes
def test_a_planted_slow_down_is_caught_and_equal_runs_pass(tmp_path):
    """In real processes, in turns: every step takes a tenth longer."""
    (tmp_path / "sitecustomize.py").write_text(SLOWER)  # reaches the measured process

    def run(name, path):
        file = tmp_path / f"{name}.json"
        command = [sys.executable, "-m", "vosrt.benchmarks.bench", "--size", "240x426", "--json", str(file)]
        options = ["--frames", "60", "--rounds", "12", "--warm-up", "4"]
        environment = os.environ | {"PYTHONPATH": path}
        subprocess.run([*command, *options], env=environment, check=True, capture_output=True, timeout=300)
        return file

    same, slower = [], []
    for turn in range(6):
        old = run(f"old{turn}", "")
        same += [old, run(f"same{turn}", "")]
        slower += [old, run(f"slower{turn}", str(tmp_path))]
    assert status(*same) == 0
    assert status(*same[:2]) == 0
    assert status(*slower) == 1


def test_frames_on_a_gpu_that_were_timed_otherwise_are_not_compared(written, capsys):
    old = run_of(noisy(1, 1), device="cuda")
    new = run_of(noisy(1.5, 2), device="cuda", labels_ms={"p50": 4.0})
    assert status(written("old", old), written("new", new)) == 2
    assert "until its labels are there" in capsys.readouterr().err
    assert status(written("one", new), written("other", new)) == 0
    on_cpu = [run_of(noisy(1, 1)), run_of(noisy(1, 2), labels_ms={"p50": 4.0})]
    assert status(*(written(f"cpu{index}", run) for index, run in enumerate(on_cpu))) == 0
