"""A stream with everything around it: a video in, an overlay video out, and the same frames as a camera."""

from __future__ import annotations

import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vosrt.benchmarks.bench_clip import BenchClip
from vosrt.sinks.background_sinks import BackgroundSinks
from vosrt.sinks.overlay_video import OverlayVideo
from vosrt.sources.ahead_source import AheadSource
from vosrt.sources.live_source import LiveSource
from vosrt.sources.paced_reader import PacedReader
from vosrt.sources.source_frame import SourceFrame
from vosrt.sources.video_file import VideoFile
from vosrt.stream import Stream
from vosrt.video_writer import VideoWriter

RATE = 30  # frames per second of the video, and of the camera


@dataclass(frozen=True)
class EndToEnd:
    """What was measured.

    Attributes:
        frames_per_second: decoding, segmenting, drawing and encoding, which overlap.
        cpu_seconds: of the process, per frame of that.
        age_ms: from a camera's frame to its label map, of every frame that was taken.
        taken: share of the camera's frames that were segmented; newer ones replaced the others.
    """

    frames_per_second: float
    cpu_seconds: float
    age_ms: tuple[float, ...]
    taken: float


def write_video(path: Path, clip: BenchClip, frames: int) -> None:
    """The first frames of a clip as H.264."""
    with VideoWriter(path, rate=RATE) as writer:
        for index in range(frames):
            writer.write(clip.frame(index))


def measure(stream: Stream, video: Path, mask: NDArray[np.uint8]) -> EndToEnd:
    """Run a stream over a video, twice.

    Args:
        stream: is reset before and after.
        video: a file that `write_video` wrote, of some frames.
        mask: of its first frame, uint8 `[H, W]`.
    """
    with tempfile.TemporaryDirectory() as folder:
        rate, cpu = _recorded(stream, video, mask, Path(folder) / "overlay.mp4")
    ages, taken = _live(stream, video, mask)
    stream.reset()
    return EndToEnd(rate, cpu, tuple(ages), taken)


def _recorded(stream: Stream, video: Path, mask: NDArray[np.uint8], out: Path) -> tuple[float, float]:
    """Frames and CPU seconds per second and frame, the frame with the mask left out."""
    stream.reset()
    with (
        AheadSource(VideoFile(video)) as source,
        closing(BackgroundSinks(OverlayVideo(out))) as sinks,
    ):
        started, cpu, count = 0.0, 0.0, 0
        for index, padded in enumerate(source):
            frame = _cropped(padded, mask)
            result = stream.step(frame.image, mask if index == 0 else None)
            if index == 0:
                sinks.open(frame, source.rate)
            sinks.write(frame, result)
            if index == 0:
                sinks.flush()
                started, cpu = time.perf_counter(), time.process_time()
            else:
                count += 1
        sinks.flush()
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    return count / seconds, cpu / count


def _cropped(frame: SourceFrame, mask: NDArray[np.uint8]) -> SourceFrame:
    """Without the column and row that make a video's sides even."""
    height, width = mask.shape
    return replace(frame, image=np.ascontiguousarray(frame.image[:height, :width]))


def _live(stream: Stream, video: Path, mask: NDArray[np.uint8]) -> tuple[list[float], float]:
    """Ages in milliseconds, and the share of the frames that was taken."""
    stream.reset()
    ages = []
    with LiveSource("the video as a camera", lambda: PacedReader(VideoFile(video))) as source:
        for index, padded in enumerate(source):
            frame = _cropped(padded, mask)
            stream.step(frame.image, mask if index == 0 else None)
            if index and frame.captured is not None:
                ages.append(1e3 * (time.monotonic() - frame.captured))
        return ages, (1 + len(ages)) / source.status.frames
