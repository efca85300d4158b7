"""`vosrt inspect`."""

from __future__ import annotations

import json

from tests.runtime.toy_bundle import write_colour_bundle
from vosrt.cli import main


def test_inspect_prints_what_a_bundle_holds(scene, capsys):
    assert main(["inspect", str(scene / "bundle")]) == 0
    text = capsys.readouterr().out
    assert "graph segment: float32" in text
    assert "from state.previous" in text
    assert main(["inspect", str(scene / "bundle"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["format"] == 1


def test_a_damaged_bundle_is_named(scene, tmp_path, capsys):
    write_colour_bundle(tmp_path / "bundle")
    graph = next((tmp_path / "bundle").glob("segment*.onnx"))
    graph.write_bytes(graph.read_bytes()[:-1])
    assert main(["inspect", str(tmp_path / "bundle")]) == 2
    assert "is not the file that was exported" in capsys.readouterr().err
