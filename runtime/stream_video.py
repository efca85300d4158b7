"""From a video and the mask of its first frame to an overlay video and label maps."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vosrt.errors import InputError
from vosrt.label_map import read_label_map, write_label_map
from vosrt.overlay import draw_overlay
from vosrt.segmenter import Segmenter
from vosrt.video_reader import ImageFolder, VideoFile, open_source
from vosrt.video_writer import VideoWriter

_PLAIN_INTERVAL = 5.0  # seconds between lines where there is no terminal


@dataclass(frozen=True)
class StreamSummary:
    """What a run did; times are in milliseconds per frame and leave out the first, which is not predicted."""

    frames: int
    objects: int
    precision: str
    seconds: float
    frames_per_second: float
    median_ms: float
    p95_ms: float
    video: str | None
    masks: str | None

    def to_json(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self)

    def line(self) -> str:
        """For people."""
        written = " and ".join(path for path in (self.video, self.masks) if path)
        speed = f"{self.frames_per_second:.2f} frames per second"
        spread = f"median {self.median_ms:.0f} ms, p95 {self.p95_ms:.0f} ms"
        counts = f"{self.frames} frames, {self.objects} objects, {self.precision}"
        return f"{counts}: {speed} ({spread}); wrote {written}"


@dataclass(frozen=True)
class StreamJob:
    """Segments one source. Everything is checked before the first output is made.

    Attributes:
        bundle: bundle folder.
        source: video file or folder of images.
        mask: indexed PNG with the objects of the first frame.
        video: overlay video to write, or None.
        masks: folder for one PNG per frame, named like the frames, or None.
        overwrite: replace outputs that exist.
        precision: one of the bundle's; None for float32, or the only one there is.
        threads: per graph; None for one per core.
        most_frames: stop after so many; None for all.
    """

    bundle: str
    source: str
    mask: str
    video: str | None = None
    masks: str | None = None
    overwrite: bool = False
    precision: str | None = None
    threads: int | None = None
    most_frames: int | None = None

    def run(self) -> StreamSummary:
        """Run to the end of the source.

        Raises:
            Error: an input, an output or the bundle cannot be used.
        """
        self._check_outputs()
        mask = read_label_map(self.mask)
        segmenter = Segmenter(self.bundle, precision=self.precision, threads=self.threads)
        stream = segmenter.stream()
        times: list[float] = []
        with ExitStack() as stack:
            source = open_source(self.source)
            stack.callback(source.close)
            progress = stack.enter_context(_progress(source, self.most_frames))
            writer: VideoWriter | None = None
            for count, frame in enumerate(source):
                if count == self.most_frames:
                    break
                started = time.perf_counter()
                result = stream.step(frame.image, mask if count == 0 else None)
                times.append(time.perf_counter() - started)
                if count == 0:  # the first step has checked frame and mask
                    writer = self._open_outputs(source, stack)
                if writer is not None:
                    writer.write(draw_overlay(frame.image, result.labels))
                if self.masks is not None:
                    write_label_map(Path(self.masks) / f"{frame.name}.png", result.labels)
                progress(count + 1)
        return self._summary(times, len(stream.ids), segmenter.precision)

    def _check_outputs(self) -> None:
        for path in (self.video, self.masks):
            if path is None:
                continue
            target = Path(path)
            occupied = target.is_file() or (target.is_dir() and any(target.iterdir()))
            if occupied and not self.overwrite:
                raise InputError(f"output {path} exists", cure="choose another name, or give --overwrite")
            if Path(self.source).resolve() == target.resolve():
                raise InputError(f"output {path} is the source", cure="choose another name")
        if self.video is not None and Path(self.video).suffix.lower() != ".mp4":
            raise InputError("--out", value=self.video, allowed="a name that ends in .mp4")
        if self.masks is not None and Path(self.masks).is_file():
            raise InputError("--masks", value=self.masks, allowed="a folder")

    def _open_outputs(self, source: VideoFile | ImageFolder, stack: ExitStack) -> VideoWriter | None:
        if self.masks is not None:
            _make_folder(Path(self.masks))
        if self.video is None:
            return None
        _make_folder(Path(self.video).parent)
        return stack.enter_context(VideoWriter(self.video, rate=source.rate))

    def _summary(self, times: list[float], objects: int, precision: str) -> StreamSummary:
        predicted = np.array(times[1:] or times)
        total = float(predicted.sum())
        return StreamSummary(
            frames=len(times),
            objects=objects,
            precision=precision,
            seconds=round(sum(times), 3),
            frames_per_second=round(len(predicted) / total, 3) if total else 0.0,
            median_ms=round(float(np.median(predicted)) * 1e3, 1),
            p95_ms=round(float(np.percentile(predicted, 95)) * 1e3, 1),
            video=self.video,
            masks=self.masks,
        )


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"folder {path} cannot be made ({error.strerror})", cure="choose a folder that can be written"
        ) from error


@contextmanager
def _progress(source: VideoFile | ImageFolder, most_frames: int | None) -> Iterator[Any]:
    """A function to call with the number of frames done: a bar on a terminal, plain lines elsewhere."""
    total = min(source.length or most_frames or 0, most_frames or source.length or 0) or None
    if not sys.stderr.isatty():
        yield _PlainProgress(total)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = [TextColumn("segmenting"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("frames", total=total)
        yield lambda done: bar.update(task, completed=done)


class _PlainProgress:
    """Now and then a line on standard error."""

    def __init__(self, total: int | None) -> None:
        self._total = f" of {total}" if total else ""
        self._next = time.monotonic() + _PLAIN_INTERVAL

    def __call__(self, done: int) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _PLAIN_INTERVAL
            print(f"frame {done}{self._total}", file=sys.stderr, flush=True)
