"""Builds an engine from an ONNX graph, with any TensorRT from 8.5 on."""

from __future__ import annotations

import ctypes
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from vosrt.errors import BundleError
from vosrt.trt.engine_graph import InputSizes
from vosrt.trt.import_tensorrt import tensorrt_log, version_of
from vosrt.trt.value_types import OPEN, exact_types, value_types
from vosrt.whole_file import write_whole_file

_log = logging.getLogger(__name__)
WORKSPACE = 1 << 30  # bytes that a layer may take while it runs
REVISION = "4"  # of how graphs are made into engines: engines of another one are built again
_ONNX_FLOAT, _ONNX_HALF = 1, 10  # types, as ONNX numbers them
PASSIVE = (
    "CAST",
    "CONSTANT",
    "IDENTITY",
    "PLUGIN_V2",
    "PLUGIN_V3",
    "SHAPE",
)  # layers that say their types themselves
_LIBRARIES = {  # that TensorRT 8 looks for
    "CUBLAS": ("libcublas.so.12", "libcublas.so.11"),
    "CUBLAS_LT": ("libcublasLt.so.12", "libcublasLt.so.11"),
    "CUDNN": ("libcudnn.so.8",),
}

Progress = Callable[[str, float], None]  # outermost phase, and how much of it is done: 0 to 1


