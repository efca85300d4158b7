"""Counts of what was tried and what failed, printed at the end of a run, whatever process counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

PROPERTY = "reliability"
TRIED, FAULTS, FAILURES = "inputs tried", "faults injected", "failures found"


class Tally:
    """Counts of one test; the test fails with the first few failures, after all inputs were tried."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(
            (TRIED, FAULTS, FAILURES), 0
        )  # plain, so that it can go to another process
        self.failures: list[str] = []

    def tried(self, count: int = 1) -> None:
        """Inputs that went into the product."""
        self.counts[TRIED] += count

    def fault(self, count: int = 1) -> None:
        """Things outside of inputs that were made to go wrong: kills, full disks, clocks."""
        self.counts[FAULTS] += count

    def failure(self, what: str) -> None:
        """A property that did not hold."""
        self.counts[FAILURES] += 1
        self.failures.append(what)

    def check(self) -> None:
        """Fail where anything was found."""
        assert not self.failures, f"{len(self.failures)} failures, first:\n" + "\n".join(self.failures[:5])


def summary(properties: Iterable[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """Lines of counts per kind of test, and of all.

    Args:
        properties: a test's file and its counts.
    """
    by_kind: dict[str, Counter[str]] = {}
    for kind, counts in properties:
        by_kind.setdefault(kind, Counter()).update(counts)
    everything: Counter[str] = Counter()
    lines = []
    for kind, counts in sorted(by_kind.items()):
        everything.update(counts)
        lines.append(_line(kind, counts))
    return [*lines, _line("all", everything)] if lines else []


def _line(kind: str, counts: Mapping[str, int]) -> str:
    shown = ", ".join(f"{counts.get(name, 0)} {name}" for name in (TRIED, FAULTS, FAILURES))
    return f"{kind}: {shown}"
