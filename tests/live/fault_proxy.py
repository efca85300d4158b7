"""A TCP proxy that a test can break: cut, refuse, freeze, slow down and garble what goes through it."""

from __future__ import annotations

import queue
import random
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType

CHUNK = 65536
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER of zero seconds: close() sends RST instead of FIN
TRICKLE_TICK = 0.02  # seconds between two portions of a slow line
ANSWER_LIMIT = 5.0  # seconds that the proxy's thread may take for one change


class FaultProxy:
    """Forwards 127.0.0.1:`port` to a target port; only its own thread touches the sockets.

    A fault is in force when the method that asks for it returns. Faults add up; `heal` ends them all.
    While frozen, connections that come in reach the target only after the thaw.

    Attributes:
        port: where clients connect; the same for the proxy's whole life.
        accepted: connections taken so far.
    """

    def __init__(self, target_port: int, *, seed: int = 0) -> None:
        self.accepted = 0
        self._target_port = target_port
        self._listener = _bound_socket(0)
        self._listener.listen()
        self.port: int = self._listener.getsockname()[1]
        self._lines: list[_Line] = []
        self._frozen = False
        self._refused_until: float | None = None
        self._rate: float | None = None  # bytes per second from the target to all clients
        self._budget, self._budget_time = 0.0, 0.0
        self._garbled = 0  # bytes from the target that are still to be replaced
        self._random = random.Random(seed)
        self._changes: queue.SimpleQueue[tuple[Callable[[], None], Future[None]]] = queue.SimpleQueue()
        self._wake, self._waker = socket.socketpair()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="fault-proxy", daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """Close every connection with a reset; new ones are taken."""
        self._change(self._reset_all)

    def refuse(self, seconds: float) -> None:
        """Reset every connection and refuse new ones for so many seconds."""
        self._change(lambda: self._stop_listening(seconds))

    def freeze(self) -> None:
        """Keep connections and take new ones, but forward nothing."""
        self._change(lambda: setattr(self, "_frozen", True))

    def thaw(self) -> None:
        """Forward again, first what has waited."""
        self._change(lambda: setattr(self, "_frozen", False))

    def trickle(self, bytes_per_second: float) -> None:
        """Let no more than this from the target to all clients together."""
        self._change(lambda: self._limit_rate(bytes_per_second))

    def garble(self, count: int) -> None:
        """Replace the next `count` bytes from the target by random ones."""
        self._change(lambda: setattr(self, "_garbled", count))

    def heal(self) -> None:
        """End every fault; connections that were reset stay so."""
        self._change(self._end_faults)

    def close(self) -> None:
        """Reset every connection, stop listening and wait for the thread's end."""
        if self._thread.is_alive():
            self._change(lambda: setattr(self, "_closing", True))
        self._thread.join()

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _change(self, action: Callable[[], None]) -> None:
        """Have the proxy's thread do this, and wait until it is done."""
        done: Future[None] = Future()
        self._changes.put((action, done))
        self._waker.send(b"!")
        done.result(timeout=ANSWER_LIMIT)

    # What follows runs in the proxy's thread.

    def _run(self) -> None:
        while not self._closing:
            ready = self._wait()
            if self._wake.fileno() in ready:
                self._make_changes()
            elif self._listener.fileno() in ready:
                self._accept()
            elif not self._frozen:
                self._forward(ready)
            if self._refused_until is not None and time.monotonic() >= self._refused_until:
                self._listen_again()
        self._reset_all()
        for endpoint in (self._listener, self._wake, self._waker):
            endpoint.close()

    def _wait(self) -> dict[int, int]:
        """Descriptors on which something can be done now, with poll's events."""
        wanted = select.poll()
        wanted.register(self._wake, select.POLLIN)
        if self._refused_until is None:
            wanted.register(self._listener, select.POLLIN)
        if not self._frozen:
            self._refill_budget()
            for line in self._lines:
                for endpoint, events in line.wanted_events(may_answer=self._may_answer()).items():
                    wanted.register(endpoint, events)
        return dict(wanted.poll(self._patience()))

    def _patience(self) -> float | None:
        """Milliseconds until something is due without any socket's doing."""
        due = []
        if self._refused_until is not None:
            due.append(max(0.0, self._refused_until - time.monotonic()))
        if self._rate is not None and not self._frozen:
            due.append(TRICKLE_TICK)
        return 1000 * min(due) + 1 if due else None

    def _make_changes(self) -> None:
        self._wake.recv(CHUNK)
        while not self._changes.empty():
            action, done = self._changes.get()
            action()
            done.set_result(None)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        self.accepted += 1
        self._lines.append(_Line(client))

    def _forward(self, ready: dict[int, int]) -> None:
        for line in self._lines:
            try:
                line.connect(self._target_port)
                self._move(line, ready)
            except OSError:  # reset by either side, or nobody at the target: the other side sees a reset
                line.reset()
        self._lines = [line for line in self._lines if line.open]

    def _move(self, line: _Line, ready: dict[int, int]) -> None:
        line.requests.read(ready)
        line.requests.write(ready)
        self._garble(line.answers.read(ready))
        if self._may_answer():
            sent = line.answers.write(ready, None if self._rate is None else int(self._budget))
            self._budget -= sent
        line.close_when_done()

    def _garble(self, fresh: bytearray | None) -> None:
        if fresh is None:
            return
        count = min(self._garbled, len(fresh))
        fresh[:count] = self._random.randbytes(count)
        self._garbled -= count

    def _limit_rate(self, bytes_per_second: float) -> None:
        self._rate, self._budget, self._budget_time = bytes_per_second, 0.0, time.monotonic()

    def _refill_budget(self) -> None:
        if self._rate is None:
            return
        now = time.monotonic()
        # What a tenth of a second leaves unused is lost: a slow line does not save up.
        self._budget = min(self._budget + (now - self._budget_time) * self._rate, max(1.0, self._rate / 10))
        self._budget_time = now

    def _may_answer(self) -> bool:
        return self._rate is None or self._budget >= 1

    def _reset_all(self) -> None:
        for line in self._lines:
            line.reset()
        self._lines = []

    def _stop_listening(self, seconds: float) -> None:
        self._reset_all()
        self._listener.close()
        self._listener = _bound_socket(self.port)  # bound, not listening: nobody else gets the port
        self._refused_until = time.monotonic() + seconds

    def _listen_again(self) -> None:
        self._listener.listen()
        self._refused_until = None

    def _end_faults(self) -> None:
        self._frozen, self._rate, self._garbled = False, None, 0
        if self._refused_until is not None:
            self._listen_again()


