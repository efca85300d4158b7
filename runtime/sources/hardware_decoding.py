"""Decoding on a chip of the machine's, where FFmpeg finds one."""

from __future__ import annotations

import functools
import logging
from typing import Any

from vosrt.optional_import import import_for

_CODEC = "h264"  # that a device must decode to be taken; others fall back to software one by one

_log = logging.getLogger(__name__)


def hardware_decoding() -> dict[str, Any]:
    """Further arguments of `av.open`: frames are decoded by hardware and come to the host's memory.

    What the hardware cannot decode, software does. Without hardware that is said once in the log.
    """
    device = _device()
    if device is None:
        return {}
    hwaccel = import_for("hardware decoding", "av.codec.hwaccel")
    return {"hwaccel": hwaccel.HWAccel(device, allow_software_fallback=True)}


@functools.cache
def _device() -> str | None:
    """FFmpeg's name of the first device that decodes here; None where none does."""
    av = import_for("hardware decoding", "av")
    hwaccel = import_for("hardware decoding", "av.codec.hwaccel")
    codec = av.Codec(_CODEC, "r")
    for device in hwaccel.hwdevices_available():
        if _works(av, hwaccel, device, codec):
            _log.info("videos are decoded by %s", device)
            return str(device)
    _log.warning("no hardware decodes videos here; software does")
    return None


def _works(av: Any, hwaccel: Any, device: str, codec: Any) -> bool:
    try:
        hwaccel.HWAccel(device, allow_software_fallback=False).create(codec)
    except (av.FFmpegError, OSError, ValueError, NotImplementedError):  # the last: not for this codec
        return False
    return True
