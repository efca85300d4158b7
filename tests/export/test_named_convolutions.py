"""Convolutions of many channels get names of their own, and lose them where there is no use for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("torch")

from vosrt.export.named_operators import LEAST_CHANNELS, name_convolutions  # noqa: E402
from vosrt.trt.engine_graph import InputSizes, engine_graph  # noqa: E402

MANY, FEW = max(LEAST_CHANNELS.values()), min(LEAST_CHANNELS.values()) - 1
OTHERS: dict[str, dict[str, Any]] = {
    "stride": {"strides": [2, 2]},
    "dilation": {"dilations": [2, 2], "pads": [2, 2, 2, 2]},
    "no border": {"pads": [0, 0, 0, 0]},
    "border at the end only": {"pads": [0, 0, 1, 1]},
    "border that is left to the runtime": {"pads": [1, 1, 1, 1], "auto_pad": "SAME_UPPER"},
}


def convolution(shape: tuple[int, ...], *, with_bias: bool = True, **attributes: Any) -> Any:
    """A graph of one convolution."""
    weights = np.random.default_rng(0).standard_normal(shape, np.float32)
    initializers = [onnx.numpy_helper.from_array(weights, "weights")]
    if with_bias:
        bias = np.arange(shape[0], dtype=np.float32)
        initializers.append(onnx.numpy_helper.from_array(bias, "bias"))
    inputs = ["image", "weights", "bias"][: 3 if with_bias else 2]
    node = onnx.helper.make_node("Conv", inputs, ["convolved"], **attributes)
    channels = shape[1] * attributes.get("group", 1)
    image = onnx.helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, ["n", channels, "h", "w"])
    result = onnx.helper.make_tensor_value_info(
        "convolved", onnx.TensorProto.FLOAT, ["n", shape[0], None, None]
    )
    graph = onnx.helper.make_graph([node], "convolution", [image], [result], initializers)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)


def result_of(graph: bytes, channels: int) -> np.ndarray:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    image = np.random.default_rng(1).standard_normal((2, channels, 6, 9), np.float32)
    return session.run(None, {"image": image})[0]


@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize(
    "attributes",
    [{}, {"kernel_shape": [3, 3], "group": 1, "strides": [1, 1], "dilations": [1, 1], "auto_pad": "NOTSET"}],
    ids=["shortest", "as exported"],
)
def test_convolution_keeps_its_result(attributes: dict[str, Any], with_bias: bool) -> None:
    model = convolution((MANY, MANY, 3, 3), with_bias=with_bias, pads=[1, 1, 1, 1], **attributes)
    before = result_of(model.SerializeToString(), MANY)
    name_convolutions(model)
    onnx.checker.check_model(model, full_check=True)
    assert [(node.domain, node.op_type) for node in model.graph.node] == [("vosrt", "Convolution3x3")]
    np.testing.assert_array_equal(result_of(model.SerializeToString(), MANY), before)


@pytest.mark.parametrize(
    "attributes",
    [{}, {"kernel_shape": [1, 1], "pads": [0, 0, 0, 0], "strides": [1, 1]}],
    ids=["shortest", "as exported"],
)
def test_1x1_convolutions_have_their_own_name(attributes: dict[str, Any]) -> None:
    model = convolution((MANY, MANY, 1, 1), **attributes)
    before = result_of(model.SerializeToString(), MANY)
    name_convolutions(model)
    onnx.checker.check_model(model, full_check=True)
    assert [(node.domain, node.op_type) for node in model.graph.node] == [("vosrt", "Convolution1x1")]
    np.testing.assert_array_equal(result_of(model.SerializeToString(), MANY), before)


@pytest.mark.parametrize("side", [1, 3])
def test_a_relu_that_alone_reads_a_convolution_joins_it(side: int) -> None:
    model = convolution((MANY, MANY, side, side), pads=[side // 2] * 4)
    model.graph.node[0].output[0] = "whole"
    model.graph.node.append(onnx.helper.make_node("Relu", ["whole"], ["convolved"]))
    before = result_of(model.SerializeToString(), MANY)
    name_convolutions(model)
    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node] == [f"Convolution{side}x{side}Relu"]
    np.testing.assert_array_equal(result_of(model.SerializeToString(), MANY), before)


@pytest.mark.parametrize("stride", [[2, 2], [1, 2]], ids=str)
def test_1x1_convolutions_that_leave_pixels_out_stay(stride: list[int]) -> None:
    model = convolution((MANY, MANY, 1, 1), strides=stride)
    name_convolutions(model)
    assert model.graph.node[0].op_type == "Conv"


@pytest.mark.parametrize("name", OTHERS)
def test_other_convolutions_stay(name: str) -> None:
    model = convolution((MANY, MANY, 3, 3), **OTHERS[name])
    unchanged = model.SerializeToString()
    name_convolutions(model)
    assert model.SerializeToString() == unchanged


@pytest.mark.parametrize("shape", [(MANY, MANY, 1, 3), (MANY, FEW, 3, 3), (FEW, MANY, 3, 3)], ids=str)
def test_small_convolutions_stay(shape: tuple[int, ...]) -> None:
    model = convolution(shape, pads=[1, 1, 1, 1])
    name_convolutions(model)
    assert model.graph.node[0].op_type == "Conv"


def test_grouped_convolutions_stay() -> None:
    model = convolution((2 * MANY, MANY, 3, 3), pads=[1, 1, 1, 1], group=2)
    name_convolutions(model)
    assert model.graph.node[0].op_type == "Conv"


@pytest.mark.parametrize("side", [1, 3])
def test_engines_get_plain_convolutions(side: int, tmp_path: Path) -> None:
    model = convolution((MANY, MANY, side, side), pads=[side // 2] * 4)
    before = result_of(model.SerializeToString(), MANY)
    name_convolutions(model)
    onnx.save(model, tmp_path / "graph.onnx")
    plain = engine_graph(tmp_path / "graph.onnx", {"image": InputSizes.fixed((2, MANY, 6, 9))}, {})
    read = onnx.ModelProto.FromString(plain)
    assert [node.op_type for node in read.graph.node] == ["Conv"]
    assert not read.functions
    np.testing.assert_array_equal(result_of(plain, MANY), before)
