"""SegTrack v2: a mask image per object, white where it is; objects may overlap.

    ROOT/JPEGImages/<clip>/<frame>.png or .bmp
    ROOT/GroundTruth/<clip>/<frame>.png               one object
    ROOT/GroundTruth/<clip>/<k>/<frame>.png           k = 1, 2, … for several

Masks belong to frames by their names without suffix; suffixes differ.
"""

from __future__ import annotations

from pathlib import Path

from vosrt.benchmarks.datasets.clip import Clip, Dataset, MaskRule, Scoring
from vosrt.benchmarks.datasets.layout import first_folder, folders_in, frames_in, images_in
from vosrt.benchmarks.datasets.mask_files import MaskFiles, ObjectFiles
from vosrt.errors import InputError

_LAYOUT = "ROOT/JPEGImages and ROOT/GroundTruth, as SegTrack v2 is distributed"


def read_segtrack(root: Path) -> Dataset:
    """List all clips.

    Args:
        root: the folder that holds JPEGImages.

    Raises:
        InputError: a file or folder is missing.
    """
    frames = first_folder([root / "JPEGImages"], layout=_LAYOUT)
    masks = first_folder([root / "GroundTruth"], layout=_LAYOUT)
    names = folders_in(frames, layout=_LAYOUT)
    return Dataset("segtrack2", tuple(_clip(frames / name, masks / name) for name in names))


def _clip(frame_folder: Path, mask_folder: Path) -> Clip:
    frames = frames_in(frame_folder)
    by_object = _masks_by_object(mask_folder)
    truth: dict[str, MaskFiles] = {}
    for name in frames:
        files = {object_id: files.get(name) for object_id, files in by_object.items()}
        lacking = [object_id for object_id, path in files.items() if path is None]
        if lacking or not files:
            place = f"object {lacking[0]} of " if len(files) > 1 else ""
            raise InputError(
                f"{mask_folder} lacks the mask of {place}frame {name}",
                allowed=_LAYOUT,
                cure="copy the clip again",
            )
        truth[name] = ObjectFiles({key: path for key, path in files.items() if path is not None})
    return Clip(
        name=frame_folder.name,
        frames=frames,
        masks=truth,
        rule=MaskRule.NEW_OBJECTS,
        saved=tuple(frames),
        truth=truth,
        scoring=Scoring.STARTS,
    )


def _masks_by_object(folder: Path) -> dict[int, dict[str, Path]]:
    """Object id -> frame name -> file."""
    numbered = sorted(
        (int(path.name), path) for path in folder.glob("*") if path.is_dir() and path.name.isdecimal()
    )
    if numbered:
        return {number: images_in(path) for number, path in numbered}
    return {1: images_in(folder)}
