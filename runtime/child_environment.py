"""The environment of processes that run a module of the package."""

from __future__ import annotations

import os


def child_environment() -> dict[str, str]:
    """This process's, for `python -m` and `python -c`: files of the current folder stand for no module there.

    A program that is installed does not look for modules where it is called; a Python that is told to run one
    does, unless it is told not to. Python 3.10 cannot be told.
    """
    return {**os.environ, "PYTHONSAFEPATH": "1"}
