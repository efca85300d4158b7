"""Little memory: the command finishes, or ends with status 2 and a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reliability.effort import effort
from tests.reliability.killed import run
from tests.reliability.outputs import stream_line

ROOT = Path(__file__).parents[2]


@effort("step", 470, 12)
@pytest.mark.parametrize(
    ("bundle", "most"), [("toy", 620), pytest.param("cfbi-lite-davis", 1860, marks=pytest.mark.full)]
)
def test_a_stream_with_little_memory_ends_well(colour_bundle, bundle, most, step, tmp_path, tally):
    statuses = []
    for extra in range(30, most, step * most // 620):
        folder = tmp_path / str(extra)
        line = stream_line(colour_bundle if bundle == "toy" else bundle, folder, 6)
        line[line.index("--source") + 1] = "test://720x1280?objects=2&frames=6"
        line = [*line[: line.index("--masks")], "--masks", str(folder / "masks")]
        done = run(["-m", "tests.reliability.limited_process", str(extra), *line], ROOT)
        tally.fault()
        statuses.append(done.returncode)
        if done.returncode not in (0, 2) or "Traceback" in done.stderr:
            tally.failure(f"{extra} MB more: status {done.returncode}, {done.stderr[-600:]}")
    print(statuses)
    tally.check()
    assert {0, 2} == set(statuses)
