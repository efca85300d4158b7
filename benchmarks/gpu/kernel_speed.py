"""Time of the kernels beside the limits of the GPU and the formulations they replace.

`python -m vosrt.benchmarks.gpu.kernel_speed`. Limits are measured in the same run: a large product of
matrices in float16 and float32, and a large copy. A kernel's share is its useful operations (or bytes) per
second over the limit of their kind.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
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
)
from vosrt.cuda.kernel_library import KernelLibrary
from vosrt.errors import reason_of

Row = dict[str, Any]  # of the table of results
_RECORDED = 10  # runs at a time
_BYTES = "bytes per second"  # name of a limit


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    parser = argparse.ArgumentParser(prog="kernel_speed", description=__doc__)
    add_arguments(parser)
    parser.add_argument("--grid", type=int, nargs=2, default=(120, 214), help="of the features (120 214)")
    parser.add_argument("--frame", type=int, nargs=2, default=(480, 854), help="of a camera (480 854)")
    parser.add_argument("--channels", type=int, default=100, help="of embeddings (100)")
    parser.add_argument("--memory", type=int, nargs=2, default=(128, 512), help="keys and values (128 512)")
    parser.add_argument("--directions", type=int, default=512, help="channels of directions (512)")
    parser.add_argument("--maps", type=int, default=256, help="channels of maps that are normed (256)")
    parser.add_argument("--repeats", type=int, default=50, help="timed runs (50)")
    parser.add_argument("--warm-up", type=int, default=3, help="runs before them (3)")
    options = parser.parse_args(arguments)
    library = open_kernels(options, is_poisoned=False)
    timer = Timer(options.device, options.repeats, options.warm_up)
    limits = measured_limits(timer, options.device)
    random = torch.Generator(options.device).manual_seed(options.seed)
    trial = KernelTrial(library, timer, limits, random, (options.grid[0], options.grid[1]))
    works: list[Iterator[Row]] = []
    for dtype in (torch.float16, torch.float32):
        works += [
            trial.global_matching(options.channels, dtype),
            trial.local_matching(options.channels, dtype),
            trial.memory_read(options.memory[0], options.memory[1], dtype),
            trial.directional_matching(options.directions, dtype),
            trial.norms(options.maps, dtype),
        ]
    works.append(trial.ends_of_a_network((options.frame[0], options.frame[1])))
    rows: list[Row] = []
    failed: list[str] = []
    for work in works:
        try:
            rows.extend(work)
        except RuntimeError as error:  # of a kernel or of PyTorch: the others are measured
            failed.append(reason_of(error))
            print(f"failed: {failed[-1]}", file=sys.stderr)
    print(json.dumps({"limits": limits, "kernels": rows, "failed": failed}))
    return 1 if failed else 0


class Timer:
    """Median milliseconds of some work, after a few runs that do not count."""

    def __init__(self, device: str, repeats: int, warm_up: int) -> None:
        self._gpu = torch.device(device).type == "cuda"
        self._repeats, self._warm_up = repeats, warm_up

    def __call__(self, work: Callable[[], object]) -> float:
        """Run and time it."""
        for _ in range(self._warm_up):
            work()
        return statistics.median(self._once(work) for _ in range(self._repeats))

    def kernels(self, work: Callable[[], object]) -> float:
        """What its kernels take, without what Python takes to launch them: several runs in a CUDA graph."""
        return self(_recorded(work)) / _RECORDED if self._gpu else self(work)

    def _once(self, work: Callable[[], object]) -> float:
        if not self._gpu:
            started = time.perf_counter()
            work()
            return (time.perf_counter() - started) * 1e3
        before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        before.record()
        work()
        after.record()
        torch.cuda.synchronize()
        return before.elapsed_time(after)


def _recorded(work: Callable[[], object]) -> Callable[[], object]:
    """Several runs as one CUDA graph."""
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        work()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(_RECORDED):
            work()
    return graph.replay


def measured_limits(timer: Timer, device: str) -> dict[str, float]:
    """Operations and bytes per second: what a product of matrices and a copy reach."""
    size = 8192 if device.startswith("cuda") else 256
    limits = {}
    torch.backends.cuda.matmul.allow_tf32 = False
    for dtype in (torch.float16, torch.float32):
        a = torch.randn(size, size, device=device).to(dtype)
        milliseconds = timer(partial(torch.matmul, a, a))
        limits[_operations(dtype)] = 2 * size**3 / milliseconds * 1e3
    source = torch.empty(size * size * 4, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    limits[_BYTES] = 2 * source.numel() / timer(lambda: target.copy_(source)) * 1e3
    return limits


@dataclass(frozen=True)
class KernelTrial:
    """Kernels on inputs of a network's size.

    Attributes:
        library: of the kernels.
        timer: of what they take.
        limits: what the GPU reaches, by name.
        random: for the inputs.
        grid: of the features, lines and columns at stride 4.
    """

    library: KernelLibrary
    timer: Timer
    limits: dict[str, float]
    random: torch.Generator
    grid: tuple[int, int]

    def global_matching(self, channels: int, dtype: torch.dtype) -> Iterator[Row]:
        """One reference frame of every pixel; the useful work does not depend on the number of objects."""
        pixels = self.grid[0] * self.grid[1]
        for objects in (1, 3, 8):
            call = global_call(
                self.random,
                channels=channels,
                size=self.grid,
                references=pixels,
                rows=objects + 1,
                dtype=dtype,
            )
            call.inputs["rows"].copy_(torch.arange(objects + 1))
            labels = torch.arange(pixels) % (objects + 1)
            call.inputs["bank_labels"].copy_(labels.sort().values)
            yield self._row(call, objects, 2 * pixels * pixels * channels, _operations(dtype))

    def local_matching(self, channels: int, dtype: torch.dtype) -> Iterator[Row]:
        """At half the size, as CFBI does, beside unfolded windows in PyTorch.

        Useful are a difference, a product and a sum for each channel of every pair of pixels in the largest
        window; the kernel computes them in float32, whatever the type of the features.
        """
        from vosrt.benchmarks.published_matching import published_local_matching

        size = (self.grid[0] // 2, self.grid[1] // 2)
        for objects in (1, 3, 8):
            call = local_call(
                self.random,
                channels=channels,
                size=size,
                rows=objects + 1,
                windows=OFFICIAL_WINDOWS,
                dilation=1,
                dtype=dtype,
            )
            operations = 3 * channels * _pairs(size, max(OFFICIAL_WINDOWS))
            row = self._row(call, objects, operations, _operations(torch.float32))
            if dtype == torch.float32:
                formulation = partial(published_local_matching, windows=list(OFFICIAL_WINDOWS))
                unfolded = self.timer(partial(formulation, *call.inputs.values()))
                row["unfolded in PyTorch, milliseconds"] = unfolded
                row["times faster"] = unfolded / row["milliseconds"]
            yield row

    def memory_read(self, keys: int, values: int, dtype: torch.dtype) -> Iterator[Row]:
        """STM's channels on its grid of stride 16."""
        pixels = (self.grid[0] // 4) * (self.grid[1] // 4)
        for objects, slots in ((1, 2), (1, 20), (3, 20)):
            call = memory_call(
                self.random,
                keys=keys,
                values=values,
                pixels=pixels,
                objects=objects,
                slots=slots,
                dtype=dtype,
            )
            call.inputs["valid"].fill_(1)
            operations = 2 * objects * slots * pixels * pixels * (keys + values)
            yield self._row(call, objects, operations, _operations(dtype)) | {"slots": slots}

    def directional_matching(self, channels: int, dtype: torch.dtype) -> Iterator[Row]:
        """One reference frame, object and rest, at stride 16; the products do not depend on the objects."""
        pixels = -(self.grid[0] // -4) * -(self.grid[1] // -4)
        for objects in (1, 3):
            call = directional_call(
                self.random,
                channels=channels,
                pixels=pixels,
                references=pixels,
                objects=objects,
                classes=2,
                slots=1,
                dtype=dtype,
            )
            call.inputs["valid"].fill_(1)
            call.inputs["weights"].nan_to_num_(nan=0.5)
            yield self._row(call, objects, 2 * pixels * pixels * channels, _operations(dtype))

    def norms(self, channels: int, dtype: torch.dtype) -> Iterator[Row]:
        """Groups of eight channels; the useful bytes are read once and written once."""
        groups = channels // 8
        for objects in (1, 8):
            settings: dict[str, Any] = {"rows": objects + 1, "channels": channels, "size": self.grid}
            for call in (
                norm_call(self.random, **settings, groups=groups, dtype=dtype),
                gate_call(self.random, **settings, dtype=dtype),
            ):
                maps = call.inputs["maps"]
                row = self._row(call, objects, 2 * maps.nbytes, _BYTES)
                if call.operator == "GroupNorm":
                    gain, shift = (call.inputs[name].to(dtype) for name in ("gain", "shift"))
                    formulation = partial(torch.nn.functional.group_norm, maps, groups, gain, shift)
                    row["in PyTorch, milliseconds"] = self.timer.kernels(formulation)
                yield row

    def ends_of_a_network(self, frame: tuple[int, int]) -> Iterator[Row]:
        """From a frame and to its masks; the useful bytes are read once and written once."""
        formulations: dict[str, Callable[..., torch.Tensor]] = {
            "FrameProbabilities": lambda logits: enlarged(logits, frame).softmax(0),
            "FrameLabels": lambda logits, ids: ids[enlarged(logits, frame).argmax(0)],
        }
        for objects in (1, 8):
            rows = objects + 1
            calls = [
                probabilities_call(self.random, rows=rows, grid=self.grid, frame=frame),
                labels_call(self.random, rows=rows, grid=self.grid, frame=frame),
                others_call(self.random, rows=rows, maps=len(OFFICIAL_WINDOWS), size=self.grid),
            ]
            for call in [image_call(self.random, frame=frame, size=frame), *calls] if objects == 1 else calls:
                useful = sum(one.nbytes for one in (*call.inputs.values(), call.output()))
                row = self._row(call, objects, useful, _BYTES)
                in_pytorch = formulations.get(call.operator)
                if in_pytorch is not None:
                    work = partial(in_pytorch, *call.inputs.values())
                    row["in PyTorch, milliseconds"] = self.timer.kernels(work)
                yield row

    def _row(self, call: Call, objects: int, useful: float, limit: str) -> Row:
        """Time of a kernel; `useful` are its operations or bytes, whichever the limit counts."""
        output = call.output()
        milliseconds = self.timer.kernels(lambda: call.run(self.library, output))
        return {
            "kernel": call.operator,
            "type": str(next(iter(call.inputs.values())).dtype).replace("torch.", ""),
            "objects": objects,
            "milliseconds": milliseconds,
            "share of the limit": useful / milliseconds * 1e3 / self.limits[limit],
        }


def _pairs(size: tuple[int, int], radius: int) -> int:
    """Pixels in windows around every pixel that lie in the image."""
    lines, columns = (
        sum(length - abs(offset) for offset in range(-radius, radius + 1) if abs(offset) < length)
        for length in size
    )
    return lines * columns


def _operations(dtype: torch.dtype) -> str:
    """Name of a limit."""
    return f"{dtype} operations per second".removeprefix("torch.")


if __name__ == "__main__":
    sys.exit(main())
