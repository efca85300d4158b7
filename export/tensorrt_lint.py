"""Checks that a graph without function bodies stays in what TensorRT 8.5's ONNX parser reads."""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper

from vosrt.plugins import DOMAIN, OPERATORS
from vosrt.trt.plugin_names import operator_of

# Operators that the parser of TensorRT 8.5 imports, less those it maps to plugins of its own library
# (InstanceNormalization) or that this project has no use for. From the release's list of operators.
_READABLE_TEXT = """
    Abs Add And ArgMax ArgMin AveragePool BatchNormalization Cast Ceil Clip Concat Constant
    ConstantOfShape Conv ConvTranspose Cos CumSum DepthToSpace DequantizeLinear Div Einsum Equal Erf
    Exp Expand Flatten Floor Gather GatherElements GatherND Gemm GlobalAveragePool GlobalMaxPool
    Greater GreaterOrEqual GridSample HardSigmoid Identity LeakyRelu Less LessOrEqual Log LogSoftmax
    MatMul Max MaxPool Mean Min Mul Neg Not Or Pad Pow PRelu QuantizeLinear Range Reciprocal
    ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd
    ReduceSum ReduceSumSquare Relu Reshape Resize Round ScatterElements ScatterND Selu Shape Sigmoid
    Sign Sin Size Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Tanh Tile
    TopK Transpose Unsqueeze Where Xor
"""
READABLE = frozenset(_READABLE_TEXT.split())
NEWEST_OPSET = 17
_NEEDS_CONSTANT = {"Slice": 3, "Squeeze": 1, "Unsqueeze": 1, "TopK": 1, "Conv": 1, "ConvTranspose": 1}
_OF_WEIGHTS = ("QuantizeLinear", "DequantizeLinear")  # TensorRT folds them into a convolution
_TYPES = {
    TensorProto.FLOAT,
    TensorProto.FLOAT16,
    TensorProto.INT32,
    TensorProto.INT64,
    TensorProto.INT8,
    TensorProto.BOOL,
}


def lint_for_tensorrt(model: onnx.ModelProto, *, of_engine: bool = False) -> list[str]:
    """What TensorRT 8.5 would refuse or misread, one sentence each; empty when all is well.

    Args:
        model: a graph whose custom operators have no function bodies (see `strip_function_bodies`).
        of_engine: whether the parser gets it as it is; else what follows from sizes is computed before.
    """
    problems = [
        f"opset {entry.version} of the standard operators, the newest readable is {NEWEST_OPSET}"
        for entry in model.opset_import
        if entry.domain in ("", "ai.onnx") and entry.version > NEWEST_OPSET
    ]
    if model.functions:
        problems.append("function bodies are in the file")
    graph = onnx.shape_inference.infer_shapes(model).graph
    types = _types(graph)
    constants = {tensor.name for tensor in graph.initializer}
    constants |= {node.output[0] for node in graph.node if node.op_type == "Constant"}
    for node in graph.node:  # in order
        is_computed_before = not of_engine or node.op_type in _OF_WEIGHTS
        if (node.op_type == "Shape" and not of_engine) or (
            is_computed_before and all(name in constants for name in node.input if name)
        ):
            constants |= set(node.output)
    for node in graph.node:
        is_plugin = node.domain == DOMAIN
        texts = _of_plugin(node, types, of_engine) if is_plugin else _problems(node, types, constants)
        problems += [f"{node.op_type} {node.name}: {text}" for text in texts]
        if of_engine and node.op_type == "Shape" and node.attribute:
            problems.append(f"Shape {node.name}: start and end are not read")
    return problems


def _of_plugin(node: onnx.NodeProto, types: dict[str, int], of_engine: bool) -> list[str]:
    """An engine's graph has a cast before `FrameImage` (`set_sizes`)."""
    if operator_of(node) not in OPERATORS:
        return ["is no operator of this project"]
    frame = 0 if of_engine or operator_of(node) != "FrameImage" else 1
    if any(types.get(name) in (TensorProto.UINT8, TensorProto.BOOL) for name in node.input[frame:]):
        return ["plugins take no uint8 and no bool"]
    return []


def _problems(node: onnx.NodeProto, types: dict[str, int], constants: set[str]) -> list[str]:
    found = []
    if node.domain not in ("", "ai.onnx") or node.op_type not in READABLE:
        return [f"is not readable (domain {node.domain or 'ai.onnx'})"]
    position = _NEEDS_CONSTANT.get(node.op_type)
    if position is not None and len(node.input) > position and node.input[position] not in constants:
        found.append(f"input {position} must be a constant")
    if node.op_type.startswith("Reduce") and node.op_type != "ReduceSum" and len(node.input) > 1:
        found.append("axes are read from the attribute only")
    found += _type_problems(node, types)
    return found


def _type_problems(node: onnx.NodeProto, types: dict[str, int]) -> list[str]:
    found = []
    source, target = types.get(node.input[0]) if node.input else None, types.get(node.output[0])
    if node.op_type == "Cast":
        target = helper.get_node_attr_value(node, "to")
        floats = (TensorProto.FLOAT, TensorProto.FLOAT16)
        if TensorProto.UINT8 in (source, target) and not {source, target} & set(floats):
            found.append("uint8 is cast from and to floating point only")
    elif source == TensorProto.UINT8 or target == TensorProto.UINT8:
        found.append("uint8 is read by Cast only")
    elif (source is not None and source not in _TYPES) or (target is not None and target not in _TYPES):
        found.append("has an element type that TensorRT does not compute with")
    if node.op_type in ("ArgMax", "TopK") and source not in (None, TensorProto.FLOAT, TensorProto.FLOAT16):
        found.append("takes floating point only")
    return found


def _types(graph: onnx.GraphProto) -> dict[str, int]:
    values = [*graph.input, *graph.output, *graph.value_info]
    types = {
        value.name: value.type.tensor_type.elem_type for value in values if value.type.tensor_type.elem_type
    }
    types.update({tensor.name: tensor.data_type for tensor in graph.initializer})
    return types
