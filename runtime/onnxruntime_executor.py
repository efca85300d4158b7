"""Runs a bundle's graphs with ONNX Runtime."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from vosrt.bundle import BFLOAT16_MATCHING, Bundle
from vosrt.cuda.cuda_device import CudaDevice
from vosrt.device import Array, Take
from vosrt.errors import BundleError, InputError, MissingDependencyError
from vosrt.executor import MOST_THREADS
from vosrt.import_onnxruntime import import_onnxruntime, new_session_options
from vosrt.manifest import Graph
from vosrt.manifest_graph import ASIDE
from vosrt.session_arrays import ONNX_TYPES, GpuArrays, HostArrays, SessionArrays

_MOST_SIGNATURES = 256  # remembered combinations of input shapes

Signature = tuple[Any, ...]
Shapes = tuple[tuple[int, ...], ...]


class OnnxRuntimeExecutor:
    """One ONNX Runtime session per graph; inputs and outputs are bound where they lie, nothing is copied.

    Output shapes follow from input shapes and from the network size. So they are learnt on the first run
    of a kind; from then on a graph writes into the memory that the stream gives.

    Args:
        bundle: an opened bundle.
        precision: which of the bundle's precisions to run. `+bf16` behind it lets the matching operators
            round features to bfloat16, and sum in float32.
        cuda: where graphs and arrays are on a GPU; None for the CPU.
        roles: of the graphs that will run; None for those of a stream.
        threads: threads per graph; None means one per physical core that this process may use.
        profile: a folder for ONNX Runtime's profiles; None for no profile.

    Raises:
        BundleError: the bundle lacks the precision, or a graph does not load or differs from the manifest.
        InputError: an unknown device or number of threads.
        MissingDependencyError: ONNX Runtime is not installed, or is installed twice; or compiled operators do
            not load.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        precision: str = "float32",
        cuda: CudaDevice | None = None,
        roles: Collection[str] | None = None,
        threads: int | None = None,
        profile: str | os.PathLike[str] | None = None,
    ) -> None:
        if threads is not None and not 1 <= threads <= MOST_THREADS:
            allowed = f"1 to {MOST_THREADS}"
            raise InputError("threads", value=threads, allowed=allowed, cure="leave it out for all cores")
        self.precision = precision
        self.device = "cpu" if cuda is None else cuda.name
        self.threads = threads or min(physical_cores(), MOST_THREADS)
        self._runtime = import_onnxruntime()
        self._arrays: SessionArrays = (
            HostArrays(self._runtime) if cuda is None else GpuArrays(self._runtime, cuda)
        )
        self._profile = Path(profile) if profile is not None else None
        self._graphs = bundle.manifest.graphs
        self._sessions = {
            role: self._open_session(role, graph, bundle.graph_path(role, precision=precision))
            for role, graph in self._graphs.items()
            if (role not in ASIDE if roles is None else role in roles)
        }
        self._shapes: dict[Signature, Shapes] = {}

    def run(self, role: str, inputs: Mapping[str, Array], take: Take | None = None) -> dict[str, Array]:
        """Run the graph of a role; see `Executor`.

        Raises:
            BundleError: the graph fails on these inputs.
        """
        session, graph = self._sessions[role], self._graphs[role]
        arrays = {
            name: self._arrays.ready(name, inputs[name], value.source) for name, value in graph.inputs.items()
        }
        signature = self._signature(role, graph, arrays)
        shapes = self._shapes.get(signature) if take else None
        binding = session.io_binding()
        outputs: dict[str, Array] = {}
        try:
            for name, array in arrays.items():
                self._arrays.bind_input(binding, name, array)
            for index, (name, spec) in enumerate(graph.outputs.items()):
                if take and shapes and 0 not in shapes[index]:
                    outputs[name] = take(shapes[index], spec.dtype)
                    self._arrays.bind_output(binding, name, outputs[name])
                else:
                    self._arrays.bind_new_output(binding, name)
            self._arrays.run(session, binding)
        except Exception as error:
            raise _failure(role, arrays, error) from error
        for name, value in zip(graph.outputs, binding.get_outputs(), strict=True):
            if name not in outputs:
                outputs[name] = self._arrays.array_of(value)
        if take and not shapes:
            self._learn(signature, tuple(outputs[name].shape for name in graph.outputs))
        return {name: outputs[name] for name in graph.outputs}

    def write_profiles(self) -> list[Path]:
        """End profiling and return the files written, one JSON trace per graph; empty without `profile`."""
        if self._profile is None:
            return []
        return [Path(session.end_profiling()) for session in self._sessions.values()]

    def _signature(self, role: str, graph: Graph, arrays: Mapping[str, Array]) -> Signature:
        """What the output shapes follow from."""
        shapes = tuple(array.shape for array in arrays.values())
        sizes = (arrays[name].tolist() for name, value in graph.inputs.items() if value.source == "size")
        return (role, shapes, *map(tuple, sizes))

    def _learn(self, signature: Signature, shapes: Shapes) -> None:
        if len(self._shapes) >= _MOST_SIGNATURES:
            self._shapes.clear()
        self._shapes[signature] = shapes

    def _open_session(self, role: str, graph: Graph, path: Path) -> Any:
        options = new_session_options(self._runtime, self.threads)
        if self._profile is not None:
            self._profile.mkdir(parents=True, exist_ok=True)
            options.enable_profiling = True
            options.profile_file_prefix = str(self._profile / role)
        self._add_operators(options)
        try:
            session = self._runtime.InferenceSession(str(path), options, providers=self._arrays.providers())
        except Exception as error:
            raise BundleError(
                f"graph {role}: {path} does not load ({_first_line(error)})",
                cure="export again, or install a newer onnxruntime",
            ) from error
        _check_signature(role, "inputs", {n: v.dtype for n, v in graph.inputs.items()}, session.get_inputs())
        _check_signature(
            role, "outputs", {n: v.dtype for n, v in graph.outputs.items()}, session.get_outputs()
        )
        return session

    def _add_operators(self, options: Any) -> None:
        """Let compiled operators take the place of function bodies, where there are any."""
        library = self._arrays.custom_ops()
        if self.precision.endswith(BFLOAT16_MATCHING):
            if self.device != "cpu" or library is None:
                raise unusable_matching(self.precision)
            options.add_session_config_entry("vosrt.matching", "bfloat16")
        if library is None:
            return
        try:
            options.register_custom_ops_library(str(library))
        except Exception as error:
            raise MissingDependencyError(
                f"the compiled operators {library} do not load ({_first_line(error)})",
                cure="install vosrt again on this machine, or delete the file",
            ) from error


def unusable_matching(precision: str) -> InputError:
    """The error of a precision with `BFLOAT16_MATCHING` where no operator knows it."""
    return InputError(
        "precision",
        value=precision,
        allowed=f"{BFLOAT16_MATCHING} with ONNX Runtime on the CPU and the compiled operators",
        cure=f"leave {BFLOAT16_MATCHING} out, or install vosrt after `make plugins`",
    )


def physical_cores() -> int:
    """Count the physical cores this process may use; hyper-threads only slow matrix products down."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    cores = set()
    for processor in allowed:
        siblings = Path(f"/sys/devices/system/cpu/cpu{processor}/topology/thread_siblings_list")
        try:
            cores.add(siblings.read_text())
        except OSError:  # not Linux, or hidden in a container
            cores.add(str(processor))
    return max(1, len(cores))


def _check_signature(role: str, side: str, declared: Mapping[str, str], actual: Any) -> None:
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


def _failure(role: str, arrays: Mapping[str, Array], error: Exception) -> BundleError:
    shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in arrays.items())
    return BundleError(
        f"graph {role} failed ({_first_line(error)}) with the inputs {shapes}",
        cure="check that the bundle was exported for frames and objects like these",
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
