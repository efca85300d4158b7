"""What cameras, clients and long runs cost, measured in short: that the programs measure what they say."""

from __future__ import annotations

import pytest

for package in ("fastapi", "uvicorn", "websockets", "prometheus_client"):
    pytest.importorskip(package)

from vosrt.benchmarks.live import clients, fairness, soak  # noqa: E402
from vosrt.benchmarks.live.server_process import server_process  # noqa: E402

BUNDLE = "cfbi-lite-davis"


def test_cameras_are_treated_alike_and_one_that_dies_comes_back():
    measured = fairness.measure(BUNDLE, 3, (64, 96), 60, 2.0, away=0.5)
    assert measured.unfairness <= fairness.MOST_UNFAIR
    assert min(measured.fps.values()) > 1
    assert 0 < measured.back_after < 30
    assert measured.longest_death >= measured.interval
    assert "frames per second" in measured.lines()[0]


def test_a_server_is_asked_and_watched():
    source = "camera=test://64x96?objects=3&frames=1000000&fps=10"
    with server_process(BUNDLE, [source]) as server:
        measured = soak.measure(server, (64, 96), 6.0, seed=1)
        watched = clients.measure(server, 12, 3, 1.0, rounds=2)
    assert measured.frames > 20
    assert len(measured.usages) >= 5
    assert sum(measured.answers.values()) >= 5
    assert not any(name.rpartition(" ")[2].startswith("5") for name in measured.answers)
    assert measured.latency_ms["p50"] <= measured.latency_ms["p99"] <= measured.latency_ms["longest"]
    assert watched.received[0] >= 5
    assert min(watched.watched_fps) > 3
