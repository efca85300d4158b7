"""Sends one video to a server; a process of its own, since FFmpeg's connecting stops all of Python's threads.

    python -m vosrt.sinks.push_process

Standard input: a line of JSON (`address`, `format`, `options`, `rate`, `height`, `width`), then frames, each
a tick as little-endian int64 and BGR bytes `[height, width, 3]`; its end ends the video. Standard output: a
line `connected`, a line `sent` for each frame, or `error` with a reason that holds nothing of the address.
"""

from __future__ import annotations

import json
import struct
import sys
from contextlib import suppress
from fractions import Fraction
from typing import Any, BinaryIO

import numpy as np

from vosrt.h264 import H264Frames, add_h264_stream, import_encoder

TICKS = 90_000  # per second
FRAME_HEAD = struct.Struct("<q")


def main() -> int:
    """Run until the input ends; returns the exit status."""
    source = sys.stdin.buffer
    settings = json.loads(source.readline())
    av = import_encoder()
    try:
        _send(av, settings, source)
    except (OSError, ValueError, av.FFmpegError) as error:
        _tell(f"error {getattr(error, 'strerror', None) or type(error).__name__}")
        return 1
    return 0


def _send(av: Any, settings: dict[str, Any], source: BinaryIO) -> None:
    height, width = settings["height"], settings["width"]
    container = av.open(settings["address"], "w", format=settings["format"], options=settings["options"])
    try:
        stream = add_h264_stream(
            container,
            height=height,
            width=width,
            rate=Fraction(settings["rate"]),
            ticks=TICKS,
            pixel_aspect=Fraction(settings["pixel_aspect"]),
        )
        container.start_encoding()
        _tell("connected")
        size, frames = height * width * 3, H264Frames(av, TICKS)
        while len(head := source.read(FRAME_HEAD.size)) == FRAME_HEAD.size:
            pixels = source.read(size)
            if len(pixels) < size:
                break
            image = np.frombuffer(pixels, np.uint8).reshape(height, width, 3)
            container.mux(stream.encode(frames.frame(image, FRAME_HEAD.unpack(head)[0])))
            _tell("sent")
        container.mux(stream.encode())
    finally:
        with suppress(OSError, ValueError, av.FFmpegError):
            container.close()


def _tell(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
