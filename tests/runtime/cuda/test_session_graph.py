"""A bundle's graph for one size of frames."""

from __future__ import annotations

import onnx
import pytest
from onnx import parser

from vosrt import BundleError
from vosrt.cuda.session_graph import session_graph

GRAPH = """
<ir_version: 8, opset_import: ["" : 17]>
parts (uint8[1, h, w, 3] frame, float[n] scores, float[n] unread)
=> (float[1, h, w, 3] image, float[n] scores) {
  image = Cast <to: int = 1> (frame)
}
"""
SIZES = {"frame": (1, 4, 6, 3), "scores": ("n",), "unread": ("n",)}


def changed(tmp_path, sizes) -> tuple[onnx.ModelProto, bool]:
    onnx.save(parser.parse_model(GRAPH), tmp_path / "parts.onnx")
    file, can_record = session_graph(tmp_path / "parts.onnx", sizes, {}, ())
    return onnx.load_from_string(file), can_record


def test_inputs_that_nobody_reads_go_and_outputs_stay(tmp_path):
    model, can_record = changed(tmp_path, SIZES)
    onnx.checker.check_model(model, full_check=True)
    assert can_record
    assert [value.name for value in model.graph.input] == ["frame", "scores"]
    sides = [one.dim_value or one.dim_param for one in model.graph.input[0].type.tensor_type.shape.dim]
    assert sides == [1, 4, 6, 3]


def test_other_inputs_than_the_manifest_says_are_refused(tmp_path):
    with pytest.raises(BundleError, match="other inputs"):
        changed(tmp_path, {"frame": (1, 4, 6, 3)})
