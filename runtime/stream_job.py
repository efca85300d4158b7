"""From a source and its marked objects to label maps in files."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from vosrt.errors import InputError
from vosrt.frames_ahead import FramesAhead
from vosrt.lasting_stream import GAP, LastingStream
from vosrt.number_check import checked_whole
from vosrt.object_prompts import FirstMarks, FirstTruth, ObjectPrompts, open_mask
from vosrt.progress import show_progress
from vosrt.segmenter import Segmenter
from vosrt.sinks.background_sinks import BackgroundSinks
from vosrt.sinks.older_images import OlderImages
from vosrt.sinks.sink import Sink
from vosrt.sinks.sink_group import SinkGroup
from vosrt.sources.address import scheme_of
from vosrt.sources.adjusted_source import AdjustedSource, Adjustment
from vosrt.sources.ahead_source import AheadSource
from vosrt.sources.open_source import open_source
from vosrt.sources.source import Source
from vosrt.sources.source_frame import SourceFrame
from vosrt.stream_outputs import StreamOutputs
from vosrt.stream_summary import StreamRecord, StreamSummary


@dataclass(frozen=True)
class StreamJob:
    """Segments one source. Everything is checked before the first output is made.

    Reading, segmenting and writing overlap: the next frames are read, and the last results written, in
    threads of their own; on a GPU a recording's next frame is sent while it works on the one before.

    When a source breaks off, or the job is interrupted, the frames before are written and the files finished.

    Attributes:
        bundles: bundle folder, or several, whose results are averaged.
        source: address of the source, as `open_source` takes it.
        mask: indexed PNG with the objects of the first frame, or a folder of PNGs named like the frames on
            which their objects join; None when marks are given or the source knows its truth.
        marks: of the objects of the first frame, instead of a mask: "boxes", "clicks" and "polygons" by
            object id, as `Stream.step` takes them.
        video: overlay video to write, or None.
        masks: folder for one indexed PNG per frame, named like the frames, or None.
        rle: file for one JSON line per frame with run-length encoded masks, or None.
        cutout: folder for one PNG per frame, transparent where no object is, or None.
        keep_colour: leave the frames' colours under the transparent pixels.
        sinks: further takers of frames and results, called in another thread than `run`.
        overwrite: replace outputs that exist.
        settings: of the `Segmenter`; it chooses what is left out.
        first_frame: leave out so many frames first.
        most_frames: stop after so many; None for all.
        adjustment: what is done to frames first; masks and boxes are of the adjusted ones.
        hardware_decode: decode videos by hardware where there is some.
        gap: seconds without frames of a camera after which objects are looked for from their reference (5).
        latency: seconds from a camera's frame to its masks that are to be kept; None for no limit.
        show_progress: on standard error.

    Raises:
        InputError: `first_frame` or `most_frames` is no whole number, or below 0.
    """

    bundles: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
    source: str | os.PathLike[str]
    mask: str | os.PathLike[str] | None = None
    marks: Mapping[str, Mapping[int, Any]] = field(default_factory=dict)
    video: str | os.PathLike[str] | None = None
    masks: str | os.PathLike[str] | None = None
    rle: str | os.PathLike[str] | None = None
    cutout: str | os.PathLike[str] | None = None
    keep_colour: bool = False
    sinks: Sequence[Sink] = ()
    overwrite: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    first_frame: int = 0
    most_frames: int | None = None
    adjustment: Adjustment = field(default_factory=Adjustment)
    hardware_decode: bool = False
    gap: float = GAP
    latency: float | None = None
    show_progress: bool = True

    def __post_init__(self) -> None:
        checked_whole("first_frame", self.first_frame, 0)
        if self.most_frames is not None:
            checked_whole("most_frames", self.most_frames, 0)

    def run(self, segmenter: Segmenter | None = None) -> StreamSummary:
        """Run to the end of the source.

        Args:
            segmenter: networks that have been loaded, in place of `bundles` and `settings`.

        Raises:
            Error: an input, an output or the bundle cannot be used.
        """
        started = time.perf_counter()
        outputs = self._outputs()
        outputs.check(source=os.fspath(self.source), mask=None if self.mask is None else os.fspath(self.mask))
        prompts = self._prompts()
        record = StreamRecord(started, compared=isinstance(prompts, FirstTruth))
        older = OlderImages(outputs.folders().values())
        with ExitStack() as stack:
            source = stack.enter_context(self._open_source())
            prompts.check_source(source)
            segmenter = segmenter or Segmenter(self.bundles, **self.settings)
            group = SinkGroup([older, *outputs.sinks(), *self.sinks])
            sinks = stack.enter_context(closing(BackgroundSinks(group)))
            left = None if source.length is None else max(0, source.length - self.first_frame)
            total = min((count for count in (left, self.most_frames) if count is not None), default=None)
            progress = stack.enter_context(show_progress(total, shown=self.show_progress))
            self._segment(source, prompts, segmenter, sinks, record, progress)
        for folder, count in older.by_folder().items():
            print(f"warning: {folder} still holds {count} older PNGs of other frames", file=sys.stderr)
        return record.summary(
            source=source,
            precision=segmenter.precision,
            placement=str(segmenter.placement),
            paths=outputs.paths,
            older_masks=sum(older.by_folder().values()),
        )

    def _segment(
        self,
        source: Source,
        prompts: ObjectPrompts,
        segmenter: Segmenter,
        sinks: BackgroundSinks,
        record: StreamRecord,
        progress: Callable[[int], object],
    ) -> None:
        if self.latency is not None and not source.is_live:
            raise InputError("a latency budget is given for a recording", cure="leave --latency-budget out")
        gap = self.gap if source.is_live else None
        stream = LastingStream(segmenter.stream(), gap=gap, latency=self.latency)
        stop = None if self.most_frames is None else self.first_frame + self.most_frames
        frames = islice(_in_time(source, stream, record), self.first_frame, stop)
        is_ahead = segmenter.placement.device == "cuda" and not source.is_live  # a camera would be waited for
        for index, (frame, ahead) in enumerate(_ahead(frames, stream) if is_ahead else _alone(frames)):
            given = prompts.at(index, frame)
            before = time.perf_counter()
            result = stream.step(frame, **given, **ahead)
            record.add(time.perf_counter() - before, frame, result)
            if index == 0:  # the first step has checked the frame and what is given on it
                sinks.open(frame, source.rate)
            sinks.write(frame, result)
            if index == 0:
                sinks.flush()
                record.first_frame_is_written()
                if self.show_progress:
                    print(f"note: {segmenter.placement}", file=sys.stderr)
            progress(index + 1)
        if record.frames != self.most_frames:
            prompts.check_used()

    def _open_source(self) -> Source:
        source = open_source(self.source, hardware=self.hardware_decode)
        if not self.adjustment.is_none:
            source = AdjustedSource(source, self.adjustment)
        return source if source.is_live else AheadSource(source)  # a live one has its own thread

    def _outputs(self) -> StreamOutputs:
        named = {"video": self.video, "masks": self.masks, "rle": self.rle, "cutout": self.cutout}
        paths = {name: os.fspath(path) for name, path in named.items() if path is not None}
        return StreamOutputs(paths, keep_colour=self.keep_colour, overwrite=self.overwrite)

    def _prompts(self) -> ObjectPrompts:
        is_marked = any(self.marks.values())
        if self.mask is not None and is_marked:
            raise InputError(
                "both a mask and marks are given", allowed="--mask, or --box, --click, --polygon"
            )
        if self.mask is not None:
            return open_mask(os.fspath(self.mask))
        if is_marked:
            return FirstMarks(self.marks)
        if scheme_of(os.fspath(self.source)) == "test":
            return FirstTruth()
        raise InputError(
            "no object is given",
            allowed="--mask PNG or FOLDER, --box x0,y0,x1,y1, --click x,y or --polygon x,y,x,y,x,y",
            cure="mark the objects of the first frame",
        )


def _in_time(source: Source, stream: LastingStream, record: StreamRecord) -> Iterator[SourceFrame]:
    for frame in source:
        if stream.is_late(frame):
            record.late += 1
        else:
            yield frame


_Given = tuple[SourceFrame, dict[str, Any]]  # a frame, and what a step takes with it


def _alone(frames: Iterable[SourceFrame]) -> Iterator[_Given]:
    for frame in frames:
        yield frame, {}


def _ahead(frames: Iterable[SourceFrame], stream: LastingStream) -> Iterator[_Given]:
    """Each frame is read and sent to the GPU while it works on the one before."""
    feed = FramesAhead(frames, lambda frame: (frame, stream.stream.ahead(frame.image)))
    feed.fetch()
    for frame, sent in feed:
        yield frame, {"sent": sent, "meanwhile": feed.fetch}
