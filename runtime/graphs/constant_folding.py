"""Computes in advance what a graph with fixed sizes computes from its sizes.

TensorRT could do most of it itself, but the ONNX parser of TensorRT 8 ignores `start` and `end` of `Shape`
and knows few operators on sizes, and ranges and interpolation weights of sizes need no engine. ONNX Runtime
computes sizes on the host in every run, and copies what follows from them to the GPU.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vosrt.graphs.operator_shapes import INTEGERS, LIKE_INPUT, SHAPES, SIZED

if TYPE_CHECKING:
    import onnx

_QUANTIZING = ("QuantizeLinear", "DequantizeLinear")
_SMALL = 4096  # elements of constants that shapes may follow from
_LARGEST = 1 << 24  # elements of a result
_FEW = 8  # rounds; each makes more shapes known

Shape = tuple[int | None, ...]  # None where a size is open


def fold_constants(model: onnx.ModelProto) -> None:
    """Change a graph in place: what follows from constants and sizes becomes a constant.

    Args:
        model: without functions; inputs have their sizes, open ones a name.
    """
    import onnx
    from onnx import numpy_helper

    graph = model.graph
    known = _small_weights(graph)
    found: dict[str, NDArray[Any]] = {}
    for _ in range(_FEW):
        shapes, _ = _inferred(model, known, found)
        before = len(found)
        for node in graph.node:
            if node.output[0] in found or node.domain not in ("", "ai.onnx"):
                continue
            value = _value(node, known, shapes, model)
            if value is not None and value.size <= _LARGEST:
                found[node.output[0]] = known[node.output[0]] = value
        if len(found) == before:
            break
    kept = [node for node in graph.node if node.output[0] not in found]
    kept = _without_unused(kept, {value.name for value in graph.output})
    outputs = {value.name for value in graph.output}
    used = read_by(kept) | outputs
    first = []
    for name, value in found.items():
        if name not in used:
            continue
        if value.dtype == np.bool_ or name in outputs:  # neither is a weight for TensorRT 8
            source, kind = f"{name}/constant", onnx.helper.np_dtype_to_tensor_dtype(value.dtype)
            value = value.astype(np.int32) if value.dtype == np.bool_ else value
            first.append(onnx.helper.make_node("Cast", [source], [name], f"{name}/cast", to=kind))
            name = source
        graph.initializer.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
    del graph.node[:]
    graph.node.extend([*first, *kept])
    used |= {name for node in first for name in node.input}
    initializers = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(initializers)


def known_values(model: onnx.ModelProto) -> tuple[dict[str, Shape], dict[str, int]]:
    """All shapes, and types as ONNX's numbers, that follow from the sizes of the inputs.

    Args:
        model: as `fold_constants` leaves it.
    """
    return _inferred(model, _small_weights(model.graph), {})


def _small_weights(graph: onnx.GraphProto) -> dict[str, NDArray[Any]]:
    from onnx import numpy_helper

    return {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in graph.initializer
        if np.prod(tensor.dims) <= _SMALL
    }


def _inferred(
    model: onnx.ModelProto, known: Mapping[str, NDArray[Any]], found: Mapping[str, NDArray[Any]]
) -> tuple[dict[str, Shape], dict[str, int]]:
    """All shapes and types that follow from the inputs' and from the constants that are known."""
    import onnx
    from onnx import numpy_helper

    light = onnx.ModelProto()
    light.ir_version = model.ir_version
    light.opset_import.extend(model.opset_import)
    light.graph.name = model.graph.name
    light.graph.input.extend(model.graph.input)
    light.graph.output.extend(model.graph.output)
    for tensor in model.graph.initializer:
        if np.prod(tensor.dims) <= _SMALL:
            light.graph.initializer.append(tensor)
        else:  # only its shape matters, and weights are large
            light.graph.input.append(
                onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            )
    for name, value in found.items():
        if value.size <= _SMALL:
            light.graph.initializer.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        else:
            kind = onnx.helper.np_dtype_to_tensor_dtype(value.dtype)
            light.graph.input.append(onnx.helper.make_tensor_value_info(name, kind, value.shape))
    for node in model.graph.node:
        if node.op_type in LIKE_INPUT:  # ONNX knows a node that does as much
            light.graph.node.append(onnx.helper.make_node("Identity", node.input[:1], node.output))
        elif node.output[0] not in found:
            light.graph.node.append(node)
    shapes: dict[str, Shape] = {}
    kinds: dict[str, int] = {}
    for _ in range(_FEW):
        inferred = onnx.shape_inference.infer_shapes(light, data_prop=True).graph
        for value in (*inferred.input, *inferred.output, *inferred.value_info):
            kinds[value.name] = value.type.tensor_type.elem_type
            if value.type.tensor_type.HasField("shape"):
                shapes[value.name] = _sizes(value)
        shapes |= {tensor.name: tuple(tensor.dims) for tensor in inferred.initializer}
        kinds |= {tensor.name: tensor.data_type for tensor in inferred.initializer}
        if not _add_operator_shapes(light, known, shapes):
            break
    return shapes, kinds


