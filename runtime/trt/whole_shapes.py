"""Sizes of some axes, as the parser of TensorRT 8 reads them: it ignores `start` and `end` of `Shape`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx


def take_whole_shapes(graph: onnx.GraphProto) -> None:
    """Change a graph in place: a `Shape` of some axes becomes one of all axes and a `Gather`."""
    nodes = [part for node in graph.node for part in _whole_shape(node)]
    del graph.node[:]
    graph.node.extend(nodes)


def _whole_shape(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    from onnx import helper, numpy_helper

    given = {entry.name: entry.i for entry in node.attribute}
    start, stop = given.get("start", 0), given.get("end")
    if node.op_type != "Shape" or (start, stop) == (0, None):
        return [node]
    if stop is None or start < 0 or stop < 0:
        raise AssertionError(f"{node.name}: exporters give first and last axis counted from the front")
    whole, axes = f"{node.output[0]}/whole", f"{node.output[0]}/axes"
    taken = numpy_helper.from_array(np.arange(start, stop, dtype=np.int64))
    return [
        helper.make_node("Shape", list(node.input), [whole], whole),
        helper.make_node("Constant", [], [axes], axes, value=taken),
        helper.make_node("Gather", [whole, axes], list(node.output), node.name, axis=0),
    ]
