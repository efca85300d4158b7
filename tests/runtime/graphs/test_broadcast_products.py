"""One matrix times many, as a convolution."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import parser

from vosrt.graphs.broadcast_products import products_as_convolutions

HEAD = '<ir_version: 8, opset_import: ["" : 17]> graph'


def changed(text: str) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    models = [parser.parse_model(f"{HEAD} {text}") for _ in range(2)]
    products_as_convolutions(models[1])
    onnx.checker.check_model(models[1], full_check=True)
    return models[0], models[1]


@pytest.mark.parametrize(
    ("maps", "shape"), [("n, 5, 3, 4", (2, 5, 3, 4)), ("n, 3, 4", (6, 3, 4)), ("7, 3, 1", (7, 3, 1))]
)
def test_it_is_the_same_product(maps, shape):
    before, after = changed(f"""
        (float[{maps}] x) => (float[{maps.replace(" 3,", " 2,")}] y)
        <float[2, 3] weights = {{1, 2, 3, 4, 5, 6}}, float half = {{0.5}}> {{
          matrix = Mul (weights, half)
          y = MatMul (matrix, x)
        }}""")
    kinds = [node.op_type for node in after.graph.node]
    assert kinds == ["Mul", "Reshape", "Reshape", "Conv", "Reshape"]
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    found = [
        onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})[0]
        for model in (before, after)
    ]
    np.testing.assert_allclose(*found, atol=1e-5)


@pytest.mark.parametrize(
    ("matrix", "x", "y"),
    [
        ("2, 3", "3, 4", "2, 4"),  # one product
        ("2, 2, 3", "2, 3, 4", "2, 2, 4"),  # a matrix for each
        ("1, 1, 2, 3", "2, 3, 4", "1, 2, 2, 4"),  # of more axes than the maps
        ("2, 3", "n, 3, w", "n, 2, w"),  # sizes that are not known
    ],
)
def test_other_products_stay(matrix, x, y):
    weights = ", ".join("1" for _ in range(12 if matrix == "2, 2, 3" else 6))
    _, after = changed(
        f"(float[{x}] x) => (float[{y}] y) <float[{matrix}] m = {{{weights}}}> {{ y = MatMul (m, x) }}"
    )
    assert [node.op_type for node in after.graph.node] == ["MatMul"]


def test_whole_numbers_stay():
    _, after = changed(
        "(int32[n, 3, 4] x) => (int32[n, 2, 4] y) <int32[2, 3] m = {1, 1, 1, 1, 1, 1}> { y = MatMul (m, x) }"
    )
    assert [node.op_type for node in after.graph.node] == ["MatMul"]


def test_a_matrix_that_a_graph_computes_stays():
    _, after = changed("(float[2, 3] m, float[n, 3, 4] x) => (float[n, 2, 4] y) { y = MatMul (m, x) }")
    assert [node.op_type for node in after.graph.node] == ["MatMul"]
