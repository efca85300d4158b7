"""What clients cost the cameras' thread: frames per second with many of them and with none.

    python -m vosrt.benchmarks.live.clients --clients 50 --silent 10

Runs `vosrt serve` with one generated camera and an object, in turn without clients and with them. Silent
clients connect and never read. Clients run in a process of their own on the same machine, so its processor
time is shared. Exit status 1 when the frames per second fall by 5 % or more, or the server's memory grows
by more than 20 MB from the first turn with clients to the last.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import statistics
import sys
import time
import urllib.request
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from typing import Any

import websockets

from vosrt.benchmarks.live.server_process import ServerProcess, server_process
from vosrt.benchmarks.option_values import whole_number
from vosrt.shipped_bundles import DEFAULT

MOST_LOSS = 0.05
MOST_GROWTH = 20.0  # MB
_SOURCE = "camera=test://144x256?objects=2&frames=1000000&fps={fps}"
_FRAMES = 'vosrt_frames_total{camera="camera"}'


@dataclass(frozen=True)
class Clients:
    """What a run measured.

    Attributes:
        alone_fps: of every turn without clients.
        watched_fps: of every turn with them.
        received: messages of each client that reads, of the last turn: least and most.
        resident_mb: the server's memory after every turn with clients.
    """

    alone_fps: list[float]
    watched_fps: list[float]
    received: tuple[int, int]
    resident_mb: list[float]

    @property
    def loss(self) -> float:
        """Part of the frames per second that is lost, of the medians."""
        return 1 - statistics.median(self.watched_fps) / statistics.median(self.alone_fps)

    @property
    def growth(self) -> float:
        """MB from the first turn with clients to the last."""
        return self.resident_mb[-1] - self.resident_mb[0]

    def lines(self) -> list[str]:
        """For people."""
        alone, watched = statistics.median(self.alone_fps), statistics.median(self.watched_fps)
        return [
            f"frames per second: {alone:.2f} without clients, {watched:.2f} with them: "
            f"{100 * self.loss:.1f} % lost (limit {100 * MOST_LOSS:.0f})",
            f"each client that reads got {self.received[0]} to {self.received[1]} messages in the last turn",
            f"the server's memory after each turn with clients: "
            f"{', '.join(f'{size:.1f}' for size in self.resident_mb)} MB: {self.growth:+.1f} "
            f"(limit {MOST_GROWTH:.0f})",
        ]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m vosrt.benchmarks.live.clients", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("bundle", metavar="BUNDLE", nargs="?", default=DEFAULT)
    parser.add_argument("--clients", type=whole_number(1, 250), default=50)
    parser.add_argument("--silent", type=whole_number(0, 250), default=10, help="of them (10)")
    parser.add_argument("--fps", type=whole_number(1, 120), default=10, help="that the camera gives (10)")
    parser.add_argument("--seconds", type=whole_number(1, 600), default=10, help="of a turn (10)")
    parser.add_argument("--rounds", type=whole_number(2, 100), default=5)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args(argv)
    with server_process(arguments.bundle, [_SOURCE.format(fps=arguments.fps)]) as server:
        measured = measure(
            server, arguments.clients, arguments.silent, arguments.seconds, rounds=arguments.rounds
        )
    print(json.dumps(asdict(measured)) if arguments.json else "\n".join(measured.lines()))
    return 0 if measured.loss < MOST_LOSS and measured.growth <= MOST_GROWTH else 1


def measure(server: ServerProcess, count: int, silent: int, seconds: float, *, rounds: int) -> Clients:
    """Measure in turn without and with clients.

    Args:
        server: with one camera.
        count: of the clients.
        silent: so many of them never read.
        seconds: of a turn.
        rounds: turns of each kind.
    """
    _mark(server)
    alone, watched, memory = [], [], []
    received = (0, 0)
    fresh = multiprocessing.get_context("spawn")  # a fork may wait for threads that it has not
    for _ in range(rounds):
        alone.append(_rate(server, seconds))
        inbox: Any = fresh.Queue()
        ready = fresh.Event()
        over = fresh.Event()
        process = fresh.Process(target=_run_clients, args=(server.address, count, silent, ready, over, inbox))
        process.start()
        ready.wait(60)
        watched.append(_rate(server, seconds))
        over.set()
        received = inbox.get(timeout=60)
        process.join()
        memory.append(server.usage().resident_mb)
    return Clients(alone, watched, received, memory)


def _mark(server: ServerProcess) -> None:
    """An object in the middle of the left half."""
    camera = f"{server.address}/api/cameras/camera"
    freeze = urllib.request.Request(f"{camera}/freeze", method="POST")
    with urllib.request.urlopen(freeze, timeout=60) as answer:
        message = answer.read()
    height, width = json.loads(message[8 : 8 + int.from_bytes(message[:4], "little")])["size"]
    box = [width // 8, height // 8, width // 2, height - height // 8]
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{camera}/objects", json.dumps({"box": box}).encode(), headers)
    urllib.request.urlopen(request, timeout=60).close()
    time.sleep(2.0)


def _rate(server: ServerProcess, seconds: float) -> float:
    frames, started = server.figures()[_FRAMES], time.monotonic()
    time.sleep(seconds)
    return (server.figures()[_FRAMES] - frames) / (time.monotonic() - started)


def _run_clients(address: str, count: int, silent: int, ready: Any, over: Any, inbox: Any) -> None:
    """All clients in one event loop, until told to end; tells how much they got."""
    inbox.put(asyncio.run(_clients(address, count, silent, ready, over)))


async def _clients(address: str, count: int, silent: int, ready: Any, over: Any) -> tuple[int, int]:
    url = f"ws{address[4:]}/api/cameras/camera/live"
    counts = [0] * (count - silent)
    async with AsyncExitStack() as stack:
        sockets = [
            await stack.enter_async_context(
                websockets.connect(url, max_size=None, max_queue=1, compression=None, close_timeout=0.1)
            )
            for _ in range(count)
        ]

        async def read(index: int) -> None:
            async for _ in sockets[index]:
                counts[index] += 1

        reading = [asyncio.create_task(read(index)) for index in range(len(counts))]
        ready.set()
        while not over.is_set():
            await asyncio.sleep(0.1)
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
    return (min(counts), max(counts)) if counts else (0, 0)


if __name__ == "__main__":
    sys.exit(main())
