"""Long runs: what is read from the process, and what is said of it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.runtime.toy_bundle import write_colour_bundle
from vosrt.benchmarks import endurance

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="usage is read from /proc")


_HOLD_SOMETHING = """
import mmap, tempfile, threading
from vosrt.benchmarks.process_usage import ProcessUsage

before = ProcessUsage.now()
held = mmap.mmap(-1, 20_000_000)
held.write(bytes(20_000_000))
done = threading.Event()
thread = threading.Thread(target=done.wait)
thread.start()
with tempfile.TemporaryFile(), tempfile.TemporaryFile():
    after = ProcessUsage.now()
done.set()
assert after.descriptors == before.descriptors + 2
assert after.threads == before.threads + 1
assert after.private_mb - before.private_mb > 0.9 * len(held) / 1e6
assert after.resident_mb > after.private_mb > 0
"""


def test_usage_counts_what_a_process_holds():
    # In a process of its own: what other tests left behind is closed at any time in this one.
    program = [sys.executable, "-c", _HOLD_SOMETHING]
    ended = subprocess.run(program, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr


def test_readings_are_printed_and_drawn(tmp_path, capsys):
    bundle, plot = str(write_colour_bundle(tmp_path / "bundle", ids=True)), tmp_path / "plots" / "run.png"
    line = [bundle, "--frames", "400", "--size", "17x23", "--threads", "1"]
    grown = endurance.main([*line, "--plot", str(plot)])
    assert grown in (0, 1)  # a process of tests may grow for others' sake
    said = capsys.readouterr().out.splitlines()
    assert said[0] == endurance.Reading.HEAD
    assert [int(row.split()[0]) for row in said[1:7]] == [200, 240, 280, 320, 360, 400]
    assert said[-1].startswith("growth from frame 200 to 400: ")
    assert plot.read_bytes().startswith(b"\x89PNG")
    endurance.main([*line, "--json"])
    figures = json.loads(capsys.readouterr().out)
    assert figures["readings"][-1]["frames"] == 400
    assert set(figures["median_ms"]) <= {"1", "2", "3"}


_LEAK = """
import mmap, sys
from vosrt.benchmarks import endurance

leaked, held, step = int(sys.argv[1]), [], endurance.Stream.step

def leaking(*arguments):
    if leaked:
        held.append(mmap.mmap(-1, leaked))
        held[-1].write(bytes(leaked))
    return step(*arguments)

endurance.Stream.step = leaking
sys.exit(endurance.main([*sys.argv[2:], "--frames", "400", "--size", "17x23", "--json"]))
"""


@pytest.mark.parametrize(("leaked", "status"), [(0, 0), (40_960, 1)])
def test_growth_beyond_the_limit_is_exit_status_1(tmp_path, leaked, status):
    # In a process of its own: what other tests left running allocates in this one.
    bundle = str(write_colour_bundle(tmp_path / "bundle", ids=True))
    program = [sys.executable, "-c", _LEAK, str(leaked), bundle]
    ended = subprocess.run(program, capture_output=True, text=True, timeout=120)
    assert ended.returncode == status, ended.stderr
    growth = json.loads(ended.stdout)["growth_mb"]
    assert growth == pytest.approx(200 * leaked / 1e6, abs=endurance.MOST_GROWTH)


def test_many_frames_are_measured_from_the_thousandth_on():
    marks = endurance.marked_frames(1_000_000)
    assert min(marks) == 1000
    assert max(marks) == 1_000_000
    assert sum(marks.values()) == 11
