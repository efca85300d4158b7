"""The comparison of adaptations, on a clip of squares and weights that were not trained."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from tests.benchmarks.dataset_trees import write_clip  # noqa: E402
from vosrt.benchmarks import adaptation  # noqa: E402
from vosrt.models import build_network, load_stand_in_weights  # noqa: E402
from vosrt.models.training import adapt  # noqa: E402


@pytest.fixture
def checkpoint(tmp_path):
    network = build_network("lse-lite")
    load_stand_in_weights(network)
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    return ["--checkpoint", str(tmp_path / "weights.pth")]


def test_every_mode_is_run_on_the_clips_that_have_truth(tmp_path, capsys, monkeypatch, checkpoint):
    write_clip(tmp_path / "clips" / "squares", ids=(1,))
    write_clip(tmp_path / "clips" / "untold", masks=[0])
    calls = []
    trained = adapt.adapt

    def few_steps(network, examples, *, epochs=2, **settings):
        calls.append((len(examples), epochs, settings["rate"]))
        return trained(network, examples, epochs=1, **settings)

    monkeypatch.setattr(adapt, "adapt", few_steps)
    assert adaptation.main([*checkpoint, "--clips", str(tmp_path / "clips"), "--learning-rate", "1e-4"]) == 0
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[:2] for row in rows] == [
        ["squares", "static"],
        ["squares", "first frame, head"],
        ["squares", "first frame, all layers"],
        ["squares", "two scans"],
    ]
    assert float(rows[0][4]) < 0.1
    assert min(float(row[4]) for row in rows[1:]) > 0
    assert [call[2] for call in calls] == [1e-4] * 4
    assert calls[-1][1] == 1  # the scan's examples are seen once


def test_mistakes_are_named(tmp_path, capsys, checkpoint):
    write_clip(tmp_path / "clips" / "squares")
    clips = ["--clips", str(tmp_path / "clips")]
    assert adaptation.main([*checkpoint, *clips, "--names", "circles"]) == 2
    assert "allowed: squares" in capsys.readouterr().err
    assert adaptation.main([*checkpoint, *clips, "--model", "cfbi-lite"]) == 2
    assert "lse-lite or lse" in capsys.readouterr().err
