"""Nodes that the exporter writes one after the other become one, with the same result."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("torch")
import onnx_ir as ir  # noqa: E402

from vosrt.export.rewriting import join_concats, join_slices, squeeze_single_items  # noqa: E402

MAPS = np.random.default_rng(0).standard_normal((1, 6, 7, 9), np.float32)


def model_of(text: str):
    return onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]>\n{text}')


def result_of(model) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"maps": MAPS})[0]


def rewritten(model, rewrite) -> list[str]:
    """Kinds of nodes afterwards; the result stays."""
    graph = ir.from_proto(model)
    rewrite(graph.graph)
    after = ir.to_proto(graph)
    onnx.checker.check_model(after, full_check=True)
    np.testing.assert_array_equal(result_of(after), result_of(model))
    return [node.op_type for node in after.graph.node if node.op_type != "Constant"]


def slices(axes: tuple[int, int], result: str = "Neg (cut)", steps: str = "two"):
    return model_of(
        f"""cuts (float[1, c, h, w] maps) => (float[n, k, y, x] result)
        <int64[1] one = {{1}}, int64[1] end = {{99}}, int64[1] two = {{2}},
         int64[1] first = {{{axes[0]}}}, int64[1] second = {{{axes[1]}}}>
        {{
            lines = Slice (maps, one, end, first, two)
            cut = Slice (lines, one, end, second, {steps})
            result = {result}
        }}"""
    )


def test_slices_along_two_axes_become_one():
    assert rewritten(slices((2, 3)), join_slices) == ["Slice", "Neg"]


@pytest.mark.parametrize(
    "model",
    [slices((2, 2)), slices((2, -1)), slices((2, 3), "Concat <axis = 3> (cut, lines)")],
    ids=["one axis", "an axis from the end", "read elsewhere"],
)
def test_other_slices_stay(model):
    assert rewritten(model, join_slices)[:2] == ["Slice", "Slice"]


def concats(inner: int, result: str = "Concat <axis = 1> (maps, pair, maps)"):
    return model_of(
        f"""parts (float[1, c, h, w] maps) => (float[1, k, y, x] result)
        {{
            less = Neg (maps)
            pair = Concat <axis = {inner}> (less, maps)
            result = {result}
        }}"""
    )


def test_concats_along_one_axis_become_one():
    assert rewritten(concats(1), join_concats) == ["Neg", "Concat"]


@pytest.mark.parametrize(
    "model",
    [concats(2, "Concat <axis = 1> (pair)"), concats(1, "Concat <axis = 1> (pair, pair)")],
    ids=["other axis", "read twice"],
)
def test_other_concats_stay(model):
    assert rewritten(model, join_concats) == ["Neg", "Concat", "Concat"]


@pytest.mark.parametrize(("axis", "index", "kind"), [(0, 0, "Squeeze"), (0, -1, "Squeeze"), (1, 0, "Gather")])
def test_an_only_item_is_taken_by_its_shape(axis: int, index: int, kind: str):
    model = model_of(
        f"""item (float[1, c, h, w] maps) => (float[a, b, d] result) <int64 index = {{{index}}}>
        {{
            item = Gather <axis = {axis}> (maps, index)
            result = Neg (item)
        }}"""
    )
    assert rewritten(model, squeeze_single_items) == [kind, "Neg"]


def test_a_result_of_the_graph_keeps_its_name():
    model = model_of(
        """item (float[1, c, h, w] maps) => (float[a, b, d] result) <int64 index = {0}>
        { result = Gather <axis = 0> (maps, index) }"""
    )
    assert rewritten(model, squeeze_single_items) == ["Gather"]
