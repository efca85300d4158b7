"""`vosrt serve` as a process, for measurements from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_START_WITHIN = 60.0  # seconds


@dataclass(frozen=True)
class ServerProcess:
    """A server that answers.

    Attributes:
        address: without a slash at its end.
        process: the server's number.
    """

    address: str
    process: int

    def figures(self) -> dict[str, float]:
        """What it tells Prometheus, by name and labels as written there."""
        with urllib.request.urlopen(f"{self.address}/metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}

    def usage(self) -> Usage:
        """What the process holds now, read from Linux' /proc."""
        folder = Path(f"/proc/{self.process}")
        fields = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
        resident = int(fields["VmRSS"].split()[0]) / 1e3
        return Usage(resident, int(fields["Threads"]), len(os.listdir(folder / "fd")))


@dataclass(frozen=True)
class Usage:
    """What a process holds: resident memory in MB, threads, open descriptors."""

    resident_mb: float
    threads: int
    descriptors: int


@contextmanager
def server_process(
    bundle: str, sources: Sequence[str], options: Sequence[str] = ()
) -> Iterator[ServerProcess]:
    """Run a server with cameras at a free port; ends it in the end.

    Args:
        bundle: name or folder.
        sources: as `--source` takes them.
        options: further ones of the command.

    Raises:
        RuntimeError: it does not start, or its cameras give nothing.
    """
    command = [sys.executable, "-m", "vosrt", "serve", bundle, "--port", "0", *options]
    command += [part for source in sources for part in ("--source", source)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            address = process.stdout.readline().strip().rstrip("/") if process.stdout else ""
            if not address.startswith("http"):
                raise RuntimeError("the server does not start")
            server = ServerProcess(address, process.pid)
            deadline = time.monotonic() + _START_WITHIN
            while not _is_live(server):
                if time.monotonic() > deadline:
                    raise RuntimeError("the server's cameras give nothing")
                time.sleep(0.1)
            yield server
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def _is_live(server: ServerProcess) -> bool:
    try:
        figures = server.figures()
    except OSError:
        return False
    live = [value for name, value in figures.items() if name.startswith("vosrt_is_live")]
    return bool(live) and all(live)
