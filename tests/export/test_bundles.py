"""Exported bundles against the network: sizes, objects, references, fixed and open."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest

from tests.conftest import STAND_IN
from vosrt.bundle import Bundle
from vosrt.errors import ExportError
from vosrt.export import bundle_writer
from vosrt.export.bundle_writer import ExportSettings, export_bundle
from vosrt.export.parity import ParityReport
from vosrt.export.parity_clip import make_clip
from vosrt.export.rewriting import finish_graph, strip_function_bodies
from vosrt.export.tensorrt_lint import lint_for_tensorrt
from vosrt.export.torch_executor import TorchExecutor
from vosrt.export.tracing import trace_role
from vosrt.models import build_network, load_stand_in_weights
from vosrt.onnxruntime_executor import OnnxRuntimeExecutor
from vosrt.stream import Stream

pytestmark = pytest.mark.xdist_group("lite")  # the shared bundles are exported in one process only


def run_stream(stream, frames, masks_by_frame):
    """Probabilities of every frame but the first."""
    results = [
        stream.step(frame, masks_by_frame.get(index), probabilities=index > 0)
        for index, frame in enumerate(frames)
    ]
    return [result.probabilities for result in results[1:]], [result.labels for result in results]


@pytest.mark.parametrize(
    ("size", "objects"),
    [
        ((90, 131), 1),
        ((90, 131), 3),
        ((90, 131), 8),
        ((175, 231), 8),
        ((255, 97), 1),
        ((480, 201), 3),
        ((720, 67), 1),
    ],
)
def test_open_bundle_equals_network_at_every_size_and_count(lite_bundle, lite_network, size, objects):
    bundle = Bundle.open(lite_bundle)
    frames, masks = make_clip(3, *size, objects)
    given = masks[0].copy()
    y, x = np.mgrid[: size[0], : size[1]]
    for index in range(objects):  # no object hidden behind another
        given[(y // 6 % (objects + 1) == index) & (x > 8) & (x < 40)] = index + 1
    found, _ = run_stream(Stream.of_bundle(bundle.manifest, OnnxRuntimeExecutor(bundle)), frames, {0: given})
    expected, _ = run_stream(
        Stream.of_bundle(bundle.manifest, TorchExecutor(lite_network)), frames, {0: given}
    )
    assert found[0].shape == (objects + 1, *size)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-3)


@pytest.mark.full
@pytest.mark.parametrize(
    ("model", "backbone"), [("cfbi", "mobilenetv2"), ("cfbi_plus", None), ("elcp", "resnet101")]
)
def test_every_network_exports_open_and_fixed_and_both_agree(model, backbone, tmp_path):
    network = build_network(model, backbone)
    load_stand_in_weights(network)
    fixed = ExportSettings(frame=(175, 231), objects=3, references=2)
    for name, settings in (("open", ExportSettings()), ("fixed", fixed)):
        export_bundle(network, STAND_IN, tmp_path / name, settings)
    for size in [(90, 131), (255, 97), (480, 201), (720, 67), (175, 231)]:
        frames, masks = make_clip(3, *size, 3)
        bundle = Bundle.open(tmp_path / "open")
        found, labels = run_stream(
            Stream.of_bundle(bundle.manifest, OnnxRuntimeExecutor(bundle)), frames, {0: masks[0]}
        )
        expected, _ = run_stream(
            Stream.of_bundle(bundle.manifest, TorchExecutor(network)), frames, {0: masks[0]}
        )
        np.testing.assert_allclose(found[0], expected[0], atol=1e-3)
    bundle = Bundle.open(tmp_path / "fixed")  # at the last size
    _, others = run_stream(
        Stream.of_bundle(bundle.manifest, OnnxRuntimeExecutor(bundle)), frames, {0: masks[0]}
    )
    assert (labels[1] == others[1]).mean() > 0.999


def test_no_object_gives_zeros_and_runs_nothing(lite_bundle):
    bundle = Bundle.open(lite_bundle)
    stream = Stream.of_bundle(bundle.manifest, OnnxRuntimeExecutor(bundle))
    result = stream.step(make_clip(1, 90, 131, 0)[0][0])
    assert result.labels.max() == 0
    assert set(result.timings) == {"total"}


def test_an_object_that_vanishes_on_the_grid_is_an_absent_row(lite_bundle, lite_network):
    """One pixel between the sampled ones: the row exists and no reference pixel has its label."""
    bundle = Bundle.open(lite_bundle)
    frames, masks = make_clip(3, 97, 129, 1)
    masks[0][5, 6] = 2
    found, _ = run_stream(
        Stream.of_bundle(bundle.manifest, OnnxRuntimeExecutor(bundle)), frames, {0: masks[0]}
    )
    expected, _ = run_stream(
        Stream.of_bundle(bundle.manifest, TorchExecutor(lite_network)), frames, {0: masks[0]}
    )
    for ours, theirs in zip(found, expected, strict=True):
        assert np.isfinite(ours).all()
        np.testing.assert_allclose(ours, theirs, atol=2e-3)


def test_fixed_and_open_bundles_agree_while_objects_join(lite_bundle, fixed_lite_bundle):
    frames, masks = make_clip(5, 175, 231, 3)
    joining = {0: np.where(masks[0] == 1, 1, 0).astype(np.uint8), 2: np.where(masks[2] > 1, masks[2], 0)}
    results = []
    for folder in (lite_bundle, fixed_lite_bundle):
        bundle = Bundle.open(folder)
        results.append(
            run_stream(Stream.of_bundle(bundle.manifest, OnnxRuntimeExecutor(bundle)), frames, joining)
        )
    for one, other in zip(results[0][0], results[1][0], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
    for one, other in zip(results[0][1], results[1][1], strict=True):
        assert (one == other).mean() > 0.999


def test_a_fixed_bundle_has_no_open_dimension(fixed_lite_bundle):
    manifest = json.loads((fixed_lite_bundle / "bundle.json").read_text())
    assert manifest["frame_size"] == [175, 231]
    assert manifest["objects"] == 3
    for role, graph in manifest["graphs"].items():
        assert "size" not in graph["inputs"]
        for tensor in [*graph["inputs"].values(), *graph["outputs"].values()]:
            assert all(isinstance(size, int) for size in tensor["shape"]), (role, tensor)
        session = onnxruntime.InferenceSession(fixed_lite_bundle / f"{role}.onnx")
        for value in session.get_inputs():
            assert value.shape == graph["inputs"][value.name]["shape"]


@pytest.mark.parametrize("role", ["encode", "reference", "match", "segment", "finish"])
@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_graphs_are_opset_17_and_readable_by_tensorrt_without_bodies(lite_bundle, role, precision):
    bundle = Bundle.open(lite_bundle)
    model = onnx.load(bundle.graph_path(role, precision=precision))
    assert {entry.domain: entry.version for entry in model.opset_import}[""] == 17
    bodies = {
        "match": {"GlobalMatching", "LeastOther", "LocalMatching"},
        "segment": {"GroupNorm", "GroupNormRelu"},
        "encode": {"FrameImage"},
        "finish": {"FrameLabels", "FrameProbabilities"},
    }
    if precision == "float32":
        bodies["match"] |= {"SeparableResize"}
        for role_with_convolutions in ("encode", "segment"):
            bodies[role_with_convolutions] |= {"Convolution1x1", "Convolution3x3", "SeparableResize"}
        bodies["encode"] |= {"Convolution3x3Relu"}
    assert {function.name for function in model.functions} == bodies.get(role, set())
    assert lint_for_tensorrt(strip_function_bodies(model)) == []


def test_graphs_say_nothing_about_where_they_were_made(lite_bundle):
    for path in lite_bundle.glob("*.onnx"):
        content = path.read_bytes()
        for trace in (b"site-packages", b".py", b"torch.onnx", b"Traceback"):
            assert trace not in content, (path.name, trace)


def test_half_precision_stores_convolutions_in_half_and_keeps_its_ports(lite_bundle):
    single, half = (onnx.load(lite_bundle / name) for name in ("segment.onnx", "segment.float16.onnx"))
    assert [value.name for value in half.graph.input] == [value.name for value in single.graph.input]
    for ours, theirs in zip(half.graph.input, single.graph.input, strict=True):
        assert ours.type.tensor_type.elem_type == theirs.type.tensor_type.elem_type
    weights = {tensor.name: tensor for tensor in half.graph.initializer}
    convolutions = [node for node in half.graph.node if node.op_type == "Conv"]
    assert convolutions
    assert all(weights[node.input[1]].data_type == onnx.TensorProto.FLOAT16 for node in convolutions)
    assert half.ByteSize() < 0.65 * single.ByteSize()


@pytest.mark.full  # half a minute
def test_exchanged_weights_equal_a_fresh_trace():
    network = build_network("cfbi", "mobilenetv2")
    traced = trace_role(network, "encode")
    load_stand_in_weights(network, "b")
    exchanged = finish_graph(traced, network.state_dict() | dict(network.named_buffers()))
    fresh = finish_graph(trace_role(network, "encode"), network.state_dict() | dict(network.named_buffers()))
    frame = make_clip(1, 90, 131, 1)[0]
    feeds = {"frame": frame, "size": np.array([97, 129])}
    ours, theirs = (
        onnxruntime.InferenceSession(model.SerializeToString()).run(None, feeds)
        for model in (exchanged, fresh)
    )
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.full  # half a minute
def test_taps_are_outputs_of_the_bundle(lite_network, tmp_path):
    export_bundle(lite_network, STAND_IN, tmp_path / "taps", ExportSettings(taps=True))
    outputs = Bundle.open(tmp_path / "taps").manifest.graphs["match"].outputs
    assert set(outputs) == {"maps", "vectors", "global_fg", "local_fg", "global_bg", "local_bg"}
    assert outputs["local_fg"].shape[:2] == ("rows", 4)


def test_a_failed_comparison_leaves_nothing_behind(lite_network, lite_traces, tmp_path, monkeypatch):
    monkeypatch.setattr(bundle_writer, "trace_network", lambda network, settings: lite_traces)
    monkeypatch.setattr(ParityReport, "failures", lambda report: ["finish.probabilities: too far"])
    with pytest.raises(
        ExportError, match=r"do not reproduce the network: float32 finish\.probabilities: too far"
    ):
        export_bundle(lite_network, STAND_IN, tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


def test_parity_figures_are_in_the_bundle(lite_bundle):
    parity = json.loads((lite_bundle / "bundle.json").read_text())["parity"]
    assert set(parity) == {"float32", "float16"}
    figures = parity["float32"]["graphs"]["finish.probabilities"]
    assert 0 < figures["mean"] <= figures["worst"] < 5e-3
    assert parity["float32"]["equal_labels"] > 0.999
