"""The measuring side's handle on a candidate's process."""

from __future__ import annotations

import multiprocessing
import signal
import subprocess
from contextlib import suppress
from types import TracebackType
from typing import Any

from vosrt.benchmarks import candidate_program
from vosrt.benchmarks.candidate import Candidate
from vosrt.benchmarks.candidate_server import Startup
from vosrt.benchmarks.message import send_message
from vosrt.child_environment import child_environment
from vosrt.errors import Error

_PATIENCE = 5.0  # seconds that an idle process gets to end by itself


class BenchmarkError(Error):
    """A measured process did not survive."""


class CandidateProcess:
    """A started process of the candidate's Python; leaving the context ends it, whatever it is doing.

    A measuring process that dies ends it too, by the end of their connection.

    Raises:
        Error: the candidate cannot run.
    """

    def __init__(self, candidate: Candidate) -> None:
        self.candidate = candidate
        self._connection, theirs = multiprocessing.Pipe()
        socket = theirs.fileno()
        command = [candidate.python, "-m", candidate_program.__name__, str(socket)]
        # Ctrl-C reaches every process of the terminal: only the measuring one shall act on it. What is
        # ignored stays so in a new process.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, pass_fds=[socket], env=child_environment()
            )
        finally:
            signal.signal(signal.SIGINT, before)
        theirs.close()  # so that a process that dies ends the wait for its answer
        try:
            self.startup: Startup = self._answer_to(candidate)
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
            self._wait_for_end()
        self.close()

    def call(self, method: str, *arguments: Any) -> Any:
        """Let the process call a method of its `CandidateServer` and return what that returns.

        Raises:
            Error: the method raised it, or the process died.
        """
        return self._answer_to((method, arguments))

    def close(self) -> None:
        """End the process now."""
        self._connection.close()
        self._process.terminate()
        self._process.wait()

    def _answer_to(self, message: Any) -> Any:
        try:
            send_message(self._connection, message)
            answer = self._connection.recv()
        except (EOFError, ConnectionError):
            raise self._death() from None
        if isinstance(answer, Error):
            raise answer
        return answer

    def _death(self) -> BenchmarkError:
        self._wait_for_end()
        code = self._process.returncode
        killed = code is not None and code < 0
        return BenchmarkError(
            f"the process of {self.candidate.name} ended with status {code}",
            cure="free memory, or compare fewer candidates at once" if killed else "see its message above",
        )

    def _wait_for_end(self) -> None:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_PATIENCE)
