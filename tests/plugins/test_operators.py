"""Every operator over every implementation this machine has, against a brute-force float64 reference."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.plugins.brute_force import REFERENCES
from tests.plugins.kernels.emulated import emulated_custom_ops, emulated_kernels
from vosrt.cuda.kernel_library import KernelLibrary
from vosrt.native_libraries import native_library
from vosrt.plugins import DOMAIN, OPERATORS, Operator

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
torch = pytest.importorskip("torch")

KERNELS = Path(__file__).parents[2] / "runtime/native/libvosrt_kernels.so"
Arrays = dict[str, np.ndarray]
OFFICIAL_WINDOWS = [12, 2, 4, 6, 8, 10]
ONNX_TYPES = {
    "float16": onnx.TensorProto.FLOAT16,
    "float32": onnx.TensorProto.FLOAT,
    "int32": onnx.TensorProto.INT32,
}


# --- implementations: (operator, arrays, attributes) -> output; a CUDA or TensorRT one joins the table ---


def run_torch(operator: Operator, arrays: Arrays, attributes: dict[str, Any]) -> np.ndarray:
    inputs = [torch.from_numpy(arrays[port.name]) for port in operator.inputs]
    return operator.compute(*inputs, **attributes).numpy()


def run_torch_float64(operator: Operator, arrays: Arrays, attributes: dict[str, Any]) -> np.ndarray:
    doubled = {k: v.astype(np.float64) if v.dtype.kind == "f" else v for k, v in arrays.items()}
    result = run_torch(operator, doubled, attributes)
    assert result.dtype == np.float64
    return result.astype(np.float32)


def run_custom_ops_on_cpu(operator: Operator, arrays: Arrays, attributes: dict[str, Any]) -> np.ndarray:
    """The CUDA kernels as custom operators of ONNX Runtime, thread by thread."""
    key = tuple((k, tuple(v) if isinstance(v, list) else v) for k, v in attributes.items())
    library = str(emulated_custom_ops())
    session = body_session(operator.name, key, str(arrays["query"].dtype), 17, "ORT_ENABLE_ALL", library)
    return session.run(None, arrays)[0]


def run_native_operators(operator: Operator, arrays: Arrays, attributes: dict[str, Any]) -> np.ndarray:
    """What installing compiles for the CPU; an input that is an initializer, and one that is not."""
    library = native_library("vosrt_ort_cpu")
    if library is None:
        pytest.skip("needs g++ when vosrt is installed")
    model = one_node_model(operator, attributes, "float32", 17)
    del model.functions[:]  # nothing but the library can run it
    changing = native_session(model, library).run(None, arrays)[0]
    model.graph.initializer.append(onnx.numpy_helper.from_array(arrays["weights"], "weights"))
    del model.graph.input[1]
    constant = native_session(model, library)
    result = constant.run(None, {k: v for k, v in arrays.items() if k != "weights"})[0]
    np.testing.assert_array_equal(result, changing)
    return result


def native_session(model: Any, library: Path) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.register_custom_ops_library(str(library))
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def run_body(opset: int, level: str) -> Callable[[Operator, Arrays, dict[str, Any]], np.ndarray]:
    def run(operator: Operator, arrays: Arrays, attributes: dict[str, Any]) -> np.ndarray:
        feature_type = str(arrays[operator.inputs[0].name].dtype)
        key = tuple((k, tuple(v) if isinstance(v, list) else v) for k, v in attributes.items())
        session = body_session(operator.name, key, feature_type, opset, level)
        return session.run(None, arrays)[0]

    return run


@lru_cache
def body_session(
    name: str,
    attributes: tuple[Any, ...],
    feature_type: str,
    opset: int,
    level: str,
    custom_ops: str | None = None,
) -> Any:
    options = onnxruntime.SessionOptions()
    if custom_ops is not None:
        options.register_custom_ops_library(custom_ops)
    options.intra_op_num_threads = 2
    options.log_severity_level = 3
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    model = one_node_model(OPERATORS[name], dict(attributes), feature_type, opset)
    if custom_ops is not None:
        del model.functions[:]  # nothing but the library can run it
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def one_node_model(operator: Operator, attributes: dict[str, Any], feature_type: str, opset: int) -> Any:
    """A graph of one operator node with its function body, every dimension dynamic."""

    def value(port: Any, dtype: str) -> Any:
        shape = [int(size) if size.isdigit() else size for size in port.shape]
        return onnx.helper.make_tensor_value_info(port.name, ONNX_TYPES[dtype], shape)

    node = onnx.helper.make_node(
        operator.name,
        [port.name for port in operator.inputs],
        [port.name for port in operator.outputs],
        domain=operator.domain,
        **operator.node_attributes(**attributes),
    )
    graph = onnx.helper.make_graph(
        [node],
        "one_node",
        [
            value(port, feature_type if feature_type in port.dtypes else port.dtypes[0])
            for port in operator.inputs
        ],
        [value(port, "float32") for port in operator.outputs],
    )
    model = onnx.helper.make_model(
        graph,
        opset_imports=[onnx.helper.make_opsetid("", opset), onnx.helper.make_opsetid(DOMAIN, 1)],
        functions=[operator.function_body(opset)],
        ir_version=8,
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def run_kernels_on_cpu(operator: Operator, arrays: Arrays, attributes: dict[str, Any]) -> np.ndarray:
    """The CUDA kernels, thread by thread; see `cuda_emulation.h`."""
    inputs = [np.ascontiguousarray(arrays[port.name]) for port in operator.inputs]
    shape = operator.compute(*map(torch.from_numpy, inputs), **attributes).shape
    result = np.full(tuple(shape), np.nan, np.float32)
    call_kernel(emulated_kernels(), operator, [*inputs, result], attributes)
    return result


def run_kernels_on_gpu(operator: Operator, arrays: Arrays, attributes: dict[str, Any]) -> np.ndarray:
    """The same from the library that `make plugins` builds, on PyTorch's arrays."""
    if not KERNELS.is_file():
        pytest.skip("needs `make plugins`")
    library = KernelLibrary(KERNELS, lambda size: torch.full((size,), 0xFF, dtype=torch.uint8, device="cuda"))
    inputs = [torch.from_numpy(arrays[port.name]).cuda().contiguous() for port in operator.inputs]
    shape = operator.compute(*inputs, **attributes).shape
    result = torch.full(tuple(shape), torch.nan, device="cuda")
    call_kernel(library, operator, [*inputs, result], attributes)
    return result.cpu().numpy()


