"""Runs the command line with little memory beside what is loaded: python -m … EXTRA_MB COMMAND…"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import av  # noqa: F401
import cv2
import onnxruntime  # noqa: F401
from PIL import PngImagePlugin  # noqa: F401

from vosrt.cli import main


def limit(extra_mb: int) -> None:
    """Let the address space grow by so many MB and no more."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + (extra_mb << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    cv2.setNumThreads(1)
    limit(int(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
