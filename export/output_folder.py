"""The folder a bundle is written to: made beside its final place and moved there when it is complete."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from vosrt.errors import BundleError, ExportError
from vosrt.manifest import read_manifest


@contextlib.contextmanager
def new_bundle_folder(output: Path, *, overwrite: bool) -> Iterator[Path]:
    """A folder that takes the name `output` only when everything in it was written and checked.

    A bundle that is replaced stays until the new one is complete; nothing but a bundle is ever replaced.
    """
    output = Path(os.path.abspath(output))
    try:
        _check_replaceable(output, overwrite=overwrite)
        made = _make_parents(output.parent)
        partial = Path(tempfile.mkdtemp(prefix=".vosrt-partial-", dir=output.parent))
    except OSError as error:
        raise ExportError(
            f"{output} cannot be made ({error.strerror})", cure="choose an --output that can be written"
        ) from error
    try:
        yield partial
        partial.chmod(0o755)
        _check_replaceable(output, overwrite=overwrite)  # minutes have passed
        _move_into_place(partial, output)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()
        if isinstance(error, OSError):
            raise ExportError(
                f"{output} cannot be written ({error.strerror or error})",
                cure="make room, or choose an --output on another disk",
            ) from error
        raise


def _check_replaceable(output: Path, *, overwrite: bool) -> None:
    """Refuse an output that exists, unless it is a bundle, holds nothing else, and may be replaced."""
    try:
        os.lstat(output)  # an error of another kind is one that moving the bundle would meet, minutes later
    except FileNotFoundError:
        return
    if not overwrite:
        raise ExportError(f"{output} exists", cure="choose another --output, or give --overwrite")
    working = Path.cwd()
    if output.is_symlink() or not output.is_dir() or output == working or output in working.parents:
        raise ExportError(
            f"{output} is not replaced", allowed="a bundle folder", cure="choose another --output"
        )
    held = {path.name for path in output.iterdir()}
    if not held:
        return
    try:
        manifest = read_manifest(output)
    except BundleError as error:
        raise ExportError(
            f"{output} is no bundle and is not replaced", cure="choose another --output"
        ) from error
    own = {file.path.split("/")[0] for graph in manifest.graphs.values() for file in graph.files.values()}
    strangers = sorted(held - own - {"bundle.json"})
    if strangers:
        raise ExportError(
            f"{output} holds more than a bundle and is not replaced: {', '.join(strangers[:5])}",
            cure="move these files away, or choose another --output",
        )


def _make_parents(folder: Path) -> list[Path]:
    """Make a folder and its parents; returns those that were not there, innermost first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def _move_into_place(partial: Path, output: Path) -> None:
    aside = None
    try:
        if output.exists():
            aside = Path(tempfile.mkdtemp(prefix=".vosrt-replaced-", dir=output.parent))
            output.rename(aside / "bundle")
        partial.rename(output)
    except OSError as error:
        if aside is not None and (aside / "bundle").exists() and not output.exists():
            (aside / "bundle").rename(output)
        raise ExportError(f"{output} cannot be put in place ({error.strerror})") from error
    finally:
        if aside is not None and output.exists():
            shutil.rmtree(aside, ignore_errors=True)
