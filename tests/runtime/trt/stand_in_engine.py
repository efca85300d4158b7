"""Engines and contexts of the stand-in: a graph in ONNX Runtime, on host memory by address."""

from __future__ import annotations

import base64
import ctypes
import enum
import json
from math import prod

import numpy as np
import onnx
import onnxruntime

from tests.runtime.cuda.host_driver import HostDriver
from vosrt.export.rewriting import attach_function_bodies
from vosrt.trt.plugin_names import operator_of

TYPES = {
    onnx.TensorProto.FLOAT: "float32",
    onnx.TensorProto.FLOAT16: "float16",
    onnx.TensorProto.INT32: "int32",
    onnx.TensorProto.INT64: "int64",
    onnx.TensorProto.UINT8: "uint8",
}


class LayerInformationFormat(enum.IntEnum):
    ONELINE, JSON = range(2)


class ExecutionContextAllocationStrategy(enum.IntEnum):
    STATIC, ON_PROFILE_CHANGE, USER_MANAGED = range(3)


class ICudaEngine:
    def __init__(self, plan: dict) -> None:
        self._shapes = plan["shapes"]
        model = onnx.load_from_string(base64.b64decode(plan["model"]))
        self._graph = model.graph
        for node in model.graph.node:
            node.op_type = operator_of(node)
        _take_sizes(model.graph)
        attach_function_bodies(model)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(model.SerializeToString(), options)
        self._tensors = [*model.graph.input, *model.graph.output]

    @property
    def num_io_tensors(self) -> int:
        return len(self._tensors)

    def get_tensor_name(self, index: int) -> str:
        return self._tensors[index].name

    def create_engine_inspector(self) -> EngineInspector:
        return EngineInspector(self)


class EngineInspector:
    def __init__(self, engine: ICudaEngine) -> None:
        self._engine = engine

    def get_engine_information(self, form: LayerInformationFormat) -> str:
        return json.dumps({"Layers": [node.name for node in self._engine._graph.node]})


class Engine8(ICudaEngine):
    device_memory_size = 1000

    def create_execution_context_without_device_memory(self) -> IExecutionContext:
        return Context8(self)


class Engine10(Engine8):
    device_memory_size_v2 = 1000


class Engine11(ICudaEngine):
    device_memory_size_v2 = 1000

    def create_execution_context(self, strategy: ExecutionContextAllocationStrategy) -> IExecutionContext:
        assert strategy == ExecutionContextAllocationStrategy.USER_MANAGED
        return IExecutionContext(self)


class IExecutionContext:
    def __init__(self, engine: ICudaEngine) -> None:
        self._engine = engine
        self._addresses: dict[str, int] = {}
        self._memory = 0
        self._shapes = {
            value.name: tuple(dim.dim_value or dim.dim_param for dim in value.type.tensor_type.shape.dim)
            for value in engine._graph.input
        }
        self._found: dict[tuple, dict[str, tuple[int, ...]]] = {}

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        least, _, most = self._engine._shapes.get(name, [self._shapes[name]] * 3)
        if len(shape) != len(least) or not all(
            a <= b <= c for a, b, c in zip(least, shape, most, strict=True)
        ):
            return False
        self._shapes[name] = tuple(shape)
        return True

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        key = tuple(self._shapes.values())
        if key not in self._found:
            zeros = {
                value.name: np.zeros(self._shapes[value.name], _dtype(value))
                for value in self._engine._graph.input
            }
            results = self._engine._session.run(None, zeros)
            names = [value.name for value in self._engine._graph.output]
            self._found[key] = {n: r.shape for n, r in zip(names, results, strict=True)}
        return self._found[key][name]

    def set_tensor_address(self, name: str, address: int) -> bool:
        assert any(value.name == name for value in self._engine._tensors)
        self._addresses[name] = address
        return True

    def set_device_memory(self, memory: int, size: int) -> None:
        self._memory = memory

    def execute_async_v3(self, stream_handle: int) -> bool:
        assert self._memory
        graph, addresses, shapes = self._engine._graph, dict(self._addresses), dict(self._shapes)

        def work() -> None:
            feeds = {
                v.name: array_at(addresses[v.name], shapes[v.name], _dtype(v)).copy() for v in graph.input
            }
            results = self._engine._session.run(None, feeds)
            for value, result in zip(graph.output, results, strict=True):
                array_at(addresses[value.name], result.shape, _dtype(value))[...] = result

        if HostDriver.recording is not None:
            HostDriver.recording.append(work)
        else:
            work()
        return True


class Context8(IExecutionContext):
    set_device_memory = property()  # type: ignore[assignment]  # not there before 10.1

    @property
    def device_memory(self) -> int:
        return self._memory

    @device_memory.setter
    def device_memory(self, memory: int) -> None:
        self._memory = memory


def _dtype(value: onnx.ValueInfoProto) -> str:
    return TYPES[value.type.tensor_type.elem_type]


def array_at(address: int, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    size = prod(shape) * np.dtype(dtype).itemsize
    memory = (ctypes.c_uint8 * size).from_address(address)
    return np.frombuffer(memory, dtype).reshape(shape)


def _take_sizes(graph: onnx.GraphProto) -> None:
    """Sizes that are attributes of plugins as the inputs that function bodies read."""
    for node in graph.node:
        size = next((entry for entry in node.attribute if entry.name == "size" and node.domain), None)
        if size is not None:
            name = f"{node.output[0]}/size"
            graph.initializer.append(onnx.numpy_helper.from_array(np.array(size.ints, np.int64), name))
            node.input.insert(1, name)
            node.attribute.remove(size)
