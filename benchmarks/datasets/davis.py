"""DAVIS 2016 and 2017: objects are given on the first frame, every frame has its truth.

    ROOT/JPEGImages/480p/<clip>/00000.jpg
    ROOT/Annotations/480p/<clip>/00000.png
    ROOT/ImageSets/2017/val.txt            a clip per line
    ROOT/ImageSets/2016/val.txt            the same; or ImageSets/480p/val.txt with a line per frame

In 2016 a clip has one object, all that is not 0. Splits without truth (test-dev) have the first mask only.
"""

from __future__ import annotations

from pathlib import Path

from vosrt.benchmarks.datasets.clip import Clip, Dataset, MaskRule, Scoring
from vosrt.benchmarks.datasets.layout import first_folder, frames_in, masks_in, read_lines
from vosrt.benchmarks.datasets.mask_files import LabelFile, MaskFiles
from vosrt.errors import InputError

YEARS = (2016, 2017)
_LAYOUT = "ROOT/JPEGImages/480p, ROOT/Annotations/480p and ROOT/ImageSets, as DAVIS is distributed"
_LISTS = {2016: ("2016", "480p"), 2017: ("2017",)}  # folders of ImageSets


def read_davis(root: Path, *, split: str = "val", year: int = 2017) -> Dataset:
    """List a split.

    Args:
        root: the folder that holds JPEGImages.
        split: train, val, trainval, test-dev or another list of ImageSets.
        year: 2016 for one object per clip, 2017 for several.

    Raises:
        InputError: a file or folder is missing.
    """
    frames = first_folder([root / "JPEGImages" / "480p"], layout=_LAYOUT)
    masks = first_folder([root / "Annotations" / "480p"], layout=_LAYOUT)
    names = _names(root, split, year)
    clips = tuple(_clip(frames / name, masks / name, year) for name in names)
    return Dataset(f"davis{year}-{split}", clips)


def _names(root: Path, split: str, year: int) -> list[str]:
    folders = [root / "ImageSets" / name for name in _LISTS[year]]
    for folder in folders:
        file = folder / f"{split}.txt"
        if file.is_file():
            # A line per frame holds the paths of image and mask: the clip is the image's folder.
            lines = [line.split()[0] for line in read_lines(file)]
            return list(dict.fromkeys(Path(line).parent.name if "/" in line else line for line in lines))
    known = sorted({file.stem for folder in folders for file in folder.glob("*.txt")})
    raise InputError(
        f"--split of {folders[0]}",
        value=split,
        allowed=", ".join(known) or _LAYOUT,
        cure="choose one of these, or give the data set's top folder",
    )


def _clip(frame_folder: Path, mask_folder: Path, year: int) -> Clip:
    frames = frames_in(frame_folder)
    first = next(iter(frames))
    masks: dict[str, MaskFiles] = {
        name: LabelFile(path, foreground_only=year == 2016) for name, path in masks_in(mask_folder).items()
    }
    missing = [name for name in frames if name not in masks]
    if first in missing or 0 < len(missing) < len(frames) - 1:
        raise InputError(
            f"{mask_folder} lacks {missing[0]}.png",
            allowed="a mask for every frame, or for the first one only",
            cure="copy the data set again",
        )
    has_truth = not missing and len(frames) > 1
    return Clip(
        name=frame_folder.name,
        frames=frames,
        masks={first: masks[first]},
        rule=MaskRule.NEW_OBJECTS,
        saved=tuple(frames),
        truth=masks if has_truth else {},
        scoring=Scoring.DAVIS if has_truth else Scoring.NONE,
        foreground_only=year == 2016,
    )
