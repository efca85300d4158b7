"""The small graphs in the runtime are those that export writes."""

from pathlib import Path

import onnx

from vosrt.export.arithmetic_graphs import arithmetic_graphs, write_arithmetic_graphs
from vosrt.export.tensorrt_lint import lint_for_tensorrt

FOLDER = Path(__file__).parents[2] / "runtime" / "arithmetic_graphs"


def test_the_files_of_the_runtime_are_up_to_date(tmp_path):
    write_arithmetic_graphs(tmp_path)
    expected = {path.name: onnx.load(path) for path in tmp_path.iterdir()}
    assert {path.name: onnx.load(path) for path in FOLDER.iterdir()} == expected


def test_every_graph_has_one_output_and_opset_17():
    for data in arithmetic_graphs().values():
        model = onnx.load_from_string(data)
        assert [output.name for output in model.graph.output] == ["y"]
        assert [entry.version for entry in model.opset_import] == [17]


def test_graphs_that_compute_are_readable_by_tensorrt():
    """Moving bytes is the one thing that TensorRT 8.5 does not do: uint8 is an input or output there."""
    for name, data in arithmetic_graphs().items():
        if not name.endswith("_byte"):
            assert lint_for_tensorrt(onnx.load_from_string(data)) == [], name
