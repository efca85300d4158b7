"""Speed and memory of the space-time memory read: the whole matrix of weights against slot by slot.

    python -m vosrt.benchmarks.memory_read --size 480x854 --objects 1 --slots 2,20

The published formulation keeps a weight for every pair of a memory position and a query position. It runs in
PyTorch and, as the same operators, on ONNX Runtime; beside it run this project's PyTorch and its ONNX body.
Every variant runs in a process of its own and the variants take turns. Memory is read from /proc, so this
runs on Linux.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vosrt.benchmarks.matching import one_node_model
from vosrt.benchmarks.option_values import frame_size, whole_numbers
from vosrt.benchmarks.required_packages import require_packages
from vosrt.benchmarks.turns import (
    TABLE_HEADING,
    Call,
    Timing,
    add_turn_options,
    conditions,
    table_row,
    take_turns,
)
from vosrt.commands import option_readers
from vosrt.errors import MissingDependencyError
from vosrt.plugins import OPERATORS

KEY_CHANNELS, VALUE_CHANNELS, STRIDE = 128, 512, 16
WHOLE, WHOLE_ONNX = "whole matrix (PyTorch)", "whole matrix on ONNX Runtime"
TORCH, BODY = "vosrt PyTorch", "vosrt ONNX body on ONNX Runtime"
VARIANTS = (WHOLE, WHOLE_ONNX, TORCH, BODY)

_WHOLE_MODEL = """
<ir_version: 8, opset_import: ["" : 17]>
whole_matrix (float[Ck,N] query, float[n,T,Ck,N] keys, float[n,T,Cv,N] values, int32[n,T] valid)
  => (float[n,Cv,N] read)
{
  rows = Shape <start: int = 0, end: int = 1> (keys)
  channels = Shape <start: int = 2, end: int = 3> (keys)
  value_channels = Shape <start: int = 2, end: int = 3> (values)
  rest = Constant <value_ints: ints = [-1]> ()
  channels_32 = Cast <to: int = 1> (channels)
  root = Sqrt (channels_32)
  turned_keys = Transpose <perm: ints = [0, 1, 3, 2]> (keys)
  memory_shape = Concat <axis: int = 0> (rows, rest, channels)
  memory = Reshape (turned_keys, memory_shape)
  products = MatMul (memory, query)
  logits = Div (products, root)
  weights = Softmax <axis: int = 1> (logits)
  turned_values = Transpose <perm: ints = [0, 2, 1, 3]> (values)
  content_shape = Concat <axis: int = 0> (rows, value_channels, rest)
  content = Reshape (turned_values, content_shape)
  read = MatMul (content, weights)
}
"""


@dataclass(frozen=True)
class ReadJob:
    """What one process measures; all slots are valid."""

    variant: str
    pixels: int
    objects: int
    slots: int
    threads: int


def memory_pixels(height: int, width: int) -> int:
    """Positions of the memory's grid: stride 16 of the frame, padded."""
    return -(-height // STRIDE) * -(-width // STRIDE)


def make_inputs(job: ReadJob) -> dict[str, np.ndarray]:
    """Standard normal keys and values."""
    rng = np.random.default_rng(0)
    memory = (job.objects, job.slots)
    return {
        "query": rng.standard_normal((KEY_CHANNELS, job.pixels), np.float32),
        "keys": rng.standard_normal((*memory, KEY_CHANNELS, job.pixels), np.float32),
        "values": rng.standard_normal((*memory, VALUE_CHANNELS, job.pixels), np.float32),
        "valid": np.ones(memory, np.int32),
    }


def make_call(job: ReadJob) -> Call:
    """The timed call: from arrays in memory to the array of what is read."""
    inputs = make_inputs(job)
    if job.variant in (WHOLE_ONNX, BODY):
        return _onnxruntime_call(job, inputs)
    import torch

    from vosrt.plugins import memory_read

    torch.set_num_threads(job.threads)
    function = memory_read if job.variant == TORCH else whole_matrix_read
    tensors = [torch.from_numpy(array) for array in inputs.values()]

    def call() -> np.ndarray:
        with torch.inference_mode():
            return function(*tensors).numpy()

    return call


def whole_matrix_read(query: Any, keys: Any, values: Any, valid: Any) -> Any:
    """`memory_read` of valid slots with every weight at once: `[n, T*N, N]`."""
    memory = keys.transpose(1, 2).flatten(2)  # [n, Ck, T*N]
    weights = (memory.transpose(1, 2) @ query / len(query) ** 0.5).softmax(1)  # [n, T*N, N]
    return values.transpose(1, 2).flatten(2) @ weights


def _onnxruntime_call(job: ReadJob, inputs: dict[str, np.ndarray]) -> Call:
    import onnx.parser
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = job.threads
    options.log_severity_level = 3  # the whole matrix does not look at `valid`
    if job.variant == BODY:
        model = one_node_model(OPERATORS["MemoryRead"], {})
    else:
        model = onnx.parser.parse_model(_WHOLE_MODEL).SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, inputs)[0]


def report(timings: dict[str, Timing], *, objects: int, slots: int, pixels: int) -> str:
    """Table of one memory size; differences are to the whole matrix in PyTorch."""
    rows = [f"{objects} objects, {slots} slots of {pixels} positions"]
    rows.append(TABLE_HEADING)
    for variant, timing in timings.items():
        difference = float(np.abs(timing.result - timings[WHOLE].result).max())
        rows.append(
            table_row(
                variant,
                median_ms=timing.median_ms,
                p95_ms=timing.p95_ms,
                peak_mib=timing.peak_mib,
                difference=difference,
            )
        )
    return "\n".join(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m vosrt.benchmarks.memory_read", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--size", type=frame_size, default=(480, 854), help="frame size, HEIGHTxWIDTH")
    parser.add_argument(
        "--objects", type=option_readers.positive, default=1, help="objects, each with a memory of its own"
    )
    parser.add_argument(
        "--slots", type=whole_numbers(1, 256), default=(2, 20), help="remembered frames, such as 2,20"
    )
    add_turn_options(parser)
    options = parser.parse_args(arguments)
    try:
        require_packages("comparing memory reads")
    except MissingDependencyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(
        "Timed: one call from float32 arrays in memory to the array of what is read; "
        f"{KEY_CHANNELS} key and {VALUE_CHANNELS} value channels,\n"
        f"{conditions(options)}\n"
    )
    pixels = memory_pixels(*options.size)
    for slots in options.slots:
        jobs = {
            variant: ReadJob(variant, pixels, options.objects, slots, options.threads) for variant in VARIANTS
        }
        timings = take_turns(jobs, make_call, repetitions=options.repetitions, warm_up=options.warm_up)
        print(report(timings, objects=options.objects, slots=slots, pixels=pixels) + "\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
