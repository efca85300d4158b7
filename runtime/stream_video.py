"""From a video and the mask of its first frame to an overlay video and label maps."""

from __future__ import annotations

import os
import stat
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
from vosrt.regular_file import stat_of
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
    older_masks: int = 0  # PNGs of other frames that were in the folder before and still are

    def to_json(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self)

    def line(self) -> str:
        """For people."""
        written = " and ".join(path for path in (self.video, self.masks) if path)
        speed = f"{self.frames_per_second:.2f} frames per second"
        spread = f"median {self.median_ms:.0f} ms, p95 {self.p95_ms:.0f} ms"
        counts = f"{self.frames} frames, {self.objects} objects, {self.precision}"
        older = f"; {self.older_masks} older PNGs of other frames remain" if self.older_masks else ""
        return f"{counts}: {speed} ({spread}); wrote {written}{older}"


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
        older = _names_in(self.masks)
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
                    older.discard(f"{frame.name}.png")
                progress(count + 1)
        if older:
            print(
                f"warning: {self.masks} still holds {len(older)} older PNGs of other frames", file=sys.stderr
            )
        return self._summary(times, len(stream.ids), segmenter.precision, older_masks=len(older))

    def _check_outputs(self) -> None:
        if self.video is not None:
            self._check_output(self.video)
            self._check_video(self.video)
        if self.masks is not None:
            self._check_mask_is_elsewhere(self.masks)
            self._check_output(self.masks)
            self._check_masks(self.masks)

    def _check_output(self, path: str) -> None:
        if _is_same(path, self.source):
            raise InputError(f"output {path} is the source", cure="choose another name")
        found = _stat(path)
        occupied = found is not None and (not stat.S_ISDIR(found.st_mode) or bool(_entries(path)))
        if occupied and not self.overwrite:
            raise InputError(f"output {path} exists", cure="choose another name, or give --overwrite")

    def _check_video(self, path: str) -> None:
        if Path(path).suffix.lower() != ".mp4":
            raise InputError("--out", value=path, allowed="a name that ends in .mp4")
        found = _stat(path)
        if found is not None and not stat.S_ISREG(found.st_mode):
            raise InputError("--out", value=path, allowed="a new name, or an ordinary file to replace")

    def _check_mask_is_elsewhere(self, folder: str) -> None:
        parents = (os.path.dirname(self.mask) or ".", os.path.dirname(_real_path(self.mask)))
        if any(_is_same(parent, folder) for parent in parents):
            raise InputError(
                f"--mask {self.mask} lies in the folder of --masks, where it would be overwritten",
                cure="choose another folder for --masks",
            )

    def _check_masks(self, folder: str) -> None:
        """Only PNGs may be in the folder: whatever else is there, it is no folder of masks."""
        found = _stat(folder)
        if found is None:
            return
        if not stat.S_ISDIR(found.st_mode):
            raise InputError("--masks", value=folder, allowed="a folder")
        for entry in _entries(folder):
            own = _is_mask(entry) or (self.video is not None and _is_same(entry.path, self.video))
            if not own:
                raise InputError(
                    f"--masks {folder} holds {entry.name}, which is no mask",
                    allowed="a folder that holds PNGs only",
                    cure="choose another folder, or move the file away",
                )

    def _open_outputs(self, source: VideoFile | ImageFolder, stack: ExitStack) -> VideoWriter | None:
        if self.masks is not None:
            _make_folder(Path(self.masks))
        if self.video is None:
            return None
        _make_folder(Path(self.video).parent)
        return stack.enter_context(VideoWriter(self.video, rate=source.rate))

    def _summary(
        self, times: list[float], objects: int, precision: str, *, older_masks: int
    ) -> StreamSummary:
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
            older_masks=older_masks,
        )


def _stat(path: str) -> os.stat_result | None:
    try:
        return stat_of(path)
    except OSError as error:
        raise _unusable(path, error) from error


def _real_path(path: str) -> str:
    try:
        return os.path.realpath(path)
    except (OSError, ValueError) as error:
        raise _unusable(path, error) from error


def _unusable(path: str, error: Exception) -> InputError:
    reason = getattr(error, "strerror", None) or str(error)
    return InputError(f"path {path!r} cannot be used ({reason})", cure="choose another path")


def _is_same(one: str, other: str) -> bool:
    """Whether two paths lead to one file or folder, or would if it were there."""
    first, second = _stat(one), _stat(other)
    if first is not None and second is not None:
        return os.path.samestat(first, second)
    return _real_path(one) == _real_path(other)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise _unusable(folder, error) from error


def _names_in(folder: str | None) -> set[str]:
    """The PNGs in a folder; none when it is not there."""
    if folder is None or _stat(folder) is None:
        return set()
    return {entry.name for entry in _entries(folder) if entry.name.endswith(".png")}


def _is_mask(entry: os.DirEntry[str]) -> bool:
    if entry.is_dir():
        return False
    killed = entry.name.startswith(".") and entry.name.endswith(".png.part")  # half a mask of a killed run
    return killed or entry.name.endswith(".png")


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
