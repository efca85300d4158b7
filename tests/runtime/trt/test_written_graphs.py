"""`vosrt build --graphs`: what TensorRT would get, on a machine without it."""

from __future__ import annotations

import json

import onnx
import pytest

from tests.runtime.trt import stand_in
from vosrt import Segmenter
from vosrt.bundle import Bundle
from vosrt.cli import main
from vosrt.export.tensorrt_lint import lint_for_tensorrt
from vosrt.graphs.operator_shapes import WITH_KERNEL
from vosrt.plugins import DOMAIN
from vosrt.shipped_bundles import TERMS
from vosrt.trt.checked_engines import EngineSettings
from vosrt.trt.engine_graph import InputSizes
from vosrt.trt.plugin_names import PREFIX
from vosrt.trt.written_graphs import write_graphs

BUNDLE = "cfbi-lite-davis"
SIZE = (64, 96)
CASES = [(name, precision) for name in TERMS for precision in Bundle.open(name).precisions]


def on_cpu(name: str, **settings) -> Segmenter:
    return Segmenter(name, device="cpu", **settings)


@pytest.mark.parametrize(("name", "precision"), CASES)
def test_tensorrt_could_read_what_comes_along(name, precision, tmp_path):
    for written in write_graphs(on_cpu(name), tmp_path, SIZE, objects=2, precision=precision):
        model = onnx.load(str(written.path))
        assert lint_for_tensorrt(model, of_engine=True) == []
        onnx.checker.check_model(model)
        plugins = {node.op_type for node in model.graph.node if node.domain == DOMAIN}
        assert plugins <= {PREFIX + name for name in WITH_KERNEL}
        assert sum(written.nodes.values()) == len(model.graph.node)


@pytest.mark.parametrize("limit", [None, 3 << 20])
def test_engines_are_built_from_the_same_graphs(gpu_machine, tmp_path, limit):
    written = write_graphs(on_cpu(BUNDLE), tmp_path / "graphs", SIZE, objects=3, memory_limit=limit)
    (segment,) = [graph for graph in written if ".segment." in graph.path.name]
    assert segment.sizes["rows"] == InputSizes.fixed((2 if limit else 4,))
    Segmenter(BUNDLE, engines=EngineSettings(objects=3), memory_limit=limit).prepare(*SIZE)
    built = [entry.network._model for entry in stand_in.Builder.built]
    assert [graph.path.read_bytes() for graph in written] == built


def test_scales_and_mirrored_frames_are_looked_at_too(tmp_path):
    segmenter = on_cpu(BUNDLE, scales=(1.0, 1.5), flip=True)
    names = [graph.path.name for graph in write_graphs(segmenter, tmp_path, SIZE, objects=2)]
    assert [name for name in names if ".encode." in name] == [
        "cfbi-lite.encode.float32.64x96.65x97.onnx",
        "cfbi-lite.encode.float32.64x96.97x145.onnx",
    ]
    assert {f"cfbi-lite.match.float32.{grid}.64x96.2.to8.onnx" for grid in ("17x25", "25x37")} <= set(names)


def test_the_command_says_what_it_has_written(tmp_path, capsys):
    command = ["build", "cfbi-lite-davis", "--frame", "64x96", "--objects", "2", "--long-edge", "80"]
    command += ["--graphs", str(tmp_path)]
    assert main(command) == 0
    text = capsys.readouterr().out
    assert f"{tmp_path}/cfbi-lite.encode.float32.64x96.49x81.onnx: " in text
    assert "open sizes: --minShapes=reference_bank:1x13x21x32,reference_labels:1x13x21 --optShapes=" in text
    assert main([*command, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["file"] for row in rows} == {str(path) for path in tmp_path.iterdir()}
    (match,) = [row for row in rows if ".match." in row["file"]]
    assert match["nodes"]["VosrtGlobalMatching"] == 1
    assert match["shapes"]["maxShapes"] == "reference_bank:8x13x21x32,reference_labels:8x13x21"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--precision", "float16"], "float16"),
        (["--precision", "fastest"], "fastest"),
        (["--objects", "999"], "999"),
    ],
)
def test_mistakes_are_said(options, message, tmp_path, capsys):
    assert main(["build", "lse-lite-davis", "--frame", "64x96", "--graphs", str(tmp_path), *options]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    command = ["build", "cfbi-lite-davis", "--frame", "64x96", "--graphs", str(tmp_path / "file/graphs")]
    assert main(command) == 2
    assert "cannot be made (Not a directory)" in capsys.readouterr().err
