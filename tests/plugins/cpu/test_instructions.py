"""The CPU's operators with each set of vector instructions that this processor has, and tasks in reverse."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.plugins.brute_force import REFERENCES, brute_force_convolution
from tests.plugins.operator_cases import CASES, NO_NUMBERS, Case

HERE = Path(__file__).parent
SOURCES = HERE.parents[2] / "plugins" / "cpu"
# What makes AVX-512's code run on a processor with AVX2.
EMULATION = {
    "instruction_sets.h": {
        "avx512f,avx512bw,avx512dq,avx512vl,fma": "avx2,fma",
        "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,fma": "avx2,fma",
        "#define VOSRT_VDPBF16PS": "",
    },
    "processor.h": {
        "return Instructions::avx2;": "return Instructions::avx512;",
        '__builtin_cpu_supports("avx512bf16")': "true",
    },
}
COMPILERS = [name for name in ("g++", "clang++") if shutil.which(name)] or ["g++"]
INSTRUCTIONS = ("portable", "AVX2", "AVX-512")  # in the order of the enumeration


@pytest.fixture(scope="module", params=COMPILERS)
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The operators; without AVX-512, its vectors of sixteen floats are halved by the compiler."""
    compiler = shutil.which(request.param)
    if compiler is None:
        pytest.skip(f"needs {request.param}")
    folder = tmp_path_factory.mktemp("operators")
    sources = _sources_for_this_processor(folder)
    options = ["-O2", "-std=c++17", "-shared", "-fPIC", "-Wno-psabi", f"-I{sources}"]
    files = [str(file) for file in sorted(sources.glob("*.cpp"))]
    path = folder / "operators.so"
    subprocess.run(
        [compiler, *options, *files, str(HERE / "operators_host.cpp"), "-o", str(path)], check=True
    )
    return ctypes.CDLL(str(path))


def _sources_for_this_processor(folder: Path) -> Path:
    cpu_info = Path("/proc/cpuinfo")
    flags = cpu_info.read_text() if cpu_info.exists() else ""
    if "avx2" not in flags or {"avx512bw", "avx512dq", "avx512vl"} <= {*flags.split()}:
        return SOURCES
    copy = shutil.copytree(SOURCES, folder / "sources")
    for file, replacements in EMULATION.items():
        text = (copy / file).read_text()
        for there, instead in replacements.items():
            assert text.count(there) == 1
            text = text.replace(there, instead)
        (copy / file).write_text(text)
    return copy


@pytest.fixture(params=range(len(INSTRUCTIONS)), ids=INSTRUCTIONS)
def instructions(request: pytest.FixtureRequest, library: ctypes.CDLL) -> int:
    chosen: int = request.param
    if chosen > library.best():
        pytest.skip(f"this processor has no {INSTRUCTIONS[chosen]}")
    return chosen


def call(
    library: ctypes.CDLL,
    function: str,
    instructions: int,
    arrays: Sequence[np.ndarray],
    shape: Sequence[int],
    sizes: Sequence[int],
    dtype: type = np.float32,
) -> np.ndarray:
    """The result; fails where memory behind the workspace was written."""
    result = np.full(shape, np.nan if dtype is np.float32 else 77, dtype)
    given = [np.ascontiguousarray(array) for array in (*arrays, result, np.array(sizes, np.int64))]
    given[-2] = result
    pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in given]
    assert getattr(library, function)(instructions, *pointers) == 0
    return result


@pytest.mark.parametrize("size", [(1, 1), (4, 4), (5, 9), (23, 67), (120, 31)], ids=str)
@pytest.mark.parametrize("channels", [(1, 1), (7, 13), (65, 64), (300, 24)], ids=str)
def test_convolution_agrees_with_brute_force(
    library: ctypes.CDLL, instructions: int, channels: tuple[int, int], size: tuple[int, int]
) -> None:
    rng = np.random.default_rng(channels[0])
    image = rng.standard_normal((2, channels[0], *size), np.float32)
    weights = rng.standard_normal((channels[1], channels[0], 3, 3), np.float32)
    bias = rng.standard_normal(channels[1], np.float32)
    shape = (2, channels[1], *size)
    sizes = (2, *channels, *size, 3, 0)
    result = call(library, "convolve", instructions, (image, weights, bias), shape, sizes)
    expected = brute_force_convolution(image, weights, bias)
    np.testing.assert_allclose(result, expected, atol=4e-6 * np.abs(expected).max())


