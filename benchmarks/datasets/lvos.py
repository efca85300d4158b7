"""LVOS: minutes long; objects start on their own frames and are scored on every fifth of their own range.

    ROOT/<split>/JPEGImages/<clip>/00000001.jpg
    ROOT/<split>/Annotations/<clip>/00000001.png      val: the truth; test: where objects start
    ROOT/<split>_meta.json                            first and last frame of each object; or in ROOT/<split>

Annotations of val hold the truth of all frames: an object is shown on its first frame only.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vosrt.benchmarks.datasets.clip import Clip, Dataset, MaskRule, Scoring
from vosrt.benchmarks.datasets.layout import first_folder, frames_in, masks_in, read_document
from vosrt.benchmarks.datasets.mask_files import LabelFile, MaskFiles
from vosrt.errors import InputError

_LAYOUT = "ROOT/<split>/JPEGImages, ROOT/<split>/Annotations and ROOT/<split>_meta.json"
_STEP = 5  # evaluated frames, in numbers of frame names


def read_lvos(root: Path, *, split: str = "val") -> Dataset:
    """List a split.

    Args:
        root: the folder that holds the splits.
        split: val, test or train.

    Raises:
        InputError: a file or folder is missing, or the meta file does not fit.
    """
    frames = first_folder([root / split / "JPEGImages"], layout=_LAYOUT)
    masks = first_folder([root / split / "Annotations"], layout=_LAYOUT)
    beside, inside = root / f"{split}_meta.json", root / split / f"{split}_meta.json"
    ranges = _object_ranges(inside if inside.is_file() and not beside.is_file() else beside)
    clips = tuple(_clip(frames / name, masks / name, own) for name, own in ranges.items())
    return Dataset(f"lvos-{split}", clips, zip_folder="Annotations")


def _object_ranges(file: Path) -> dict[str, dict[int, tuple[int, int]]]:
    """Clip -> object id -> numbers of its first and last frame."""
    document = read_document(file)
    try:
        return {
            clip: {
                int(object_id): (int(entry["frame_range"]["start"]), int(entry["frame_range"]["end"]))
                for object_id, entry in content["objects"].items()
            }
            for clip, content in document["videos"].items()
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{file} does not say where objects start and end ({error!r})",
            allowed='{"videos": {"<clip>": {"objects": {"<id>": {"frame_range": {"start": …, "end": …}}}}}}',
            cure="copy the file of the split again",
        ) from error


def _clip(frame_folder: Path, mask_folder: Path, objects: Mapping[int, tuple[int, int]]) -> Clip:
    frames = frames_in(frame_folder)
    masks: dict[str, MaskFiles] = {name: LabelFile(path) for name, path in masks_in(mask_folder).items()}
    numbers = _numbered(frame_folder, frames)
    for object_id, (start, _) in objects.items():
        if start not in numbers:
            raise InputError(
                f"clip {frame_folder.name}: object {object_id} starts on frame {start}, which is not there",
                cure="copy the clip again",
            )
    ranges = {
        object_id: tuple(numbers[n] for n in range(start, end + 1, _STEP) if n in numbers)
        for object_id, (start, end) in objects.items()
    }
    truth = _truth(mask_folder, masks, ranges)
    return Clip(
        name=frame_folder.name,
        frames=frames,
        masks=masks,
        rule=MaskRule.NEW_OBJECTS,
        saved=tuple(frames),
        starts={object_id: numbers[start] for object_id, (start, _) in objects.items()},
        truth=truth,
        scoring=Scoring.RANGES if truth else Scoring.NONE,
        ranges=ranges if truth else {},
    )


def _numbered(folder: Path, frames: Mapping[str, Path]) -> dict[int, str]:
    try:
        return {int(name): name for name in frames}
    except ValueError as error:
        raise InputError(
            f"{folder}: frames are named by numbers ({error})", allowed="00000001.jpg"
        ) from error


def _truth(
    folder: Path, masks: Mapping[str, MaskFiles], ranges: Mapping[int, tuple[str, ...]]
) -> dict[str, MaskFiles]:
    """The masks of evaluated frames; none where only the starts of objects have one."""
    starts = {names[0] for names in ranges.values() if names}
    needed = sorted({name for names in ranges.values() for name in names})
    if not set(needed) - starts or not set(masks) - starts:
        return {}
    missing = [name for name in needed if name not in masks]
    if missing:
        raise InputError(f"{folder} lacks {missing[0]}.png, which is evaluated", cure="copy the clip again")
    return {name: masks[name] for name in needed}
