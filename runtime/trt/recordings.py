"""Which runs of a context are recorded, and which recordings are kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

MOST = 64  # two for each stream, and others when objects come and go
_MOST_SEEN = 1024  # runs that came once
_IDLE = MOST + _MOST_SEEN  # runs after which a recording is out of use: any in use comes again before


class Recordings:
    """A run is recorded the second time it comes. Only what is out of use gives way to something new.

    So with more streams than there can be recordings, some streams run with theirs and the others without,
    instead of all recording in turn what goes before it is launched.
    """

    def __init__(self) -> None:
        self._made: OrderedDict[Hashable, Any] = OrderedDict()  # the one that was used last at the end
        self._used: dict[Hashable, int] = {}  # number of the run that used a recording last
        self._seen: OrderedDict[Hashable, None] = OrderedDict()
        self._runs = 0

    def find(self, key: Hashable) -> Any:
        """The recording of a run that is about to be done; None where there is none."""
        self._runs += 1
        recording = self._made.get(key)
        if recording is not None:
            self._made.move_to_end(key)
            self._used[key] = self._runs
        return recording

    def saw(self, key: Hashable, record: Callable[[], Any]) -> bool:
        """Take note of a run that was done without a recording; the second time it is recorded.

        Args:
            key: that `find` knows no recording of.
            record: makes one; None where it cannot.

        Returns:
            False where it would have been recorded if there were room.
        """
        if key not in self._seen:
            self._seen[key] = None
            if len(self._seen) > _MOST_SEEN:
                self._seen.popitem(last=False)
            return True
        self._seen.move_to_end(key)
        if not self._has_room():
            return False
        recording = record()
        if recording is not None:
            del self._seen[key]
            self._made[key], self._used[key] = recording, self._runs
        return True

    def clear(self) -> None:
        """Forget all runs."""
        self._made.clear()
        self._used.clear()
        self._seen.clear()

    def _has_room(self) -> bool:
        """Whether there may be one more; the one that was used first goes if it is out of use."""
        if len(self._made) < MOST:
            return True
        oldest = next(iter(self._made))
        if self._runs - self._used[oldest] <= _IDLE:
            return False
        del self._made[oldest], self._used[oldest]
        return True
