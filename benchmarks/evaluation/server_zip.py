"""The archive that the server of a data set takes."""

from __future__ import annotations

import zipfile
from pathlib import Path

from vosrt.benchmarks.datasets.clip import Dataset
from vosrt.errors import InputError
from vosrt.whole_file import whole_file

_EPOCH = (1980, 1, 1, 0, 0, 0)  # equal results give equal archives


def write_server_zip(path: Path, dataset: Dataset, masks: Path) -> None:
    """Pack label maps; the archive is whole or not there.

    Args:
        path: of the archive.
        dataset: says which files of which clips, and the folder they lie under.
        masks: holds a folder of label maps per clip.

    Raises:
        InputError: a file is missing, or the archive cannot be written.
    """
    try:
        with (
            whole_file(path) as stream,
            zipfile.ZipFile(stream, "w") as archive,
        ):  # PNGs are small as they are
            for clip in dataset.clips:
                for name in clip.saved:
                    inside = "/".join(filter(None, (dataset.zip_folder, clip.name, f"{name}.png")))
                    entry = zipfile.ZipInfo(inside, _EPOCH)
                    entry.external_attr = 0o644 << 16
                    archive.writestr(entry, (masks / clip.name / f"{name}.png").read_bytes())
    except OSError as error:
        raise InputError(f"archive {path} cannot be written ({error})") from error
