"""Runs a bundle's graphs with ONNX Runtime's CUDA provider."""

from __future__ import annotations

import gc
import logging
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.bundle import BFLOAT16_MATCHING, Bundle
from vosrt.cuda.cuda_device import CudaDevice
from vosrt.cuda.gpu_arrays import GpuArrays
from vosrt.cuda.graph_inputs import inputs_on_gpu
from vosrt.cuda.session_graph import session_graph
from vosrt.device import Array, Take
from vosrt.errors import BundleError, Error, GpuMemoryError, reason_of
from vosrt.graphs.operator_shapes import WITH_KERNEL
from vosrt.graphs.sized_model import OpenShape
from vosrt.import_onnxruntime import import_onnxruntime, new_session_options
from vosrt.manifest import COUNTS
from vosrt.onnxruntime_executor import unusable_matching
from vosrt.onnxruntime_sessions import (
    check_signature,
    does_not_load,
    does_not_run,
    register_operators,
)

_MOST_SESSIONS = 160  # by graph and size; before that many the GPU may be full
_MOST_SIGNATURES = 256  # remembered combinations of input shapes
_MOST_RECORDINGS = 64  # of a session: two for each stream, and others when objects come and go
_LONG_AGO = 4000  # runs of a session
_NO_MEMORY = re.compile(
    r"out of memory|Failed to allocate memory|CUDA failure 2\b|ALLOC_FAILED", re.IGNORECASE
)
_FATAL_ONLY = 4  # of ONNX Runtime's log severities

_JOINS_WITHOUT_COPY = (1, 31)  # ONNX Runtime from here on
_MAKING_SPLITS = ["GatherSliceToSplitFusion", "GatherToSplitFusion"]  # which copy as joins do

Signature = tuple[Any, ...]
_log = logging.getLogger("vosrt.onnxruntime")


