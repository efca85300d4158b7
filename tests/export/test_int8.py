"""int8: what quantised graphs compute, which layers stay in float32, and what TensorRT gets."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("torch")

from onnx.inliner import inline_selected_functions  # noqa: E402
from PIL import Image  # noqa: E402

from vosrt.bundle import Bundle  # noqa: E402
from vosrt.errors import ExportError, InputError  # noqa: E402
from vosrt.export import int8_search, to_onnx  # noqa: E402
from vosrt.export.bundle_writer import add_int8  # noqa: E402
from vosrt.export.calibration import Histogram  # noqa: E402
from vosrt.export.calibration_clip import read_calibration_clip  # noqa: E402
from vosrt.export.int8_graph import (  # noqa: E402
    LARGEST_WEIGHT,
    MIDDLE,
    Range,
    convolutions_of,
    quantize_graph,
    quantized_weights,
    values_of,
)
from vosrt.export.parity_clip import make_clip  # noqa: E402
from vosrt.export.tensorrt_lint import lint_for_tensorrt  # noqa: E402
from vosrt.label_agreement import agreement_of  # noqa: E402
from vosrt.manifest import Manifest, write_bundle_manifest  # noqa: E402
from vosrt.segmenter import Segmenter  # noqa: E402
from vosrt.strict_json import Node  # noqa: E402
from vosrt.trt.engine_graph import InputSizes, engine_graph  # noqa: E402

pytestmark = pytest.mark.xdist_group("lite")  # the shared bundle is exported in one process only

GRAPH = """
<ir_version: 8, opset_import: ["" : 17]>
three (float[n, 3, h, w] image) => (float[n, 8, h, w] features, float[n, 2, h, w] logits)
<float[8, 3, 1, 1] a, float[8] bias, float[8, 8, 3, 3] b, float[2, 8, 1, 1] c>
{
  convolved = Conv <kernel_shape: ints = [1, 1]> (image, a, bias)
  rectified = Relu (convolved)
  features = Conv <kernel_shape: ints = [3, 3], pads: ints = [1, 1, 1, 1]> (rectified, b)
  logits = Conv <kernel_shape: ints = [1, 1]> (features, c)
}
"""
SHAPES = {"a": (8, 3, 1, 1), "bias": (8,), "b": (8, 8, 3, 3), "c": (2, 8, 1, 1)}
RANGES = {
    "image": Range(4 / 127, MIDDLE),
    "rectified": Range(8 / 255, 0),
    "features": Range(30 / 127, MIDDLE),
}


@pytest.fixture
def model() -> Any:
    graph = onnx.parser.parse_model(GRAPH)
    rng = np.random.default_rng(0)
    del graph.graph.initializer[:]
    graph.graph.initializer.extend(
        onnx.numpy_helper.from_array(rng.standard_normal(shape, np.float32), name)
        for name, shape in SHAPES.items()
    )
    return graph


def image(images: int = 2) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((images, 3, 6, 9), np.float32)


def results_of(graph: Any) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"image": image()})


def stepped(values: np.ndarray, steps: Range) -> np.ndarray:
    return (np.clip(np.rint(values / steps.scale) + steps.zero, 0, 255) - steps.zero) * steps.scale


def test_values_are_what_convolutions_read_and_give(model):
    assert list(convolutions_of(model)) == ["convolved", "features", "logits"]
    assert values_of(model, ["convolved"]) == ["image", "rectified"]
    assert values_of(model, ["convolved", "features"]) == ["image", "rectified", "features"]
    assert values_of(model, ["logits"]) == ["features", "logits"]


def test_quantised_graph_computes_with_rounded_values_and_weights(model):
    weights = {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}
    found = results_of(quantize_graph(model, ["convolved", "features"], RANGES))
    rounded = {}
    for name in ("a", "b"):
        numbers, scales = quantized_weights(weights[name])
        assert np.abs(numbers).max() == LARGEST_WEIGHT
        rounded[name] = numbers * scales[:, None, None, None]
    exact = dict(weights) | rounded
    convolved = np.einsum("oc,nchw->nohw", exact["a"][..., 0, 0], stepped(image(), RANGES["image"]))
    rectified = stepped(np.maximum(convolved + exact["bias"][:, None, None], 0), RANGES["rectified"])
    padded = np.pad(rectified, ((0, 0), (0, 0), (1, 1), (1, 1)))
    features = sum(
        np.einsum("oc,nchw->nohw", exact["b"][:, :, y, x], padded[:, :, y : y + 6, x : x + 9])
        for y, x in np.ndindex(3, 3)
    )
    # A kernel may round to the neighbour where a sum lies in the middle.
    np.testing.assert_allclose(found[0], stepped(features, RANGES["features"]), atol=1.01 * 30 / 127)
    assert (np.abs(found[0] - stepped(features, RANGES["features"])) > 1e-3).mean() < 0.06


def test_integer_kernels_take_the_convolutions(model, tmp_path):
    quantized = quantize_graph(model, ["convolved", "features"], RANGES)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    onnxruntime.InferenceSession(quantized.SerializeToString(), options, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node]
    assert kinds.count("QLinearConv") == 2
    assert kinds.count("Conv") == 1  # the logits
    assert "Relu" not in kinds


def test_float32_stays_where_no_layer_is_chosen(model):
    for found, wanted in zip(results_of(quantize_graph(model, [], {})), results_of(model), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("sign", [1, -1])
def test_range_keeps_what_matters(sign):
    values = np.abs(np.random.default_rng(0).standard_normal(1_000_000)).astype(np.float32)
    values[::2] *= sign
    histogram = Histogram()
    for part in np.split(values, 4):
        histogram.add(part)
    histogram.add(np.array([20], np.float32))  # one outlier
    found = histogram.range()
    steps = 255 if sign > 0 else 127
    assert found.zero == (0 if sign > 0 else MIDDLE)
    assert 3 < found.scale * steps < 15
    error = np.square(stepped(values, found) - values).mean()
    whole = np.square(stepped(values, Range(20 / steps, found.zero)) - values).mean()
    assert error < 0.8 * whole


def test_range_of_nothing_and_of_zeros():
    histogram = Histogram()
    histogram.add(np.zeros(0, np.float32))
    histogram.add(np.zeros(9, np.float32))
    assert histogram.range() == Range(1.0, 0)


def test_engines_get_signed_pairs_with_weights_to_quantise(model, tmp_path):
    quantized = quantize_graph(model, ["convolved", "features"], RANGES)
    onnx.save(quantized, tmp_path / "graph.onnx")
    graph = onnx.load_from_string(
        engine_graph(tmp_path / "graph.onnx", {"image": InputSizes.fixed((2, 3, 6, 9))}, {})
    )
    assert lint_for_tensorrt(graph, of_engine=True) == []
    types = {one.name: one.data_type for one in graph.graph.initializer}
    pairs = [node for node in graph.graph.node if node.op_type.endswith("Linear")]
    assert len(pairs) == 10  # of three values and two weights
    assert all(types[node.input[2]] == onnx.TensorProto.INT8 for node in pairs)
    zeros = [onnx.numpy_helper.to_array(one) for one in graph.graph.initializer if one.name.endswith(".zero")]
    assert not any(array.any() for array in zeros)
    weights = [node for node in pairs if node.op_type == "QuantizeLinear" and node.input[0] in types]
    assert {types[node.input[0]] for node in weights} == {onnx.TensorProto.FLOAT}
    for found, wanted in zip(results_of(graph), results_of(quantized), strict=True):
        np.testing.assert_allclose(found, wanted, atol=0.05 * np.abs(wanted).max())


@pytest.fixture(scope="module")
def bundle(lite_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("int8") / "bundle"
    shutil.copytree(lite_bundle, folder)
    manifest = Bundle.open(folder).manifest
    frames, masks = make_clip(8, 64, 96, 2)
    clip = [(frame, masks[0] if index == 0 else None) for index, frame in enumerate(frames)]
    choice = int8_search.choose_int8(manifest, plain_graphs(lite_bundle), clip, least=0.3)
    document = manifest.to_json()
    document["parity"]["int8"] = choice.to_json()
    add_int8(folder, document, choice)
    write_bundle_manifest(folder, Manifest.parse(Node(document, document="bundle.json")))
    return folder


def plain_graphs(folder: Path) -> dict[str, Any]:
    """The float32 graphs, whose convolutions are ordinary ones again."""
    bundle, graphs = Bundle.open(folder), {}
    for role in bundle.manifest.graphs:
        model = onnx.load(bundle.graph_path(role, precision="float32"))
        named = [(one.domain, one.name) for one in model.functions if "Convolution" in one.name]
        graphs[role] = inline_selected_functions(model, named) if named else model
    return graphs


def test_bundle_holds_int8_beside_float32(bundle):
    opened = Bundle.open(bundle)
    assert opened.precisions == ("float32", "float16", "int8")
    assert opened.graph_path("encode", precision="int8").name == "encode.int8.onnx"
    assert opened.graph_path("match", precision="int8") == opened.graph_path("match", precision="float32")
    sizes = [opened.graph_path("encode", precision=one).stat().st_size for one in ("float32", "int8")]
    assert sizes[1] < 0.35 * sizes[0]
    report = opened.manifest.parity["int8"]
    assert report["frames"] == 7
    assert report["int8_convolutions"] + len(report["float32_convolutions"]) == 35
    assert 0.5 <= report["worst_frame"] <= report["equal_labels"] <= 1


def test_int8_streams_like_float32(bundle):
    frames, masks = make_clip(4, 120, 160, 2, seed=3)
    exact, tried = (Segmenter(bundle, precision=one).stream() for one in ("float32", "int8"))
    clip = [(frame, masks[0] if index == 0 else None) for index, frame in enumerate(frames)]
    assert (
        agreement_of(exact, tried, clip, [Bundle.open(bundle).manifest]).mean > 0.85
    )  # of a network that is not trained


def test_search_keeps_the_worst_layers(bundle, monkeypatch):
    """Agreement is made up: what is wrong is that one layer, or any of two, is in int8."""
    opened = Bundle.open(bundle)
    models = plain_graphs(bundle)
    layers = [(role, name) for role, model in models.items() for name in convolutions_of(model)]
    harmful = {layers[3], layers[-2]}
    monkeypatch.setattr(
        int8_search._Search, "damage", lambda self: {one: float(one in harmful) for one in self.layers}
    )
    tried = []

    def try_exact(self, exact):
        tried.append(len(exact))
        return int8_search.Agreement((1.0,), 1.0 if harmful <= set(exact) else 0.98)

    monkeypatch.setattr(int8_search._Search, "try_exact", try_exact)
    frames, masks = make_clip(2, 64, 96, 1)
    clip = [(frames[0], masks[0]), (frames[1], None)]
    choice = int8_search.choose_int8(opened.manifest, models, clip)
    assert set(choice.exact) == harmful
    assert tried == [0, 1, 2]
    assert choice.to_json()["float32_convolutions"] == [f"{role}.{name}" for role, name in choice.exact]
    harmful.add(("segment", "everything"))
    with pytest.raises(ExportError, match="labels differ too much with a single layer"):
        int8_search.choose_int8(opened.manifest, models, clip)


@pytest.mark.full
def test_export_writes_int8_with_float32(tmp_path, capsys):
    output = tmp_path / "bundle"
    arguments = ["--model", "cfbi-lite", "--stand-in", "--precision", "int8", "--int8-similarity", "0.3"]
    assert to_onnx.main([*arguments, "--output", str(output)]) == 0
    assert "int8: 35 of 35 convolutions" in capsys.readouterr().out
    assert Bundle.open(output).precisions == ("float32", "int8")


def test_calibration_clip_is_read(tmp_path):
    frames, masks = make_clip(18, 48, 64, 1)
    folder = tmp_path / "frames"
    folder.mkdir()
    for index, frame in enumerate(frames):
        Image.fromarray(frame[..., ::-1]).save(folder / f"{index:03}.png")
    Image.fromarray(masks[0]).save(tmp_path / "mask.png")
    clip = read_calibration_clip(str(folder), str(tmp_path / "mask.png"))
    assert len(clip) == 16
    np.testing.assert_array_equal(clip[2][0], frames[2])
    np.testing.assert_array_equal(clip[0][1], masks[0])
    assert clip[1][1] is None
    Image.fromarray(masks[0][:40]).save(tmp_path / "small.png")
    with pytest.raises(InputError, match=r"size of .*small.png"):
        read_calibration_clip(str(folder), str(tmp_path / "small.png"))


@pytest.mark.parametrize(
    ("mask", "options", "message"),
    [
        (0, (), r"objects in .*mask.png: got \(\); allowed: 1 to 254 of them"),
        (255, (), r"objects in .*mask.png: got \(\)"),
        (2, ("--objects", "1"), r"objects in .*mask.png: got \(1, 2\); allowed: 1 to 1 of them"),
        (1, ("--frame", "96x160"), r"size of .*mask.png: got \(48, 64\); allowed: \(96, 160\)"),
    ],
)
def test_frames_to_calibrate_on_are_looked_at_before_the_export(mask, options, message, tmp_path, capsys):
    frames, _ = make_clip(3, 48, 64, 1)
    labels = np.full((48, 64), mask, np.uint8)
    labels[0, 0] = 1 if mask == 2 else mask
    (tmp_path / "frames").mkdir()
    for index, frame in enumerate(frames):
        Image.fromarray(frame).save(tmp_path / f"frames/{index}.png")
    Image.fromarray(labels).save(tmp_path / "mask.png")
    line = ["--model", "cfbi-nano", "--stand-in", "--precision", "int8", "--output", str(tmp_path / "bundle")]
    line += ["--calibrate", str(tmp_path / "frames"), "--calibrate-mask", str(tmp_path / "mask.png")]
    assert to_onnx.main([*line, *options]) == 2
    assert re.search(message, capsys.readouterr().err)


@pytest.mark.parametrize(
    "options",
    [["--calibrate", "x"], ["--calibrate-mask", "x"], ["--calibrate", "x", "--calibrate-mask", "y"]],
    ids=["no mask", "no frames", "no int8"],
)
def test_calibration_needs_all_of_its_options(options, tmp_path, capsys):
    output = str(tmp_path / "bundle")
    arguments = ["--model", "cfbi-lite", "--stand-in", "--output", output, *options]
    assert to_onnx.main(arguments) == 2
    assert "--calibrate, --calibrate-mask and --precision int8 belong together" in capsys.readouterr().err
