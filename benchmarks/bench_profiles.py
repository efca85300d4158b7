"""Settings of `vosrt bench` that make sense on a kind of machine, and why."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vosrt.benchmarks.candidate import ONNXRUNTIME, TENSORRT
from vosrt.fastest_precision import FASTEST


@dataclass(frozen=True)
class Profile:
    """What a profile sets where the command line does not.

    Attributes:
        settings: by the name of the option's value.
        reasons: a line each.
    """

    settings: Mapping[str, Any]
    reasons: tuple[str, ...]


PROFILES: Mapping[str, Profile] = {
    "cpu": Profile(
        {
            "device": "cpu",
            "executors": (ONNXRUNTIME,),
            "precision": ("float32", FASTEST),
            "frames": 60,
            "rounds": 12,
            "until": 0.02,
        },
        (
            "no float16: x86 processors without AVX-512 FP16 convert such graphs back and forth",
            "fastest is int8 where the processor multiplies bytes, and matching in bfloat16 where it can",
            "one thread per physical core: a second one on the same core gives matrix products nothing",
        ),
    ),
    "v100": Profile(
        {
            "device": "cuda",
            "executors": (TENSORRT, ONNXRUNTIME),
            "precision": ("float16",),
            "frames": 2000,
            "rounds": 20,
            "warm_up": 20,
            "until": 0.01,
        },
        (
            "TensorRT up to 10.4, CUDA 12 and onnxruntime-gpu up to 1.26 are the last with kernels for it",
            "float16: its tensor cores take nothing else, neither bfloat16 nor TF32",
            "fix the clocks before (nvidia-smi -lgc), or the first rounds are faster than the rest",
        ),
    ),
    "jetson-orin": Profile(
        {
            "device": "cuda",
            "executors": (TENSORRT,),
            "precision": ("float16",),
            "size": (480, 854),
            "frames": 600,
            "rounds": 20,
            "warm_up": 20,
            "until": 0.02,
        },
        (
            "TensorRT 10.3 of JetPack 6; ONNX Runtime's CUDA provider takes memory that the GPU shares",
            "set the power mode before (nvpmodel -m 0, then jetson_clocks); the report records it",
            "watch the energy per frame: the board's sensor is read during every round",
        ),
    ),
}


def apply_profile(parser: argparse.ArgumentParser, name: str) -> tuple[str, ...]:
    """Make a profile's settings the parser's defaults; returns the reasons."""
    parser.set_defaults(**PROFILES[name].settings)
    return PROFILES[name].reasons
