"""Matching speed and memory: the published formulation, this project's PyTorch and its ONNX bodies.

    python -m vosrt.benchmarks.matching --size 480x854 --objects 1

Every variant runs in a process of its own and the variants take turns, so that a slow moment of the
machine hits all of them. Results are compared: a fast wrong answer is no answer. Memory is read from
/proc, so this runs on Linux.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vosrt.benchmarks.option_values import frame_size
from vosrt.benchmarks.required_packages import require_packages
from vosrt.benchmarks.turns import TABLE_HEADING, Call, add_turn_options, conditions, table_row, take_turns
from vosrt.commands import option_readers
from vosrt.errors import MissingDependencyError
from vosrt.plugins import NO_CANDIDATE, OPERATORS, Operator, Port

WINDOWS = (12, 2, 4, 6, 8, 10)  # CFBI's, on the halved grid
CHANNELS = 100
PUBLISHED, TORCH, BODY = "published (PyTorch)", "vosrt PyTorch", "vosrt ONNX body on ONNX Runtime"
VARIANTS = (PUBLISHED, TORCH, BODY)


@dataclass(frozen=True)
class Job:
    """What one process measures."""

    operator: str
    variant: str
    grid: tuple[int, int]
    objects: int
    threads: int


@dataclass(frozen=True)
class Measurement:
    """One variant of one operator; memory is the peak above what the process held before the first call."""

    operator: str
    variant: str
    grid: tuple[int, int]
    milliseconds: list[float]
    median_ms: float
    p95_ms: float
    peak_mib: float
    largest_difference: float


def network_grid(height: int, width: int) -> tuple[int, int]:
    """Stride-4 grid of CFBI for a frame size: the network size minus 1 is a multiple of 16."""
    return 4 * round((height - 1) / 16) + 1, 4 * round((width - 1) / 16) + 1


def make_inputs(job: Job) -> dict[str, np.ndarray]:
    """Non-negative embeddings, the other frame a noisy shift of the query; objects are discs."""
    rng = np.random.default_rng(0)
    h, w = job.grid
    query = np.maximum(rng.standard_normal((CHANNELS, h, w), np.float32), 0)
    other = np.maximum(np.roll(query, (1, 2), (1, 2)) + 0.1 * rng.standard_normal(query.shape, np.float32), 0)
    labels = np.zeros((h, w), np.int32)
    y, x = np.mgrid[:h, :w]
    for label in range(1, job.objects + 1):
        centre = w * label / (job.objects + 1)
        labels[np.hypot(y - h / 2, x - centre) < min(h, w / job.objects) / 3] = label
    rows = np.arange(job.objects + 1, dtype=np.int32)
    if job.operator == "LocalMatching":
        return {"query": query, "previous": other, "labels": labels, "rows": rows}
    bank = np.ascontiguousarray(other.reshape(CHANNELS, -1).T)
    return {"query": query, "bank": bank, "bank_labels": labels.reshape(-1), "rows": rows}


def make_call(job: Job) -> Call:
    """The timed call: from arrays in memory to the array of distances."""
    inputs = make_inputs(job)
    attributes = {"windows": list(WINDOWS)} if job.operator == "LocalMatching" else {}
    if job.variant == BODY:
        return body_call(job, inputs, attributes)
    import torch

    from vosrt.benchmarks.published_matching import published_global_matching, published_local_matching
    from vosrt.plugins import global_matching, local_matching

    torch.set_num_threads(job.threads)
    functions: dict[tuple[str, str], Callable[..., Any]] = {
        (PUBLISHED, "GlobalMatching"): published_global_matching,
        (PUBLISHED, "LocalMatching"): published_local_matching,
        (TORCH, "GlobalMatching"): global_matching,
        (TORCH, "LocalMatching"): local_matching,
    }
    function = functions[job.variant, job.operator]
    tensors = [torch.from_numpy(array) for array in inputs.values()]

    def call() -> np.ndarray:
        with torch.inference_mode():
            return function(*tensors, **attributes).numpy()

    return call


def body_call(job: Job, inputs: dict[str, np.ndarray], attributes: dict[str, Any]) -> Call:
    """The operator's function body on ONNX Runtime with its default optimisation."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = job.threads
    model = one_node_model(OPERATORS[job.operator], attributes)
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, inputs)[0]