def call_kernel(
    library: KernelLibrary, operator: Operator, arrays: list[Any], attributes: dict[str, Any]
) -> None:
    call = {
        "GlobalMatching": library.global_matching,
        "LocalMatching": library.local_matching,
        "MemoryRead": library.memory_read,
    }
    call[operator.name](*arrays, **attributes)


IMPLEMENTATIONS: dict[str, Callable[[Operator, Arrays, dict[str, Any]], np.ndarray]] = {
    "torch": run_torch,
    "torch-float64": run_torch_float64,
    "body-17-unoptimised": run_body(17, "ORT_DISABLE_ALL"),
    "body-17-basic": run_body(17, "ORT_ENABLE_BASIC"),
    "body-17-extended": run_body(17, "ORT_ENABLE_EXTENDED"),
    "body-17-all": run_body(17, "ORT_ENABLE_ALL"),
    "body-18-all": run_body(18, "ORT_ENABLE_ALL"),
    "native": run_native_operators,
    "cuda-on-cpu": run_kernels_on_cpu,
    "custom-ops-on-cpu": run_custom_ops_on_cpu,
}
ON_KERNELS = ("cuda", "cuda-on-cpu", "custom-ops-on-cpu")
WORDS = {  # that cases begin with
    "convolution": "Convolution3x3",
    "global": "GlobalMatching",
    "local": "LocalMatching",
    "read": "MemoryRead",
}
if torch.cuda.is_available():
    IMPLEMENTATIONS["cuda"] = run_kernels_on_gpu


# --- cases ---


