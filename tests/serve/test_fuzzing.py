"""Calls of the interface as a machine makes them up from its description, sensible ones and others."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

for package in ("fastapi", "uvicorn", "websockets", "prometheus_client", "schemathesis"):
    pytest.importorskip(package)

from vosrt.benchmarks.live.server_process import server_process  # noqa: E402

SETTINGS = """
[parameters]
"path.camera" = "door"
"path.object_id" = [1, 2, 3]
"""
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)
CAMERAS = ["door=test://96x160?frames=1000000&fps=4", "yard=test://64x64?frames=1000000&fps=2&seed=1"]


@pytest.mark.parametrize(
    ("phases", "examples", "least", "most_growth"),
    [
        ("fuzzing", 12, 30, 60),  # MB: some of the few are the first of their kind
        pytest.param("coverage,fuzzing,stateful", 3200, 10_000, 15, marks=pytest.mark.full),
    ],
    ids=["few calls", "10,000 calls"],
)
def test_no_call_fails_the_server_and_answers_are_as_described(
    phases, examples, least, most_growth, tmp_path
):
    settings = tmp_path / "schemathesis.toml"
    settings.write_text(SETTINGS)
    with server_process("cfbi-lite-davis", CAMERAS, ["--most-objects", "3"]) as server:
        run_calls(
            server.address, settings, phases=phases, examples=8 + examples // 20
        )  # everything is loaded
        before = server.usage()
        called, told = run_calls(server.address, settings, phases=phases, examples=examples)
        after = server.usage()
        frames = server.figures()['vosrt_frames_total{camera="yard"}']
        print(f"{called} calls: {before} before, {after} after")
    assert called >= least, told
    assert frames > 0
    assert after.resident_mb - before.resident_mb < most_growth
    assert after.threads <= before.threads + 3
    assert after.descriptors <= before.descriptors + 3


def run_calls(address: str, settings: Path, *, phases: str, examples: int) -> tuple[int, str]:
    """Returns how many calls were made; fails where an answer is no one that the description knows."""
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(settings)]
    command += ["run", f"{address}/openapi.json", "--phases", phases, "-n", str(examples), "--seed", "1"]
    command += ["--checks", ",".join(CHECKS), "--continue-on-failure", "--warnings", "off"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=settings.parent)
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    found = re.search(r"(\d+) generated", run.stdout)
    assert found is not None, run.stdout
    return int(found[1]), run.stdout[-3000:]
