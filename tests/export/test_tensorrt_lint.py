"""Every rule of the lint fires on a graph that breaks it."""

import pytest
from onnx import TensorProto, helper, parser

from vosrt.export.tensorrt_lint import lint_for_tensorrt


def graph_of(nodes: str, inputs: str = "float[2,3] x", outputs: str = "float[M,N] y", opset: int = 17):
    head = f'<ir_version: 8, opset_import: ["" : {opset}, "vosrt" : 1, "other" : 1]>'
    return parser.parse_model(f"{head} g ({inputs}) => ({outputs}) {{ {nodes} }}")


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (graph_of("y = Relu(x)", opset=18), "opset 18"),
        (graph_of("y = Softsign(x)"), None),
        (graph_of("y = other.Relu(x)"), "not readable (domain other)"),
        (
            graph_of("z = LayerNormalization(x, s) y = Relu(z)", "float[2,3] x, float[3] s"),
            "LayerNormalization",
        ),
        (
            graph_of("y = InstanceNormalization(x, s, s)", "float[2,3,4] x, float[3] s"),
            "InstanceNormalization",
        ),
        (graph_of("y = vosrt.Unknown(x)"), "no operator of this project"),
        (
            graph_of("y = vosrt.GlobalMatching(x, x, l, l)", "float[2,3] x, uint8[2] l"),
            "plugins take no uint8",
        ),
        (
            graph_of("y = Slice(x, s, e, a)", "float[2,3] x, int64[1] s, int64[1] e, int64[1] a"),
            "input 3 must be",
        ),
        (graph_of("y = Cast<to = 6>(x)", "uint8[2,3] x", "int32[2,3] y"), "from and to floating point only"),
        (graph_of("y = Cast<to = 1>(x)", "uint8[2,3] x"), None),
        (graph_of("y = Identity(x)", "uint8[2,3] x", "uint8[2,3] y"), "read by Cast only"),
        (graph_of("y = Relu(x)", "double[2,3] x", "double[2,3] y"), "element type"),
        (graph_of("y = ArgMax<axis = 0>(x)", "int32[2,3] x", "int64[1,3] y"), "floating point only"),
    ],
)
def test_rules(model, problem):
    problems = lint_for_tensorrt(model)
    if problem is None:
        assert problems == []
    else:
        assert any(problem in text for text in problems), problems


def test_a_frame_is_cast_when_an_engine_is_built():
    model = graph_of(
        "y = vosrt.FrameImage(x, s, f, f)", "uint8[1,2,3,3] x, int64[2] s, float[3] f", "float[1,3,M,N] y"
    )
    assert lint_for_tensorrt(model) == []
    assert any("plugins take no uint8" in text for text in lint_for_tensorrt(model, of_engine=True))


def test_reductions_with_axes_as_input_are_found():
    node = helper.make_node("ReduceMean", ["x", "axes"], ["y"])
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 3]) for name in "xy"]
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [0])
    model = helper.make_model(
        helper.make_graph([node], "g", values[:1], values[1:], [axes]),
        opset_imports=[helper.make_opsetid("", 17)],
    )
    assert any("attribute only" in text for text in lint_for_tensorrt(model))


def test_bodies_are_found():
    model = graph_of("y = vosrt.GlobalMatching(x, x, l, l)", "float[2,3] x, int32[2] l")
    from vosrt.plugins import OPERATORS

    model.functions.append(OPERATORS["GlobalMatching"].function_body())
    assert "function bodies are in the file" in lint_for_tensorrt(model)
