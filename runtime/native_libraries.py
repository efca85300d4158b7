"""Where compiled operators, kernels and plugins lie."""

from __future__ import annotations

import os
from pathlib import Path

from vosrt.errors import InputError

FOLDER = Path(__file__).parent / "native"  # filled by installing, and by `make plugins`
VARIABLE = "VOSRT_NATIVE"


def build_cure(needs: str) -> str:
    """How to have a library that is not there."""
    return f"`make plugins` with {needs}, then install vosrt again"


def native_library(name: str) -> Path | None:
    """A library by its name, `vosrt_kernels`; None where it has not been built.

    Raises:
        InputError: VOSRT_NATIVE names no folder.
    """
    chosen = os.environ.get(VARIABLE)
    if chosen and not Path(chosen).is_dir():
        raise InputError(VARIABLE, value=chosen, allowed="the folder of libvosrt_kernels.so", cure="unset it")
    path = Path(chosen or FOLDER) / f"lib{name}.so"
    return path if path.is_file() else None
