"""Products with a matrix from each side become one operator, and other products stay."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("torch")

from vosrt.export.named_operators import name_operators, name_resizes  # noqa: E402

FLOAT = onnx.TensorProto.FLOAT
MAPS = np.random.default_rng(0).standard_normal((2, 3, 4, 5), np.float32)
TALL, WIDE = (np.random.default_rng(size).standard_normal((size, size - 5), np.float32) for size in (9, 10))


def resize(
    *, order: tuple[int, ...] = (1, 0), constant: bool = False, show: bool = False, rank: int | None = 2
):
    """`TALL` x maps x `WIDE` turned; a rank of None leaves the left matrix's out of the graph."""
    nodes = [] if constant else [onnx.helper.make_node("Transpose", ["wide"], ["turned"], perm=order)]
    nodes += [
        onnx.helper.make_node("MatMul", ["maps", "turned"], ["between"]),
        onnx.helper.make_node("Neg", ["lines"], ["tall"]),
        onnx.helper.make_node("MatMul", ["tall", "between"], ["resized"]),
    ]
    turned = WIDE.T if constant else (WIDE if order == (1, 0) else WIDE.T)
    name = "turned" if constant else "wide"
    values = [onnx.helper.make_tensor_value_info("tall", FLOAT, [None] * rank)] if rank else []
    outputs = [onnx.helper.make_tensor_value_info(key, FLOAT, [None] * 4) for key in ["resized", "between"]]
    graph = onnx.helper.make_graph(
        nodes,
        "resize",
        [onnx.helper.make_tensor_value_info("maps", FLOAT, ["n", 3, "h", "w"])],
        outputs[: 2 if show else 1],
        [
            onnx.numpy_helper.from_array(np.ascontiguousarray(turned), name),
            onnx.numpy_helper.from_array(-TALL[:, :4], "lines"),
        ],
        value_info=values,
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)


def result_of(model) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["resized"], {"maps": MAPS})[0]


@pytest.mark.parametrize("constant", [False, True])
def test_a_resize_keeps_its_result(constant):
    model = resize(constant=constant)
    before = result_of(model)
    np.testing.assert_allclose(before, TALL[:, :4] @ MAPS @ WIDE.T, rtol=1e-5, atol=1e-5)
    name_operators(model)
    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node] == ["Neg", "SeparableResize"]
    assert [function.name for function in model.functions] == ["SeparableResize"]
    np.testing.assert_array_equal(result_of(model), before)


@pytest.mark.parametrize(
    "other",
    [{"order": (0, 1)}, {"show": True}, {"rank": None}, {"rank": 3}],
    ids=["no transpose", "what lies between is a result", "rank unknown", "other rank"],
)
def test_other_products_stay(other):
    model = resize(**other)
    unchanged = [node.SerializeToString() for node in model.graph.node]
    name_resizes(model)
    assert [node.SerializeToString() for node in model.graph.node] == unchanged
    assert not model.functions
