"""Annotated sequences in folders: which layouts are read, and what is checked before training starts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vosrt.errors import InputError
from vosrt.sources.image_folder import frame_order, read_image

IMAGES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
LISTED = 12  # how many faults an error lists
# folder of frames and folder of masks inside the root; {} is the sequence
LAYOUTS = (
    ("JPEGImages/480p/{}", "Annotations/480p/{}"),  # DAVIS
    ("JPEGImages/Full-Resolution/{}", "Annotations/Full-Resolution/{}"),
    ("JPEGImages/{}", "Annotations/{}"),  # YouTube-VOS, MOSE
    ("{}/frames", "{}/masks"),
)


@dataclass(frozen=True)
class FramePaths:
    """A frame and its label map."""

    frame: Path
    mask: Path


@dataclass(frozen=True)
class Sequence:
    """Annotated frames in order; frames without a mask are left out."""

    name: str
    frames: tuple[FramePaths, ...]

    def __len__(self) -> int:
        return len(self.frames)


def find_sequences(root: str | Path, *, minimum: int = 4) -> list[Sequence]:
    """All annotated sequences below a folder, by name.

    Args:
        root: folder in one of `LAYOUTS`; YouTube-VOS' is the one that holds `JPEGImages`.
        minimum: annotated frames that a sequence needs.

    Raises:
        InputError: there is none.
    """
    root = Path(root)
    for frames, masks in LAYOUTS:
        before, after = (Path(part) for part in frames.split("{}"))
        names = sorted(path.name for path in (root / before).glob("*") if (path / _relative(after)).is_dir())
        found = [_sequence(root, name, frames, masks) for name in names]
        found = [sequence for sequence in found if len(sequence) >= minimum]
        if found:
            return found
    raise InputError(
        f"no annotated sequences in {root}",
        allowed="folders as DAVIS, YouTube-VOS or <name>/frames and <name>/masks have them",
    )


def check_sequences(sequences: Iterable[Sequence]) -> None:
    """Decode every file once.

    Raises:
        InputError: naming the files that cannot be used, and why.
    """
    from vosrt.label_map import read_label_map

    faults = []
    for sequence in sequences:
        size = None
        marked = 0
        for paths in sequence.frames:
            try:
                image = read_image(paths.frame)
            except InputError as error:
                faults.append(error.what)
                continue
            try:
                labels = read_label_map(paths.mask)
            except Exception as error:  # whatever a damaged file raises, its name is what helps
                faults.append(f"{paths.mask}: {error}")
                continue
            size = size or image.shape[:2]
            if image.shape[:2] != size:
                faults.append(f"{paths.frame} is {_size(image.shape)}, the first frame {_size(size)}")
            if labels.shape != image.shape[:2]:
                faults.append(f"{paths.mask} is {_size(labels.shape)}, its frame {_size(image.shape)}")
            marked += bool(((labels > 0) & (labels < 255)).any())
        if marked < 2:
            faults.append(f"{sequence.name} has fewer than two frames with an object")
    if faults:
        more = f" and {len(faults) - LISTED} more" if len(faults) > LISTED else ""
        raise InputError(
            f"training data cannot be used: {'; '.join(faults[:LISTED])}{more}",
            cure="mend or remove these files",
        )


def _relative(path: Path) -> Path:
    return path.relative_to("/") if path.is_absolute() else path


def _sequence(root: Path, name: str, frames: str, masks: str) -> Sequence:
    """Frames and masks are matched by stem: their extensions differ."""
    by_stem = {path.stem: path for path in (root / masks.format(name)).glob("*.png")}
    found = sorted((root / frames.format(name)).glob("*"), key=frame_order)
    images = [path for path in found if path.suffix.lower() in IMAGES and path.stem in by_stem]
    return Sequence(name, tuple(FramePaths(path, by_stem[path.stem]) for path in images))


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[0]}x{shape[1]}"
