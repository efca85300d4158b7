"""Counts of the reliability tests at the end of a run, and the bundles that they share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reliability.tally import PROPERTY, Tally, summary
from tests.runtime.toy_bundle import write_colour_bundle


@pytest.fixture
def tally(request):
    """Counts what this test tries; they travel with its report, from another process too."""
    counted = Tally()
    request.node.user_properties.append((PROPERTY, counted.counts))
    return counted


@pytest.fixture(scope="session")
def colour_bundle(tmp_path_factory):
    """A bundle of a few nodes that segments by colour; nobody writes into it."""
    return write_colour_bundle(tmp_path_factory.mktemp("bundles") / "colour", ids=True)


def pytest_terminal_summary(terminalreporter):
    reports = [
        report
        for kind in ("passed", "failed")
        for report in terminalreporter.stats.get(kind, [])
        if report.when == "call"
    ]
    found = [
        (Path(report.nodeid.split("::")[0]).stem.removeprefix("test_"), counts)
        for report in reports
        for name, counts in report.user_properties
        if name == PROPERTY
    ]
    lines = summary(found)
    if lines:
        terminalreporter.section("reliability")
        for line in lines:
            terminalreporter.write_line(line)
