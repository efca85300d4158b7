"""Turns a traced graph into the one a bundle holds: folded, opset 17, operators with their bodies."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx
import onnx_ir as ir
from onnx.inliner import inline_selected_functions
from onnxscript import optimizer
from torch import Tensor

from vosrt.errors import ExportError
from vosrt.export.joined_nodes import join_nodes
from vosrt.export.tracing import WEIGHT_PREFIX, TracedGraph
from vosrt.plugins import DOMAIN, OPERATORS

OPSET = 17  # the newest that TensorRT 8.5 reads
IR_VERSION = 8  # belongs to opset 17
# Reductions whose axes moved from an attribute to an input with opset 18. TensorRT 8.5 reads the
# attribute only, and without it reduces over all axes without an error.
AXES_TO_ATTRIBUTE = frozenset(
    f"Reduce{kind}" for kind in ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "SumSquare")
)
NEW_IN_18 = frozenset(
    {
        "BitwiseAnd",
        "BitwiseNot",
        "BitwiseOr",
        "BitwiseXor",
        "CenterCropPad",
        "Col2Im",
        "GroupNormalization",
        "Mish",
    }
)


def finish_graph(traced: TracedGraph, weights: Mapping[str, Tensor]) -> onnx.ModelProto:
    """The bundle's graph of a traced role with given weights.

    Args:
        traced: left as it is, so that it can be finished again with other weights.
        weights: every parameter and buffer the graph reads, by its name in the network.

    Returns:
        an opset 17 model whose custom operators have their function bodies in the file.
    """
    model = traced.model.clone()
    set_weights(model, weights)
    for name, tensor in traced.spec.inputs.items():
        if tensor.size_step is not None:
            replace_shape_only_input(model.graph, name, "size", step=tensor.size_step)
    read_bytes_through_cast(model.graph)
    optimizer.optimize(model)
    cut_weights(model.graph)
    join_slices(model.graph)
    join_concats(model.graph)
    squeeze_single_items(model.graph)
    lower_to_opset_17(model)
    kept = [name for name, tensor in traced.spec.inputs.items() if tensor.size_step is None]
    remove_unused_inputs(model.graph, keep=kept)
    remove_unused_constants(model.graph)
    clear_provenance(model)
    proto = ir.to_proto(model)
    join_nodes(proto.graph)
    attach_function_bodies(proto)
    onnx.checker.check_model(proto)
    return proto


def set_weights(model: ir.Model, weights: Mapping[str, Tensor]) -> None:
    """Give every parameter of the graph its value."""
    for name, value in model.graph.initializers.items():
        key = name.removeprefix(WEIGHT_PREFIX)
        if key != name and key in weights:
            value.const_value = ir.tensor(weights[key].detach().cpu().numpy(), name=name)


def replace_shape_only_input(graph: ir.Graph, name: str, replacement: str, *, step: int = 1) -> None:
    """Let a vector of sizes take the place of an input of which only the shape is read.

    PyTorch's tracer knows sizes of tensors, not numbers in tensors; the runtime gives numbers.
    A size that tracing has fixed leaves no node behind.

    Args:
        graph: changed in place.
        name: of the input.
        replacement: name of the vector, which several inputs may share.
        step: the shape is the vector divided by this, rounded up.
    """
    (old,) = (value for value in graph.inputs if value.name == name)
    readers = [node for node, _ in old.uses()]
    wrong = [node.op_type for node in readers if node.op_type != "Shape"]
    if wrong:
        raise ExportError(f"input {name} is read by {wrong[0]}", allowed="its shape only")
    rank = len(old.shape) if old.shape is not None else 2
    there = [value for value in graph.inputs if value.name == replacement]
    size = ir.Value(name=replacement, type=ir.TensorType(ir.DataType.INT64), shape=ir.Shape([rank]))
    if there:
        (size,) = there
        graph.inputs.remove(old)
    else:
        graph.inputs[graph.inputs.index(old)] = size
    for node in readers:
        new = size if step == 1 else _in_steps(graph, node, size, step)
        start = node.attributes.get_int("start", 0)
        end = min(node.attributes.get_int("end", rank), rank)
        bounds = [_constant(graph, node, np.array([bound], np.int64)) for bound in (start, end)]
        piece = ir.Node("", "Slice", [new, *bounds], num_outputs=1)
        graph.insert_before(node, piece)
        _replace(graph, node, piece.outputs[0])


def _in_steps(graph: ir.Graph, before: ir.Node, size: ir.Value, step: int) -> ir.Value:
    """A vector of sizes divided by a step, rounded up."""
    more, by = (_constant(graph, before, np.array([number], np.int64)) for number in (step - 1, step))
    raised = ir.Node("", "Add", [size, more], num_outputs=1)
    divided = ir.Node("", "Div", [raised.outputs[0], by], num_outputs=1)
    graph.insert_before(before, [raised, divided])
    return divided.outputs[0]


def read_bytes_through_cast(graph: ir.Graph) -> None:
    """Let `Shape` read the cast of a uint8 input: TensorRT 8 lets nothing but `Cast` read uint8."""
    for value in graph.inputs:
        readers = [node for node, _ in value.uses()]
        casts = [node for node in readers if node.op_type == "Cast"]
        if value.dtype != ir.DataType.UINT8 or not casts:
            continue
        graph.remove(casts[0])
        graph.insert_before(graph[0], casts[0])
        for node in readers:
            if node.op_type == "Shape":
                node.replace_input_with(0, casts[0].outputs[0])


def cut_weights(graph: ir.Graph) -> None:
    """Store parts of weights as weights: general folding leaves tensors of this size alone."""
    for node in [node for node in graph if node.op_type == "Slice"]:
        constants = [ir.convenience.get_const_tensor(value) if value else None for value in node.inputs]
        if any(constant is None for constant in constants):
            continue
        data, starts, ends, *rest = [constant.numpy() for constant in constants if constant is not None]
        axes = rest[0] if rest else np.arange(starts.size)
        steps = rest[1] if len(rest) > 1 else np.ones(starts.size, np.int64)
        places = [slice(None)] * data.ndim
        for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
            places[int(axis)] = slice(int(start), int(end), int(step))
        cut = np.ascontiguousarray(data[tuple(places)])
        value = ir.Value(name=f"{node.outputs[0].name}.cut", const_value=ir.tensor(cut))
        value.shape, value.type = ir.Shape(cut.shape), node.outputs[0].type
        graph.register_initializer(value)
        _replace(graph, node, value)


def join_slices(graph: ir.Graph) -> None:
    """Let one node cut along several axes where two do, so that what lies between is not written."""
    for node in [node for node in graph if node.op_type == "Slice"]:
        before = node.inputs[0].producer() if node.inputs[0] is not None else None
        if before is None or before.op_type != "Slice":
            continue
        if before.outputs[0].is_graph_output() or node.outputs[0].is_graph_output():
            continue
        first, second = _whole_slice(before), _whole_slice(node)
        if first is None or second is None or len(before.outputs[0].uses()) > 1:
            continue
        if set(first[2].tolist()) & set(second[2].tolist()):
            continue
        joined = [np.concatenate(both) for both in zip(first, second, strict=True)]
        values = [_constant(graph, node, value) for value in joined]
        new = ir.Node("", "Slice", [before.inputs[0], *values], num_outputs=1)
        graph.insert_before(node, new)
        _replace(graph, node, new.outputs[0])
        graph.remove(before, safe=True)


def _whole_slice(node: ir.Node) -> tuple[np.ndarray, ...] | None:
    """Starts, ends, axes and steps of a slice, if all are constants and axes are counted from the first."""
    found = [ir.convenience.get_const_tensor(value) if value else None for value in node.inputs[1:]]
    if len(found) < 3 or any(tensor is None for tensor in found):
        return None
    arrays = [tensor.numpy().astype(np.int64) for tensor in found if tensor is not None]
    if len(arrays) == 3:
        arrays.append(np.ones_like(arrays[0]))
    return tuple(arrays) if (arrays[2] >= 0).all() else None


def join_concats(graph: ir.Graph) -> None:
    """Let one node put together what two do, one after the other."""
    for node in [node for node in graph if node.op_type == "Concat"]:
        parts: list[ir.Value | None] = []
        for value in node.inputs:
            before = value.producer() if value is not None else None
            is_part = (
                before is not None
                and before.op_type == "Concat"
                and before.attributes["axis"] == node.attributes["axis"]
                and len(before.outputs[0].uses()) == 1
                and not before.outputs[0].is_graph_output()
            )
            parts += before.inputs if is_part and before is not None else [value]
        if len(parts) > len(node.inputs):
            joined = [value.producer() for value in node.inputs if value is not None and value not in parts]
            node.resize_inputs(len(parts))
            for index, value in enumerate(parts):
                node.replace_input_with(index, value)
            graph.remove([node for node in joined if node is not None], safe=True)


def squeeze_single_items(graph: ir.Graph) -> None:
    """Take the only item of an axis by its shape: `Gather` would copy it."""
    for node in [node for node in graph if node.op_type == "Gather"]:
        items, index = node.inputs
        axis = node.attributes.get_int("axis", 0)
        place = ir.convenience.get_const_tensor(index) if index is not None else None
        if items is None or items.shape is None or place is None or place.numpy().shape != ():
            continue
        if axis < 0 or items.shape[axis] != 1 or int(place.numpy()) not in (0, -1):
            continue
        if node.outputs[0].is_graph_output():
            continue
        new = ir.Node(
            "", "Squeeze", [items, _constant(graph, node, np.array([axis], np.int64))], num_outputs=1
        )
        graph.insert_before(node, new)
        _replace(graph, node, new.outputs[0])


def lower_to_opset_17(model: ir.Model) -> None:
    """Rewrite what opset 18 changed, so that the file says 17 and means it."""
    rules: dict[str, Callable[[ir.Graph, ir.Node], None]] = {
        **dict.fromkeys(AXES_TO_ATTRIBUTE, _axes_to_attribute),
        "Split": lambda graph, node: _drop_attribute(node, "num_outputs"),
        "Resize": _lower_resize,
        "Pad": _lower_pad,
    }
    graph = model.graph
    for node in list(graph):
        if node.domain not in ("", "ai.onnx"):
            continue
        if node.op_type in NEW_IN_18:
            raise ExportError(f"operator {node.op_type} does not exist in opset {OPSET}")
        if node.op_type in rules:
            rules[node.op_type](graph, node)
        node.version = OPSET
    model.opset_imports[""] = OPSET
    model.ir_version = IR_VERSION


def attach_function_bodies(model: onnx.ModelProto) -> None:
    """Put the body of every custom operator that the graph uses into the file."""
    used = {node.op_type for node in model.graph.node if node.domain == DOMAIN}
    del model.functions[:]
    model.functions.extend(OPERATORS[name].function_body() for name in sorted(used))
    if used and DOMAIN not in {entry.domain for entry in model.opset_import}:
        model.opset_import.append(onnx.helper.make_opsetid(DOMAIN, 1))


def strip_function_bodies(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy without function bodies, as TensorRT is to parse it: what has no plugin is written out."""
    plain = [(body.domain, body.name) for body in model.functions if not OPERATORS[body.name].has_plugin]
    stripped = onnx.ModelProto()
    stripped.CopyFrom(inline_selected_functions(model, plain) if plain else model)
    del stripped.functions[:]
    return stripped


