"""A server with generated cameras, in a thread, and what is true of their frames."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import uvicorn

from tests.waiting import wait_for
from vosrt import Segmenter
from vosrt.cameras import Cameras, OpenSource, View
from vosrt.serve.app import build_app
from vosrt.sources.live_source import LiveSource
from vosrt.sources.open_source import open_source
from vosrt.sources.paced_reader import PacedReader

BUNDLE = "cfbi-lite-davis"
SCENE = "test://144x256?objects=3&frames=100000&fps=4"
FIRST_SEED = 4
STAYING = (1, 3)  # objects of the scene that never leave the picture; nothing ever covers the second


@dataclass
class RunningSite:
    """A server that listens.

    Attributes:
        address: `http://127.0.0.1:PORT`.
        cameras: as the server has them.
        truth: label map of every frame that was shown, by camera and the frame's name.
        marked: label maps of frames on which something was marked, as they ended.
    """

    address: str
    cameras: Cameras
    truth: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    marked: list[np.ndarray] = field(default_factory=list)


@contextmanager
def running_site(
    names: tuple[str, ...] = ("door",),
    *,
    token: str | None = None,
    scene: str = SCENE,
    most_objects: int = 20,
) -> Iterator[RunningSite]:
    """Serve generated cameras at a free port of this machine."""
    segmenter = Segmenter(BUNDLE)
    known: dict[bytes, np.ndarray] = {}
    opened: list[Cameras] = []
    truth: dict[tuple[str, str], np.ndarray] = {}
    marked: list[np.ndarray] = []

    def source(seed: int) -> OpenSource:
        def record(frame) -> None:
            known[frame.image.tobytes()] = frame.truth

        def connect() -> PacedReader:
            return PacedReader(open_source(f"{scene}&seed={seed}"), seen=record)

        return lambda notify: LiveSource(f"scene {seed}", connect, is_patient=True, notify=notify)

    def open_cameras(seen: Callable[[str, View], object]) -> Cameras:
        def both(name: str, view: View) -> None:
            truth[name, view.frame.name] = known[view.frame.image.tobytes()]
            if view.frame.name == "marked":
                marked.append(view.result.labels)
            seen(name, view)

        opened.append(
            Cameras(segmenter, {name: source(FIRST_SEED + i) for i, name in enumerate(names)}, seen=both)
        )
        return opened[0]

    config = uvicorn.Config(
        build_app(open_cameras, token=token, most_objects=most_objects),
        log_level="warning",
        ws="websockets-sansio",
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            wait_for(lambda: server.started and all(opened[0].view(name) for name in names))
            yield RunningSite(f"http://127.0.0.1:{listener.getsockname()[1]}", opened[0], truth, marked)
        finally:
            server.should_exit = True
            thread.join(20)
