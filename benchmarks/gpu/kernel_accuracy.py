"""Kernels against float64 on random shapes: odd sizes, absent rows, no object to 64, poisoned outputs.

`python -m vosrt.benchmarks.gpu.kernel_accuracy`; exits with 1 where a result is off.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from vosrt.benchmarks.gpu.kernels import (
    OFFICIAL_WINDOWS,
    Call,
    add_arguments,
    directional_call,
    enlarged,
    gate_call,
    global_call,
    image_call,
    labels_call,
    local_call,
    memory_call,
    norm_call,
    open_kernels,
    others_call,
    probabilities_call,
    reference,
)
from vosrt.cuda.kernel_library import KernelError, KernelLibrary
from vosrt.errors import reason_of

CHANNELS = (1, 3, 16, 32, 48, 100, 128)
ROWS = (1, 2, 3, 9, 65)
OBJECTS = (0, 1, 2, 3, 11, 64)
MANY = 20  # from so many on sizes are smaller: what is compared with takes memory for each of them


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    parser = argparse.ArgumentParser(prog="kernel_accuracy", description=__doc__)
    add_arguments(parser)
    parser.add_argument("--cases", type=int, default=60, help="of every kernel and type (60)")
    parser.add_argument("--largest", type=int, default=90, help="most pixels of a side (90)")
    options = parser.parse_args(arguments)
    library = open_kernels(options)
    worst: dict[str, float] = {}
    failed: list[dict[str, Any]] = []
    for call in _calls(options.seed, options.cases, options.largest, options.device):
        name = f"{call.operator} {next(iter(call.inputs.values())).dtype}".replace("torch.", "")
        found = _tried(call, library)
        if isinstance(found, float):
            worst[name] = max(worst.get(name, 0.0), found)
            if found <= 1:
                continue
            failure: dict[str, Any] = {"share of the limit": found}
        else:
            failure = {"error": reason_of(found)}
        print(f"{name}: {failure}", file=sys.stderr)
        shapes = {key: list(value.shape) for key, value in call.inputs.items()}
        failed.append({"kernel": name, **failure, "shapes": shapes})
        if not isinstance(found, (float, KernelError)):
            break  # PyTorch's: after what a kernel has done this process cannot use the GPU any more
    print(json.dumps({"cases": options.cases, "worst share of the limit": worst, "failed": failed}))
    return 1 if failed else 0


def _tried(call: Call, library: KernelLibrary) -> float | RuntimeError:
    """The share of the limit, or what prevented it."""
    try:
        output = call.output()
        call.run(library, output)
        return share_of_limit(call, output)
    except RuntimeError as error:
        return error


def _calls(seed: int, cases: int, largest: int, device: str) -> Iterator[Call]:
    tensors, numbers = torch.Generator(device).manual_seed(seed), random.Random(seed)
    for _ in range(cases):
        yield from _calls_of_frames(tensors, numbers, largest)
        for dtype in (torch.float32, torch.float16):
            size = numbers.randint(1, largest), numbers.randint(1, largest)
            channels, rows = numbers.choice(CHANNELS), numbers.choice(ROWS)
            references = numbers.choice((1, 17, size[0] * size[1], 3 * size[0] * size[1] + 5))
            yield global_call(
                tensors, channels=channels, size=size, references=references, rows=rows, dtype=dtype
            )
            windows, dilation = numbers.choice(((OFFICIAL_WINDOWS, 1), ((2, 4, 6), 2), ((1,), 1)))
            yield local_call(
                tensors,
                channels=channels,
                size=size if rows < MANY else (size[0] // 4 + 1, size[1] // 4 + 1),
                rows=rows,
                windows=windows,
                dilation=dilation,
                dtype=dtype,
            )
            keys, values = numbers.choice(((128, 512), (48, 96), (5, 7)))
            pixels, slots = numbers.randint(1, largest * 4), numbers.randint(1, 6)
            objects = numbers.choice(OBJECTS)
            yield memory_call(
                tensors,
                keys=keys,
                values=values,
                pixels=pixels if objects < MANY else pixels // 4 + 1,
                objects=objects,
                slots=slots,
                dtype=dtype,
            )
            yield directional_call(
                tensors,
                channels=numbers.choice((*CHANNELS, 512)),
                pixels=pixels,
                references=numbers.randint(1, largest * 4),
                objects=numbers.choice(OBJECTS),
                classes=numbers.randint(1, 3),
                slots=slots,
                dtype=dtype,
            )
            groups = numbers.choice((1, 2, 25, 32))
            yield norm_call(
                tensors,
                rows=numbers.choice((0, *ROWS)),
                channels=groups * numbers.randint(1, 4),
                groups=groups,
                size=size,
                dtype=dtype,
                relu=numbers.choice((False, True)),
            )
            yield gate_call(
                tensors,
                rows=numbers.choice((0, *ROWS)),
                channels=numbers.randint(1, 4 * largest),
                size=size,
                dtype=dtype,
            )


def _calls_of_frames(tensors: torch.Generator, numbers: random.Random, largest: int) -> Iterator[Call]:
    """What has no half precision."""
    frame = numbers.randint(1, largest * 4), numbers.randint(1, largest * 4)
    size = numbers.randint(1, largest), numbers.randint(1, largest)
    rows = numbers.choice(ROWS)
    yield image_call(tensors, frame=frame, size=numbers.choice((size, frame)))
    yield probabilities_call(tensors, rows=rows, grid=size, frame=frame)
    yield labels_call(tensors, rows=rows, grid=size, frame=frame)
    yield others_call(tensors, rows=rows, maps=numbers.randint(1, 7), size=size)


def share_of_limit(call: Call, output: torch.Tensor) -> float:
    """Largest error over what float32 sums allow; infinite for NaN."""
    if not output.numel():
        return 0.0
    if call.operator == "FrameLabels":
        return _share_of_labels(call, output)
    expected = reference(call)
    if call.operator in ("FrameImage", "FrameProbabilities"):
        limit = 8e-6 + (_error_of_places(call.inputs["logits"]) if "logits" in call.inputs else 0.0)
        share = (output.double() - expected).abs().max() / limit
        return float("inf") if bool(torch.isnan(output).any()) else float(share)
    if "maps" in call.inputs:
        accuracy = 2e-6 if output.dtype == torch.float32 else 2**-10
        largest = call.inputs["maps"].double().abs().max()
        share = ((output.double() - expected).abs() / (accuracy * expected.abs() + 8e-6 * largest)).max()
        return float("inf") if bool(torch.isnan(output).any()) else float(share)
    norm = call.inputs["query"].double().square().flatten(1).sum(0).max()
    if call.operator == "MemoryRead":
        limit = 2e-6 + 1e-6 * norm
        if call.inputs["values"].dtype == torch.float16:  # weights have eleven bits there
            limit = limit + 2**-11 * call.inputs["values"].double().abs().max()
    else:
        limit = 1e-6 * expected.abs().clamp(max=1e4) + 4e-6 * norm
    share = ((output.double() - expected).abs() / limit).max()
    return float("inf") if bool(torch.isnan(output).any()) else float(share)


def _share_of_labels(call: Call, labels: torch.Tensor) -> float:
    """How far a named row is behind; infinite for a label that no row has."""
    logits, rows = call.inputs["logits"].double(), call.inputs["rows"]
    is_named = labels[None] == rows.reshape(-1, 1, 1)
    if not bool(is_named.any(0).all()):
        return float("inf")
    whole = enlarged(logits, call.shape)
    behind = whole.amax(0) - torch.where(is_named, whole, torch.zeros_like(whole)).sum(0)
    return float(behind.max() / (2e-6 * logits.abs().max() + _error_of_places(logits)))


def _error_of_places(logits: torch.Tensor) -> torch.Tensor:
    """Places between the pixels of enlarged logits are float32, as the operators' definition has them."""
    return 4e-8 * sum(logits.shape[1:]) * logits.double().abs().max()


if __name__ == "__main__":
    sys.exit(main())
