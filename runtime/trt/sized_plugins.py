"""Operators whose size is an input, as their plugins take them: the size is an attribute.

TensorRT 8 tells a plugin no values of its inputs, and gives it no uint8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vosrt.errors import BundleError
from vosrt.graphs.operator_shapes import SIZED

if TYPE_CHECKING:
    import onnx

_SIZE = 1  # the input
_FRAME = 0


def set_sizes(model: onnx.ModelProto) -> bool:
    """Change the nodes in place; whether there are any.

    Args:
        model: after `fold_constants`, which makes their sizes constants.

    Raises:
        BundleError: the size of a node does not follow from the sizes of the inputs.
    """
    from onnx import helper, numpy_helper

    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    nodes = []
    for node in graph.node:
        if node.op_type in SIZED:
            size = constants.get(node.input[_SIZE])
            if size is None:
                raise BundleError(
                    f"{node.op_type} {node.name}: its size does not follow from the sizes of the inputs",
                    cure="export the bundle again",
                )
            node.attribute.append(helper.make_attribute("size", numpy_helper.to_array(size).tolist()))
            del node.input[_SIZE]
            if node.op_type == "FrameImage":
                nodes.append(_cast_of_frame(node))
        nodes.append(node)
    if not any(node.op_type in SIZED for node in nodes):
        return False
    del graph.node[:]
    graph.node.extend(nodes)
    return True


def _cast_of_frame(node: onnx.NodeProto) -> onnx.NodeProto:
    """A cast that the node reads from now on."""
    from onnx import TensorProto, helper

    frame = node.input[_FRAME]
    node.input[_FRAME] = f"{node.output[0]}/frame"
    return helper.make_node(
        "Cast", [frame], [node.input[_FRAME]], f"{node.output[0]}/cast", to=TensorProto.FLOAT
    )
