"""Layers of TensorRT 8 compute in the types of the graph."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

from tests.runtime.trt import stand_in
from vosrt.trt.engine_builder import EngineBuilder
from vosrt.trt.engine_graph import InputSizes
from vosrt.trt.value_types import OPEN, exact_types, value_types
from vosrt.trt.written_norms import write_out_norms

GRAPH = """
<ir_version: 8, opset_import: ["" : 17, "vosrt" : 1]>
half (float[1, 2, 8, 8] maps, float[2] gain, int32[3] rows) => (float[1, 1, 1, 1] mean, bool[3] flags)
<float16[2, 2, 1, 1] weights = {1, 2, 3, 4}, int32[1] one = {1}, float16[1] half_one = {1}>
{
  maps_16 = Cast <to: int = 10> (maps)
  convolved = Conv (maps_16, weights)
  normed = vosrt.GroupNormRelu <groups: int = 1, plugin_version: string = "1"> (convolved, gain, gain)
  moved = Add (normed, half_one)
  wide = Cast <to: int = 1> (moved)
  square = Mul (wide, wide)
  mean = ReduceMean <axes: ints = [1, 2, 3]> (square)
  flags = Equal (rows, one)
}
"""


@pytest.fixture
def graph() -> bytes:
    return onnx.parser.parse_model(GRAPH).SerializeToString()


def test_types_of_all_values_are_known(graph):
    types = value_types(graph)
    half, single = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT
    assert [types[name] for name in ("maps_16", "convolved", "normed", "moved")] == [half] * 4
    assert [types[name] for name in ("maps", "wide", "square", "mean")] == [single] * 4
    assert types["flags"] == onnx.TensorProto.BOOL


def test_layers_are_bound_to_the_types_of_the_graph(graph):
    tensorrt = stand_in.use("8.5.3")
    sizes = {"maps": (1, 2, 8, 8), "gain": (2,), "rows": (3,)}
    EngineBuilder(tensorrt, "float16").build(
        "half", graph, {name: InputSizes.fixed(shape) for name, shape in sizes.items()}
    )
    (built,) = stand_in.Builder.built
    nodes = [node.op_type for node in onnx.load_from_string(graph).graph.node]
    chosen = dict(zip(nodes, built.network._layers, strict=True))  # the second cast stands for both
    half, single = tensorrt.float16, tensorrt.float32
    assert (chosen["Conv"].precision, chosen["Conv"]._output_types) == (half, {0: half})
    assert (chosen["Add"].precision, chosen["Add"]._output_types) == (half, {0: half})
    assert (chosen["Mul"].precision, chosen["ReduceMean"].precision) == (single, single)
    for untouched in ("Cast", "GroupNormRelu", "Equal"):
        assert chosen[untouched].precision is None
        assert chosen[untouched]._output_types == {}
    assert {"FP16", "OBEY_PRECISION_CONSTRAINTS"} <= built.config._flags


PAIRS = """
<ir_version: 8, opset_import: ["" : 17, "vosrt" : 1]>
pairs (float[1, 2, 8, 8] maps, float[2] gain) => (float[1, 2, 8, 8] gated, float[1, 1, 1, 1] mean)
<float[2, 2, 1, 1] weights = {1, 2, 3, 4}, float scale = {0.1}, int8 zero = {0}, float[1] one = {1}>
{
  small = QuantizeLinear (maps, scale, zero)
  coarse = DequantizeLinear (small, scale, zero)
  convolved = Conv (coarse, weights)
  normed = vosrt.VosrtGroupNormRelu <groups: int = 1, plugin_version: string = "1"> (convolved, gain, gain)
  moved = Add (normed, one)
  square = Mul (moved, moved)
  mean = ReduceMean <axes: ints = [1, 2, 3]> (square)
  gate = Sigmoid (mean)
  gated = Mul (moved, gate)
}
"""


@pytest.mark.parametrize("settings", ["<axes: ints = [1]>", "<axes: ints = [1, 3], keepdims: int = 0>", ""])
def test_norms_are_written_out_and_squares_stay_float32(settings):
    graph = onnx.parser.parse_model(
        f"""
        <ir_version: 8, opset_import: ["" : 17]>
        norms (float[1, 2, 8, 8] maps) => (float norm)
        <float[2, 2, 1, 1] weights = {{1, 2, 3, 4}}>
        {{ convolved = Conv (maps, weights)
           norm = ReduceL2 {settings} (convolved) }}
        """
    )
    written = onnx.ModelProto.FromString(graph.SerializeToString())
    write_out_norms(written.graph)
    assert [node.op_type for node in written.graph.node] == ["Conv", "Mul", "ReduceSum", "Sqrt"]
    feeds = {"maps": np.random.default_rng(0).standard_normal((1, 2, 8, 8), np.float32)}
    found, expected = (
        onnxruntime.InferenceSession(model.SerializeToString()).run(None, feeds)[0]
        for model in (written, graph)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    open_values = {k for k, kind in exact_types(written.SerializeToString()).items() if kind == OPEN}
    assert open_values == {"convolved"}


@pytest.mark.parametrize("version", ["8.5.3", "10.3.0"])
def test_between_int8_convolutions_only_what_may_be_half_is_left_open(version):
    graph = onnx.parser.parse_model(PAIRS).SerializeToString()
    types = exact_types(graph)
    may_be_half = {"small", "coarse", "convolved", "normed", "moved"}
    assert {name for name, kind in types.items() if kind == OPEN} == may_be_half
    tensorrt = stand_in.use(version)
    sizes = {"maps": InputSizes.fixed((1, 2, 8, 8)), "gain": InputSizes.fixed((2,))}
    EngineBuilder(tensorrt, "int8").build("pairs", graph, sizes)
    (built,) = stand_in.Builder.built
    bound = {layer.get_output(0).name for layer in built.network._layers if layer.precision is not None}
    assert bound == {"square", "mean", "gate", "gated"}
    assert all(layer.precision in (None, tensorrt.float32) for layer in built.network._layers)
    assert {"FP16", "INT8", "PREFER_PRECISION_CONSTRAINTS"} <= built.config._flags


def test_int8_is_strongly_typed_where_tensorrt_knows_nothing_else():
    tensorrt = stand_in.use("11.4.0")
    graph = onnx.parser.parse_model(PAIRS).SerializeToString()
    sizes = {"maps": InputSizes.fixed((1, 2, 8, 8)), "gain": InputSizes.fixed((2,))}
    EngineBuilder(tensorrt, "int8").build("pairs", graph, sizes)
    (built,) = stand_in.Builder.built
    assert built.network._flags == 1 << int(tensorrt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    assert not built.config._flags
