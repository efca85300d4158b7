"""Replaces a bundle without end, as export does, for a process that is killed: python -m … FROM TO."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

from vosrt.export.output_folder import new_bundle_folder

_EACH = 0.02  # seconds: an export takes its time, and nearly every kill comes while files are missing


def main() -> None:
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    (target.parent / "begun").touch()
    while True:
        with new_bundle_folder(target, overwrite=True) as folder:
            for path in sorted(source.iterdir()):
                shutil.copy(path, folder)
                time.sleep(_EACH)


if __name__ == "__main__":
    main()
