"""One thing that was looked at."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import Enum


class State(str, Enum):
    """How it stands."""

    WORKS = "ok"
    ABSENT = "absent"  # optional and not there
    PROBLEM = "problem"  # something that people will miss does not work
    BROKEN = "broken"  # without it nothing can be segmented


@dataclass(frozen=True)
class Finding:
    """A part of the machine or the installation, and how it stands."""

    group: str  # heading under which it is shown
    name: str
    state: State
    detail: str  # version, size, or what is wrong
    cure: str = ""  # what to do next, where there is something to do

    def to_json(self) -> dict[str, str]:
        """For machines."""
        return {**asdict(self), "state": self.state.value}
