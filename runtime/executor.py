"""What every executor of graphs offers to a stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from vosrt.device import Array, Take

MOST_THREADS = 256  # per graph; more only fill the memory with stacks


class Executor(Protocol):
    """Runs the graphs of one bundle; holds no state of a stream, so any number of streams share one."""

    def run(self, role: str, inputs: Mapping[str, Array], take: Take | None = None) -> dict[str, Array]:
        """Run the graph of a role on named inputs and return its named outputs.

        Args:
            role: one of the roles in the bundle's manifest.
            inputs: arrays on the executor's device.
            take: gives memory for an output of known shape; an executor may also use memory of its own.

        Returns:
            arrays that the executor never writes again: a stream may keep them.
        """
        ...
