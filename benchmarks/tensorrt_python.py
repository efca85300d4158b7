"""The Python that candidates on TensorRT run in, where TensorRT is not to be had for this one."""

from __future__ import annotations

import json
import shutil
import subprocess

from vosrt import __version__
from vosrt.child_environment import child_environment
from vosrt.errors import InputError

_OPTION = "--tensorrt-python"
_PATIENCE = 60.0  # seconds; a cold disk takes a while
_PROGRAM = "import json; from vosrt.benchmarks.environment import versions; print(json.dumps(versions()))"


def versions_of(python: str) -> dict[str, str]:
    """What `environment.versions` returns there.

    Args:
        python: path of its executable, or a name on the path.

    Raises:
        InputError: it does not start, cannot run vosrt, or has another vosrt.
    """
    if shutil.which(python) is None:
        raise InputError(_OPTION, value=python, allowed="the path of a Python's executable")
    cure = f"run  {python} -m pip install '.[tensorrt]'  in the folder that holds setup.py"
    found, reason = _asked(python)
    if found is None:
        raise InputError(f"the Python of {_OPTION} cannot run vosrt ({reason})", value=python, cure=cure)
    if found["vosrt"] != __version__:
        raise InputError(
            f"the Python of {_OPTION} has vosrt {found['vosrt']}",
            value=python,
            allowed=f"one with {__version__}, as here",
            cure=cure,
        )
    return found


def _asked(python: str) -> tuple[dict[str, str] | None, str]:
    """The versions, or why there are none."""
    command = [python, "-c", _PROGRAM]
    try:
        process = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            check=False,
            env=child_environment(),
        )
    except OSError as error:
        return None, error.strerror or str(error)
    except subprocess.TimeoutExpired:
        return None, f"no answer in {_PATIENCE:.0f} seconds"
    try:
        return json.loads(process.stdout.splitlines()[-1]), ""
    except (IndexError, ValueError):
        said = process.stderr.strip().splitlines()
        return None, said[-1] if said else f"no answer, status {process.returncode}"
