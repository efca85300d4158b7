"""Every operator over every implementation this machine has, against a brute-force float64 reference."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.plugins.brute_force import REFERENCES
from tests.plugins.kernels.emulated import emulated_custom_ops, emulated_kernels
from tests.plugins.operator_cases import CASES, NO_NUMBERS, Arrays, Case
from vosrt.cuda.kernel_library import KernelLibrary
from vosrt.native_libraries import native_library
from vosrt.plugins import DOMAIN, OPERATORS, Operator
from vosrt.plugins.operator import FEATURES

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
torch = pytest.importorskip("torch")

KERNELS = Path(__file__).parents[2] / "runtime/native/libvosrt_kernels.so"
ONNX_TYPES = {
    "float16": onnx.TensorProto.FLOAT16,
    "float32": onnx.TensorProto.FLOAT,
    "int32": onnx.TensorProto.INT32,
    "int64": onnx.TensorProto.INT64,
    "uint8": onnx.TensorProto.UINT8,
}


# --- implementations: (operator, arrays, attributes) -> output; a CUDA or TensorRT one joins the table ---


def run_torch(operator: Operator, arrays: Arrays, attributes: dict[str, Any]) -> np.ndarray:
    inputs = [torch.from_numpy(arrays[port.name]) for port in operator.inputs]
    return operator.compute(*inputs, **attributes).numpy()


def run_torch_float64(operator: Operator, arrays: Arrays, attributes: dict[str, Any]) -> np.ndarray:
    doubled = {k: v.astype(np.float64) if v.dtype.kind == "f" else v for k, v in arrays.items()}
    result = run_torch(operator, doubled, attributes)
    assert result.dtype == (np.int32 if operator.outputs[0].dtypes == ("int32",) else np.float64)
    return result.astype(result_type(operator, str(arrays[operator.inputs[0].name].dtype)))


def run_custom_ops_on_cpu(operator: Operator, arrays: Arrays, attributes: dict[str, Any]) -> np.ndarray:
    """The CUDA kernels as custom operators of ONNX Runtime, thread by thread."""
    key = tuple((k, tuple(v) if isinstance(v, list) else v) for k, v in attributes.items())
    library = str(emulated_custom_ops())
    feature_type = str(arrays[operator.inputs[0].name].dtype)
    session = body_session(operator.name, key, feature_type, 17, "ORT_ENABLE_ALL", library)
    return session.run(None, arrays)[0]


def run_native_operators(operator: Operator, arrays: Arrays, attributes: dict[str, Any]) -> np.ndarray:
    """What installing compiles for the CPU; weights that are an initializer, and such that are not."""
    library = native_library("vosrt_ort_cpu")
    if library is None:
        pytest.skip("needs g++ when vosrt is installed")
    model = one_node_model(operator, attributes, str(arrays[operator.inputs[0].name].dtype), 17)
    del model.functions[:]  # nothing but the library can run it
    changing = native_session(model, library).run(None, arrays)[0]
    if "weights" not in arrays or "image" not in arrays:
        return changing
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
        [value(port, result_type(operator, feature_type)) for port in operator.outputs],
    )
    model = onnx.helper.make_model(
        graph,
        opset_imports=[onnx.helper.make_opsetid("", opset), onnx.helper.make_opsetid(DOMAIN, 1)],
        functions=[operator.function_body(opset)],
        ir_version=8,
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def result_type(operator: Operator, feature_type: str) -> str:
    """Matching gives float32 whatever it compares; what keeps maps keeps their type."""
    (output,) = operator.outputs
    return feature_type if output.dtypes == FEATURES else output.dtypes[0]


def run_kernels_on_cpu(operator: Operator, arrays: Arrays, attributes: dict[str, Any]) -> np.ndarray:
    """The CUDA kernels, thread by thread; see `cuda_emulation.h`."""
    inputs = [np.ascontiguousarray(arrays[port.name]) for port in operator.inputs]
    example = operator.compute(*map(torch.from_numpy, inputs), **attributes)
    result = poisoned(example).numpy()
    call_kernel(emulated_kernels(), operator, [*inputs, result], attributes)
    return result


def run_kernels_on_gpu(operator: Operator, arrays: Arrays, attributes: dict[str, Any]) -> np.ndarray:
    """The same from the library that `make plugins` builds, on PyTorch's arrays."""
    if not KERNELS.is_file():
        pytest.skip("needs `make plugins`")
    library = KernelLibrary(KERNELS, lambda size: torch.full((size,), 0xFF, dtype=torch.uint8, device="cuda"))
    inputs = [torch.from_numpy(arrays[port.name]).cuda().contiguous() for port in operator.inputs]
    result = poisoned(operator.compute(*inputs, **attributes))
    call_kernel(library, operator, [*inputs, result], attributes)
    return result.cpu().numpy()


def poisoned(example: Any) -> Any:
    """Room for a result, full of what none may hold."""
    return torch.full_like(example, torch.nan if example.is_floating_point() else -77)


