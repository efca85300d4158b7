"""Runs a bundle's graphs as TensorRT engines."""

from __future__ import annotations

import gc
import logging
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.cuda.cuda_array import Allocation
from vosrt.cuda.cuda_device import CudaDevice
from vosrt.cuda.graph_inputs import inputs_on_gpu
from vosrt.device import Array, Take
from vosrt.errors import BundleError, GpuMemoryError
from vosrt.trt.engine_graph import Shape
from vosrt.trt.engines import Engines
from vosrt.trt.import_tensorrt import tensorrt_log, version_of
from vosrt.trt.recordings import MOST, Recordings

_MOST_CONTEXTS = 64  # of engines, by shapes

Signature = tuple[Any, ...]
_log = logging.getLogger("vosrt.tensorrt")


class TensorRtExecutor:
    """Engines for all combinations of input shapes; all run one after another in the device's stream.

    Their working memory is one and the same block. Where the driver can, a run on the same addresses is
    recorded the second time it comes and launched as a whole from then on (CUDA graphs): state that is
    remembered for one frame alternates between two buffers, so there are two recordings, for even and odd
    frames.

    Args:
        engines: of a bundle.
        device: where arrays lie.
        record: whether to use CUDA graphs.
    """

    def __init__(self, engines: Engines, device: CudaDevice, *, record: bool = True) -> None:
        self.precision = engines.builder.precision
        self.device = device.name
        self._engines = engines
        self._device = device
        self._record = record and device.driver.records
        # A recording is of a context with its shapes. Before 10 contexts do not share a profile unasked, so
        # that one of them serves all numbers of reference frames and records anew when they change.
        self._of_shapes = version_of(engines.builder.tensorrt)[0] >= 10
        self._ready: OrderedDict[Signature, _Context] = OrderedDict()
        self._scratch: Allocation | None = None
        self._told_full = False
        self._running: _Context | None = None
        self._lock = threading.RLock()  # memory for a run may be what others have given back
        device.add_lender(self)

    @property
    def memory(self) -> int:
        """Bytes of working memory, shared by all engines and streams; weights are TensorRT's own."""
        return 0 if self._scratch is None else self._scratch.size

    def running(self) -> list[tuple[str, Any]]:
        """Roles and TensorRT's engines that are ready."""
        engines = {id(one.engine): (one.role, one.engine) for one in self._ready.values()}
        return list(engines.values())

    def run(self, role: str, inputs: Mapping[str, Array], take: Take | None = None) -> dict[str, Array]:
        """Run the graph of a role; see `Executor`.

        Raises:
            BundleError: the engine cannot be built or does not run.
            GpuMemoryError: there is no room for it on the GPU, even without those that are not in use.
        """
        graph = self._engines.manifest.graphs[role]
        size, arrays = inputs_on_gpu(graph, inputs, self._device)
        with self._lock:
            try:
                context = self._running = self._context(role, size, arrays)
                self._grow_scratch(context.scratch_size)
                outputs = context.outputs(arrays, take or self._device.empty)
                context.run(arrays, outputs)
                return outputs
            finally:
                self._running = None

    def give_back(self) -> bool:
        """Forget the half of the idle contexts that was not used for longest; whether there were any."""
        with self._lock:
            idle = [signature for signature, one in self._ready.items() if one is not self._running]
            gone = idle[: -(-len(idle) // 2)]
            if gone:
                _log.warning("no room on the GPU: %d of TensorRT's contexts are made again later", len(gone))
                self._device.driver.synchronize(self._device.stream)  # they may still be running
            for signature in gone:
                del self._ready[signature]
            return bool(gone)

    def tell_full(self) -> None:
        """Say, once, that some streams run without CUDA graphs."""
        if not self._told_full:
            self._told_full = True
            text = "%d CUDA graphs of each graph are in use, two for each stream: further streams run without"
            _log.warning(text, MOST)

    def _context(self, role: str, size: NDArray[np.int64] | None, arrays: Mapping[str, Array]) -> _Context:
        network = () if size is None else tuple(size.tolist())
        signature = (role, network, *(array.shape for array in arrays.values()))
        found = self._ready.get(signature)
        if found is None:
            shapes = {name: array.shape for name, array in arrays.items()}
            found = self._ready[signature] = self._opened_with_room(role, network, size, shapes)
            if len(self._ready) > _MOST_CONTEXTS:
                self._device.driver.synchronize(self._device.stream)  # it may still be running
                self._ready.popitem(last=False)
        self._ready.move_to_end(signature)
        return found

    def _opened_with_room(
        self, role: str, network: Signature, size: NDArray[np.int64] | None, shapes: Mapping[str, Shape]
    ) -> _Context:
        """As `_opened`; where there is no room on the GPU, what was not used for longest goes."""
        while True:
            try:
                return self._opened(role, network, size, shapes)
            except GpuMemoryError:
                if not self._device.make_room():
                    raise

    def _opened(
        self, role: str, network: Signature, size: NDArray[np.int64] | None, shapes: Mapping[str, Shape]
    ) -> _Context:
        """A context for these shapes: of an engine that others may run, too."""
        built_for = (role, network, *self._engines.graphs.sizes(role, shapes).values())
        same = next((one for one in self._ready.values() if one.built_for == built_for), None)
        if same is not None and not self._of_shapes:
            return same
        engine = self._engines.engine(role, shapes, size) if same is None else same.engine
        return _Context(self, role, built_for, engine)

    def _grow_scratch(self, size: int) -> None:
        """Working memory for the engine that needs most; recordings hold the old address and go."""
        if self._scratch is not None and self._scratch.size >= size:
            return
        self._device.driver.synchronize(self._device.stream)
        for context in self._ready.values():
            context.forget_recordings()
        self._scratch = None  # given back first: there may not be room for both
        self._scratch = self._device.allocation(max(size, 1))


class _Context:
    """An engine ready to run: its context, and what was recorded by addresses."""

    def __init__(self, executor: TensorRtExecutor, role: str, built_for: Signature, engine: Any) -> None:
        self._executor = executor
        self.role = role
        self.built_for = built_for
        self._trt = executor._engines.builder.tensorrt
        self.engine = engine
        log = tensorrt_log(self._trt)
        log.errors.clear()
        self._context = _context_without_memory(self._trt, engine)
        if self._context is None:
            said = "; ".join(log.errors[-2:]) or "TensorRT does not say why"
            raise GpuMemoryError(f"graph {role}: no memory left on the GPU to run its engine ({said})")
        self._records = executor._record
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._recordings = Recordings()  # by addresses
        names = {engine.get_tensor_name(index) for index in range(engine.num_io_tensors)}
        self._names = frozenset(names)  # an input that nothing reads is none of the engine's

    @property
    def scratch_size(self) -> int:
        """Bytes that a run needs."""
        engine = self.engine
        size = getattr(engine, "device_memory_size_v2", None)
        return int(engine.device_memory_size if size is None else size)

    def outputs(self, arrays: Mapping[str, Array], take: Take) -> dict[str, Array]:
        """Memory for the outputs, in the shapes that follow from the inputs'."""
        shapes = {name: tuple(array.shape) for name, array in arrays.items() if name in self._names}
        for name, shape in shapes.items():
            if self._shapes.get(name) == shape:
                continue
            self.forget_recordings()  # they are of the context as it was
            if not self._context.set_input_shape(name, shape):
                raise self._failure(f"does not take {name} of shape {list(shape)}")
            self._shapes[name] = shape
        graph = self._executor._engines.manifest.graphs[self.role]
        return {
            name: take(tuple(self._context.get_tensor_shape(name)), output.dtype)
            for name, output in graph.outputs.items()
        }

    def run(self, arrays: Mapping[str, Array], outputs: Mapping[str, Array]) -> None:
        """Put a run into the stream: as a recording where there is one."""
        device = self._executor._device
        all_arrays = {**arrays, **outputs}
        key = tuple((array.pointer, array.shape) for array in all_arrays.values())
        recording = self._recordings.find(key)
        if recording is not None:
            device.driver.launch(recording, device.stream)
            return
        assert self._executor._scratch is not None
        self._set_scratch(self._executor._scratch)
        for name in self._names:
            array = all_arrays[name]
            self._context.set_tensor_address(name, array.pointer)
        self._enqueue()
        if not self._records:
            return
        if not self._recordings.saw(key, self._recorded):
            self._executor.tell_full()

    def forget_recordings(self) -> None:
        """Working memory is about to move, or shapes change."""
        self._recordings.clear()

    def _recorded(self) -> Any:
        """The run as a recording; None, now and from now on, where TensorRT or the driver cannot."""
        device = self._executor._device
        collects = gc.isenabled()
        gc.disable()  # freeing memory would end the recording
        try:
            return device.driver.record(device.stream, self._enqueue)
        except Exception as error:  # the run itself is under way: only speed is lost
            _log.warning("graph %s runs without CUDA graphs (%s)", self.role, error)
            self._records = False
            return None
        finally:
            if collects:
                gc.enable()

    def _enqueue(self) -> None:
        if not self._context.execute_async_v3(self._executor._device.stream):
            raise self._failure("did not run")

    def _set_scratch(self, memory: Allocation) -> None:
        if hasattr(self._context, "set_device_memory"):
            self._context.set_device_memory(memory.pointer, memory.size)
        else:
            self._context.device_memory = memory.pointer

    def _failure(self, what: str) -> BundleError:
        said = "; ".join(tensorrt_log(self._trt).errors[-2:]) or "the log says more"
        return BundleError(f"the TensorRT engine of graph {self.role} {what} ({said})")


def _context_without_memory(trt: Any, engine: Any) -> Any:
    """A context that takes its working memory from outside."""
    if hasattr(engine, "create_execution_context_without_device_memory"):
        return engine.create_execution_context_without_device_memory()
    return engine.create_execution_context(trt.ExecutionContextAllocationStrategy.USER_MANAGED)
