"""Plugins that are told the size of what they make."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from tests.plugins.kernels.emulated import emulated_kernels
from vosrt.bundle import Bundle
from vosrt.errors import BundleError
from vosrt.graphs.operator_shapes import SIZED, WITH_KERNEL
from vosrt.plugins import OPERATORS
from vosrt.trt.engine_graph import InputSizes, engine_graph
from vosrt.trt.sized_plugins import set_sizes
from vosrt.trt.value_types import value_types

GRAPH = """
<ir_version: 8, opset_import: ["" : 17, "vosrt" : 1]>
ends (uint8[1, 12, 20, 3] frame, float[2, 5, 7] logits, int32[2] rows) => (image, labels, probabilities)
<int64[2] size = {8, 16}, float[3] factor = {1, 1, 1}, float[3] summand = {0, 0, 0}>
{
  image = vosrt.FrameImage <plugin_version: string = "1"> (frame, size, factor, summand)
  labels = vosrt.FrameLabels (logits, size, rows)
  probabilities = vosrt.FrameProbabilities (logits, size)
}
"""


def test_every_operator_with_a_plugin_has_its_shapes_and_no_other():
    assert {name for name, operator in OPERATORS.items() if operator.has_plugin} == set(WITH_KERNEL)
    sized = {name for name, one in OPERATORS.items() if [port.name for port in one.inputs][1:2] == ["size"]}
    assert sized == set(SIZED)


def test_sizes_become_attributes_and_a_frame_becomes_float32():
    model = onnx.parser.parse_model(GRAPH)
    assert set_sizes(model)
    cast, image, labels, probabilities = model.graph.node
    assert (cast.op_type, list(cast.input), list(cast.output)) == ("Cast", ["frame"], [image.input[0]])
    assert list(image.input)[1:] == ["factor", "summand"]
    assert (list(labels.input), list(probabilities.input)) == (["logits", "rows"], ["logits"])
    for node in (image, labels, probabilities):
        (size,) = [entry.ints for entry in node.attribute if entry.name == "size"]
        assert list(size) == [8, 16]
    types = value_types(model.SerializeToString())
    assert types["labels"] == onnx.TensorProto.INT32
    assert types["image"] == types["probabilities"] == onnx.TensorProto.FLOAT


def test_a_size_that_is_not_known_is_refused():
    model = onnx.parser.parse_model(GRAPH)
    del model.graph.initializer[0]
    model.graph.input.append(onnx.helper.make_tensor_value_info("size", onnx.TensorProto.INT64, [2]))
    with pytest.raises(BundleError, match=r"FrameImage.*size does not follow"):
        set_sizes(model)


def test_a_graph_without_such_operators_stays_as_it_is():
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> plain (float[2] x) => (y) { y = Relu (x) }'
    )
    before = model.SerializeToString()
    assert not set_sizes(model)
    assert model.SerializeToString() == before


def test_shapes_behind_such_an_operator_are_known():
    path = Bundle.open("cfbi-lite-davis").graph_path("encode", precision="float32")
    sizes = {"frame": InputSizes.fixed((1, 96, 160, 3))}
    constants = {"size": np.array([81, 129], np.int64)}
    model = onnx.load_from_string(engine_graph(path, sizes, constants))
    kinds = {node.op_type for node in model.graph.node}
    assert "VosrtFrameImage" in kinds
    assert "Shape" not in kinds  # all of them were computed


def test_the_kernel_takes_a_frame_of_float32():
    random = np.random.default_rng(0)
    frame = random.integers(0, 256, (1, 9, 13, 3), np.uint8)
    factor, summand = np.full(3, 0.02, np.float32), np.zeros(3, np.float32)
    images = [np.full((1, 3, 17, 8), np.nan, np.float32) for _ in range(2)]
    for image, given in zip(images, (frame, frame.astype(np.float32)), strict=True):
        emulated_kernels().frame_image(given, factor, summand, image)
    np.testing.assert_array_equal(*images)
    assert np.isfinite(images[0]).all()
