"""Weights adapted to the objects of one video: what is learnt, and from what."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch

from vosrt.models import build_network, load_checkpoint, load_stand_in_weights
from vosrt.models.training import adapt as program
from vosrt.models.training.adapt import adapt, first_example, main, scanned_examples
from vosrt.sources.open_source import open_source

VIDEO = "test://96x128?objects=1&frames=12"


@pytest.fixture
def network():
    network = build_network("lse-lite")
    load_stand_in_weights(network)
    return network


@pytest.fixture(scope="module")
def scene():
    with open_source(VIDEO) as source:
        frames = list(source)
    truth = frames[0].truth == 1
    rows, columns = np.flatnonzero(truth.any(1)), np.flatnonzero(truth.any(0))
    box = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    return [frame.image for frame in frames], box


def test_outside_the_box_is_background_and_inside_only_what_is_likely_is_known(network, scene):
    frames, box = scene
    example = first_example(network, frames[0], box)
    assert example.crop.shape == (1, 3, 321, 321)
    counts = {value: int((example.truth == value).sum()) for value in (0, 1, 255)}
    assert all(counts.values())
    centre = example.truth[14:27, 14:27]
    assert not (centre == 0).any()  # the box is a third larger on each side


def test_training_lowers_the_loss_and_leaves_statistics_alone(network, scene):
    frames, box = scene
    example = first_example(network, frames[0], box)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    losses = adapt(network, [example], epochs=8, rate=1e-4, only_head=True)
    assert losses[-1] < losses[0]
    after = network.state_dict()
    changed = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert changed
    assert all(name.startswith("foreground.") for name in changed)
    adapt(network, [example], epochs=1, rate=1e-4)
    assert any(name.startswith("trunk.") for name in before if not torch.equal(before[name], after[name]))
    assert all(torch.equal(before[name], after[name]) for name in before if "running" in name)


def test_later_frames_are_examples_where_the_network_is_sure(network, scene, monkeypatch):
    frames, box = scene
    sure = torch.zeros(1, 96, 128)
    sure[:, 40:60, 40:60] = 0.9
    sure[:, 60:64, 40:60] = 0.5
    monkeypatch.setattr(network, "looked_for", lambda image, box, taps=None, head=None: sure)
    examples = scanned_examples(network, frames, [box])
    assert len(examples) == 2  # frames 5 and 10
    assert {0, 1, 255} <= set(examples[0].truth.unique().tolist())
    sure[:] = 0.5
    assert scanned_examples(network, frames, [box]) == []


def test_a_checkpoint_is_written_and_nothing_is_overwritten(network, scene, tmp_path, capsys):
    _, box = scene
    weights, output = tmp_path / "weights.pth", tmp_path / "adapted.safetensors"
    torch.save(network.state_dict(), weights)
    command = [VIDEO, "--checkpoint", str(weights), "--box", ",".join(map(str, box)), "-o", str(output)]
    assert main([*command, "--epochs", "2", "--learning-rate", "1e-3", "--two-scan"]) == 0
    adapted = build_network("lse-lite")
    load_checkpoint(adapted, output)
    assert not torch.equal(adapted.foreground.branches[0].weight, network.foreground.branches[0].weight)
    assert main(command) == 2
    assert "exists" in capsys.readouterr().err
    assert main([*command[:4], "5,5,900,40", *command[5:], "--overwrite"]) == 2
    assert "box" in capsys.readouterr().err
    assert main([*command, "--overwrite", "--model", "cfbi-lite"]) == 2
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "nowhere/x.safetensors"], "a .safetensors file in a folder that exists"),
        (["-o", "x.pth"], "a .safetensors file in a folder that exists"),
        (["-o", ""], "a .safetensors file in a folder that exists"),
        (["-o", "taken.safetensors", "--overwrite"], "taken.safetensors exists"),
        (["-o", "x.safetensors", "--learning-rate", "10"], "broke down"),
        (["-o", "full.safetensors"], "full.safetensors cannot be written"),
    ],
)
def test_what_cannot_be_written_is_told_and_nothing_is_left(
    network, scene, tmp_path, monkeypatch, capsys, options, message
):
    _, box = scene
    monkeypatch.chdir(tmp_path)
    torch.save(network.state_dict(), "weights.pth")
    (tmp_path / "taken.safetensors").mkdir()
    (tmp_path / f".full.safetensors.{os.getpid()}.part").symlink_to("/dev/full")
    command = [VIDEO, "--checkpoint", "weights.pth", "--box", ",".join(map(str, box)), "--epochs", "8"]
    assert main([*command, *options]) == 2
    assert message in capsys.readouterr().err
    there = {path.name for path in tmp_path.iterdir() if "full" not in path.name}
    assert there == {"weights.pth", "taken.safetensors"}


def test_a_learning_rate_is_a_number(capsys):
    with pytest.raises(SystemExit):
        main(
            [
                VIDEO,
                "--checkpoint",
                "w.pth",
                "--box",
                "0,0,9,9",
                "-o",
                "x.safetensors",
                "--learning-rate",
                "nan",
            ]
        )
    assert "give a number above 0" in capsys.readouterr().err


def test_examples_of_a_long_video_become_sparser(network, scene, monkeypatch):
    frames, box = scene
    monkeypatch.setattr(program, "_MOST_EXAMPLES", 3)
    sure = torch.full((1, 96, 128), 0.9)
    monkeypatch.setattr(network, "looked_for", lambda image, box, taps=None, head=None: sure)
    examples = list(scanned_examples(network, frames * 4, [box]))
    assert 1 <= len(examples) <= 3
