"""What a stream job did."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vosrt.counted import counted
from vosrt.region_similarity import RegionSimilarity
from vosrt.sources.source import Source
from vosrt.sources.source_frame import SourceFrame
from vosrt.stream import Result

_MOST_TIMES = 100_000  # of the last frames, for the spread: a camera may run for ever


@dataclass(frozen=True)
class StreamSummary:
    """What a run did; times are in milliseconds per frame and leave out the first, which is not predicted.

    Attributes:
        frames: that were segmented.
        objects: that were there at the end.
        lost_objects: ids that were lost on the last frame.
        precision: of the graphs.
        placement: what the graphs ran on, in words.
        seconds: spent in the network.
        startup_seconds: from the job's start until the first frame was written.
        frames_per_second: of the network alone.
        median_ms: of a frame.
        p95_ms: of a frame, the 95th percentile.
        mean_j: agreement with a generated source's truth, 0 to 1; None elsewhere.
        video: that was written; None where none was, as for the next three.
        masks: folder.
        rle: file.
        cutout: folder.
        age_ms: median, from a camera's frame to its masks; None for recordings.
        dropped: frames of a camera that newer ones replaced, or that were late.
        reconnects: how often it came back.
        older_masks: PNGs of other frames that were in the folders before and still are.
    """

    frames: int
    objects: int
    lost_objects: tuple[int, ...]
    precision: str
    placement: str
    seconds: float
    startup_seconds: float
    frames_per_second: float
    median_ms: float
    p95_ms: float
    mean_j: float | None
    video: str | None = None
    masks: str | None = None
    rle: str | None = None
    cutout: str | None = None
    age_ms: float | None = None
    dropped: int = 0
    reconnects: int = 0
    older_masks: int = 0

    def to_json(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self)

    def line(self) -> str:
        """For people."""
        paths = [path for path in (self.video, self.masks, self.rle, self.cutout) if path]
        written = f"; wrote {' and '.join(paths)}" if paths else ""
        speed = f"{self.frames_per_second:.2f} frames per second"
        spread = f"median {self.median_ms:.0f} ms, p95 {self.p95_ms:.0f} ms"
        start = f"first frame after {self.startup_seconds:.1f} s"
        lost = f" ({len(self.lost_objects)} lost)" if self.lost_objects else ""
        counts = f"{counted(self.frames, 'frame')}, {counted(self.objects, 'object')}{lost}, {self.precision}"
        score = "" if self.mean_j is None else f"; mean J {self.mean_j:.3f} against the truth"
        camera = ""
        if self.age_ms is not None:
            camera = f", masks {self.age_ms:.0f} ms after the frame, {counted(self.dropped, 'frame')} dropped"
            camera += f", {self.reconnects} times back" if self.reconnects else ""
        older = f"; {self.older_masks} older PNGs of other frames remain" if self.older_masks else ""
        return f"{counts}: {speed} ({spread}), {start}{camera}{score}{written}{older}"


class StreamRecord:
    """Collects what the summary says while the job runs, in bounded memory.

    Args:
        started: when the job started, by `time.perf_counter`.
        compared: whether frames carry a truth that results are compared with.
    """

    def __init__(self, started: float, *, compared: bool) -> None:
        self._started = started
        self._similarity = RegionSimilarity() if compared else None
        self._times: deque[float] = deque(maxlen=_MOST_TIMES)
        self._ages: deque[float] = deque(maxlen=_MOST_TIMES)
        self._first_time = 0.0
        self._predicted_seconds = 0.0
        self._startup = 0.0
        self._last: Result | None = None
        self.frames = 0
        self.late = 0  # frames that were left out to keep the latency

    def add(self, seconds: float, frame: SourceFrame, result: Result) -> None:
        """Take a frame's time in the network, and its result."""
        self.frames += 1
        self._last = result
        if frame.captured is not None:
            self._ages.append(time.monotonic() - frame.captured)
        if self.frames == 1:
            self._first_time = seconds
            return
        self._times.append(seconds)
        self._predicted_seconds += seconds
        if self._similarity is not None and frame.truth is not None:
            self._similarity.add(result.labels, frame.truth, result.ids)

    def first_frame_is_written(self) -> None:
        """Take the time until now as the start-up."""
        self._startup = time.perf_counter() - self._started

    def summary(
        self, *, source: Source, precision: str, placement: str, paths: Mapping[str, str], older_masks: int
    ) -> StreamSummary:
        """Sum up; `paths` are of `StreamOutputs`."""
        status = source.status
        total = self._predicted_seconds or self._first_time
        times = np.array(self._times or [self._first_time])
        return StreamSummary(
            frames=self.frames,
            objects=len(self._last.ids) if self._last else 0,
            lost_objects=tuple(self._last.lost) if self._last else (),
            precision=precision,
            placement=placement,
            seconds=round(self._first_time + self._predicted_seconds, 3),
            startup_seconds=round(self._startup, 3),
            frames_per_second=round(max(1, self.frames - 1) / total, 3) if total else 0.0,
            median_ms=round(float(np.median(times)) * 1e3, 1),
            p95_ms=round(float(np.percentile(times, 95)) * 1e3, 1),
            mean_j=_rounded(self._similarity.mean) if self._similarity else None,
            age_ms=round(float(np.median(self._ages)) * 1e3, 1) if self._ages and source.is_live else None,
            dropped=self.late + (status.dropped if status else 0),
            reconnects=status.reconnects if status else 0,
            older_masks=older_masks,
            **paths,
        )


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(score, 4)