def _sizes(value: onnx.ValueInfoProto) -> Shape:
    dimensions = value.type.tensor_type.shape.dim
    return tuple(one.dim_value if one.HasField("dim_value") else None for one in dimensions)


def _add_operator_shapes(
    model: onnx.ModelProto, known: Mapping[str, NDArray[Any]], shapes: dict[str, Shape]
) -> bool:
    """Say the shapes of our operators' outputs, which ONNX does not know; whether there were new ones."""
    import onnx

    added = False
    told = {value.name for value in model.graph.value_info}
    for node in model.graph.node:
        name = node.output[0]
        if name in told or any(source not in shapes for source in node.input):
            continue
        if node.op_type in SHAPES:
            shapes[name] = SHAPES[node.op_type](node, *(shapes[source] for source in node.input))
        elif node.op_type in SIZED and node.input[1] in known:
            size = tuple(known[node.input[1]].tolist())
            shapes[name] = SIZED[node.op_type](size, shapes[node.input[0]])
        else:
            continue
        kind = onnx.TensorProto.INT32 if node.op_type in INTEGERS else onnx.TensorProto.FLOAT
        model.graph.value_info.append(onnx.helper.make_tensor_value_info(name, kind, shapes[name]))
        added = True
    return added


def _value(
    node: onnx.NodeProto,
    known: Mapping[str, NDArray[Any]],
    shapes: Mapping[str, Shape],
    model: onnx.ModelProto,
) -> NDArray[Any] | None:
    """What a node gives, whatever the inputs of the graph hold; None where that is open."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    if node.op_type == "Shape":
        start, stop = _range_of(node)
        sizes = shapes.get(node.input[0], (None,))[start:stop]
        complete = node.input[0] in shapes and None not in sizes
        return np.array(sizes, np.int64) if complete else None
    if node.op_type in _QUANTIZING:  # of weights: they tell an engine to compute in int8
        return None
    if any(_graphs_in(node)):  # they read more than the node's inputs
        return None
    if len(node.output) != 1 or any(name and name not in known for name in node.input):
        return None
    values = {name: known[name] for name in node.input if name}
    inputs = [
        onnx.helper.make_tensor_value_info(
            name, onnx.helper.np_dtype_to_tensor_dtype(value.dtype), value.shape
        )
        for name, value in values.items()
    ]
    output = onnx.ValueInfoProto()
    output.name = node.output[0]
    graph = onnx.helper.make_graph([node], "node", inputs, [output])
    single = onnx.helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    with np.errstate(all="ignore"):
        (result,) = ReferenceEvaluator(single).run(None, values)
    return np.asarray(result)


def _range_of(node: onnx.NodeProto) -> tuple[int, int | None]:
    given = {entry.name: entry.i for entry in node.attribute}
    return given.get("start", 0), given.get("end")


def _without_unused(nodes: list[onnx.NodeProto], outputs: set[str]) -> list[onnx.NodeProto]:
    used, kept = set(outputs), []
    for node in reversed(nodes):
        if used & set(node.output):
            used |= read_by([node])
            kept.append(node)
    return kept[::-1]


def read_by(nodes: Iterable[onnx.NodeProto]) -> set[str]:
    """Names of the values that nodes read, also those that the graphs of loops take from outside."""
    names: set[str] = set()
    for node in nodes:
        names.update(node.input)
        for graph in _graphs_in(node):
            names |= read_by(graph.node) | {value.name for value in graph.output}
    return names


def _graphs_in(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    return [entry.g for entry in node.attribute if entry.HasField("g")]
