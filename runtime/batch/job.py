"""One video of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

OUTPUTS: Mapping[str, str] = {  # kind -> its name in the folder of a video's results
    "masks": "masks",
    "video": "overlay.mp4",
    "rle": "masks.jsonl",
    "cutout": "cutout",
}
LONGEST_NAME = 230  # bytes of a file name's 255: a record is first written under a longer one


@dataclass(frozen=True)
class FramePart:
    """Frames of a video that are segmented by themselves, because a mask was given where they start.

    Attributes:
        number: counts a video's parts from 0.
        start: the first frame, counted from 0.
        stop: the frame behind the last one; None for the end of the video.
    """

    number: int
    start: int
    stop: int | None


@dataclass(frozen=True)
class BatchJob:
    """A video, what marks its objects, and what is wanted of it.

    Attributes:
        name: of its results, `LONGEST_NAME` bytes at most; no two videos of a batch share it.
        video: a file, a folder of images, `test://…`, or an address that fsspec opens.
        mask: indexed PNG, folder of PNGs, or an address of either; None where marks are given or the
            source knows its truth.
        boxes: x0, y0, x1, y1 by object id, on the first frame, instead of a mask.
        outputs: kinds of `OUTPUTS`.
        frames: stop after so many; None for all.
        split: whether every mask of a folder starts anew, so that the parts between them can be shared out.
        part: the part of the video that this is; None for all of it.
    """

    name: str
    video: str
    mask: str | None = None
    boxes: Mapping[int, tuple[int, int, int, int]] = field(default_factory=dict)
    outputs: tuple[str, ...] = ("masks",)
    frames: int | None = None
    split: bool = False
    part: FramePart | None = None

    @property
    def key(self) -> str:
        """Of this job among all, parts included; a relative path."""
        return self.name if self.part is None else f"{self.name}/{self.part.number:04d}"

    @property
    def results(self) -> str:
        """The folder for its results, within the output."""
        return f"{'results' if self.part is None else 'parts'}/{self.key}"

    @property
    def record(self) -> str:
        """The file for its record, within the output."""
        return f"records/{self.key}.json"

    def inputs(self) -> dict[str, str]:
        """Addresses that are read, by role."""
        return {"video": self.video} | ({} if self.mask is None else {"mask": self.mask})

    def wants(self) -> dict[str, Any]:
        """What its results depend on beside the files and the networks, for a record."""
        part = None if self.part is None else [self.part.start, self.part.stop]
        boxes = {str(object_id): list(box) for object_id, box in sorted(self.boxes.items())}
        return {
            "outputs": sorted(self.outputs),
            "boxes": boxes,
            "frames": self.frames,
            "split": self.split,
            "part": part,
        }

    def cut(self, part: FramePart, mask: str) -> BatchJob:
        """This job for a part that starts with a mask of its own."""
        return replace(self, part=part, mask=mask, split=False)
