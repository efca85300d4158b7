"""Runs in a process of its own: a stream on the real onnxruntime-gpu, over libraries of `libraries.py`.

`python -m tests.runtime.cuda.stand_in_cuda.program RUNTIME BUNDLE FRAMES` prints a JSON list: for each frame,
what the CUDA runtime (a library's name) was asked to do. Nothing is computed, so results mean nothing.
"""

from __future__ import annotations

import ctypes
import json
import sys
from unittest import mock

import numpy as np

from tests.runtime.cuda.host_driver import HostDriver
from vosrt import Segmenter, import_onnxruntime
from vosrt.cuda.cuda_device import CudaDevice
from vosrt.placement import Placement


class EmptyDriver(HostDriver):
    """Memory starts with zeros: nothing is written to it, and streams refuse what is no number."""

    def allocate(self, size: int) -> int:
        pointer = super().allocate(size)
        self.memory[pointer][:] = 0
        return pointer


def main(library: str, bundle: str, frames: int) -> list[dict[str, int]]:
    """Segment as many frames."""
    runtime = ctypes.CDLL(library)
    runtime.stand_in_report.restype = ctypes.c_char_p
    device = CudaDevice(EmptyDriver(), lambda device: lambda graph, inputs, output: None)
    placement = Placement("cuda", "onnxruntime", "stand-in", cuda=device)
    with mock.patch.object(
        import_onnxruntime, "installed_version", lambda package: package == "onnxruntime-gpu"
    ):
        stream = Segmenter(bundle, placement=placement).stream()
    frame, mask = np.zeros((120, 200, 3), np.uint8), np.zeros((120, 200), np.uint8)
    mask[20:60, 20:60], mask[70:100, 100:150] = 1, 2
    found = []
    for index in range(frames):
        runtime.stand_in_reset()
        stream.step(frame, mask=mask if index == 0 else None)
        lines = runtime.stand_in_report().decode().splitlines()
        found.append({name: int(number) for name, number in (line.split("\t") for line in lines)})
    return found


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