def call_kernel(
    library: KernelLibrary, operator: Operator, arrays: list[Any], attributes: dict[str, Any]
) -> None:
    call = {
        "ChannelGate": library.channel_gate,
        "DirectionalMatching": library.directional_matching,
        "FrameImage": library.frame_image,
        "FrameLabels": library.frame_labels,
        "FrameProbabilities": library.frame_probabilities,
        "GlobalMatching": library.global_matching,
        "GroupNorm": library.group_norm,
        "GroupNormRelu": partial(library.group_norm, relu=True),
        "LeastOther": library.least_other,
        "LocalMatching": library.local_matching,
        "MemoryRead": library.memory_read,
    }
    names = [*(port.name for port in operator.inputs), "result"]
    taken = [array for name, array in zip(names, arrays, strict=True) if name != "size"]  # that of the result
    call[operator.name](*taken, **attributes)


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
NATIVE = (
    Path(__file__).parents[2] / "plugins/ort/cpu_ops.cpp"
).read_text()  # names what is compiled for the CPU
if torch.cuda.is_available():
    IMPLEMENTATIONS["cuda"] = run_kernels_on_gpu


@lru_cache
def case_and_expectation(name: str, feature_type: str) -> tuple[Case, np.ndarray]:
    case = CASES[name]()
    for port in OPERATORS[case.operator].inputs:
        if feature_type in port.dtypes:
            case.arrays[port.name] = case.arrays[port.name].astype(feature_type)
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


def check_directions(case: Case, matched: np.ndarray, expected: np.ndarray, implementation: str) -> None:
    assert np.isfinite(matched).all()
    np.testing.assert_allclose(matched, expected, atol=2e-6)


def check_maps(case: Case, maps: np.ndarray, expected: np.ndarray, implementation: str) -> None:
    """In float16 a result is the nearest number, or the one beside it."""
    accuracy = 2e-6 if maps.dtype == np.float32 else 2**-10
    away = np.abs(case.arrays["maps"].astype(np.float64)).max(initial=1)
    np.testing.assert_allclose(maps, expected, rtol=accuracy, atol=4e-6 * away)


def check_image(case: Case, image: np.ndarray, expected: np.ndarray, implementation: str) -> None:
    """Weights of float32 on colours up to 255, normed to some units."""
    np.testing.assert_allclose(image, expected, atol=4e-6)


def check_probabilities(
    case: Case, probabilities: np.ndarray, expected: np.ndarray, implementation: str
) -> None:
    """An error of a logit is the relative error of its weight."""
    limit = 4e-6 + 4e-7 * np.abs(case.arrays["logits"]).max(initial=0)
    np.testing.assert_allclose(probabilities, expected, atol=limit)
    np.testing.assert_allclose(probabilities.sum(0), 1, atol=1e-6)


def check_labels(case: Case, labels: np.ndarray, expected: np.ndarray, implementation: str) -> None:
    np.testing.assert_array_equal(labels, expected)


CHECKS: dict[str, Callable[[Case, np.ndarray, np.ndarray, str], None]] = {
    "ChannelGate": check_maps,
    "Convolution1x1": check_convolution,
    "Convolution1x1Relu": check_convolution,
    "Convolution3x3": check_convolution,
    "Convolution3x3Relu": check_convolution,
    "DirectionalMatching": check_directions,
    "FrameImage": check_image,
    "FrameLabels": check_labels,
    "FrameProbabilities": check_probabilities,
    "GlobalMatching": check_distances,
    "GroupNorm": check_maps,
    "GroupNormRelu": check_maps,
    "LeastOther": check_labels,
    "LocalMatching": check_distances,
    "MemoryRead": check_read,
    "SeparableResize": check_maps,
}


SLOW = [  # a minute and more: tensor cores, thread by thread
    ("read two query tiles, one pixel more than even", implementation, "float16")
    for implementation in ("cuda-on-cpu", "custom-ops-on-cpu")
]


def combinations() -> Iterator[Any]:
    """Every case with every implementation and type that its operator has."""
    for name, implementation in itertools.product(CASES, IMPLEMENTATIONS):
        operator = OPERATORS[CASES[name]().operator]
        is_there = dict.fromkeys(ON_KERNELS, operator.has_plugin)
        is_there["native"] = f'"{operator.name}"' in NATIVE
        if is_there.get(implementation, True):
            for feature_type in operator.inputs[0].dtypes:
                is_slow = (name, implementation, feature_type) in SLOW
                marks = [pytest.mark.full] if is_slow else []
                told = f"{operator.name}: {name}-{implementation}-{feature_type}"
                yield pytest.param(name, implementation, feature_type, marks=marks, id=told)


@pytest.mark.parametrize(("name", "implementation", "feature_type"), list(combinations()))
def test_implementation_agrees_with_brute_force(name: str, implementation: str, feature_type: str) -> None:
    case, expected = case_and_expectation(name, feature_type)
    result = IMPLEMENTATIONS[implementation](OPERATORS[case.operator], case.arrays, case.attributes)
    assert result.dtype == result_type(OPERATORS[case.operator], feature_type)
    CHECKS[case.operator](case, result, expected, implementation)


@pytest.mark.parametrize(
    "implementation",
    [name for name in IMPLEMENTATIONS if name in ("torch", "body-17-all", "cuda-on-cpu", "cuda")],
)
@pytest.mark.parametrize("name", NO_NUMBERS)
def test_what_is_no_number_shows(name: str, implementation: str) -> None:
    """The CPU's operators are tried in `cpu/test_instructions.py`."""
    case = CASES[name]()
    first = next(iter(case.arrays.values()))
    first.flat[first.size // 2] = np.nan
    result = IMPLEMENTATIONS[implementation](OPERATORS[case.operator], case.arrays, case.attributes)
    assert np.isnan(result).any()


def test_every_operator_has_cases() -> None:
    assert {case().operator for case in CASES.values()} == set(OPERATORS)
