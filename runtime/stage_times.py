"""How long the graphs of a frame took, in the time of the device that ran them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from vosrt.device import Device

Spans = Mapping[str, Sequence[tuple[Any, Any]]]  # role -> `Device.moment` before and after each run


def stage_times(device: Device, spans: Spans, total: float) -> Mapping[str, float]:
    """Milliseconds by role, and "total".

    On a GPU graphs are still running when a step has put them into the stream: their times are worked out
    when they are asked for, which waits for the last of them.

    Args:
        device: whose moments these are.
        spans: of the frame.
        total: milliseconds of the whole step, as the host saw it.
    """
    times = StageTimes(device, spans, total)
    return dict(times) if device.name == "cpu" else times


class StageTimes(Mapping[str, float]):
    """See `stage_times`; pickled, it is a dictionary."""

    def __init__(self, device: Device, spans: Spans, total: float) -> None:
        self._device, self._spans, self._total = device, spans, total

    def __getitem__(self, name: str) -> float:
        return self._total if name == "total" else self._roles[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._spans
        yield "total"

    def __len__(self) -> int:
        return len(self._spans) + 1

    def __repr__(self) -> str:
        return repr(dict(self))

    def __reduce__(self) -> tuple[type[dict[str, float]], tuple[dict[str, float]]]:
        return dict, (dict(self),)

    @cached_property
    def _roles(self) -> dict[str, float]:
        between = self._device.milliseconds
        return {
            role: sum(between(before, after) for before, after in pairs)
            for role, pairs in self._spans.items()
        }