class _Line:
    """A client's connection and the one to the target, which is made when the first bytes may pass."""

    def __init__(self, client: socket.socket) -> None:
        self.open = True
        self._client = client
        self._target: socket.socket | None = None

    def connect(self, port: int) -> None:
        if self._target is not None:
            return
        self._target = socket.create_connection(("127.0.0.1", port), timeout=1)
        for endpoint in (self._client, self._target):
            endpoint.setblocking(False)
            endpoint.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.requests = _Flow(self._client, self._target)
        self.answers = _Flow(self._target, self._client)

    def wanted_events(self, *, may_answer: bool) -> dict[socket.socket, int]:
        if self._target is None:
            return {self._client: select.POLLOUT}  # at once
        wanted = {self._client: 0, self._target: 0}
        for flow in (self.requests, self.answers):
            if not flow.ended and not flow.pending:
                wanted[flow.source] |= select.POLLIN
            if flow.pending and (flow is self.requests or may_answer):
                wanted[flow.sink] |= select.POLLOUT
        return {endpoint: events for endpoint, events in wanted.items() if events}

    def close_when_done(self) -> None:
        if self.requests.done and self.answers.done:
            self._close()

    def reset(self) -> None:
        for endpoint in (self._client, self._target):
            if endpoint is not None and endpoint.fileno() >= 0:
                endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self._close()

    def _close(self) -> None:
        self.open = False
        self._client.close()
        if self._target is not None:
            self._target.close()


class _Flow:
    """Bytes one way; nothing is read while something waits to be written."""

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
        self.source, self.sink = source, sink
        self.pending = bytearray()
        self.ended = False

    @property
    def done(self) -> bool:
        return self.ended and not self.pending

    def read(self, ready: dict[int, int]) -> bytearray | None:
        """Bytes that just came and now wait; the caller may change them in place."""
        if self.ended or self.pending or not ready.get(self.source.fileno(), 0) & ~select.POLLOUT:
            return None
        self.pending += self.source.recv(CHUNK)
        self.ended = not self.pending
        if self.ended:
            self.sink.shutdown(socket.SHUT_WR)
        return self.pending

    def write(self, ready: dict[int, int], limit: int | None = None) -> int:
        """Send what waits, `limit` bytes at most; returns how many went."""
        if not self.pending or not ready.get(self.sink.fileno(), 0) & ~select.POLLIN:
            return 0
        sent = self.sink.send(self.pending[:limit])
        del self.pending[:sent]
        return sent


def _bound_socket(port: int) -> socket.socket:
    endpoint = socket.socket()
    endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    endpoint.bind(("127.0.0.1", port))
    return endpoint
