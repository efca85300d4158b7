"""How much memory a graph's values take while it runs, counted value by value."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, ValueInfoProto

from vosrt.export.tracing import evaluate
from vosrt.manifest_graph import GraphMemory
from vosrt.models import GraphSpec

ROWS = (2, 6)  # two measurements give the fixed share and that of a row


def estimate_memory(model: ModelProto, spec: GraphSpec, sizes: Mapping[str, int], pixels: int) -> GraphMemory:
    """Largest sum of values that are needed at one time, per pixel: fixed, and for each row.

    Values are counted as the graph has them, in float32 and unfused: ONNX Runtime needs a little less for
    them, and a little more for its convolutions.

    Args:
        model: the float32 graph, its rows open.
        spec: its inputs and their dimensions.
        sizes: of all named dimensions but `rows`.
        pixels: what the sizes stand for.
    """
    few, many = (
        _peak_bytes(model, _example_inputs(spec, {**sizes, "rows": rows, "objects": rows, "part": rows}))
        for rows in ROWS
    )
    row = (many - few) / (ROWS[1] - ROWS[0])
    fixed = max(few - ROWS[0] * row, 0.0)
    return GraphMemory(round(fixed / pixels, 1), round(row / pixels, 1))


def _example_inputs(spec: GraphSpec, sizes: Mapping[str, int]) -> dict[str, NDArray]:
    inputs = {}
    for name, tensor in spec.inputs.items():
        shape = [evaluate(dimension, sizes) for dimension in tensor.shape]
        if tensor.size_step == 1:
            inputs["size"] = np.array(shape, np.int64)
        inputs[name] = np.zeros(shape, tensor.dtype)
    for name in ("rows", "part"):
        if name in inputs:
            inputs[name] = np.arange(len(inputs[name]), dtype=np.int32)
    return inputs


def _peak_bytes(model: ModelProto, inputs: Mapping[str, NDArray]) -> int:
    """Run the graph with every value as an output, and add up what is alive from node to node."""
    nodes = model.graph.node
    sizes = _value_bytes(model, inputs)
    last_use = {name: index for index, node in enumerate(nodes) for name in node.input}
    last_use |= {output.name: len(nodes) for output in model.graph.output}
    alive = peak = 0
    for index, node in enumerate(nodes):
        alive += sum(sizes.get(name, 0) for name in node.output)
        peak = max(peak, alive)
        for name in {*node.input, *node.output}:
            if last_use.get(name, index) == index:
                alive -= sizes.get(name, 0)
    return peak


def _value_bytes(model: ModelProto, inputs: Mapping[str, NDArray]) -> dict[str, int]:
    """Bytes of everything that a node makes; inputs and weights are there anyway."""
    watched = copy.deepcopy(model)
    known = {output.name for output in watched.graph.output}
    names = [name for node in watched.graph.node for name in node.output if name]
    watched.graph.output.extend(ValueInfoProto(name=name) for name in names if name not in known)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        watched.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    there = {value.name for value in session.get_inputs()}
    feeds = {name: array for name, array in inputs.items() if name in there}
    wanted = [output.name for output in watched.graph.output]
    values = session.run(wanted, feeds)
    return {name: value.nbytes for name, value in zip(wanted, values, strict=True)}
