"""An executor that lets golden files be compared stage by stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from vosrt.cpu_device import CpuDevice
from vosrt.device import Array, Take
from vosrt.executor import Executor
from vosrt.manifest import Manifest
from vosrt.stream import Stream
from vosrt.variant import Variant

PREVIOUS_LABELS = "state.previous.labels"


class WatchingExecutor:
    """Stands between a stream and its executor: keeps what the graphs gave, and exchanges the previous mask.

    Args:
        manifest: says which input of a graph is the previous mask.
        executor: runs the graphs.
        flipped: the stream's variant sees mirrored frames.
    """

    def __init__(self, manifest: Manifest, executor: Executor, *, flipped: bool) -> None:
        self.manifest = manifest
        self.executor = executor
        self.flipped = flipped
        self.previous: NDArray[np.uint8] | None = None  # for the next step; None: what the stream remembers
        self.values: dict[str, Array] = {}  # of the last step, by `role.name`

    def run(self, role: str, inputs: Mapping[str, Array], take: Take | None = None) -> dict[str, Array]:
        """Run one role; see `vosrt.executor.Executor`."""
        given = dict(inputs)
        for name, value in self.manifest.graphs[role].inputs.items():
            if value.source == PREVIOUS_LABELS and self.previous is not None:
                previous = self.previous[:, ::-1] if self.flipped else self.previous
                given[name] = np.ascontiguousarray(previous).astype(np.int32)
        outputs = self.executor.run(role, given)  # in memory of its own, so that it can be looked at later
        self.values |= {f"{role}.{name}": value for name, value in outputs.items()}
        return outputs


def watched_stream(
    manifest: Manifest, executor: Executor, variants: Sequence[tuple[float, bool]]
) -> tuple[Stream, list[WatchingExecutor]]:
    """A stream of a bundle at scales, plain or mirrored, and what watches each of these variants."""
    watching, looks = [], []
    for scale, flipped in variants:
        watching.append(WatchingExecutor(manifest, executor, flipped=flipped))
        looks.append(Variant(manifest, watching[-1], scale, flipped))
    return Stream(looks, CpuDevice()), watching
