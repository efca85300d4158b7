"""Plain folders of clips, made by hand or taken from anywhere.

    FOLDER/<clip>/frames/00000.jpg
    FOLDER/<clip>/masks/00000.png        object ids
    FOLDER/<clip>/init/00000.png         optional: what to start from instead
    FOLDER/<clip>/clip.json              optional: how to score, and attributes

`"scoring": "objects"` takes the masks for truth, and every frame has one. `"scoring": "none"` takes them for
prompts, and there is nothing to score. Without the file it is the first if every frame has a mask.
`"scoring_init": "union"` scores all that was started from `init/` as one object.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vosrt.benchmarks.datasets.clip import Clip, Dataset, MaskRule, Scoring
from vosrt.benchmarks.datasets.layout import folders_in, frames_in, masks_in, read_document
from vosrt.benchmarks.datasets.mask_files import LabelFile, MaskFiles
from vosrt.errors import InputError

_LAYOUT = "FOLDER/<clip>/frames and FOLDER/<clip>/masks"
_SCORINGS = ("objects", "none")


def read_clip_folder(root: Path) -> Dataset:
    """List the clips of a folder, or the one clip that it is.

    Args:
        root: holds a folder per clip, or is the folder of one.

    Raises:
        InputError: there is no clip, or one is not complete.
    """
    if (root / "frames").is_dir():
        return Dataset(root.resolve().name, (_clip(root),))
    names = [name for name in folders_in(root, layout=_LAYOUT) if (root / name / "frames").is_dir()]
    if not names:
        raise InputError(f"{root} holds no clips", allowed=_LAYOUT, cure="give the folder above the clips")
    return Dataset(root.resolve().name, tuple(_clip(root / name) for name in names))


def _clip(folder: Path) -> Clip:
    frames = frames_in(folder / "frames")
    masks, start = _label_files(folder / "masks"), _label_files(folder / "init")
    facts = _facts(folder / "clip.json")
    missing = [name for name in frames if name not in masks]
    scoring = facts.get("scoring", "none" if missing else "objects")
    if scoring == "objects" and missing:
        raise InputError(
            f"clip {folder.name}: masks/{missing[0]}.png is missing",
            allowed="a mask for every frame where objects are scored",
            cure='add it, or write "scoring": "none" into clip.json',
        )
    is_scored = scoring == "objects"
    as_union = is_scored and bool(start) and facts.get("scoring_init") == "union"
    return Clip(
        name=folder.resolve().name,
        frames=frames,
        masks=start or masks,
        rule=MaskRule.NEW_OBJECTS if is_scored and not start else MaskRule.AS_GIVEN,
        saved=tuple(frames),
        truth=masks if is_scored else {},
        scoring=(Scoring.UNION if as_union else Scoring.STARTS) if is_scored else Scoring.NONE,
        attributes=tuple(facts.get("attributes", ())),
    )


def _label_files(folder: Path) -> dict[str, MaskFiles]:
    return {name: LabelFile(path) for name, path in masks_in(folder).items()}


def _facts(file: Path) -> Mapping[str, Any]:
    if not file.exists():
        return {}
    facts = read_document(file)
    if not isinstance(facts, dict):
        raise InputError(f"{file} is no object", allowed='{"scoring": "objects", …}')
    if facts.get("scoring", "none") not in _SCORINGS:
        raise InputError(f"{file}: scoring", value=facts["scoring"], allowed=", ".join(_SCORINGS))
    if facts.get("scoring_init", "union") != "union":
        raise InputError(f"{file}: scoring_init", value=facts["scoring_init"], allowed="union")
    attributes = facts.get("attributes", [])
    if not isinstance(attributes, list) or not all(isinstance(name, str) for name in attributes):
        raise InputError(f"{file}: attributes", value=attributes, allowed="a list of names")
    return facts
