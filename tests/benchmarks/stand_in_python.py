"""A Python for `--tensorrt-python`: this one by another path, where ONNX Runtime stands in for TensorRT."""

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

ONNXRUNTIME_FOR_TENSORRT = """
from vosrt import segmenter


class OnnxruntimeForTensorrt(segmenter.Segmenter):
    def __init__(self, bundle, **options):
        super().__init__(bundle, **options | {"executor": "onnxruntime"})


segmenter.Segmenter = OnnxruntimeForTensorrt
"""


@dataclass(frozen=True)
class StandInPython:
    """An executable that writes down every process it starts."""

    folder: Path

    @property
    def path(self) -> str:
        return str(self.folder / "python")

    def processes(self) -> list[int]:
        """Ids in the order of the starts."""
        return [int(line) for line in (self.folder / "processes").read_text().split()]


def write_python(
    folder: Path, *, customized: str = ONNXRUNTIME_FOR_TENSORRT, option: str = ""
) -> StandInPython:
    """Make the executable.

    Args:
        folder: is made.
        customized: code that it runs at every start.
        option: of the interpreter.
    """
    python = StandInPython(folder)
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(customized)
    place, this = shlex.quote(str(folder)), shlex.quote(sys.executable)
    lines = [
        "#!/bin/sh",
        f"echo $$ >> {place}/processes",
        f'PYTHONPATH={place} exec {this} {option} "$@"',
    ]
    Path(python.path).write_text("\n".join(lines) + "\n")
    Path(python.path).chmod(0o755)
    return python
