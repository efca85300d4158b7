"""Which nodes run in half precision, and which must not."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from vosrt.export.half_precision import to_half_precision
from vosrt.export.joined_nodes import fold_batch_norms, join_relus
from vosrt.export.rewriting import attach_function_bodies
from vosrt.models.stm import Stm
from vosrt.models.stm_lite import StmLite

onnxruntime = pytest.importorskip("onnxruntime")

NETWORK = """
<ir_version: 8, opset_import: ["" : 17, "vosrt" : 1]>
network (float[1, 2, h, w] maps, float[1, 2, h, w] others, float[1, 4] vector) => (float[1, 4, h, w] result)
{
  first = Conv (maps, weights_1)
  normed = BatchNormalization (first, gain, shift, mean, variance)
  sizes = Shape (first)
  joined = Concat <axis: int = 1> (normed, others)
  grouped = vosrt.GroupNorm <groups: int = 2, plugin_version: string = "1", plugin_namespace: string = "">
    (joined, gain_4, shift_4)
  positive = Relu (grouped)
  squashed = Tanh (vector)
  gate = Add (one, squashed)
  gates = Unsqueeze (gate, places)
  gated = Mul (positive, gates)
  squares = Mul (gated, gated)
  result = Conv (squares, weights_2)
}
"""


def network() -> onnx.ModelProto:
    rng = np.random.default_rng(0)
    model = onnx.parser.parse_model(NETWORK)
    values = {
        "weights_1": rng.standard_normal((2, 2, 1, 1)),
        "weights_2": rng.standard_normal((4, 4, 1, 1)),
        "gain": rng.uniform(0.5, 2, 2),
        "variance": rng.uniform(0.5, 2, 2),
        "one": np.ones(1),
        **{name: rng.standard_normal(2) for name in ("shift", "mean")},
        **{name: rng.standard_normal(4) for name in ("gain_4", "shift_4")},
    }
    for name, value in values.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(value.astype(np.float32), name))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([2, 3], np.int64), "places"))
    attach_function_bodies(model)
    return model


def run(model: onnx.ModelProto) -> np.ndarray:
    rng = np.random.default_rng(1)
    feeds = {
        "maps": rng.standard_normal((1, 2, 5, 7), np.float32),
        "others": rng.standard_normal((1, 2, 5, 7), np.float32),
        "vector": rng.standard_normal((1, 4), np.float32),
    }
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, feeds)[0]


def nodes(model: onnx.ModelProto) -> dict[str, onnx.NodeProto]:
    return {node.output[0].removesuffix(".half"): node for node in model.graph.node if node.op_type != "Cast"}


def test_batch_norms_and_relus_become_part_of_what_they_follow():
    model = network()
    expected = run(model)
    fold_batch_norms(model.graph)
    join_relus(model.graph)
    attach_function_bodies(model)
    kinds = [node.op_type for node in model.graph.node]
    assert "BatchNormalization" not in kinds
    assert "Relu" not in kinds
    assert "GroupNormRelu" in kinds
    assert {"gain", "mean", "weights_1"}.isdisjoint(tensor.name for tensor in model.graph.initializer)
    onnx.checker.check_model(model, full_check=True)
    np.testing.assert_allclose(run(model), expected, atol=1e-5)


def test_a_norm_or_convolution_that_others_read_stays():
    model = network()
    model.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
        for name in ("grouped", "first")
    )
    fold_batch_norms(model.graph)
    join_relus(model.graph)
    kinds = [node.op_type for node in model.graph.node]
    assert {"BatchNormalization", "Relu", "GroupNorm"} <= set(kinds)


def test_maps_stay_halves_between_convolutions_and_squares_do_not():
    model = network()
    fold_batch_norms(model.graph)
    half = to_half_precision(model)
    found = nodes(half)
    assert found["joined"].input[1] == "others.half"  # not made by a convolution, but beside one
    assert list(found["grouped"].input) == ["joined.half", "gain_4", "shift_4"]  # of channels: float32
    assert list(found["gated"].input) == ["positive.half", "gates.half"]
    assert list(found["squares"].input) == ["gated", "gated"]
    np.testing.assert_allclose(run(half), run(model), rtol=2e-2, atol=2e-2)


def test_a_memory_is_read_as_halves_where_its_keys_may_be():
    model = onnx.parser.parse_model(
        """
        <ir_version: 8, opset_import: ["" : 17, "vosrt" : 1]>
        read (float[4, 6] query, float[1, 2, 4, 6] keys, float[1, 2, 8, 6] values, int32[1, 2] valid)
          => (float[1, 8, 6] result) { result = vosrt.MemoryRead (query, keys, values, valid) }
        """
    )
    attach_function_bodies(model)
    for has_half_keys, expected in ((False, ""), (True, ".half")):
        half = to_half_precision(model, has_half_keys=has_half_keys)
        (read,) = (node for node in half.graph.node if node.op_type == "MemoryRead")
        assert list(read.input) == [f"{name}{expected}" for name in ("query", "keys", "values")] + ["valid"]
        assert list(read.output) == ["result"]


def test_keys_of_stm_come_from_convolutions_and_lose_nothing_as_halves():
    assert Stm.has_half_keys
    assert not StmLite.has_half_keys  # they hold squared norms
