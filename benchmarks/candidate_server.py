"""The measured side of a benchmark: one candidate in a process of its own."""

from __future__ import annotations

import contextlib
import importlib
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vosrt.benchmarks.candidate import DEPLOYED, Candidate
from vosrt.benchmarks.message import send_message
from vosrt.benchmarks.process_memory import peak_memory, resident_memory
from vosrt.benchmarks.required_packages import require_packages
from vosrt.errors import Error

if TYPE_CHECKING:
    from vosrt.benchmarks.end_to_end import EndToEnd
    from vosrt.cuda.cuda_device import CudaDevice
    from vosrt.stream import Stream


@dataclass(frozen=True)
class Startup:
    """Seconds until a candidate could take its first frame."""

    imports: float  # the executor's packages, after Python and NumPy
    opening: float  # bundle verified and loaded, or network built and weights loaded
    facts: Mapping[str, bool] = field(default_factory=dict)  # about the executor's arithmetic


@dataclass(frozen=True)
class Step:
    """One frame: its wall time, times by graph role, and what came out."""

    milliseconds: float  # until all its work is done; on a GPU some is left when the labels are there
    stages: Mapping[str, float]
    labels: NDArray[np.uint8]  # [H, W]
    cpu_milliseconds: float = math.nan  # of all threads of the process
    labels_milliseconds: float = math.nan  # wall time until the labels were there


@dataclass(frozen=True)
class Memory:
    """Of the process, in MiB; NaN where the system does not tell."""

    before_opening: float  # resident, with the executor's packages imported
    peak: float  # largest resident size since the process started


class CandidateServer:
    """A stream of one candidate; every public method answers one request of the measuring process."""

    def __init__(self, candidate: Candidate) -> None:
        started = time.perf_counter()
        _import_packages(candidate)
        imported = time.perf_counter()
        self._before_opening = resident_memory()
        self._stream, self._gpu = _open_stream(candidate)
        opened = time.perf_counter()
        self.startup = Startup(imported - started, opened - imported, _arithmetic_facts(candidate))

    def step(self, frame: NDArray[np.uint8], mask: NDArray[np.uint8] | None) -> Step:
        """Segment the next frame."""
        started, cpu = time.perf_counter(), time.process_time()
        result = self._stream.step(frame, mask)
        labelled = milliseconds = (time.perf_counter() - started) * 1e3
        if self._gpu is not None:  # the next frame would wait for what is left
            self._gpu.driver.synchronize(self._gpu.stream)
            milliseconds = (time.perf_counter() - started) * 1e3
        cpu = (time.process_time() - cpu) * 1e3
        stages = {role: value for role, value in result.timings.items() if role != "total"}
        return Step(milliseconds, stages, result.labels, cpu, labelled)

    def end_to_end(self, video: str, mask: NDArray[np.uint8]) -> EndToEnd:
        """Run over a video, with decoding and encoding, and over the same as a camera."""
        from vosrt.benchmarks.end_to_end import measure

        return measure(self._stream, Path(video), mask)

    def reset(self) -> None:
        """Forget all frames and objects."""
        self._stream.reset()

    def memory(self) -> Memory:
        """What the process has taken so far."""
        return Memory(self._before_opening, peak_memory())


def serve(connection: Connection) -> None:
    """Body of the process: answer requests until the other end closes.

    The first request is the candidate, and its answer the start-up. Others are a method's name and its
    arguments; the answer is what the method returns. A mistake of the user's is an answer too.
    """
    # The measuring process may go at any time, even with an answer still unread (that is a reset).
    with contextlib.suppress(EOFError, ConnectionError):
        try:
            server = CandidateServer(connection.recv())
            send_message(connection, server.startup)
            while True:
                method, arguments = connection.recv()
                send_message(connection, getattr(server, method)(*arguments))
        except Error as error:
            send_message(connection, error)


def _import_packages(candidate: Candidate) -> None:
    if candidate.executor in DEPLOYED:
        import vosrt.segmenter

        with contextlib.suppress(ImportError, OSError):  # opening says what to install
            importlib.import_module(candidate.executor)
    else:
        require_packages("the PyTorch baseline")
        import vosrt.benchmarks.torch_stream  # noqa: F401


def _arithmetic_facts(candidate: Candidate) -> dict[str, bool]:
    """What does not follow from the precision: float32 is float32 in vosrt, and not in PyTorch on a GPU."""
    if candidate.executor in DEPLOYED or candidate.device == "cpu":
        return {}
    from vosrt.benchmarks.torch_stream import arithmetic_facts

    return arithmetic_facts()


def _open_stream(candidate: Candidate) -> tuple[Stream, CudaDevice | None]:
    """A stream, and the GPU that it works on."""
    if candidate.executor in DEPLOYED:
        from vosrt.segmenter import Segmenter
        from vosrt.trt.checked_engines import EngineSettings

        segmenter = Segmenter(
            candidate.bundle,
            precision=candidate.precision,
            device=candidate.device,
            executor=candidate.executor,
            engines=EngineSettings(objects=candidate.objects, allow_drift=True),  # labels are compared here
            threads=candidate.threads,
            long_edge=candidate.long_edge,
        )
        return segmenter.stream(), segmenter.placement.cuda
    from vosrt.benchmarks.torch_stream import open_torch_stream
    from vosrt.cuda.open_device import open_cuda_device

    gpu = open_cuda_device() if candidate.device == "cuda" else None
    return open_torch_stream(candidate, gpu=gpu), gpu
