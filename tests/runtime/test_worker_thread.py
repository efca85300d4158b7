"""Programs that end while vosrt's own threads work."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref

import pytest

from tests.runtime.toy_bundle import write_colour_bundle
from vosrt.worker_thread import start_worker

CAMERAS = """
import sys, time
from vosrt import Segmenter
from vosrt.cameras import Cameras
from vosrt.serve.camera_list import camera

cameras = Cameras(Segmenter(sys.argv[1], threads=2), {"door": camera("test://480x640?frames=9999&fps=1000")})
while cameras.view("door") is None:
    time.sleep(0.01)
cameras.mark("door", boxes={1: (8, 8, 400, 400)}).result()
"""
READER = """
import cv2, numpy as np
from vosrt.sources.live_source import LiveSource

class Reader:
    rate, time, is_finite, pixel_aspect = None, None, False, 1
    image = np.zeros((1000, 1000, 3), np.uint8)

    def read(self):
        image = cv2.GaussianBlur(self.image, (31, 31), 3)
        return lambda: image

    def close(self):
        print("closed")

print(LiveSource("a camera", Reader).status.state.value)
"""


@pytest.mark.parametrize(
    ("program", "printed"), [(CAMERAS, ""), (READER, "live\nclosed\n")], ids=["cameras", "source"]
)
def test_program_ends_in_order_though_its_cameras_are_open(tmp_path, program, printed):
    command = [sys.executable, "-c", program, write_colour_bundle(tmp_path / "bundle")]
    for _ in range(3):
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, printed, "")


def test_worker_that_has_ended_is_held_by_nobody():
    class Owner:
        def __init__(self) -> None:
            self.closing = threading.Event()
            self.thread = start_worker("test", self.closing.wait, self.closing.set)

    owner = Owner()
    owner.closing.set()
    owner.thread.join()
    left = weakref.ref(owner)
    del owner
    gc.collect()
    assert left() is None