@dataclass(frozen=True)
class EngineBuilder:
    """Settings of every build.

    Attributes:
        tensorrt: the package.
        precision: of the graphs. float16 is in the graph; TensorRT 8 needs flags to obey it. int8 is in the
            graph, too; up to TensorRT 10, which knows a flag for it, other convolutions and what lies between
            all of them may become float16.
        workspace: most bytes that a layer may take while it runs.
        timing_cache: file of measured layers, which makes later builds faster; None for none.
        detailed: keep what `layer_report` needs.
        progress: is told how far a build is, where TensorRT tells (10 and later).
    """

    tensorrt: ModuleType
    precision: str = "float32"
    workspace: int = WORKSPACE
    timing_cache: Path | None = None
    detailed: bool = False
    progress: Progress | None = None

    def build(self, name: str, graph: bytes, sizes: Mapping[str, InputSizes]) -> bytes:
        """An engine, serialised.

        Args:
            name: for messages.
            graph: of `engine_graph`.
            sizes: shapes of every input.

        Raises:
            BundleError: TensorRT cannot read or build it; says what TensorRT says.
        """
        trt, log = self.tensorrt, tensorrt_log(self.tensorrt)
        log.errors.clear()
        builder = trt.Builder(log)
        network = builder.create_network(self._network_flags())
        parser = trt.OnnxParser(network, log)
        if not parser.parse(graph):
            reasons = [parser.get_error(index).desc() for index in range(parser.num_errors)]
            raise _failed(f"{name}: TensorRT {trt.__version__} cannot read the graph", reasons or log.errors)
        if self._is_mixed:
            _copy_precisions(trt, network, exact_types(graph))
        elif self.precision == "float16" and version_of(trt)[0] < 10:
            _copy_precisions(trt, network, value_types(graph))
        config = self._config(builder, sizes)
        plan = builder.build_serialized_network(network, config)
        if plan is None:
            raise _failed(
                f"{name}: TensorRT {trt.__version__} cannot build the graph", log.errors, _cure(trt)
            )
        self._keep_timings(config)
        return bytes(plan)

    @property
    def libraries(self) -> str:
        """Those that TensorRT may take layers from: up to 9 that depends on what is there."""
        if version_of(self.tensorrt)[0] >= 10:
            return ""
        return " ".join(name for name, files in _LIBRARIES.items() if any(map(_loads, files)))

    def _network_flags(self) -> int:
        """Strongly typed where TensorRT knows it; types then are those of the graph."""
        flags = self.tensorrt.NetworkDefinitionCreationFlag
        chosen = 0
        if version_of(self.tensorrt)[0] < 10:
            chosen |= 1 << int(flags.EXPLICIT_BATCH)
        elif hasattr(flags, "STRONGLY_TYPED") and not self._is_mixed:
            chosen |= 1 << int(flags.STRONGLY_TYPED)
        return chosen

    @property
    def _is_mixed(self) -> bool:
        """Whether TensorRT chooses types where the graph says float32."""
        return self.precision == "int8" and version_of(self.tensorrt)[0] <= 10

    def _config(self, builder: Any, sizes: Mapping[str, InputSizes]) -> Any:
        trt = self.tensorrt
        config = builder.create_builder_config()
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, self.workspace)
        flags = trt.BuilderFlag
        if hasattr(flags, "TF32"):
            config.clear_flag(flags.TF32)  # float32 means float32
        if self.precision == "float16" and version_of(trt)[0] < 10:
            config.set_flag(flags.FP16)
            config.set_flag(flags.OBEY_PRECISION_CONSTRAINTS)
        if self._is_mixed:
            config.set_flag(flags.INT8)
            config.set_flag(flags.FP16)
            config.set_flag(flags.PREFER_PRECISION_CONSTRAINTS)
        if version_of(trt)[0] < 10:
            config.set_tactic_sources(_tactic_sources(trt, config))
        if self.detailed:
            config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
        if any(not shapes.is_fixed for shapes in sizes.values()):
            profile = builder.create_optimization_profile()
            for name, shapes in sizes.items():
                profile.set_shape(name, shapes.least, shapes.usual, shapes.most)
            config.add_optimization_profile(profile)
        if self.progress is not None and hasattr(trt, "IProgressMonitor"):
            config.progress_monitor = _progress_monitor(trt, self.progress)
        self._use_timings(config)
        return config

    def _use_timings(self, config: Any) -> None:
        if self.timing_cache is None:
            return
        try:
            data = self.timing_cache.read_bytes()
        except OSError:
            data = b""
        cache = config.create_timing_cache(data)
        if data and (cache is None or not config.set_timing_cache(cache, ignore_mismatch=False)):
            _log.info("%s is of another GPU or TensorRT: it starts anew", self.timing_cache)
            data = b""
        if not data:
            config.set_timing_cache(config.create_timing_cache(b""), ignore_mismatch=False)

    def _keep_timings(self, config: Any) -> None:
        cache = config.get_timing_cache() if self.timing_cache is not None else None
        if cache is None or self.timing_cache is None:
            return
        try:
            write_whole_file(self.timing_cache, bytes(cache.serialize()))
        except OSError as error:  # it only saves time
            _log.info("%s cannot be written (%s)", self.timing_cache, error.strerror)


def layer_report(tensorrt: ModuleType, engine: Any) -> list[dict[str, Any]]:
    """What became of the graph: TensorRT's own account of every layer, for engines built `detailed`."""
    inspector = engine.create_engine_inspector()
    text = inspector.get_engine_information(tensorrt.LayerInformationFormat.JSON)
    layers = json.loads(text).get("Layers", [])
    return [layer if isinstance(layer, dict) else {"Name": layer} for layer in layers]


