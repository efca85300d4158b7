"""A TensorRT of ONNX Runtime: the calls that vosrt makes, on host memory, as several versions offer them.

`stand_in("8.5.3")` is a module. What it does not have, that version does not have either;
`test_bindings.py` compares its classes with real bindings. An engine is the graph and its shapes. Plugins
compute with the function bodies of the operators.
"""

from __future__ import annotations

import base64
import enum
import json
from functools import lru_cache
from types import ModuleType, SimpleNamespace

import onnx

from tests.runtime.trt.stand_in_engine import (
    TYPES,
    Context8,
    Engine8,
    Engine10,
    Engine11,
    EngineInspector,
    ExecutionContextAllocationStrategy,
    ICudaEngine,
    IExecutionContext,
    LayerInformationFormat,
)
from vosrt.export.tensorrt_lint import lint_for_tensorrt


class Severity(enum.Enum):
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)


class ILogger:
    Severity = Severity

    def __init__(self) -> None:
        pass


class IProgressMonitor:
    def __init__(self) -> None:
        pass


class MemoryPoolType(enum.IntEnum):
    WORKSPACE = 0


class TensorIOMode(enum.IntEnum):
    NONE, INPUT, OUTPUT = range(3)


class LayerType(enum.IntEnum):
    CONVOLUTION, CONSTANT, SHAPE, IDENTITY, PLUGIN_V2 = range(5)


class TacticSource(enum.IntEnum):
    CUBLAS, CUBLAS_LT, CUDNN, EDGE_MASK_CONVOLUTIONS = range(4)


class ProfilingVerbosity(enum.IntEnum):
    LAYER_NAMES_ONLY, NONE, DETAILED = range(3)


class ILayer:
    """While a network is defined every real value is float32, but what a cast writes."""

    def __init__(self, node: onnx.NodeProto, types: dict[str, int]) -> None:
        kinds = {"Constant": LayerType.CONSTANT, "Shape": LayerType.SHAPE, "Cast": LayerType.IDENTITY}
        plain = LayerType.PLUGIN_V2 if node.domain else LayerType.CONVOLUTION
        self.type = kinds.get(node.op_type, plain)
        self.name = node.name
        self.num_outputs, self.num_inputs = len(node.output), len(node.input)
        self._outputs = [_tensor(name, types, is_told=node.op_type == "Cast") for name in node.output]
        self._inputs = [_tensor(name, types, is_told=False) if name else None for name in node.input]

    def get_output(self, index: int) -> SimpleNamespace:
        return self._outputs[index]

    def get_input(self, index: int) -> SimpleNamespace | None:
        return self._inputs[index]


class Layer8(ILayer):
    def __init__(self, node: onnx.NodeProto, types: dict[str, int]) -> None:
        super().__init__(node, types)
        self.precision = None
        self._output_types: dict[int, str] = {}

    def set_output_type(self, index: int, dtype: str) -> None:
        self._output_types[index] = dtype


def _tensor(name: str, types: dict[str, int], *, is_told: bool) -> SimpleNamespace:
    dtype = TYPES.get(types.get(name, 0))
    return SimpleNamespace(name=name, dtype="float32" if dtype == "float16" and not is_told else dtype)


class INetworkDefinition:
    def __init__(self, flags: int) -> None:
        self._flags = flags
        self._layers: list[ILayer] = []
        self._model: bytes = b""

    @property
    def num_layers(self) -> int:
        return len(self._layers)

    def get_layer(self, index: int) -> ILayer:
        return self._layers[index]


class IOptimizationProfile:
    def __init__(self) -> None:
        self._shapes: dict[str, list] = {}

    def set_shape(self, name: str, least: tuple, usual: tuple, most: tuple) -> None:
        assert all(a <= b <= c for a, b, c in zip(least, usual, most, strict=True))
        self._shapes[name] = [list(least), list(usual), list(most)]


class ITimingCache:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def serialize(self) -> bytes:
        return self._data


class IBuilderConfig:
    def __init__(self) -> None:
        self._flags: set = {"TF32"}
        self._pools: dict = {}
        self._profile: IOptimizationProfile | None = None
        self._timings: ITimingCache | None = None
        self._sources = 15
        self.profiling_verbosity = ProfilingVerbosity.LAYER_NAMES_ONLY

    def set_memory_pool_limit(self, pool: MemoryPoolType, size: int) -> None:
        self._pools[pool] = size

    def set_flag(self, flag: enum.Enum) -> None:
        self._flags.add(flag.name)

    def clear_flag(self, flag: enum.Enum) -> None:
        self._flags.discard(flag.name)

    def get_tactic_sources(self) -> int:
        return self._sources

    def set_tactic_sources(self, sources: int) -> bool:
        self._sources = sources
        return True

    def add_optimization_profile(self, profile: IOptimizationProfile) -> int:
        self._profile = profile
        return 0

    def create_timing_cache(self, data: bytes) -> ITimingCache:
        return ITimingCache(data)

    def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool:
        if cache._data and not cache._data.startswith(b"timings"):
            return False
        self._timings = cache
        return True

    def get_timing_cache(self) -> ITimingCache | None:
        return self._timings