def remove_unused_inputs(graph: ir.Graph, keep: list[str]) -> None:
    """Drop inputs that nothing reads, unless their names are in `keep`."""
    for value in list(graph.inputs):
        if value.name not in keep and not value.uses() and not value.is_graph_output():
            graph.inputs.remove(value)


def remove_unused_constants(graph: ir.Graph) -> None:
    """Drop initializers that nothing reads."""
    for name, value in list(graph.initializers.items()):
        if not value.uses() and not value.is_graph_output():
            del graph.initializers[name]


def clear_provenance(model: ir.Model) -> None:
    """Remove what the exporter noted about the machine and the source files."""
    model.metadata_props.clear()
    model.graph.metadata_props.clear()
    model.graph.doc_string = None
    model.producer_name, model.producer_version = "vosrt", None
    for node in model.graph:
        node.metadata_props.clear()
        node.doc_string = None
        for value in node.outputs:
            value.metadata_props.clear()
    for value in [*model.graph.inputs, *model.graph.initializers.values()]:
        value.metadata_props.clear()


def _axes_to_attribute(graph: ir.Graph, node: ir.Node) -> None:
    axes = node.inputs[1] if len(node.inputs) > 1 else None
    _drop_attribute(node, "noop_with_empty_axes")
    if axes is None:
        return
    constant = ir.convenience.get_const_tensor(axes)
    if constant is None:
        raise ExportError(f"{node.op_type} with axes that are computed has no form in opset {OPSET}")
    node.attributes["axes"] = ir.AttrInt64s("axes", [int(axis) for axis in constant.numpy().reshape(-1)])
    node.resize_inputs(1)


