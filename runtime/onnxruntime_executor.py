"""Runs a bundle's graphs with ONNX Runtime on the CPU."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vosrt.bundle import BFLOAT16_MATCHING, Bundle
from vosrt.device import Array, Take
from vosrt.errors import InputError
from vosrt.executor import MOST_THREADS
from vosrt.import_onnxruntime import import_onnxruntime, new_session_options
from vosrt.manifest import Graph
from vosrt.manifest_graph import ASIDE
from vosrt.native_libraries import native_library
from vosrt.number_check import checked_whole
from vosrt.onnxruntime_sessions import check_signature, does_not_load, does_not_run, register_operators
from vosrt.usable_cores import usable_cores

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
        roles: Collection[str] | None = None,
        threads: int | None = None,
        profile: str | os.PathLike[str] | None = None,
    ) -> None:
        if threads is not None:
            threads = checked_whole("threads", threads, 1, MOST_THREADS)
        self.precision = precision
        self.device = "cpu"
        self.threads = threads or min(usable_cores(), MOST_THREADS)
        self._runtime = import_onnxruntime()
        self._value_of = self._runtime.OrtValue.ortvalue_from_numpy
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
        arrays = {name: np.ascontiguousarray(inputs[name]) for name in graph.inputs}
        signature = self._signature(role, graph, arrays)
        shapes = self._shapes.get(signature) if take else None
        binding = session.io_binding()
        outputs: dict[str, Array] = {}
        try:
            for name, array in arrays.items():
                binding.bind_ortvalue_input(name, self._value_of(array))
            for index, (name, spec) in enumerate(graph.outputs.items()):
                if take and shapes and 0 not in shapes[index]:
                    outputs[name] = take(shapes[index], spec.dtype)
                    binding.bind_ortvalue_output(name, self._value_of(outputs[name]))
                else:
                    binding.bind_output(name, "cpu")
            session.run_with_iobinding(binding)
        except Exception as error:
            raise does_not_run(role, arrays, error) from error
        for name, value in zip(graph.outputs, binding.get_outputs(), strict=True):
            if name not in outputs:
                outputs[name] = value.numpy()
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
        library = native_library("vosrt_ort_cpu")
        if self.precision.endswith(BFLOAT16_MATCHING):
            if library is None:
                raise unusable_matching(self.precision)
            options.add_session_config_entry("vosrt.matching", "bfloat16")
        register_operators(options, library)
        try:
            session = self._runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise does_not_load(role, path, error) from error
        check_signature(role, graph, session)
        return session


def unusable_matching(precision: str) -> InputError:
    """The error of a precision with `BFLOAT16_MATCHING` where no operator knows it."""
    return InputError(
        "precision",
        value=precision,
        allowed=f"{BFLOAT16_MATCHING} with ONNX Runtime on the CPU and the compiled operators",
        cure=f"leave {BFLOAT16_MATCHING} out, or install vosrt after `make plugins`",
    )