def _copy_precisions(trt: ModuleType, network: Any, types: Mapping[str, int]) -> None:
    """Bind every layer to the types of the graph: without strong typing TensorRT takes them as hints only.

    A layer that compares or counts has no real output; it computes in the type of its inputs. Layers that
    the parser adds keep the type of their input. Casts and plugins say themselves what they take and give.

    Args:
        trt: the package.
        network: that the parser has read.
        types: of `value_types` or `exact_types`; the parser keeps the names of values.
    """
    real = {_ONNX_FLOAT: trt.float32, _ONNX_HALF: trt.float16}
    passive = {getattr(trt.LayerType, name, None) for name in PASSIVE}
    known = {name: real.get(kind) for name, kind in types.items()}
    chosen_later = {name for name, kind in types.items() if kind == OPEN}
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        places = [layer.get_input(place) for place in range(layer.num_inputs)]
        inputs = [known.get(tensor.name) for tensor in places if tensor is not None]
        own = next((kind for kind in inputs if kind is not None), None)
        written = [layer.get_output(place) for place in range(layer.num_outputs)]
        if any(tensor is not None and tensor.name in chosen_later for tensor in places):
            chosen_later |= {tensor.name for tensor in written} - known.keys()
        if any(tensor.name in chosen_later for tensor in written):
            continue
        for tensor in written:
            known.setdefault(tensor.name, own if tensor.dtype in real.values() else None)
        if layer.type in passive:
            continue
        outputs = [known[tensor.name] for tensor in written]
        chosen = [kind for kind in outputs if kind is not None] or [kind for kind in inputs if kind]
        if not chosen:
            continue
        layer.precision = trt.float32 if trt.float32 in chosen else trt.float16
        for place, kind in enumerate(outputs):
            if kind is not None:
                layer.set_output_type(place, kind)


def _tactic_sources(trt: ModuleType, config: Any) -> int:
    """All that are there: TensorRT 8 fails late where it counts on a cuBLAS or cuDNN that is not there."""
    chosen = config.get_tactic_sources()
    for name, libraries in _LIBRARIES.items():
        source = getattr(trt.TacticSource, name, None)
        if source is not None and not any(map(_loads, libraries)):
            chosen &= ~(1 << int(source))
    return chosen


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


class PhaseTree:
    """How far a build is: phases of TensorRT lie within steps of others."""

    def __init__(self) -> None:
        self._phases: dict[str, _Phase] = {}

    def start(self, name: str, parent: str | None, steps: int) -> None:
        """A phase of so many steps begins, within the next step of its parent."""
        self._phases[name] = _Phase(parent, max(steps, 1))

    def complete(self, name: str, step: int) -> tuple[str, float]:
        """A step, counted from 0, is done; returns the outermost phase and its share that is done."""
        phase = self._phases.setdefault(name, _Phase(None, step + 1))
        phase.done = step + 1
        share = phase.done / phase.steps
        while phase.parent in self._phases:
            name, phase = phase.parent, self._phases[phase.parent]
            share = (phase.done + share) / phase.steps
        return name, min(share, 1.0)

    def finish(self, name: str) -> None:
        """A phase is over."""
        self._phases.pop(name, None)


@dataclass
class _Phase:
    parent: str | None
    steps: int
    done: int = 0


def _progress_monitor(trt: ModuleType, progress: Progress) -> Any:
    class Monitor(trt.IProgressMonitor):  # type: ignore[name-defined]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.phases = PhaseTree()

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self.phases.start(phase_name, parent_phase, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            """Whether to go on; nothing may be raised into TensorRT, an interrupt neither."""
            try:
                progress(*self.phases.complete(phase_name, step))
            except BaseException:
                return False
            return True

        def phase_finish(self, phase_name: str) -> None:
            self.phases.finish(phase_name)

    return Monitor()


def _failed(what: str, reasons: list[str], cure: str = "export again with this vosrt") -> BundleError:
    said = "; ".join(" ".join(reason.split()) for reason in reasons[-3:])
    return BundleError(f"{what} ({said or 'it does not say why'})", cure=cure)


def _cure(trt: ModuleType) -> str:
    """Of a build that failed: inside fused parts TensorRT 8 multiplies matrices with cuBLASLt alone."""
    cublas_lt = _LIBRARIES["CUBLAS_LT"]
    if version_of(trt)[0] < 10 and not any(map(_loads, cublas_lt)):
        return f"put {' or '.join(cublas_lt)} of the CUDA toolkit on the loader's path: TensorRT 8 needs it"
    return "export again with this vosrt; with too little memory, lower --workspace"
