"""Writes the graph that `vosrt doctor` runs.

In the repository: `python -m vosrt.export.self_test_graph runtime/doctor/self_test.onnx`
"""

from __future__ import annotations

import sys
from pathlib import Path

import onnx
from onnx import TensorProto, helper, numpy_helper

from vosrt.doctor.self_test import CHANNELS, FILTERS, SIDE, self_test_weights


def write_self_test_graph(path: Path) -> None:
    """Write the graph; the same versions of the packages write the same bytes."""
    filters, matrix = self_test_weights()
    nodes = [
        helper.make_node("Conv", ["image", "filters"], ["filtered"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["filtered"], ["rectified"]),
        helper.make_node("MatMul", ["rectified", "matrix"], ["result"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, CHANNELS, SIDE, SIDE])
    result = helper.make_tensor_value_info("result", TensorProto.FLOAT, [1, FILTERS, SIDE, SIDE])
    constants = [numpy_helper.from_array(filters, "filters"), numpy_helper.from_array(matrix, "matrix")]
    graph = helper.make_graph(nodes, "self_test", [image], [result], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


if __name__ == "__main__":
    write_self_test_graph(Path(sys.argv[1]))
