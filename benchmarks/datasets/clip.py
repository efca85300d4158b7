"""A clip to run and score, whatever data set it comes from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import islice
from pathlib import Path

from vosrt.benchmarks.datasets.mask_files import MaskFiles
from vosrt.errors import InputError

_PLAIN_NAME = re.compile(r"[^/\\.\x00-\x1f][^/\\\x00-\x1f]*")


class MaskRule(Enum):
    """What a network gets to see of the masks."""

    NEW_OBJECTS = "each object once, on the first frame whose mask holds it"  # the rest may be truth
    AS_GIVEN = "whole masks; the zeros of later ones say nothing"  # all are prompts


class Scoring(Enum):
    """Which objects are scored on which frames. First and last frames never count."""

    NONE = "there is no truth"
    DAVIS = "ids from 1 to the largest of the first truth, on all frames"
    STARTS = "every id of the truth, from its first frame to the clip's last"
    RANGES = "every id on its own range of frames"
    UNION = "all objects as one, on all frames"


@dataclass(frozen=True)
class Clip:
    """One video. Names of frames are those of the files, without suffix.

    Attributes:
        name: of the clip; results are written under it.
        frames: image by name, in order; the network sees all of them.
        masks: what the objects are taken from, by frame name, in order.
        rule: what of the masks is shown.
        starts: frame names before which an object is not shown, by id; ids that are missing are never
            shown. None for no such limits; with them, names of frames sort into the frames' order.
        saved: names of the frames whose results are written.
        truth: masks by frame name, in order; empty when there is none.
        scoring: what the truth is used for.
        ranges: for `Scoring.RANGES`: names of the frames on which an id counts, first and last included.
        foreground_only: whether every value but 0 of a result in a file is the one object 1.
        attributes: what makes the clip hard, in the words of its data set.
    """

    name: str
    frames: Mapping[str, Path]
    masks: Mapping[str, MaskFiles]
    rule: MaskRule
    saved: tuple[str, ...]
    starts: Mapping[int, str] | None = None
    truth: Mapping[str, MaskFiles] = field(default_factory=dict)
    scoring: Scoring = Scoring.NONE
    ranges: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    foreground_only: bool = False
    attributes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _PLAIN_NAME.fullmatch(self.name):
            raise InputError("clip name", value=self.name, allowed="a name that a folder can have")
        for kind, names in (("mask", self.masks), ("truth", self.truth), ("result", self.saved)):
            strange = [name for name in names if name not in self.frames]
            if strange:
                raise InputError(
                    f"clip {self.name}: {kind} {strange[0]} belongs to no frame",
                    allowed=f"{min(self.frames)} to {max(self.frames)}" if self.frames else "",
                    cure="check that frames and masks belong together, and copy what is missing",
                )
        if not self.masks:
            raise InputError(
                f"clip {self.name} has no mask to start from", cure="copy its annotations, or run more frames"
            )

    def shortened(self, count: int | None) -> Clip:
        """The clip with its first frames only; None for all of them."""
        names = set(islice(self.frames, count))
        starts = self.starts and {key: name for key, name in self.starts.items() if name in names}
        return replace(
            self,
            starts=starts,
            frames={name: path for name, path in self.frames.items() if name in names},
            masks={name: files for name, files in self.masks.items() if name in names},
            saved=tuple(name for name in self.saved if name in names),
            truth={name: files for name, files in self.truth.items() if name in names},
            ranges={key: tuple(name for name in own if name in names) for key, own in self.ranges.items()},
        )

    def digest(self) -> str:
        """Changes when a frame, a mask or the rules do; frames count by their names and sizes."""
        parts = [self.name, self.rule.name, self.scoring.name, *self.saved]
        parts += [f"{key}:{name}" for key, name in sorted((self.starts or {}).items())]
        parts += [f"{key}:{','.join(own)}" for key, own in sorted(self.ranges.items())]
        try:
            parts += [f"{path.name}:{path.stat().st_size}" for path in self.frames.values()]
            for masks in (self.masks, self.truth):
                parts += [f"{name}:{_content(files)}" for name, files in masks.items()]
        except OSError as error:
            raise InputError(f"clip {self.name} cannot be read ({error})", cure="copy it again") from error
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@dataclass(frozen=True)
class Dataset:
    """Clips of one data set.

    Attributes:
        name: of the data set and its split, for files and tables.
        clips: in the data set's order.
        zip_folder: folder in the archive that its server takes; empty where clips lie at the top.
        facts: what figures depend on besides the clips, such as which frames are used.
    """

    name: str
    clips: tuple[Clip, ...]
    zip_folder: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


def _content(files: MaskFiles) -> str:
    return ",".join(hashlib.sha256(path.read_bytes()).hexdigest() for path in files.paths)
