"""A long run of the server with objects that come, are corrected and go, at random.

    python -m vosrt.benchmarks.live.soak --minutes 60

Runs `vosrt serve` with one generated camera. About every second something is asked for at random: an object
by a box, by clicks or by a stroke, a correction, a removal. One client takes every message. Memory, threads
and descriptors of the server are read all along; latency is that from a frame's arrival to its masks. Exit
status 1 when the server answers with an error of its own (5xx), memory in the last tenth of the run is more
than 5 % above that in the second tenth, or threads or descriptors have become more.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import statistics
import struct
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from vosrt.benchmarks.live.server_process import ServerProcess, Usage, server_process
from vosrt.benchmarks.option_values import frame_size, whole_number
from vosrt.shipped_bundles import DEFAULT

MOST_GROWTH = 1.05  # of memory, from the second tenth of the run to the last
MOST_OBJECTS = 5
_PARTS = 10
_SOURCE = "camera=test://{size}?objects=3&frames=1000000&fps={fps}"
_PATH = "/api/cameras/camera"
_MOST_MORE = 3  # threads or descriptors: connections that are open when the counts are read


@dataclass(frozen=True)
class Soak:
    """What a run measured.

    Attributes:
        minutes: that it took.
        frames: that were segmented.
        answers: of the server: how many, by what was asked and the status.
        usages: of the server, at the end of each tenth of the run: the medians in it.
        latency_ms: from a frame's arrival to its masks: p50, p95, p99 and the longest.
    """

    minutes: float
    frames: int
    answers: dict[str, int]
    usages: list[Usage]
    latency_ms: dict[str, float]

    @property
    def is_steady(self) -> bool:
        """Whether nothing grew and nothing failed."""
        before, after = self.usages[1], self.usages[-1]
        return (
            after.resident_mb <= MOST_GROWTH * before.resident_mb
            and after.threads <= before.threads + _MOST_MORE
            and after.descriptors <= before.descriptors + _MOST_MORE
            and not any(name.rpartition(" ")[2].startswith("5") for name in self.answers)
        )

    def lines(self) -> list[str]:
        """For people."""
        latency = ", ".join(f"{name} {value:.0f}" for name, value in self.latency_ms.items())
        return [
            f"{self.frames} frames in {self.minutes:.1f} minutes",
            "asked: " + ", ".join(f"{name}: {count}" for name, count in sorted(self.answers.items())),
            f"latency in ms: {latency}",
            "resident MB: " + ", ".join(f"{usage.resident_mb:.1f}" for usage in self.usages),
            "threads: " + ", ".join(str(usage.threads) for usage in self.usages),
            "descriptors: " + ", ".join(str(usage.descriptors) for usage in self.usages),
        ]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m vosrt.benchmarks.live.soak", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("bundle", metavar="BUNDLE", nargs="?", default=DEFAULT)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--size", type=frame_size, default=(144, 256), metavar="HxW")
    parser.add_argument("--fps", type=whole_number(1, 120), default=10, help="that the camera gives (10)")
    parser.add_argument("--seed", type=whole_number(0, 10**6), default=0)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args(argv)
    height, width = arguments.size
    source = _SOURCE.format(size=f"{height}x{width}", fps=arguments.fps)
    with server_process(arguments.bundle, [source]) as server:
        measured = measure(server, (height, width), 60 * arguments.minutes, arguments.seed)
    print(json.dumps(asdict(measured)) if arguments.json else "\n".join(measured.lines()))
    return 0 if measured.is_steady else 1


def measure(server: ServerProcess, size: tuple[int, int], seconds: float, seed: int) -> Soak:
    """Ask and watch for so long.

    Args:
        server: with one camera.
        size: height and width of its frames.
        seconds: how long.
        seed: of what is asked.
    """
    asker, watcher = _Asker(server, size, random.Random(seed)), _Watcher(server)
    started = time.monotonic()
    usages: list[list[Usage]] = [[] for _ in range(_PARTS)]
    while (passed := time.monotonic() - started) < seconds:
        asker.ask()
        usages[int(_PARTS * passed / seconds)].append(server.usage())
        time.sleep(asker.random.uniform(0.2, 1.5))
    ages = watcher.close()
    p50, p95, p99 = (1e3 * float(np.percentile(ages, part)) for part in (50, 95, 99))
    return Soak(
        (time.monotonic() - started) / 60,
        len(ages),
        dict(asker.answers),
        [_median(part) for part in usages if part],
        {"p50": p50, "p95": p95, "p99": p99, "longest": 1e3 * max(ages)},
    )


class _Asker:
    """What a person does at the page, at random."""

    def __init__(self, server: ServerProcess, size: tuple[int, int], random_: random.Random) -> None:
        self.random = random_
        self.answers: Counter[str] = Counter()
        self._server = server
        self._height, self._width = size
        self._ids: list[int] = []

    def ask(self) -> None:
        """Add, correct or remove an object."""
        chances = ["add"] * (len(self._ids) < MOST_OBJECTS) + ["correct", "remove"] * bool(self._ids)
        {"add": self._add, "correct": self._correct, "remove": self._remove}[self.random.choice(chances)]()

    def _add(self) -> None:
        frame = self._freeze()
        x, y = self.random.randrange(self._width - 40), self.random.randrange(self._height - 40)
        x1 = self.random.randint(x + 20, self._width)
        y1 = self.random.randint(y + 20, self._height)
        ways: list[dict[str, Any]] = [
            {"box": [x, y, x1, y1]},
            {"clicks": [[(x + x1) // 2, (y + y1) // 2, 1], [x, y, 0]]},
            {"strokes": self._strokes()},
        ]
        answer = self._send("add", "POST", "/objects", {"frame": frame, **self.random.choice(ways)})
        if answer is not None:
            self._ids.append(answer["id"])

    def _correct(self) -> None:
        mark = {"frame": self._freeze(), "id": self.random.choice(self._ids), "strokes": self._strokes()}
        self._send("correct", "POST", "/objects", mark)

    def _remove(self) -> None:
        chosen = self._ids.pop(self.random.randrange(len(self._ids)))
        self._send("remove", "DELETE", f"/objects/{chosen}")

    def _strokes(self) -> str:
        plane = np.zeros((self._height, self._width), np.uint8)
        ends = [(self.random.randrange(self._width), self.random.randrange(self._height)) for _ in range(3)]
        cv2.line(plane, ends[0], ends[1], 1, 9)
        cv2.line(plane, ends[1], ends[2], 2, 5)
        return base64.b64encode(cv2.imencode(".png", plane)[1].tobytes()).decode()

    def _freeze(self) -> int:
        with urllib.request.urlopen(self._request("POST", "/freeze"), timeout=60) as answer:
            answer.read()
            return int(answer.headers["X-Frame"])

    def _send(self, what: str, method: str, path: str, body: object = None) -> Any:
        """The answer; None where the server refuses, as it should where nothing is found in a box."""
        try:
            with urllib.request.urlopen(self._request(method, path, body), timeout=120) as answer:
                self.answers[f"{what} {answer.status}"] += 1
                content = answer.read()
                return json.loads(content) if content else {}
        except urllib.error.HTTPError as error:
            self.answers[f"{what} {error.code}"] += 1
            return None

    def _request(self, method: str, path: str, body: object = None) -> urllib.request.Request:
        content = None if body is None else json.dumps(body).encode()
        return urllib.request.Request(
            f"{self._server.address}{_PATH}{path}",
            content,
            {"Content-Type": "application/json"},
            method=method,
        )


class _Watcher:
    """A client that takes every message and remembers the frames' ages."""

    def __init__(self, server: ServerProcess) -> None:
        self._ages: list[float] = []
        self._stack = ExitStack()
        address = f"ws{server.address[4:]}{_PATH}/live"
        self._socket = self._stack.enter_context(connect(address, max_size=None, compression=None))
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def close(self) -> list[float]:
        """End; returns the ages in seconds."""
        self._stack.close()
        self._thread.join(10)
        return self._ages

    def _read(self) -> None:
        try:
            for message in self._socket:
                assert isinstance(message, bytes)
                numbers = json.loads(message[8 : 8 + struct.unpack("<I", message[:4])[0]])
                if numbers["frame"] != "marked":
                    self._ages.append(numbers["age"])
        except ConnectionClosed:
            return


def _median(usages: Sequence[Usage]) -> Usage:
    return Usage(
        statistics.median(usage.resident_mb for usage in usages),
        round(statistics.median(usage.threads for usage in usages)),
        round(statistics.median(usage.descriptors for usage in usages)),
    )


if __name__ == "__main__":
    sys.exit(main())