class OnnxParser:
    def __init__(self, network: INetworkDefinition, logger: ILogger) -> None:
        self._network = network
        self._problems: list[str] = []

    def parse(self, data: bytes) -> bool:
        try:
            model = onnx.load_from_string(data)
        except Exception as error:
            self._problems = [f"not a model ({error})"]
            return False
        self._problems = lint_for_tensorrt(model, of_engine=True)
        types = {value.name: value.type.tensor_type.elem_type for value in _typed(model)}
        self._network._layers = [Layer8(node, types) for node in model.graph.node]
        self._network._model = data
        return not self._problems

    @property
    def num_errors(self) -> int:
        return len(self._problems)

    def get_error(self, index: int) -> SimpleNamespace:
        return SimpleNamespace(desc=lambda: self._problems[index])


class Builder:
    """`built` is shared by all: what was built, with what settings."""

    built: list[SimpleNamespace] = []  # noqa: RUF012
    refuse = False

    def __init__(self, logger: ILogger) -> None:
        self._logger = logger

    def create_network(self, flags: int = 0) -> INetworkDefinition:
        return INetworkDefinition(flags)

    def create_builder_config(self) -> IBuilderConfig:
        return IBuilderConfig()

    def create_optimization_profile(self) -> IOptimizationProfile:
        return IOptimizationProfile()

    def build_serialized_network(self, network: INetworkDefinition, config: IBuilderConfig) -> bytes | None:
        if Builder.refuse:
            self._logger.log(Severity.ERROR, "no implementation for node Foo")
            return None
        Builder.built.append(SimpleNamespace(network=network, config=config))
        if config._timings is not None:
            config._timings._data = b"timings"
        shapes = config._profile._shapes if config._profile else {}
        plan = {"model": base64.b64encode(network._model).decode(), "shapes": shapes}
        return json.dumps(plan).encode()


class Runtime:
    def __init__(self, logger: ILogger) -> None:
        self._logger = logger

    def deserialize_cuda_engine(self, plan: bytes) -> ICudaEngine | None:
        try:
            return _ENGINES[-1](json.loads(plan))
        except ValueError:
            self._logger.log(Severity.ERROR, "the plan is of another version")
            return None


_ENGINES: list[type[ICudaEngine]] = [Engine10]
_WEAK_FLAGS = ("FP16", "INT8", "TF32", "OBEY_PRECISION_CONSTRAINTS", "PREFER_PRECISION_CONSTRAINTS")
FLAGS = {
    8: (("EXPLICIT_BATCH",), _WEAK_FLAGS),
    10: (("EXPLICIT_BATCH", "STRONGLY_TYPED"), _WEAK_FLAGS),
    11: (("STRONGLY_TYPED",), ("TF32",)),
}
CLASSES = (
    ILogger,
    MemoryPoolType,
    TensorIOMode,
    LayerType,
    ProfilingVerbosity,
    LayerInformationFormat,
    INetworkDefinition,
    IOptimizationProfile,
    ITimingCache,
    IBuilderConfig,
    OnnxParser,
    Builder,
    Runtime,
    EngineInspector,
)


@lru_cache
def stand_in(version: str) -> ModuleType:
    """The module `tensorrt` of a version."""
    major = int(version.partition(".")[0])
    module = ModuleType("tensorrt")
    module.__version__ = version
    for kind in CLASSES:
        setattr(module, kind.__name__, kind)
    network, builder = FLAGS[major]
    module.NetworkDefinitionCreationFlag = enum.IntEnum("Flags", network, start=0)
    module.BuilderFlag = enum.IntEnum("BuilderFlag", builder, start=0)
    module.TacticSource = (
        TacticSource if major < 11 else enum.IntEnum("TacticSource", ("EDGE_MASK_CONVOLUTIONS",))
    )
    module.ILayer = ILayer if major >= 11 else Layer8
    module.ICudaEngine = {8: Engine8, 10: Engine10, 11: Engine11}[major]
    module.IExecutionContext = Context8 if major == 8 else IExecutionContext
    module.float32, module.float16 = "float32", "float16"
    if major >= 10:
        module.IProgressMonitor = IProgressMonitor
        module.ExecutionContextAllocationStrategy = ExecutionContextAllocationStrategy
    return module


def use(version: str) -> ModuleType:
    """The module, whose engines are of this version from now on."""
    module = stand_in(version)
    _ENGINES.append(module.ICudaEngine)
    Builder.built.clear()
    Builder.refuse = False
    return module


def _typed(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    graph = onnx.shape_inference.infer_shapes(model).graph
    return [*graph.input, *graph.value_info, *graph.output]