@dataclass
class Case:
    operator: str
    arrays: Arrays
    attributes: dict[str, Any] = field(default_factory=dict)


def global_case(
    grid: tuple[int, int],
    rows: list[int],
    *,
    bank: int,
    labels: list[int],
    channels: int = 5,
    away: float = 0,
) -> Case:
    """`labels` are the values drawn for the bank, `away` lies between its features and the query's."""
    rng = np.random.default_rng(bank)
    arrays = {
        "query": rng.standard_normal((channels, *grid)).astype(np.float32),
        "bank": rng.standard_normal((bank, channels)).astype(np.float32),
        "bank_labels": rng.choice(np.array(labels, np.int32), bank),
        "rows": np.array(rows, np.int32),
    }
    arrays["bank"][: min(bank, 3)] = arrays["query"][:, 0, 0]  # exact matches: a distance of 0, never below
    arrays["bank"] += np.float32(away)
    return Case("GlobalMatching", arrays)


def local_case(
    grid: tuple[int, int],
    rows: list[int],
    windows: list[int],
    *,
    labels: list[int],
    dilation: int = 1,
    away: float = 0,
) -> Case:
    rng = np.random.default_rng(len(windows))
    arrays = {
        "query": rng.standard_normal((4, *grid)).astype(np.float32),
        "previous": rng.standard_normal((4, *grid)).astype(np.float32),
        "labels": rng.choice(np.array(labels, np.int32), grid),
        "rows": np.array(rows, np.int32),
    }
    arrays["previous"][:, ::2] = arrays["query"][:, ::2]  # exact matches
    arrays["previous"] += np.float32(away)
    return Case("LocalMatching", arrays, {"windows": windows, "dilation": dilation})


def read_case(
    valid: list[list[int]],
    pixels: int,
    *,
    channels: tuple[int, int] = (6, 5),
    scale: float = 1,
    elsewhere: float = np.nan,
) -> Case:
    """Standard normal keys times `scale`; slots that are not valid hold `elsewhere`."""
    rng = np.random.default_rng(pixels)
    flags = np.array(valid, np.int32)
    arrays = {
        "query": scale * rng.standard_normal((channels[0], pixels), np.float32),
        "keys": scale * rng.standard_normal((*flags.shape, channels[0], pixels), np.float32),
        "values": rng.standard_normal((*flags.shape, channels[1], pixels), np.float32),
        "valid": flags,
    }
    for name in ("keys", "values"):
        arrays[name][flags == 0] = elsewhere
    return Case("MemoryRead", arrays)


def convolution_case(images: int, channels: tuple[int, int], size: tuple[int, int]) -> Case:
    """`channels` in and out."""
    rng = np.random.default_rng(size[0])
    arrays = {
        "image": rng.standard_normal((images, channels[0], *size), np.float32),
        "weights": rng.standard_normal((channels[1], channels[0], 3, 3), np.float32),
        "bias": rng.standard_normal(channels[1], np.float32),
    }
    return Case("Convolution3x3", arrays)


