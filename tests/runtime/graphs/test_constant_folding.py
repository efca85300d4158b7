"""What a graph computes from its sizes, computed in advance."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import parser

from vosrt.graphs.constant_folding import fold_constants
from vosrt.trt.whole_shapes import take_whole_shapes


def folded(text: str) -> onnx.ModelProto:
    model = parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17, "vosrt" : 1]> graph {text}')
    fold_constants(model)
    onnx.checker.check_model(model)
    return model


def operators(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def test_sizes_and_what_follows_from_them_become_constants():
    model = folded("""
        (float[3, 4, 5] x) => (float[12, 5] y) {
          sizes = Shape <start: int = 0, end: int = 2> (x)
          pixels = ReduceProd <axes: ints = [0], keepdims: int = 1> (sizes)
          width = Shape <start: int = 2> (x)
          shape = Concat <axis: int = 0> (pixels, width)
          y = Reshape (x, shape)
        }""")
    assert operators(model) == ["Reshape"]
    x = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    (y,) = onnx.reference.ReferenceEvaluator(model).run(None, {"x": x})
    assert np.array_equal(y, x.reshape(12, 5))


def test_shapes_become_known_round_by_round():
    model = folded("""
        (float[2, 6] x) => (float[1] y) {
          four = Constant <value_ints: ints = [3, 4]> ()
          other = Reshape (x, four)
          sizes = Shape (other)
          again = Reshape (other, sizes)
          last = Shape <start: int = 1, end: int = 2> (again)
          y = Cast <to: int = 1> (last)
        }""")
    assert operators(model) == ["Cast"]  # an output has to come from a node
    (y,) = onnx.reference.ReferenceEvaluator(model).run(None, {"x": np.zeros((2, 6), np.float32)})
    assert y.tolist() == [4.0]


def test_open_sizes_stay():
    model = folded("""
        (float[slots, 4, 5] x) => (float[m, 5] y) {
          rest = Constant <value_ints: ints = [-1]> ()
          width = Shape <start: int = 2, end: int = 3> (x)
          shape = Concat <axis: int = 0> (rest, width)
          flat = Reshape (x, shape)
          count = Shape <start: int = 0, end: int = 1> (flat)
          half = Cast <to: int = 1> (count)
          y = Mul (flat, half)
        }""")
    assert operators(model) == ["Reshape", "Shape", "Cast", "Mul"]
    take_whole_shapes(model.graph)  # older parsers do not read start and end
    assert operators(model) == ["Reshape", "Shape", "Constant", "Gather", "Cast", "Mul"]
    assert not model.graph.node[1].attribute
    x = np.ones((3, 4, 5), np.float32)
    (y,) = onnx.reference.ReferenceEvaluator(model).run(None, {"x": x})
    assert np.array_equal(y, np.full((12, 5), 12))


@pytest.mark.parametrize(
    ("call", "shape"),
    [
        ("DirectionalMatching (flat, slots, weights, valid)", [3, 2, 42]),
        ("GlobalMatching (query, bank, labels, rows)", [3, 6, 7]),
        ("LocalMatching <windows: ints = [1, 2], dilation: int = 1> (query, query, map, rows)", [3, 2, 6, 7]),
    ],
)
def test_plugins_say_their_shapes(call, shape):
    model = folded(f"""
        (float[4, 6, 7] query, float[9, 4] bank, int32[9] labels, int32[6, 7] map, int32[3] rows,
         float[4, 42] flat, float[5, 4, 9] slots, float[3, 2, 5, 9] weights, int32[3, 5] valid)
        => (int64[n] y) {{
          found = vosrt.{call}
          sizes = Shape (found)
          y = Identity (sizes)
        }}""")
    (constant,) = (tensor for tensor in model.graph.initializer if "constant" in tensor.name)
    assert onnx.numpy_helper.to_array(constant).tolist() == shape


def test_conditions_are_cast_from_whole_numbers():
    model = folded("""
        (float[2, 3] x) => (float[2, 3] y) {
          one = Constant <value_floats: floats = [1.0, 2.0, 3.0]> ()
          two = Constant <value_float: float = 2.0> ()
          some = Less (one, two)
          y = Where (some, x, two)
        }""")
    assert operators(model) == ["Cast", "Where"]
    x = np.full((2, 3), 7, np.float32)
    (y,) = onnx.reference.ReferenceEvaluator(model).run(None, {"x": x})
    assert y[0].tolist() == [7, 2, 2]


def test_what_nothing_uses_goes():
    model = folded("""
        (float[2, 3] x) => (float[2, 3] y) {
          unused = Relu (x)
          y = Neg (x)
        }""")
    assert operators(model) == ["Neg"]


def test_a_single_number_stays_one():
    model = folded("""
        (float[2, 3] x) => (float[3] y) {
          last = Constant <value: tensor = int64 {1}> ()
          y = Gather <axis: int = 0> (x, last)
        }""")
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    (y,) = onnx.reference.ReferenceEvaluator(model).run(None, {"x": x})
    assert np.array_equal(y, x[1])


def test_a_loop_keeps_what_it_takes_from_outside():
    model = folded("""
        (float[2, 3] x, float[4, 3] all) => (float[4] y) {
          sizes = Shape <start: int = 1, end: int = 2> (x)
          width = Cast <to: int = 1> (sizes)
          unused = Neg (x)
          doubled = Add (x, x)
          y = Scan <num_scan_inputs: int = 1, body: graph = body (float[3] line) => (float[] sum) {
            wide = Mul (line, width)
            both = Mul (wide, doubled)
            sum = ReduceSum <keepdims: int = 0> (both)
          }> (all)
        }""")
    assert operators(model) == ["Add", "Scan"]
    x, lines = np.ones((2, 3), np.float32), np.ones((4, 3), np.float32)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    assert session.run(None, {"x": x, "all": lines})[0].tolist() == [36.0] * 4
