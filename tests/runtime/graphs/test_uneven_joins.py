"""Parts of different lengths put behind each other, as a sum."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import parser

from vosrt.graphs.uneven_joins import joins_as_sums

HEAD = '<ir_version: 8, opset_import: ["" : 17]> graph'


@pytest.mark.parametrize("kind", ["float", "float16"])
@pytest.mark.parametrize("axis", [1, -2])
def test_it_is_the_same_tensor(axis, kind):
    text = f"""({kind}[n, 2, 4] a, {kind}[n, 3, 4] b, {kind}[n, 1, 4] c) => ({kind}[n, 6, 4] y) {{
      y = Concat <axis: int = {axis}> (a, b, c)
    }}"""
    models = [parser.parse_model(f"{HEAD} {text}") for _ in range(2)]
    assert joins_as_sums(models[1])
    onnx.checker.check_model(models[1], full_check=True)
    assert [node.op_type for node in models[1].graph.node] == ["Pad"] * 3 + ["Add"] * 2
    random, dtype = np.random.default_rng(0), "float32" if kind == "float" else kind
    feeds = {
        name: random.standard_normal((5, length, 4)).astype(dtype)
        for name, length in zip("abc", (2, 3, 1), strict=True)
    }
    one, other = (
        onnxruntime.InferenceSession(model.SerializeToString()).run(None, feeds)[0] for model in models
    )
    assert np.array_equal(one, other)


@pytest.mark.parametrize(
    ("text", "is_even"),
    [
        ("(float[n, 2] a, float[n, 2] b) => (float[n, 4] y) { y = Concat <axis: int = 1> (a, b) }", True),
        ("(int64[2] a, int64[3] b) => (int64[5] y) { y = Concat <axis: int = 0> (a, b) }", True),
        ("(float[n, 2] a, float[m, 2] b) => (float[k, 2] y) { y = Concat <axis: int = 0> (a, b) }", False),
        ("(float[n, 3] a) => (float[n, 2] y) { y, z = Split <axis: int = 1> (a) }", False),
    ],
)
def test_others_stay(text, is_even):
    model = parser.parse_model(f"{HEAD} {text}")
    (kind,) = [node.op_type for node in model.graph.node]
    assert joins_as_sums(model) == is_even
    assert [node.op_type for node in model.graph.node] == [kind]
