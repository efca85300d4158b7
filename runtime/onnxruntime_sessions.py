"""What opening and running ONNX Runtime's sessions of a bundle takes, wherever they run."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from vosrt.device import Array
from vosrt.errors import BundleError, MissingDependencyError, reason_of
from vosrt.manifest import Graph

ONNX_TYPES: Mapping[str, str] = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(uint8)": "uint8",
    "tensor(bool)": "bool",
}


def register_operators(options: Any, library: Path | None) -> None:
    """Let compiled operators take the place of function bodies, where there are any.

    Args:
        options: of a session.
        library: with the operators; None where there is none.

    Raises:
        MissingDependencyError: it does not load.
    """
    if library is None:
        return
    try:
        options.register_custom_ops_library(str(library))
    except Exception as error:
        raise MissingDependencyError(
            f"the compiled operators {library} do not load ({reason_of(error)})",
            cure="install vosrt again on this machine, or delete the file",
        ) from error


def check_signature(role: str, graph: Graph, session: Any, left_out: Collection[str] = ()) -> None:
    """Whether a graph file is the one that the manifest describes.

    Args:
        role: of the graph.
        graph: by the manifest.
        session: of the file.
        left_out: inputs that became constants, or that nothing reads.

    Raises:
        BundleError: it is another one.
    """
    declared = {name: value.dtype for name, value in graph.inputs.items() if name not in left_out}
    _compare(role, "inputs", declared, session.get_inputs())
    _compare(role, "outputs", {n: v.dtype for n, v in graph.outputs.items()}, session.get_outputs())


def does_not_load(role: str, path: Path, error: Exception) -> BundleError:
    """The error of a graph that no session takes."""
    return BundleError(
        f"graph {role}: {path} does not load ({reason_of(error)})",
        cure="export again, or install a newer onnxruntime",
    )


def does_not_run(role: str, arrays: Mapping[str, Array], error: Exception) -> BundleError:
    """The error of a graph that fails on these inputs."""
    shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in arrays.items())
    return BundleError(
        f"graph {role} failed ({reason_of(error)}) with the inputs {shapes}",
        cure="check that the bundle was exported for frames and objects like these",
    )


def _compare(role: str, side: str, declared: Mapping[str, str], actual: Any) -> None:
    found = {value.name: ONNX_TYPES.get(value.type, value.type) for value in actual}
    if found != declared:
        differ = sorted(
            name for name in found.keys() | declared.keys() if found.get(name) != declared.get(name)
        )
        raise BundleError(
            f"graphs.{role}.{side} does not describe the graph file: {', '.join(differ)}",
            value=dict(declared),
            allowed=str(found),
            cure="export again; never edit a bundle by hand",
        )
