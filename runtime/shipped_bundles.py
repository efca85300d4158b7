"""Bundles that come with the package, by name, and the terms of their weights."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).parent / "bundles"
DEFAULT = "cfbi-lite-davis"
FINDER = "lse-lite-davis"  # of objects in boxes
# name -> what whoever uses the weights has to know
TERMS: Mapping[str, str] = {
    "cfbi-lite-davis": "trained on DAVIS (Perazzi et al., CVPR 2016): non-commercial use, with credit",
    "cfbi-nano-davis": "trained on DAVIS (Perazzi et al., CVPR 2016): non-commercial use, with credit",
    "lse-lite-davis": "trained on DAVIS (Perazzi et al., CVPR 2016): non-commercial use, with credit",
    "cfbi-lite-synthetic": "trained on generated scenes alone: Apache-2.0, like the code",
}


def find_bundle(name: str | os.PathLike[str]) -> Path:
    """The folder of a bundle: the path as it is, unless nothing is there and it names a shipped bundle.

    Args:
        name: path of a folder, or a name in `TERMS`.
    """
    path = Path(name)
    return FOLDER / path if str(path) in TERMS and not os.path.lexists(path) else path


def terms_of(folder: str | os.PathLike[str]) -> str | None:
    """Terms of a bundle's weights; None for one that did not come with the package."""
    path = find_bundle(name=folder)
    return TERMS.get(path.name) if path.parent == FOLDER else None
