"""The GPUs of this machine, before anything of CUDA is loaded."""

from __future__ import annotations

import os
from pathlib import Path

_DRIVER_FOLDER = Path("/proc/driver/nvidia/gpus")


def visible_gpus() -> list[str]:
    """What to set CUDA_VISIBLE_DEVICES to for each GPU; empty where there are none to tell apart."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name.strip() for name in chosen.split(",") if name.strip()]
    try:
        return [str(number) for number in range(len(list(_DRIVER_FOLDER.iterdir())))]
    except OSError:
        return []  # no driver of NVIDIA's, or one of a Jetson, which has one GPU