def run_case(
    library: ctypes.CDLL, instructions: int, case: Case, shape: Sequence[int], *, rounded: bool = False
) -> np.ndarray:
    arrays, attributes = case.arrays, case.attributes
    values = list(arrays.values())
    first = values[0].shape
    match case.operator:
        case "Convolution1x1" | "Convolution3x3" | "Convolution1x1Relu" | "Convolution3x3Relu":
            weights = arrays["weights"].shape
            sizes = (first[0], first[1], weights[0], *first[2:], weights[2], case.operator.endswith("Relu"))
            return call(library, "convolve", instructions, values, shape, sizes)
        case "FrameImage":
            sizes = (*first[1:3], *arrays["size"].tolist())
            return call(library, "show", instructions, values, shape, sizes)
        case "FrameProbabilities":
            return call(library, "weigh", instructions, values, shape, (*first, *arrays["size"].tolist()))
        case "FrameLabels":
            sizes = (*first, *arrays["size"].tolist())
            return call(library, "label", instructions, values, shape, sizes, np.int32)
        case "SeparableResize":
            return call(
                library, "resize", instructions, values, shape, (first[0] * first[1], *first[2:], *shape[2:])
            )
        case "LeastOther":
            return call(library, "find_others", instructions, values, shape, (first[0], values[0][0].size))
        case "GlobalMatching":
            sizes = (
                first[0],
                first[1] * first[2],
                *arrays["bank_labels"].shape,
                *arrays["rows"].shape,
                rounded,
            )
            return call(library, "match_globally", instructions, values, shape, sizes)
        case "LocalMatching":
            windows = np.array(attributes["windows"], np.int64)
            sizes = (*first, *arrays["rows"].shape, len(windows), attributes.get("dilation", 1), rounded)
            return call(library, "match_locally", instructions, (*values, windows), shape, sizes)
        case "MemoryRead":
            objects, slots, channels, pixels = arrays["keys"].shape
            sizes = (channels, arrays["values"].shape[2], objects, slots, pixels)
            return call(library, "read_memory", instructions, values, shape, sizes)
        case "DirectionalMatching":
            objects, classes, slots, references = arrays["weights"].shape
            sizes = (*first, slots, references, objects, classes)
            return call(library, "match_directions", instructions, values, shape, sizes)
        case "GroupNorm" | "GroupNormRelu":
            relu = case.operator == "GroupNormRelu"
            sizes = (first[0], first[1], first[2] * first[3], attributes["groups"], int(relu))
            return call(library, "normalise", instructions, values, shape, sizes)
        case _:
            sizes = (first[0], first[1], first[2] * first[3])
            return call(library, "open_gates", instructions, values, shape, sizes)


@pytest.mark.parametrize("name", [name for name in CASES if "no image" not in name])
def test_operators_agree_with_brute_force(library: ctypes.CDLL, instructions: int, name: str) -> None:
    case = CASES[name]()
    expected = REFERENCES[case.operator](**case.arrays, **case.attributes)
    found = run_case(library, instructions, case, expected.shape)
    first = next(iter(case.arrays.values())).astype(np.float64)
    away = np.abs(first).max(initial=1)
    if "Convolution" in case.operator:
        away = np.abs(expected).max(initial=1)
    if case.operator == "FrameImage":
        away = 4.0  # of the normed colours
    if case.operator in ("GlobalMatching", "LocalMatching", "MemoryRead"):
        away = 1 + np.square(first).sum(0).max(initial=0)
    np.testing.assert_allclose(found, expected, rtol=3e-6, atol=4e-6 * away)


@pytest.mark.parametrize(
    "name",
    [
        *NO_NUMBERS,
        "bent pointwise of three images",
        "folded convolution of three images",
        "resize to more",
    ],
)
def test_what_is_no_number_shows(library: ctypes.CDLL, instructions: int, name: str) -> None:
    case = CASES[name]()
    shape = REFERENCES[case.operator](**case.arrays, **case.attributes).shape
    first = next(iter(case.arrays.values()))
    first.flat[first.size // 2] = np.nan
    assert np.isnan(run_case(library, instructions, case, shape)).any()


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith(("global", "local"))])
def test_matching_of_bfloat16_is_that_of_rounded_features(
    library: ctypes.CDLL, instructions: int, name: str
) -> None:
    case = CASES[name]()
    arrays = {
        key: rounded_to_bfloat16(array) if array.dtype == np.float32 else array
        for key, array in case.arrays.items()
    }
    expected = REFERENCES[case.operator](**arrays, **case.attributes)
    found = run_case(library, instructions, case, expected.shape, rounded=True)
    away = 1 + np.square(next(iter(arrays.values())).astype(np.float64)).sum(0).max(initial=0)
    np.testing.assert_allclose(found, expected, rtol=3e-6, atol=4e-6 * away)


def rounded_to_bfloat16(array: np.ndarray) -> np.ndarray:
    """The nearest numbers of 8 bits, of two the even one, written out with frexp."""
    fraction, exponent = np.frexp(array.astype(np.float64))
    return np.ldexp(np.round(fraction * 256) / 256, exponent).astype(np.float32)


