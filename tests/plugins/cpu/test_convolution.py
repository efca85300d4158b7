"""Winograd's convolution with each set of vector instructions that this processor has."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.plugins.brute_force import brute_force_convolution

HERE = Path(__file__).parent
SOURCES = HERE.parents[2] / "plugins" / "cpu"
INSTRUCTIONS = ("portable", "AVX2", "AVX-512")  # in the order of the enumeration


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("needs g++")
    path = tmp_path_factory.mktemp("convolution") / "convolution.so"
    options = ["-O2", "-std=c++17", "-shared", "-fPIC", f"-I{SOURCES}"]
    sources = [str(SOURCES / "convolution.cpp"), str(HERE / "convolution_host.cpp")]
    subprocess.run([compiler, *options, *sources, "-o", str(path)], check=True)
    return ctypes.CDLL(str(path))


@pytest.mark.parametrize("size", [(1, 1), (4, 4), (5, 9), (23, 67), (120, 31)], ids=str)
@pytest.mark.parametrize("channels", [(1, 1), (7, 13), (65, 64), (300, 24)], ids=str)
@pytest.mark.parametrize("instructions", range(len(INSTRUCTIONS)), ids=INSTRUCTIONS)
def test_convolution_agrees_with_brute_force(
    library: ctypes.CDLL, instructions: int, channels: tuple[int, int], size: tuple[int, int]
) -> None:
    if instructions > library.best():
        pytest.skip(f"this processor has no {INSTRUCTIONS[instructions]}")
    rng = np.random.default_rng(channels[0])
    image = rng.standard_normal((2, channels[0], *size), np.float32)
    weights = rng.standard_normal((channels[1], channels[0], 3, 3), np.float32)
    bias = rng.standard_normal(channels[1], np.float32)
    result = np.full((2, channels[1], *size), np.nan, np.float32)
    sizes = np.array([2, *channels, *size], np.int64)
    pointers = [a.ctypes.data_as(ctypes.c_void_p) for a in (image, weights, bias, result, sizes)]
    assert library.convolve(instructions, *pointers) == 0
    expected = brute_force_convolution(image, weights, bias)
    np.testing.assert_allclose(result, expected, atol=4e-6 * np.abs(expected).max())
