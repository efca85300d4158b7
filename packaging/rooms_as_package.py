"""A hook of mkdocs: shows the rooms as the package that they install as, for docstrings to be read there.

No folder of the repository is named vosrt, and nothing has to be installed to read it.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "out" / "rooms" / "vosrt"  # `paths` of mkdocs.yml
ROOMS = ("models", "plugins", "export", "benchmarks")


def on_startup(**_: Any) -> None:
    """Make links to all rooms."""
    shutil.rmtree(PACKAGE, ignore_errors=True)
    PACKAGE.mkdir(parents=True)
    for path in [*(ROOT / "runtime").iterdir(), *(ROOT / room for room in ROOMS)]:
        (PACKAGE / path.name).symlink_to(path)