def _lower_resize(graph: ir.Graph, node: ir.Node) -> None:
    for attribute in ("antialias", "keep_aspect_ratio_policy"):
        _drop_attribute(node, attribute)
    if "axes" in node.attributes:
        raise ExportError(f"Resize over some axes has no form in opset {OPSET}")


def _lower_pad(graph: ir.Graph, node: ir.Node) -> None:
    if len(node.inputs) > 3 and node.inputs[3] is not None:
        raise ExportError(f"Pad over some axes has no form in opset {OPSET}")
    node.resize_inputs(min(len(node.inputs), 3))


def _drop_attribute(node: ir.Node, name: str) -> None:
    if name in node.attributes:
        del node.attributes[name]


def _constant(graph: ir.Graph, before: ir.Node, value: np.ndarray) -> ir.Value:
    node = ir.Node("", "Constant", [], attributes=[ir.AttrTensor("value", ir.tensor(value))], num_outputs=1)
    graph.insert_before(before, node)
    return node.outputs[0]


def _replace(graph: ir.Graph, node: ir.Node, value: ir.Value) -> None:
    """Let `value` take the place of the only output of `node`."""
    old = node.outputs[0]
    value.shape, value.type = old.shape, old.type
    ir.convenience.replace_all_uses_with(old, value)
    graph.remove(node, safe=True)
