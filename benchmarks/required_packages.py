"""Packages that some benchmarks need beyond what running a bundle needs."""

from __future__ import annotations

from importlib.util import find_spec

from vosrt.errors import MissingDependencyError

EXPORT_PACKAGES = ("torch", "onnx", "onnxscript", "onnxruntime")


def require_packages(purpose: str, packages: tuple[str, ...] = EXPORT_PACKAGES) -> None:
    """Check that packages are installed, before any of them is half used.

    Args:
        purpose: what they are needed for, as the beginning of a sentence.
        packages: names to import them by.

    Raises:
        MissingDependencyError: names the packages that are missing and the command that installs them.
    """
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise MissingDependencyError(
            f"{purpose} needs {', '.join(missing)}",
            cure="run  pip install '.[cpu,export]'  in the folder that holds setup.py",
        )
