"""The data sets by the names that the command line gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vosrt.benchmarks.datasets.clip import Dataset
from vosrt.benchmarks.datasets.clip_folder import read_clip_folder
from vosrt.benchmarks.datasets.davis import read_davis
from vosrt.benchmarks.datasets.lvos import read_lvos
from vosrt.benchmarks.datasets.mose import read_mose
from vosrt.benchmarks.datasets.segtrack import read_segtrack
from vosrt.benchmarks.datasets.youtube_vos import read_youtube_vos
from vosrt.errors import InputError


@dataclass(frozen=True)
class DatasetKind:
    """How a data set is read, and which options it knows."""

    read: Callable[..., Dataset]
    purpose: str
    options: tuple[str, ...] = ()


KINDS: Mapping[str, DatasetKind] = {
    "davis": DatasetKind(read_davis, "DAVIS 2017, or 2016 by --year", ("split", "year")),
    "youtube-vos": DatasetKind(read_youtube_vos, "YouTube-VOS 2018 or 2019", ("split", "dense")),
    "mose": DatasetKind(read_mose, "MOSE", ("split",)),
    "lvos": DatasetKind(read_lvos, "LVOS", ("split",)),
    "segtrack": DatasetKind(read_segtrack, "SegTrack v2"),
    "clips": DatasetKind(read_clip_folder, "a folder of clips, each with frames/ and masks/"),
}


def open_dataset(kind: str, root: Path, options: Mapping[str, Any]) -> Dataset:
    """List the clips of a data set.

    Args:
        kind: one of `KINDS`.
        root: its top folder.
        options: split, year and dense; only those that were given.

    Raises:
        InputError: an option is not the data set's, or a file or folder is missing.
    """
    chosen = KINDS[kind]
    for name in options:
        if name not in chosen.options:
            takers = ", ".join(f"--{other}" for other, it in KINDS.items() if name in it.options)
            raise InputError(f"--{name} is no option of --{kind}", allowed=f"beside {takers}")
    if not root.is_dir():
        raise InputError(f"--{kind}", value=str(root), allowed="a folder", cure="check the path")
    return chosen.read(root, **options)
