"""The definitions' contract with graphs, exporters and users."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable

import numpy as np
import pytest

from vosrt.plugins import (
    DOMAIN,
    OPERATORS,
    channel_gate,
    convolution_1x1,
    convolution_3x3,
    directional_matching,
    frame_labels,
    frame_probabilities,
    global_matching,
    group_norm,
    local_matching,
    memory_read,
)

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
torch = pytest.importorskip("torch")

from tests.plugins.operator_networks import (  # noqa: E402
    WINDOWS,
    ConvolutionNetwork,
    DirectionsNetwork,
    FrameNetwork,
    GateNetwork,
    GlobalNetwork,
    LabelsNetwork,
    LocalNetwork,
    NormNetwork,
    OthersNetwork,
    PointwiseNetwork,
    ProbabilitiesNetwork,
    ReadNetwork,
    ResizeNetwork,
)


def features(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)))


def labels(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randint(0, 3, shape, generator=generator, dtype=torch.int32)


def rows(*values: int) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.int32)


def convolution_inputs(h: int, w: int, side: int = 3) -> tuple[torch.Tensor, ...]:
    return features(2, 4, h, w), features(5, 4, side, side), features(5)


def directions_inputs(pixels: int, bank: int, kinds: int, *valid: list[int]) -> tuple[torch.Tensor, ...]:
    n, slots = len(valid), len(valid[0])
    weights = features(n, kinds, slots, bank)
    return features(4, pixels), features(slots, 4, bank), weights, torch.tensor(valid, dtype=torch.int32)


def global_inputs(h: int, w: int, bank: int, *row_labels: int) -> tuple[torch.Tensor, ...]:
    return features(4, h, w), features(bank, 4), labels(bank), rows(*row_labels)


def local_inputs(h: int, w: int, *row_labels: int) -> tuple[torch.Tensor, ...]:
    return features(4, h, w), features(4, h + 1, w)[:, 1:], labels(h, w), rows(*row_labels)


def frame_inputs(source: tuple[int, int], target: tuple[int, int]) -> tuple[torch.Tensor, ...]:
    frame = torch.randint(0, 256, (1, *source, 3), dtype=torch.uint8)
    return frame, torch.zeros(target), torch.full((3,), 0.01), torch.full((3,), -1.0)


def read_inputs(pixels: int, channels: int, *valid: list[int]) -> tuple[torch.Tensor, ...]:
    n, slots = len(valid), len(valid[0])
    keys, values = features(n, slots, 4, pixels), features(n, slots, channels, pixels)
    return features(4, pixels), keys, values, torch.tensor(valid, dtype=torch.int32)


def export(network: torch.nn.Module, inputs: tuple[torch.Tensor, ...], dimensions: list[dict[int, str]]):
    shapes = [{axis: torch.export.Dim.DYNAMIC for axis in named} for named in dimensions]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network.eval(),
            inputs,
            dynamo=True,
            opset_version=18,
            dynamic_shapes=tuple(shapes),
            input_names=["query", "other", "labels", "rows"][: len(inputs)],
            output_names=["maps"],
            verbose=False,
        )
    return program.model_proto


EXPORTS = {
    "Convolution1x1": (
        PointwiseNetwork(),
        convolution_inputs(6, 7, 1),
        [{0: "n", 2: "h", 3: "w"}, {}, {}],
        convolution_inputs(9, 5, 1),
        {},
    ),
    "Convolution3x3": (
        ConvolutionNetwork(),
        convolution_inputs(6, 7),
        [{0: "n", 2: "h", 3: "w"}, {}, {}],
        convolution_inputs(9, 5),
        {},
    ),
    "DirectionalMatching": (
        DirectionsNetwork(),
        directions_inputs(6, 7, 2, [1, 0, 1], [0, 0, 0]),
        [{1: "N"}, {0: "S", 2: "M"}, {0: "n", 1: "k", 2: "S", 3: "M"}, {0: "n", 1: "S"}],
        directions_inputs(9, 5, 3, [0, 1], [1, 1], [0, 1]),
        {},
    ),
    "ChannelGate": (
        GateNetwork(),
        (features(2, 4, 6, 7), features(4), features(4), features(4)),
        [{0: "n", 2: "h", 3: "w"}, {}, {}, {}],
        (features(3, 4, 9, 5), features(4), features(4), features(4)),
        {},
    ),
    "GroupNorm": (
        NormNetwork(),
        (features(2, 4, 6, 7), features(4), features(4)),
        [{0: "n", 2: "h", 3: "w"}, {}, {}],
        (features(3, 4, 9, 5), features(4), features(4)),
        {"groups": 2},
    ),
    "FrameImage": (
        FrameNetwork(),
        frame_inputs((20, 31), (17, 33)),
        [{1: "H", 2: "W"}, {0: "h", 1: "w"}, {}, {}],
        frame_inputs((11, 9), (33, 17)),
        {},
    ),
    "FrameLabels": (
        LabelsNetwork(),
        (features(3, 5, 7), torch.zeros(20, 31), rows(0, 2, 9)),
        [{0: "R", 1: "h", 2: "w"}, {0: "H", 1: "W"}, {0: "R"}],
        (features(2, 9, 4), torch.zeros(11, 9), rows(0, 3)),
        {},
    ),
    "FrameProbabilities": (
        ProbabilitiesNetwork(),
        (features(3, 5, 7), torch.zeros(20, 31)),
        [{0: "R", 1: "h", 2: "w"}, {0: "H", 1: "W"}],
        (features(2, 9, 4), torch.zeros(11, 9)),
        {},
    ),
    "GlobalMatching": (
        GlobalNetwork(),
        global_inputs(6, 7, 30, 0, 1, 2),
        [{1: "h", 2: "w"}, {0: "M"}, {0: "M"}, {0: "R"}],
        global_inputs(9, 5, 41, 2, 5, 0, -1),
        {},
    ),
    "LeastOther": (
        OthersNetwork(),
        (features(3, 2, 6, 7).clamp(-1, 1),),
        [{0: "R", 2: "h", 3: "w"}],
        (features(2, 2, 9, 5).clamp(-1, 1),),
        {},
    ),
    "LocalMatching": (
        LocalNetwork(),
        local_inputs(6, 7, 0, 1, 2),
        [{1: "h", 2: "w"}, {1: "h", 2: "w"}, {0: "h", 1: "w"}, {0: "R"}],
        local_inputs(9, 5, 2, 5, 0, -1),
        {"windows": list(WINDOWS), "dilation": 2},
    ),
    "MemoryRead": (
        ReadNetwork(),
        read_inputs(6, 5, [1, 0, 1, 1], [0, 1, 1, 0], [0, 0, 0, 0]),
        [{1: "N"}, {0: "n", 1: "T", 3: "N"}, {0: "n", 1: "T", 2: "Cv", 3: "N"}, {0: "n", 1: "T"}],
        read_inputs(9, 8, [0, 1]),
        {},
    ),
    "SeparableResize": (
        ResizeNetwork(),
        (features(2, 4, 6, 7), features(9, 6), features(13, 7)),
        [{0: "n", 2: "h", 3: "w"}, {0: "H", 1: "h"}, {0: "W", 1: "w"}],
        (features(3, 4, 9, 5), features(4, 9), features(11, 5)),
        {},
    ),
}


@pytest.mark.parametrize("name", EXPORTS)
def test_export_writes_one_node_that_runs_with_its_body_attached(name: str) -> None:
    network, example, dimensions, others, attributes = EXPORTS[name]
    model = export(network, example, dimensions)
    (node,) = [node for node in model.graph.node if node.domain == DOMAIN]
    written = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    assert node.op_type == name
    assert written == {**attributes, "plugin_version": b"1", "plugin_namespace": b""}
    assert not any(dim.dim_value for dim in model.graph.output[0].type.tensor_type.shape.dim[-2:])

    assert {entry.domain: entry.version for entry in model.opset_import} == {"": 18, DOMAIN: 1}
    model.functions.append(OPERATORS[name].function_body(opset=18))
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for inputs in (example, others):
        feeds = {port.name: t.numpy() for port, t in zip(session.get_inputs(), inputs, strict=True)}
        np.testing.assert_allclose(session.run(None, feeds)[0], network(*inputs).numpy(), atol=2e-6)


def test_all_but_what_rewriting_makes_are_exported() -> None:
    assert set(OPERATORS) - set(EXPORTS) == {
        "Convolution1x1Relu",
        "Convolution3x3Relu",
        "GroupNormRelu",
    }


@pytest.mark.parametrize("name", EXPORTS)
def test_node_without_a_body_is_refused(name: str) -> None:
    network, example, dimensions, _, _ = EXPORTS[name]
    bare = export(network, example, dimensions).SerializeToString()
    with pytest.raises(Exception, match=f"{DOMAIN}:{name}"):
        onnxruntime.InferenceSession(bare, providers=["CPUExecutionProvider"])


def test_definitions_and_bodies_need_no_torch() -> None:
    program = (
        "import sys; from vosrt.plugins import OPERATORS; "
        "assert 'torch' not in sys.modules and 'onnx' not in sys.modules; "
        "[operator.function_body() for operator in OPERATORS.values()]; "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("name", OPERATORS)
def test_body_uses_ports_and_attributes_of_the_definition(name: str) -> None:
    operator = OPERATORS[name]
    body = operator.function_body()
    assert (body.domain, body.name) == (DOMAIN, name)
    assert list(body.input) == [port.name for port in operator.inputs]
    assert list(body.output) == [port.name for port in operator.outputs]
    assert list(body.attribute) == [attribute.name for attribute in operator.attributes]
    assert [(entry.domain, entry.version) for entry in body.opset_import] == [("", 17)]


def test_operator_refuses_what_it_does_not_define() -> None:
    operator = OPERATORS["LocalMatching"]
    assert operator.node_attributes(windows=(2, 4))["dilation"] == 1
    with pytest.raises(TypeError, match="needs the attribute 'windows'"):
        operator.node_attributes(dilation=2)
    with pytest.raises(TypeError, match=r"has no attribute \['radius'\]"):
        operator.node_attributes(windows=[2], radius=3)
    with pytest.raises(ValueError, match="opset 17 and later, not 16"):
        operator.function_body(opset=16)


WRONG_CALLS: dict[str, tuple[Callable[[], object], str]] = {
    "kernels of another size": (
        lambda: convolution_3x3(features(1, 4, 6, 6), features(5, 4, 1, 1), features(5)),
        r"weights \[Co, Ci, 3, 3\], got \(5, 4, 1, 1\)",
    ),
    "kernels of another size for pixels": (
        lambda: convolution_1x1(features(1, 4, 6, 6), features(5, 4, 3, 3), features(5)),
        r"weights \[Co, Ci, 1, 1\], got \(5, 4, 3, 3\)",
    ),
    "bank of other directions": (
        lambda: directional_matching(features(4, 6), features(2, 5, 7), features(1, 2, 2, 7), labels(1, 2)),
        r"got \(4, 6\) and \(2, 5, 7\)",
    ),
    "weights of another bank": (
        lambda: directional_matching(features(4, 6), features(2, 4, 7), features(1, 2, 2, 8), labels(1, 2)),
        r"weights \[n, k, 2, 7\]",
    ),
    "gates of other channels": (
        lambda: channel_gate(features(1, 4, 3, 3), features(4), features(4), features(5)),
        r"got \(1, 4, 3, 3\), \(4,\), \(4,\) and \(5,\)",
    ),
    "gain of other channels": (
        lambda: group_norm(features(1, 4, 3, 3), features(1), features(4), groups=2),
        r"got \(1, 4, 3, 3\), \(1,\) and \(4,\)",
    ),
    "groups that do not divide the channels": (
        lambda: group_norm(features(1, 4, 3, 3), features(4), features(4), groups=3),
        r"C a multiple of 3",
    ),
    "logits of no row": (
        lambda: frame_probabilities(features(0, 4, 3), features(9, 9)),
        r"a row at least, got \(0, 4, 3\)",
    ),
    "ids of other rows": (
        lambda: frame_labels(features(2, 4, 3), features(9, 9), rows(0, 1, 2)),
        r"rows \[2\], got \(3,\)",
    ),
    "bank of other channels": (
        lambda: global_matching(features(4, 3, 3), features(9, 5), labels(9), rows(0)),
        r"got \(4, 3, 3\) and \(9, 5\)",
    ),
    "labels of another bank": (
        lambda: global_matching(features(4, 3, 3), features(9, 4), labels(8), rows(0)),
        r"bank_labels \[9\]",
    ),
    "previous of another grid": (
        lambda: local_matching(features(4, 3, 3), features(4, 3, 4), labels(3, 3), rows(0), windows=[2]),
        r"one shape \[C, h, w\]",
    ),
    "labels of another grid": (
        lambda: local_matching(features(4, 3, 3), features(4, 3, 3), labels(3, 4), rows(0), windows=[2]),
        r"labels \[3, 3\]",
    ),
    "no window": (
        lambda: local_matching(features(4, 3, 3), features(4, 3, 3), labels(3, 3), rows(0), windows=[]),
        "windows of at least 0",
    ),
    "negative window": (
        lambda: local_matching(features(4, 3, 3), features(4, 3, 3), labels(3, 3), rows(0), windows=[2, -1]),
        "windows of at least 0",
    ),
    "keys of another size": (
        lambda: memory_read(features(4, 6), features(2, 3, 4, 5), features(2, 3, 7, 5), labels(2, 3)),
        r"got \(4, 6\) and \(2, 3, 4, 5\)",
    ),
    "values of another memory": (
        lambda: memory_read(features(4, 6), features(2, 3, 4, 6), features(2, 2, 7, 6), labels(2, 3)),
        r"values \[2, 3, Cv, 6\]",
    ),
    "validity of other rows": (
        lambda: memory_read(features(4, 6), features(2, 3, 4, 6), features(2, 3, 7, 6), labels(3, 3)),
        r"valid \[2, 3\], got .* and \(3, 3\)",
    ),
    "dilation 0": (
        lambda: local_matching(
            features(4, 3, 3), features(4, 3, 3), labels(3, 3), rows(0), windows=[2], dilation=0
        ),
        "dilation of at least 1",
    ),
}


@pytest.mark.parametrize("name", WRONG_CALLS)
def test_wrong_call_says_what_is_allowed(name: str) -> None:
    call, text = WRONG_CALLS[name]
    with pytest.raises(ValueError, match=text):
        call()


def test_distances_reach_the_features_in_training() -> None:
    query, bank = features(4, 3, 5).requires_grad_(), features(9, 4).requires_grad_()
    global_matching(query, bank, labels(9), rows(0, 1)).sum().backward()
    assert query.grad.abs().sum() > 0
    assert bank.grad.abs().sum() > 0
    previous = features(4, 5, 3).transpose(1, 2).requires_grad_()
    local_matching(query, previous, labels(3, 5), rows(0, 1), windows=[2, 1], dilation=2).sum().backward()
    assert previous.grad.abs().sum() > 0
