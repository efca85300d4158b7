"""A stream over many frames: latency, and on a GPU every copy and allocation after the warm-up.

`python -m vosrt.benchmarks.gpu.steady_state BUNDLE --executor tensorrt --frames 2000`; `--trace` adds what
CUPTI saw, which costs some time itself.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vosrt.benchmarks.bench_clip import generated_clip
from vosrt.benchmarks.gpu.counting_driver import CountingDriver
from vosrt.benchmarks.gpu.device_trace import DeviceTrace
from vosrt.benchmarks.option_values import frame_size
from vosrt.cuda.open_device import open_cuda_device
from vosrt.placement import place
from vosrt.segmenter import Segmenter
from vosrt.trt.checked_engines import EngineSettings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit status."""
    options = _parser().parse_args(arguments)
    trace = DeviceTrace(options.cupti) if options.trace else None
    placement, driver = place(options.device, options.executor), None
    if placement.cuda is not None:
        driver = CountingDriver(placement.cuda.driver)
        placement = replace(placement, cuda=open_cuda_device(driver))
    segmenter = Segmenter(
        options.bundle,
        precision=options.precision,
        placement=placement,
        engines=EngineSettings(objects=options.objects, allow_drift=True),
    )
    started = time.perf_counter()
    agreement = segmenter.prepare(*options.size)
    prepared = time.perf_counter() - started
    clip = generated_clip(options.size, options.objects, frames=options.frames)
    stream = segmenter.stream()
    times, before = [], {}
    for index in range(options.frames + options.warm_up):
        if index == options.warm_up:
            before = driver.counts() if driver else {}
            if trace is not None:
                trace.take()
        frame = clip.frame(index)
        started = time.perf_counter()
        stream.step(frame, mask=clip.mask if index == 0 else None)
        times.append((time.perf_counter() - started) * 1e3)
    late = np.array(times[options.warm_up :])
    p50, p95, p99 = np.percentile(late, (50, 95, 99))
    after = driver.counts() if driver else {}
    traced = trace.take() if trace is not None else {}
    per_frame = {name: (after[name] - count) / options.frames for name, count in before.items()}
    print(
        json.dumps(
            {
                "placement": str(placement),
                "precision": segmenter.precision,
                "frame": list(options.size),
                "objects": options.objects,
                "frames": options.frames,
                "seconds until engines were there": round(prepared, 1),
                "labels equal to float32": agreement and {"mean": agreement.mean, "worst": agreement.worst},
                "milliseconds": {"p50": p50, "p95": p95, "p99": p99, "max": float(late.max())},
                "p99 over p50": p99 / p50,
                "per frame": per_frame,
                "traced per frame": {name: count / options.frames for name, count in traced.items()},
                "stream bytes": stream.memory,
            }
        )
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="steady_state", description=__doc__)
    parser.add_argument("bundle")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--executor", default="tensorrt")
    parser.add_argument("--precision")
    parser.add_argument("--size", type=frame_size, default=(480, 854), metavar="HxW")
    parser.add_argument("--objects", type=int, default=1)
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--warm-up", type=int, default=50)
    parser.add_argument("--trace", action="store_true", help="count copies and allocations with CUPTI")
    parser.add_argument("--cupti", metavar="FILE", help="its library")
    return parser


if __name__ == "__main__":
    sys.exit(main())