def test_bfloats_are_the_nearest(library: ctypes.CDLL) -> None:
    rng = np.random.default_rng(2)
    values = np.concatenate(
        [rng.standard_normal(1000), [0.0, -0.0, 1.00390625, 1.01171875, 65280.0, np.inf]]
    ).astype(np.float32)
    found = np.empty_like(values)
    pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (values, found)]
    library.bfloats(*pointers, ctypes.c_int64(len(values)))
    np.testing.assert_array_equal(found[:-1], rounded_to_bfloat16(values[:-1]))
    assert found[-1] == np.inf


def test_halves_are_the_nearest(library: ctypes.CDLL) -> None:
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)
    between = np.random.default_rng(0).uniform(-7e4, 7e4, 20_000).astype(np.float32)
    tiny = np.random.default_rng(1).uniform(-1e-4, 1e-4, 20_000).astype(np.float32)
    finite = every[np.isfinite(every)]
    ties = (finite[:-1] + finite[1:]) / 2
    known = every[~np.isnan(every)]
    values = np.concatenate([known, between, tiny, ties, [65519.9, 65520, 1e30, 0.0, -0.0]]).astype(
        np.float32
    )
    halves, back = np.empty(len(values), np.uint16), np.empty(len(values), np.float32)
    pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (values, halves, back)]
    library.halves(*pointers, ctypes.c_int64(len(values)))
    with np.errstate(over="ignore"):
        expected = values.astype(np.float16)
    np.testing.assert_array_equal(halves.view(np.float16), expected)
    np.testing.assert_array_equal(np.signbit(back), np.signbit(values))
    np.testing.assert_array_equal(back, expected.astype(np.float32))


def label_runs(pixels: int, seed: int) -> np.ndarray:
    """Labels in runs of one to a few hundred pixels, void among them."""
    rng = np.random.default_rng(seed)
    lengths = rng.choice([1, 2, 7, 31, 32, 33, 250], pixels)
    return np.repeat(rng.choice([0, 0, 1, 3, 254, 255], pixels), lengths)[:pixels].astype(np.int32)


def survey(
    library: ctypes.CDLL, instructions: int, labels: np.ndarray, probabilities: np.ndarray, rows: list[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels as bytes, pixels of every one, sums of every row."""
    pixels, ids = len(labels), np.array(rows, np.int32)
    shown, counts = np.full(pixels, 77, np.uint8), np.full(256, 77, np.int64)
    sums = np.full(len(rows), np.nan, np.float32)
    sizes = np.array([len(rows), pixels], np.int64)
    arrays = (labels, probabilities, ids, shown, counts, sums, sizes)
    assert library.survey(instructions, *(array.ctypes.data_as(ctypes.c_void_p) for array in arrays)) == 0
    return shown, counts, sums


@pytest.mark.parametrize("pixels", [1, 15, 64, 4095, 4097, 30011])
def test_survey_agrees_with_numpy(library: ctypes.CDLL, instructions: int, pixels: int) -> None:
    labels, rows = label_runs(pixels, pixels), [0, 1, -1, 3, 200, 254]
    probabilities = np.random.default_rng(0).random((len(rows), pixels), np.float32)
    shown, counts, sums = survey(library, instructions, labels, probabilities, rows)
    np.testing.assert_array_equal(shown, np.where(labels == 255, 0, labels))
    np.testing.assert_array_equal(counts, np.bincount(shown, minlength=256))
    expected = [probabilities[row][labels == value].sum(dtype=np.float64) for row, value in enumerate(rows)]
    np.testing.assert_allclose(sums, expected, rtol=2e-6)


def test_sums_of_one_label_on_a_whole_frame_are_exact_enough(library: ctypes.CDLL, instructions: int) -> None:
    labels, probabilities = np.zeros(2_000_000, np.int32), np.full((1, 2_000_000), 0.1, np.float32)
    _, counts, sums = survey(library, instructions, labels, probabilities, [0])
    assert counts[0] == 2_000_000
    np.testing.assert_allclose(sums, np.float64(np.float32(0.1)) * 2e6, rtol=1e-5)


def test_a_probability_that_is_no_number_shows(library: ctypes.CDLL, instructions: int) -> None:
    labels, probabilities = np.zeros(5000, np.int32), np.ones((1, 5000), np.float32)
    probabilities[0, 4321] = np.nan
    assert np.isnan(survey(library, instructions, labels, probabilities, [0])[2])


def test_labels_that_no_byte_holds_belong_to_no_row(library: ctypes.CDLL, instructions: int) -> None:
    labels = np.array([-1, 256, 1 << 30, -(1 << 31), 1], np.int32)
    assert survey(library, instructions, labels, np.ones((1, 5), np.float32), [1])[2] == 1