CASES = {
    "convolution of one pixel": lambda: convolution_case(1, (1, 1), (1, 1)),
    "convolution of whole tiles": lambda: convolution_case(1, (16, 24), (8, 64)),
    "convolution of cut tiles": lambda: convolution_case(1, (5, 7), (9, 14)),
    "convolution of three images": lambda: convolution_case(3, (33, 17), (13, 101)),
    "convolution of a column": lambda: convolution_case(2, (3, 50), (31, 1)),
    "convolution of a row": lambda: convolution_case(1, (4, 6), (2, 333)),
    "convolution of no image": lambda: convolution_case(0, (4, 6), (5, 5)),
    "convolution in several steps, more channels than a block": lambda: convolution_case(
        1, (300, 65), (41, 120)
    ),
    "global one row": lambda: global_case((6, 9), [0], bank=40, labels=[0]),
    "global odd grid, 8 rows": lambda: global_case((7, 11), list(range(8)), bank=300, labels=[*range(8)]),
    "global absent rows": lambda: global_case((4, 5), [0, 1, 2, 3], bank=50, labels=[0, 2]),
    "global unused rows, though a label is -1": lambda: global_case(
        (4, 5), [0, 1, -1, -1], bank=50, labels=[-1, 0, 1]
    ),
    "global empty capacity": lambda: global_case((5, 8), [0, 3], bank=200, labels=[0, 3, 7, 255]),
    "global nothing valid": lambda: global_case((4, 6), [0, 1], bank=60, labels=[255]),
    "global one bank pixel": lambda: global_case((3, 3), [0, 1], bank=1, labels=[1]),
    "global empty bank": lambda: global_case((3, 3), [0, 1], bank=0, labels=[0]),
    "global several references": lambda: global_case((9, 13), [0, 1, 2], bank=5 * 117, labels=[0, 1, 2, 255]),
    "global several tiles of everything": lambda: global_case(
        (67, 63), [0, 1], bank=2500, labels=[0, 0, 0, 1], channels=3
    ),
    "global exactly full tiles": lambda: global_case((32, 32), [4], bank=512, labels=[4], channels=3),
    "global distances above the empty value": lambda: global_case(
        (4, 4), [0, 1], bank=30, labels=[0], away=200
    ),
    "local official windows": lambda: local_case((14, 15), [0, 1, 2], OFFICIAL_WINDOWS, labels=[0, 1, 2]),
    "local grid below the window": lambda: local_case((5, 16), [0, 1], OFFICIAL_WINDOWS, labels=[0, 1]),
    "local column": lambda: local_case((17, 1), [0, 1], OFFICIAL_WINDOWS, labels=[0, 1]),
    "local one pixel": lambda: local_case((1, 1), [0, 1], [2], labels=[1]),
    "local single window": lambda: local_case((9, 12), [0, 1], [5], labels=[0, 1]),
    "local window 0 and a repeated one": lambda: local_case((7, 6), [0, 1], [3, 0, 3], labels=[0, 1]),
    "local 8 rows": lambda: local_case((8, 9), list(range(8)), [4, 2], labels=[*range(8)]),
    "local absent rows": lambda: local_case((6, 7), [0, 1, 5], [2, 3], labels=[0, 1]),
    "local unused rows, though a label is -1": lambda: local_case(
        (6, 7), [0, -1, 1, -1], [2, 1], labels=[-1, 0, 1]
    ),
    "local skipped labels": lambda: local_case((6, 8), [0, 2], [2, 1], labels=[0, 1, 2, 255]),
    "local nothing valid": lambda: local_case((5, 5), [0, 1], [2], labels=[255]),
    "local sparse row": lambda: local_case((13, 12), [0, 1], [6, 1, 3], labels=[0] * 30 + [1]),
    "local distances above the empty value": lambda: local_case(
        (4, 5), [0, 1], [1], labels=[0, 0, 0, 1], away=200
    ),
    "local dilation 2": lambda: local_case((13, 16), [0, 1, 2], [12, 4, 8], labels=[0, 1, 2], dilation=2),
    "local dilation 3": lambda: local_case((11, 13), [0, 1], [8, 2, 4, 6], labels=[0, 1, 255], dilation=3),
    "local dilation above the grid": lambda: local_case((2, 4), [0, 1], [6, 3], labels=[0, 1], dilation=3),
    "read one slot": lambda: read_case([[1]], 12),
    "read all slots of 3 rows": lambda: read_case([[1] * 4] * 3, 35),
    "read other slots in each row": lambda: read_case([[1, 0, 1], [0, 1, 0], [0, 1, 1]], 20),
    "read no valid slot in a row": lambda: read_case([[0, 0, 0], [0, 1, 0], [0, 0, 0]], 15),
    "read no valid slot at all": lambda: read_case([[0, 0]], 9),
    "read invalid slots of infinity": lambda: read_case([[1, 0, 1]], 10, elsewhere=np.inf),
    "read invalid slots of huge values": lambda: read_case([[0, 1, 0]], 11, elsewhere=6e4),
    "read validity that is not 1": lambda: read_case([[-1, 0, 255]], 8),
    "read no rows": lambda: read_case(np.zeros((0, 3), np.int32), 7),
    "read no slots": lambda: read_case(np.zeros((2, 0), np.int32), 7),
    "read one pixel": lambda: read_case([[1, 1]], 1),
    "read logits up to 1e4": lambda: read_case([[1, 0, 1], [1, 1, 1]], 30, scale=50),
    "read one key and value channel": lambda: read_case([[1, 1]], 14, channels=(1, 1)),
    "read uniform weights": lambda: read_case([[1, 1, 0]], 16, scale=0),
    "read published channels": lambda: read_case([[1, 1, 0, 1]], 24, channels=(128, 512)),
    "read two query tiles, one pixel more than even": lambda: read_case([[1, 0, 1]], 2049, channels=(2, 3)),
}


