"""The measuring side's handle on a candidate's process."""

from __future__ import annotations

import multiprocessing
import signal
from types import TracebackType
from typing import Any

from vosrt.benchmarks.candidate import Candidate
from vosrt.benchmarks.candidate_server import Startup, serve
from vosrt.errors import Error

_PATIENCE = 5.0  # seconds that an idle process gets to end by itself


class BenchmarkError(Error):
    """A measured process did not survive."""


class CandidateProcess:
    """A started process; leaving the context ends it, whatever it is doing.

    Raises:
        Error: the candidate cannot run.
    """

    def __init__(self, candidate: Candidate) -> None:
        self.candidate = candidate
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(candidate, theirs), daemon=True)
        # Ctrl-C reaches every process of the terminal: only the measuring one shall act on it. What is
        # ignored stays so in a new process (a blocked signal would not: its resource tracker unblocks it).
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self._process.start()
        finally:
            signal.signal(signal.SIGINT, before)
        theirs.close()  # so that a process that dies ends the wait for its answer
        try:
            self.startup: Startup = self._answer()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> CandidateProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._connection.close()
            self._process.join(_PATIENCE)
        self.close()

    def call(self, method: str, *arguments: Any) -> Any:
        """Let the process call a method of its `CandidateServer` and return what that returns.

        Raises:
            Error: the method raised it, or the process died.
        """
        try:
            self._connection.send((method, arguments))
        except BrokenPipeError:
            raise self._death() from None
        return self._answer()

    def close(self) -> None:
        """End the process now."""
        self._connection.close()
        self._process.terminate()
        self._process.join()

    def _answer(self) -> Any:
        try:
            answer = self._connection.recv()
        except (EOFError, ConnectionResetError):
            raise self._death() from None
        if isinstance(answer, Error):
            raise answer
        return answer

    def _death(self) -> BenchmarkError:
        self._process.join(_PATIENCE)
        code = self._process.exitcode
        killed = code is not None and code < 0
        return BenchmarkError(
            f"the process of {self.candidate.name} ended with status {code}",
            cure="free memory, or compare fewer candidates at once" if killed else "see its message above",
        )
