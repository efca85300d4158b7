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
    assert [node.op_type for node in models[1].graph.node if node.op_type == "Pad"] == ["Pad"] * 3
    random, dtype = np.random.default_rng(0), "float32" if kind == "float" else kind
    feeds = {
        name: random.standard_normal((5, length, 4)).astype(dtype)
        for name, length in zip("abc", (2, 3, 1), strict=True)
    }
    one, other = (
        onnxruntime.InferenceSession(model.SerializeToString()).run(None, feeds)[0] for model in models
    )
    assert np.array_equal(one, other)


def test_a_part_may_be_a_weight():
    model = parser.parse_model(f"""{HEAD} (float[1, 2] a) => (float[1, 3] y) <float[1, 1] b = {{1}}> {{
      y = Concat <axis: int = 1> (a, b)
    }}""")
    assert joins_as_sums(model)
    (y,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"a": np.full((1, 2), 3, "f")})
    assert y.tolist() == [[3, 3, 1]]


def test_parts_that_are_split_off_become_slices():
    text = """(float[n, 6] a) => (float[n, 1] x, float[n, 5] y) <int64[2] lengths = {1, 5}> {
      x, y = Split <axis: int = -1> (a, lengths)
    }"""
    models = [parser.parse_model(f"{HEAD} {text}") for _ in range(2)]
    assert joins_as_sums(models[1])
    assert [node.op_type for node in models[1].graph.node] == ["Slice"] * 2
    a = np.arange(12, dtype=np.float32).reshape(2, 6)
    one, other = (
        onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"a": a}) for model in models
    )
    assert all(np.array_equal(*pair) for pair in zip(one, other, strict=True))


def test_open_lengths_are_read_when_it_runs():
    text = """(float[1, 4] a, float[n, 4] b, float[m, 4] c) => (float[k, 4] y) {
      y = Concat <axis: int = 0> (a, b, c)
    }"""
    models = [parser.parse_model(f"{HEAD} {text}") for _ in range(2)]
    assert joins_as_sums(models[1])
    random, sessions = np.random.default_rng(0), []
    for model in models:
        sessions.append(onnxruntime.InferenceSession(model.SerializeToString()))
    for lengths in ((1, 2, 5), (1, 1, 1)):
        feeds = {
            name: random.standard_normal((length, 4)).astype(np.float32)
            for name, length in zip("abc", lengths, strict=True)
        }
        assert np.array_equal(*(session.run(None, feeds)[0] for session in sessions))


@pytest.mark.parametrize(
    ("text", "is_even"),
    [
        ("(float[n, 2] a, float[n, 2] b) => (float[n, 4] y) { y = Concat <axis: int = 1> (a, b) }", True),
        ("(int64[2] a, int64[3] b) => (int64[5] y) { y = Concat <axis: int = 0> (a, b) }", True),
        ("(float[n, 2] a) => (float[n, 2] y) { y = Concat <axis: int = 0> (a) }", True),
        ("(int32[n] a, int32[m] b) => (int32[k] y) { y = Concat <axis: int = 0> (a, b) }", False),
        ("(int32[n, 2] a, int32[m, 2] b) => (int32[k, 2] y) { y = Concat <axis: int = 0> (a, b) }", False),
        ("(float[n, 3] a) => (float[n, 2] y) { y, z = Split <axis: int = 1> (a) }", False),
    ],
)
def test_others_stay(text, is_even):
    model = parser.parse_model(f"{HEAD} {text}")
    (kind,) = [node.op_type for node in model.graph.node]
    assert joins_as_sums(model) == is_even
    assert [node.op_type for node in model.graph.node] == [kind]
