"""Command lines for `vosrt`, and processes that run them."""

from __future__ import annotations

import subprocess
import sys

HEIGHT, WIDTH, FRAMES = 48, 66, 8  # of the scene


def arguments(scene, source="frames", **options):
    """A command line for `vosrt stream`; a value of True is a flag."""
    line = [
        "stream",
        str(scene / "bundle"),
        "--source",
        str(scene / source),
        "--mask",
        str(scene / "mask.png"),
    ]
    for name, value in options.items():
        line += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return line


def run_blocked(modules, *line, cwd):
    """`vosrt` in a process in which some packages cannot be imported."""
    block = "import sys\n" + "".join(f"sys.modules[{name!r}] = None\n" for name in modules)
    code = f"{block}from vosrt.cli import main\nsys.exit(main({list(map(str, line))!r}))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=cwd, check=False)