class OnnxRuntimeCudaExecutor:
    """A session for each graph and size of frames; numbers of objects and of reference frames stay open.

    A run that comes a second time with the same addresses is recorded and launched as a whole from then on
    (CUDA graphs), where the graph and ONNX Runtime allow it. All outputs are in memory of the stream: what
    ONNX Runtime finds itself, a recording may use as well.

    Args:
        bundle: an opened bundle.
        device: where arrays lie.
        precision: which of the bundle's precisions to run.
        record: whether to use CUDA graphs.
        profile: a folder for ONNX Runtime's profiles, which need runs that are not recorded; None for none.

    Raises:
        BundleError: the bundle lacks the precision.
        InputError: the precision is one of the CPU.
        MissingDependencyError: ONNX Runtime is not installed, or is installed twice.
    """

    def __init__(
        self,
        bundle: Bundle,
        device: CudaDevice,
        *,
        precision: str = "float32",
        record: bool = True,
        profile: str | os.PathLike[str] | None = None,
    ) -> None:
        if precision.endswith(BFLOAT16_MATCHING):
            raise unusable_matching(precision)
        for role in bundle.manifest.graphs:
            bundle.graph_path(role, precision=precision)
        self.precision = precision
        self.device = device.name
        self.bundle = bundle
        self.cuda = device
        self.runtime = import_onnxruntime()
        self.arrays = GpuArrays(self.runtime, device)
        self.record = record and device.driver.records and profile is None
        self.joins_by_copy = _version(self.runtime) < _JOINS_WITHOUT_COPY
        self.profile = None if profile is None else Path(profile)
        self._open = frozenset({*COUNTS, *bundle.manifest.slot_dimensions})
        self._sessions: OrderedDict[Signature, _Session] = OrderedDict()
        self._of_shapes: dict[Signature, _Session] = {}
        self._running: _Session | None = None
        self._lock = threading.RLock()  # memory for a run may be what others have given back
        device.add_lender(self)

    def run(self, role: str, inputs: Mapping[str, Array], take: Take | None = None) -> dict[str, Array]:
        """Run the graph of a role; see `Executor`.

        Raises:
            BundleError: the graph does not load, differs from the manifest or fails on these inputs.
            GpuMemoryError: there is no room for it, even without the sessions that are not in use.
            MissingDependencyError: the package onnx is not installed, or compiled operators do not load.
        """
        size, arrays = inputs_on_gpu(self.bundle.manifest.graphs[role], inputs, self.cuda)
        with self._lock:
            while True:
                try:
                    self._running = self._session(role, size, arrays)
                    return self._running.run(arrays, take or self.cuda.empty)
                except GpuMemoryError:
                    if self._running is not None:
                        self._close([self._running])  # what has failed is opened again
                    if not self.cuda.make_room():
                        raise
                finally:
                    self._running = None

    def give_back(self) -> bool:
        """Close the half of the idle sessions that was not used for longest; whether there were any."""
        with self._lock:
            idle = [session for session in self._sessions.values() if session is not self._running]
            gone = idle[: -(-len(idle) // 2)]
            if gone:
                _log.warning("no room on the GPU: %d graphs are closed and opened again later", len(gone))
                self._close(gone)
            return bool(gone)

    def write_profiles(self) -> list[Path]:
        """End profiling and return the files written, one JSON trace per session; empty without `profile`."""
        return [] if self.profile is None else [one.write_profile() for one in self._sessions.values()]

    def _session(self, role: str, size: NDArray[np.int64] | None, arrays: Mapping[str, Array]) -> _Session:
        network = () if size is None else tuple(size.tolist())
        signature = (role, network, *(array.shape for array in arrays.values()))
        found = self._of_shapes.get(signature)
        if found is not None and not found.is_worn_out:
            self._sessions.move_to_end(found.built_for)
            return found
        shapes = {name: self._open_shape(role, name, array) for name, array in arrays.items()}
        built_for = (role, network, *shapes.values())
        if found is not None:
            self._close([found])
        found = self._sessions.get(built_for)
        if found is None:
            if len(self._sessions) >= _MOST_SESSIONS:
                oldest = next(iter(self._sessions.values()))
                _log.warning(
                    "%d graphs are open: %s, not used for longest, is closed", _MOST_SESSIONS, oldest
                )
                self._close([oldest])
            found = self._sessions[built_for] = _Session(self, role, built_for, shapes, size)
        if len(self._of_shapes) >= _MOST_SIGNATURES:
            self._of_shapes.clear()
        self._of_shapes[signature] = found
        self._sessions.move_to_end(built_for)
        return found

    def _open_shape(self, role: str, name: str, array: Array) -> OpenShape:
        declared = self.bundle.manifest.graphs[role].inputs[name].shape
        sizes = zip(declared, array.shape, strict=True)
        return tuple(name if name in self._open else size for name, size in sizes)

    def _close(self, sessions: Sequence[_Session]) -> None:
        self.cuda.driver.synchronize(self.cuda.stream)  # they may still be running
        for session in sessions:
            self._sessions.pop(session.built_for, None)
        self._of_shapes = {key: one for key, one in self._of_shapes.items() if one not in sessions}


class _Session:
    """A graph for one size of frames: its session, and what is recorded by addresses."""

    def __init__(
        self,
        executor: OnnxRuntimeCudaExecutor,
        role: str,
        built_for: Signature,
        shapes: Mapping[str, OpenShape],
        size: NDArray[np.int64] | None,
    ) -> None:
        self._role = role
        self.built_for = built_for
        self._executor = executor
        self._arrays = executor.arrays
        self._graph = executor.bundle.manifest.graphs[role]
        self._output_shapes: dict[Signature, tuple[tuple[int, ...], ...]] = {}
        self._seen: dict[Signature, int | None] = {}  # addresses to the number of a recording
        self._launched: dict[int, int] = {}  # numbers to the last run
        self._runs = 0
        sources = {value.source: name for name, value in self._graph.inputs.items()}
        constants = {} if size is None else {sources["size"]: size}
        self._library = executor.arrays.custom_ops()
        self._path = executor.bundle.graph_path(role, precision=executor.precision)
        operators = WITH_KERNEL if self._library is not None else frozenset[str]()
        even_joins = executor.record and executor.joins_by_copy
        self._make = partial(session_graph, self._path, shapes, constants, operators, even_joins=even_joins)
        self._records, self._session = self._opened(executor.record)
        self._read = frozenset(value.name for value in self._session.get_inputs())
        check_signature(role, self._graph, self._session, left_out=self._graph.inputs.keys() - self._read)

    def __str__(self) -> str:
        return f"{self._role} of {self.built_for[1:]}"

    @property
    def is_worn_out(self) -> bool:
        """Whether most of what it has recorded is of streams that are gone: ONNX Runtime never drops one."""
        if len(self._launched) < _MOST_RECORDINGS:
            return False
        idle = sum(run < self._runs - _LONG_AGO for run in self._launched.values())
        return 2 * idle >= len(self._launched)

    def run(self, arrays: Mapping[str, Array], take: Take) -> dict[str, Array]:
        """Put a run into the stream."""
        signature = tuple(array.shape for array in arrays.values())
        shapes = self._output_shapes.get(signature)
        if shapes is None:
            outputs = self._first_run(arrays, take)
            self._output_shapes[signature] = tuple(array.shape for array in outputs.values())
            return outputs
        outputs = {
            name: take(shape, value.dtype)
            for (name, value), shape in zip(self._graph.outputs.items(), shapes, strict=True)
        }
        self._run(arrays, outputs, self._recording(arrays, outputs))
        return outputs

    def write_profile(self) -> Path:
        """End profiling."""
        return Path(self._session.end_profiling())

    def _recording(self, arrays: Mapping[str, Array], outputs: Mapping[str, Array]) -> int | None:
        """The number of the recording for these addresses, from the second time on that they come."""
        if not self._records:
            return None
        self._runs += 1
        used = [*(array for name, array in arrays.items() if name in self._read), *outputs.values()]
        addresses = ((array.pointer, array.shape) for array in used)
        key = (threading.get_ident(), *addresses)  # ONNX Runtime keeps recordings for each thread
        number = self._seen.get(key)
        if number is None and len(self._launched) < _MOST_RECORDINGS:
            number = len(self._launched) + 1 if key in self._seen else None
            self._seen[key] = number
            if len(self._seen) > 16 * _MOST_RECORDINGS:  # addresses that came once
                self._seen = {key: one for key, one in self._seen.items() if one is not None}
        if number is not None:
            self._launched[number] = self._runs
        return number

    def _run(
        self, arrays: Mapping[str, Array], outputs: Mapping[str, Array], recording: int | None = None
    ) -> Any:
        """Run on arrays; what is not among the outputs ONNX Runtime finds memory for."""
        binding = self._session.io_binding()
        collects = recording is not None and gc.isenabled()
        if collects:
            gc.disable()  # freeing memory would end a recording
        try:
            for name, array in arrays.items():
                if name in self._read:
                    self._arrays.bind_input(binding, name, array)
            for name in self._graph.outputs:
                if name in outputs and outputs[name].nbytes:
                    self._arrays.bind_output(binding, name, outputs[name])
                else:
                    self._arrays.bind_new_output(binding, name)
            self._arrays.run(self._session, binding, recording)
        except Exception as error:
            if recording is None:
                raise _told(does_not_run(self._role, arrays, error), self._role, error) from error
            _log.warning("graph %s runs without CUDA graphs (%s)", self._role, reason_of(error))
            self._seen.clear()
            self._executor.cuda.driver.synchronize(self._executor.cuda.stream)
            del binding, self._session  # there may not be room for both
            self._records, self._session = self._opened(record=False)
            return self._run(arrays, outputs)
        finally:
            if collects:
                gc.enable()
        return binding

    def _first_run(self, arrays: Mapping[str, Array], take: Take) -> dict[str, Array]:
        """Learns the shapes of the outputs, and copies these out of memory of the session's own."""
        binding = self._run(arrays, {})
        outputs = {}
        for (name, value), found in zip(self._graph.outputs.items(), binding.get_outputs(), strict=True):
            array = self._arrays.array_of(found)
            outputs[name] = take(array.shape, value.dtype)
            self._executor.cuda.copy(array, outputs[name])
        return outputs

    def _opened(self, record: bool) -> tuple[bool, Any]:
        """Whether it records, and the session."""
        executor = self._executor
        options = new_session_options(executor.runtime, threads=1)
        if executor.profile is not None:
            executor.profile.mkdir(parents=True, exist_ok=True)
            options.enable_profiling = True
            options.profile_file_prefix = str(executor.profile / self._role)
        register_operators(options, self._library)
        model, can_record = self._make()
        if record and can_record:
            usual, options.log_severity_level = options.log_severity_level, _FATAL_ONLY
            try:
                return True, self._new_session(model, options, record=True)
            except Exception as error:
                if _NO_MEMORY.search(str(error)):
                    raise _told(does_not_load(self._role, self._path, error), self._role, error) from error
                _log.info("graph %s runs without CUDA graphs (%s)", self._role, reason_of(error))
                options.log_severity_level = usual
        try:
            return False, self._new_session(model, options, record=False)
        except Exception as error:
            raise _told(does_not_load(self._role, self._path, error), self._role, error) from error

    def _new_session(self, model: bytes, options: Any, *, record: bool) -> Any:
        providers = self._arrays.providers(record=record)
        return self._executor.runtime.InferenceSession(
            model,
            options,
            providers=providers,
            disabled_optimizers=_MAKING_SPLITS if record else None,
            enable_fallback=0,  # to the CPU, which knows no pointers of a GPU
        )


def _told(usual: BundleError, role: str, error: Exception) -> Error:
    """What to say of an error of ONNX Runtime."""
    if not _NO_MEMORY.search(str(error)):
        return usual
    return GpuMemoryError(f"graph {role}: no memory left on the GPU ({reason_of(error)})")


def _version(runtime: ModuleType) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", runtime.__version__)[:2])
