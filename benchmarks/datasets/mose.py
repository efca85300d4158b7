"""MOSE: as DAVIS, by split, without lists; objects may join later.

ROOT/<split>/JPEGImages/<clip>/00000.jpg
ROOT/<split>/Annotations/<clip>/00000.png       train: every frame; valid: where objects start
"""

from __future__ import annotations

from pathlib import Path

from vosrt.benchmarks.datasets.clip import Clip, Dataset, MaskRule, Scoring
from vosrt.benchmarks.datasets.layout import first_folder, folders_in, frames_in, masks_in
from vosrt.benchmarks.datasets.mask_files import LabelFile, MaskFiles

_LAYOUT = "ROOT/<split>/JPEGImages and ROOT/<split>/Annotations, as MOSE is distributed"


def read_mose(root: Path, *, split: str = "valid") -> Dataset:
    """List a split.

    Args:
        root: the folder that holds the splits.
        split: train, valid or another folder.

    Raises:
        InputError: a file or folder is missing.
    """
    frames = first_folder([root / split / "JPEGImages"], layout=_LAYOUT)
    masks = first_folder([root / split / "Annotations"], layout=_LAYOUT)
    names = folders_in(frames, layout=_LAYOUT)
    return Dataset(f"mose-{split}", tuple(_clip(frames / name, masks / name) for name in names))


def _clip(frame_folder: Path, mask_folder: Path) -> Clip:
    frames = frames_in(frame_folder)
    masks: dict[str, MaskFiles] = {name: LabelFile(path) for name, path in masks_in(mask_folder).items()}
    has_truth = len(frames) > 1 and set(frames) <= set(masks)
    return Clip(
        name=frame_folder.name,
        frames=frames,
        masks=masks,
        rule=MaskRule.NEW_OBJECTS,
        saved=tuple(frames),
        truth=masks if has_truth else {},
        scoring=Scoring.STARTS if has_truth else Scoring.NONE,
    )
