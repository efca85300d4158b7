"""Several single-threaded processes on one batch: faster than one process with several threads."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as distributed
from torch import Tensor


@dataclass(frozen=True)
class Rank:
    """This process among those of a run; number 0 writes the files."""

    number: int
    processes: int
    parent: int | None = None  # process id that must live

    @property
    def is_first(self) -> bool:
        return self.number == 0

    def average(self, tensors: list[Tensor]) -> None:
        """Replace tensors by their mean over all processes."""
        if self.processes == 1:
            return
        flat = torch.cat([tensor.reshape(-1).float() for tensor in tensors])
        distributed.all_reduce(flat)
        flat /= self.processes
        position = 0
        for tensor in tensors:
            tensor.copy_(flat[position : position + tensor.numel()].view_as(tensor))
            position += tensor.numel()

    def leave_if_orphaned(self) -> None:
        """End this process when the one that started it is gone."""
        if self.parent is not None and os.getppid() != self.parent:
            os._exit(1)


def run_in_processes(processes: int, work: Callable[[Rank], None]) -> None:
    """Call `work` in this process and in `processes - 1` others, which end with it.

    Args:
        processes: in all.
        work: a picklable function.
    """
    if processes == 1:
        work(Rank(0, 1))
        return
    with tempfile.TemporaryDirectory() as folder:
        meeting = (Path(folder) / "meeting").as_uri()
        context = multiprocessing.get_context("spawn")
        others = [
            context.Process(
                target=_join, args=(meeting, Rank(number, processes, os.getpid()), work), daemon=True
            )
            for number in range(1, processes)
        ]
        for other in others:
            other.start()
        _join(meeting, Rank(0, processes), work)
        for other in others:
            other.join()


def _join(meeting: str, rank: Rank, work: Callable[[Rank], None]) -> None:
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    torch.set_num_threads(max(1, torch.get_num_threads() // rank.processes))
    distributed.init_process_group("gloo", init_method=meeting, rank=rank.number, world_size=rank.processes)
    try:
        work(rank)
    except KeyboardInterrupt:
        if rank.is_first:
            raise
    finally:
        with suppress(Exception):
            distributed.destroy_process_group()
