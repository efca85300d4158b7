"""YouTube-VOS 2018 and 2019: objects start on their own frames, results are wanted on listed frames.

    ROOT/<split>/JPEGImages/<clip>/00000.jpg, 00005.jpg       every fifth frame
    ROOT/<split>_all_frames/JPEGImages/<clip>/00000.jpg       every frame, a separate download
    ROOT/<split>/Annotations/<clip>/<frame>.png               where an object starts; train: every fifth
    ROOT/<split>/meta.json                                    for each object the frames that it is wanted on

A clip runs from the first frame that an object starts on to the last that is wanted. Which frames are used in
between changes scores by several points, so it is part of the facts.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vosrt.benchmarks.datasets.clip import Clip, Dataset, MaskRule, Scoring
from vosrt.benchmarks.datasets.layout import first_folder, frames_in, masks_in, read_document
from vosrt.benchmarks.datasets.mask_files import LabelFile, MaskFiles
from vosrt.errors import InputError

_LAYOUT = "ROOT/<split>/JPEGImages, ROOT/<split>/Annotations and ROOT/<split>/meta.json"
_SPLIT_WITH_TRUTH = "train"


def read_youtube_vos(root: Path, *, split: str = "valid", dense: bool = False) -> Dataset:
    """List a split.

    Args:
        root: the folder that holds the splits.
        split: valid, test or train.
        dense: use every frame instead of every fifth.

    Raises:
        InputError: a file or folder is missing, or meta.json does not fit.
    """
    folder = f"{split}_all_frames" if dense else split
    frames = first_folder([root / folder / "JPEGImages"], layout=f"{root / folder / 'JPEGImages'}")
    masks = first_folder([root / split / "Annotations"], layout=_LAYOUT)
    wanted = _wanted_frames(root / split / "meta.json")
    clips = tuple(
        _clip(frames / name, masks / name, objects, scored=split == _SPLIT_WITH_TRUTH)
        for name, objects in wanted.items()
    )
    return Dataset(
        f"youtube-vos-{split}",
        clips,
        zip_folder="Annotations",
        facts={"frames_used": "all" if dense else "every fifth"},
    )


def _wanted_frames(file: Path) -> dict[str, dict[int, list[str]]]:
    """Clip -> object id -> names of its frames, in order."""
    document = read_document(file)
    try:
        return {
            clip: {
                int(object_id): sorted(str(frame) for frame in entry["frames"])
                for object_id, entry in content["objects"].items()
            }
            for clip, content in document["videos"].items()
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{file} does not say which frames are wanted ({error!r})",
            allowed='{"videos": {"<clip>": {"objects": {"<id>": {"frames": ["00000", …]}}}}}',
            cure="copy the file of the split again",
        ) from error


def _clip(frame_folder: Path, mask_folder: Path, objects: Mapping[int, list[str]], *, scored: bool) -> Clip:
    saved = sorted({name for names in objects.values() for name in names})
    if not saved:
        raise InputError(f"meta.json: clip {frame_folder.name} has no frames", cure="copy the file again")
    inside = {n: path for n, path in frames_in(frame_folder).items() if saved[0] <= n <= saved[-1]}
    masks: dict[str, MaskFiles] = {
        name: LabelFile(path) for name, path in masks_in(mask_folder).items() if name in inside
    }
    settings: dict[str, Any] = {}
    if scored:
        truth = {name: masks[name] for name in saved if name in masks}
        settings = {"truth": truth, "scoring": Scoring.RANGES, "ranges": _ranges(objects, truth)}
    return Clip(
        name=frame_folder.name,
        frames=inside,
        masks=masks,
        rule=MaskRule.NEW_OBJECTS,
        saved=tuple(saved),
        starts={object_id: names[0] for object_id, names in objects.items() if names},
        **settings,
    )


def _ranges(objects: Mapping[int, list[str]], truth: Mapping[str, MaskFiles]) -> dict[int, tuple[str, ...]]:
    return {key: tuple(name for name in names if name in truth) for key, names in objects.items()}