def one_node_model(operator: Operator, attributes: dict[str, Any]) -> bytes:
    """A float32 graph of one operator node with its function body, every dimension dynamic."""
    from onnx import NodeProto, TensorProto, ValueInfoProto, helper

    def value(port: Port) -> ValueInfoProto:
        dtype = TensorProto.FLOAT if "float32" in port.dtypes else TensorProto.INT32
        return helper.make_tensor_value_info(port.name, dtype, list(port.shape))

    inputs, outputs = ([value(port) for port in ports] for ports in (operator.inputs, operator.outputs))
    node = NodeProto(op_type=operator.name, domain=operator.domain)
    node.input.extend(port.name for port in operator.inputs)
    node.output.extend(port.name for port in operator.outputs)
    for name, content in operator.node_attributes(**attributes).items():
        node.attribute.append(helper.make_attribute(name, content))
    body = operator.function_body()
    model = helper.make_model(
        helper.make_graph([node], "matching", inputs, outputs),
        opset_imports=[*body.opset_import, helper.make_opsetid(operator.domain, operator.version)],
        functions=[body],
        ir_version=8,  # belongs to opset 17
    )
    return model.SerializeToString()


def measure(
    operator: str, grid: tuple[int, int], *, objects: int, threads: int, repetitions: int, warm_up: int
) -> list[Measurement]:
    """Every variant of one operator, taking turns; differences are to the published formulation."""
    jobs = {variant: Job(operator, variant, grid, objects, threads) for variant in VARIANTS}
    timings = take_turns(jobs, make_call, repetitions=repetitions, warm_up=warm_up)
    # No candidate: the published formulation adds 5e4 to whatever distance is left.
    results = {variant: np.minimum(timing.result, NO_CANDIDATE) for variant, timing in timings.items()}
    expected = results[PUBLISHED]
    return [
        Measurement(
            operator,
            variant,
            grid,
            milliseconds=[1e3 * value for value in timing.seconds],
            median_ms=timing.median_ms,
            p95_ms=timing.p95_ms,
            peak_mib=timing.peak_mib,
            largest_difference=float(np.abs(results[variant] - expected).max()),
        )
        for variant, timing in timings.items()
    ]


def report(measurements: list[Measurement]) -> str:
    """Table of one operator with each variant's ratio to the published formulation."""
    published = measurements[0]
    rows = [f"{published.operator}, grid {published.grid[0]}x{published.grid[1]}, {CHANNELS} channels"]
    rows.append(TABLE_HEADING)
    for one in measurements:
        rows.append(
            table_row(
                one.variant,
                median_ms=one.median_ms,
                p95_ms=one.p95_ms,
                peak_mib=one.peak_mib,
                difference=one.largest_difference,
            )
        )
    for one in measurements[1:]:
        rows.append(
            f"  {one.variant}: {published.median_ms / one.median_ms:.1f}x faster, "
            f"1/{published.peak_mib / max(one.peak_mib, 1):.1f} of the memory"
        )
    return "\n".join(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m vosrt.benchmarks.matching", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--size", type=frame_size, default=(480, 854), help="frame size, HEIGHTxWIDTH")
    parser.add_argument(
        "--objects", type=option_readers.positive, default=1, help="objects besides the background"
    )
    add_turn_options(parser)
    parser.add_argument("--json", type=option_readers.path, help="also write every measurement to this file")
    options = parser.parse_args(arguments)
    try:
        require_packages("comparing matching operators")
    except MissingDependencyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2

    h, w = network_grid(*options.size)
    print(
        "Timed: one call from float32 arrays in memory to the array of distances, "
        f"{options.objects + 1} rows,\n"
        f"{conditions(options)}\n"
    )
    measurements: list[Measurement] = []
    for operator, grid in (("GlobalMatching", (h, w)), ("LocalMatching", (h // 2 + 1, w // 2 + 1))):
        measured = measure(
            operator,
            grid,
            objects=options.objects,
            threads=options.threads,
            repetitions=options.repetitions,
            warm_up=options.warm_up,
        )
        print(report(measured) + "\n", flush=True)
        measurements += measured
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in measurements], indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
