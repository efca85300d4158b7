"""The CPU's operators in ONNX Runtime, on graphs that no export makes."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.plugins.brute_force import REFERENCES
from tests.plugins.operator_cases import local_case
from vosrt.native_libraries import native_library
from vosrt.plugins import DOMAIN

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def run_operator(
    name: str, arrays: dict[str, np.ndarray], *, threads: int = 2, **attributes: Any
) -> np.ndarray:
    library = native_library("vosrt_ort_cpu")
    if library is None:
        pytest.skip("needs g++ when vosrt is installed")
    node = onnx.helper.make_node(name, list(arrays), ["result"], domain=DOMAIN, **attributes)
    inputs = [
        onnx.helper.make_tensor_value_info(
            key, onnx.helper.np_dtype_to_tensor_dtype(array.dtype), [None] * array.ndim
        )
        for key, array in arrays.items()
    ]
    result = onnx.helper.make_tensor_value_info("result", onnx.TensorProto.FLOAT, None)
    versions = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid(DOMAIN, 1)]
    graph = onnx.helper.make_graph([node], "one_node", inputs, [result])
    model = onnx.helper.make_model(graph, opset_imports=versions, ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    options.register_custom_ops_library(str(library))
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, arrays)[0]


@pytest.fixture
def little_memory() -> Iterator[None]:
    """64 GB of addresses."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (1 << 36, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.mark.usefixtures("little_memory")
def test_memory_that_a_thread_cannot_have_is_an_error() -> None:
    """Every task asks for 512 GB."""
    height, width = 1 << 17, 1 << 20
    arrays = {
        "maps": np.ones((1, 64, height, 1), np.float32),
        "height_matrix": np.ones((1, height), np.float32),
        "width_matrix": np.ones((width, 1), np.float32),
    }
    with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.Fail, match="bad_alloc"):
        run_operator("SeparableResize", arrays, threads=4)


@pytest.mark.parametrize("dilation", [1, 2, 1 << 31])
def test_windows_may_be_wider_than_any_frame(dilation: int) -> None:
    case = local_case((7, 9), [0, 1], [1 << 31, 1 << 62, 2], labels=[0, 1], dilation=dilation)
    found = run_operator("LocalMatching", case.arrays, **case.attributes)
    expected = REFERENCES["LocalMatching"](**case.arrays, **case.attributes)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_features_without_channels_are_alike() -> None:
    arrays = {
        "query": np.zeros((0, 3, 4), np.float32),
        "bank": np.zeros((20, 0), np.float32),
        "bank_labels": np.zeros(20, np.int32),
        "rows": np.array([0, 1], np.int32),
    }
    distances = run_operator("GlobalMatching", arrays)
    assert not distances[0].any()
    assert (distances[1] == 5e4).all()