@lru_cache
def case_and_expectation(name: str, feature_type: str) -> tuple[Case, np.ndarray]:
    case = CASES[name]()
    case.arrays = {k: v.astype(feature_type) if v.dtype.kind == "f" else v for k, v in case.arrays.items()}
    return case, REFERENCES[case.operator](**case.arrays, **case.attributes)


def check_distances(case: Case, distances: np.ndarray, expected: np.ndarray, implementation: str) -> None:
    assert distances.min() >= 0
    np.testing.assert_array_equal(distances == 5e4, expected == 5e4)
    norm = np.square(case.arrays["query"].astype(np.float64)).sum(0).max()
    np.testing.assert_allclose(distances, expected, rtol=1e-6, atol=2e-6 * norm)


def check_read(case: Case, read: np.ndarray, expected: np.ndarray, implementation: str) -> None:
    """The error of a logit, about 1e-7 of the largest one, is the relative error of its weight.

    Tensor cores take weights in float16, where they have eleven bits.
    """
    assert read.shape == expected.shape
    assert not read[~(case.arrays["valid"] != 0).any(1)].any()
    norm = np.square(case.arrays["query"].astype(np.float64)).sum(0).max()
    limit = 2e-6 + 1e-6 * norm
    if implementation.startswith(("cuda", "custom-ops")) and case.arrays["values"].dtype == np.float16:
        there = case.arrays["values"][case.arrays["valid"] != 0].astype(np.float64)
        limit += 2**-11 * np.abs(there).max(initial=0)
    np.testing.assert_allclose(read, expected, atol=limit)


def check_convolution(case: Case, convolved: np.ndarray, expected: np.ndarray, implementation: str) -> None:
    """Winograd's sums lose a few bits of the largest values."""
    magnitude = np.abs(expected).max(initial=1)
    np.testing.assert_allclose(convolved, expected, atol=4e-6 * magnitude)


CHECKS: dict[str, Callable[[Case, np.ndarray, np.ndarray, str], None]] = {
    "Convolution3x3": check_convolution,
    "GlobalMatching": check_distances,
    "LocalMatching": check_distances,
    "MemoryRead": check_read,
}


def combinations() -> Iterator[tuple[str, str, str]]:
    """Every case with every implementation and type that its operator has."""
    for name, implementation in itertools.product(CASES, IMPLEMENTATIONS):
        operator = OPERATORS[WORDS[name.split()[0]]]
        is_there = {"native": not operator.has_plugin} | dict.fromkeys(ON_KERNELS, operator.has_plugin)
        if is_there.get(implementation, True):
            for feature_type in operator.inputs[0].dtypes:
                yield name, implementation, feature_type


@pytest.mark.parametrize(("name", "implementation", "feature_type"), list(combinations()))
def test_implementation_agrees_with_brute_force(name: str, implementation: str, feature_type: str) -> None:
    case, expected = case_and_expectation(name, feature_type)
    result = IMPLEMENTATIONS[implementation](OPERATORS[case.operator], case.arrays, case.attributes)
    assert result.dtype == np.float32
    CHECKS[case.operator](case, result, expected, implementation)


def test_every_operator_has_cases() -> None:
    assert {WORDS[name.split()[0]] for name in CASES} == set(OPERATORS)
