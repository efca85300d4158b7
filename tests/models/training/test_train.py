"""Whole runs: they learn, go on after any interruption as if nothing had been, and share batches."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402

from tests.models.training.annotated_folders import write_sequences  # noqa: E402
from tests.runtime.sinks.frames import largest_file  # noqa: E402
from vosrt.errors import InputError  # noqa: E402
from vosrt.models import build_network, load_checkpoint  # noqa: E402
from vosrt.models.training.families import training_of  # noqa: E402
from vosrt.models.training.footage import Footage  # noqa: E402
from vosrt.models.training.matching_training import MatchingTraining  # noqa: E402
from vosrt.models.training.run_folder import RunFolder  # noqa: E402
from vosrt.models.training.sequence_folders import find_sequences  # noqa: E402
from vosrt.models.training.settings import Stage, TrainingSettings  # noqa: E402
from vosrt.models.training.synthetic_scenes import SyntheticScenes  # noqa: E402
from vosrt.models.training.train import main  # noqa: E402
from vosrt.models.training.training_clip import TrainingClip, TrainingClips  # noqa: E402
from vosrt.models.training.validation import validate  # noqa: E402

STAGES = [{"share": 1.0, "height": 65, "width": 65, "predicted": 1}]


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "small.json"
    path.write_text(json.dumps({"model": "cfbi-lite", "batch": 2, "synthetic": 1.0, "stages": STAGES}))
    return ["--recipe", str(path), "--log-every", "1", "--validate-every", "100"]


def curve(folder: Path) -> list[tuple[str, str, str]]:
    with (folder / "steps.csv").open() as file:
        return [(row["step"], row["loss"], row["gradient_norm"]) for row in csv.DictReader(file)]


def tensors(folder: Path, file: str = "weights.safetensors") -> dict[str, torch.Tensor]:
    return load_file(folder / file)


def assert_same_run(one: Path, other: Path) -> None:
    assert curve(one) == curve(other)
    for name, tensor in tensors(one).items():
        assert tensor.equal(tensors(other)[name]), name


@pytest.mark.parametrize("model", ["cfbi-lite", "lse-lite"])  # the latter draws crops and pairs as it learns
def test_a_stopped_run_goes_on_bit_by_bit(tmp_path, recipe, model):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    options = [*recipe, "--model", model, "--steps", "4"]
    assert main([*options, "--output", str(whole)]) == 0
    assert main([*options, "--output", str(parts), "--stop-after", "2"]) == 0
    assert len(curve(parts)) == 2
    assert main([*options, "--output", str(parts), "--stop-after", "9"]) == 0  # the run ends before
    assert_same_run(whole, parts)


def test_a_step_that_is_left_out_changes_nothing(tmp_path, recipe, monkeypatch, capsys):
    options = [*recipe, "--steps", "4"]
    assert main([*options, "--output", str(tmp_path / "whole"), "--stop-after", "1"]) == 0
    exact, calls = MatchingTraining.loss, []

    def overflow_from_the_second_on(self, clips, hardest):
        calls.append(clips)
        return exact(self, clips, hardest) * (1.0 if len(calls) == 1 else float("inf"))

    monkeypatch.setattr(MatchingTraining, "loss", overflow_from_the_second_on)
    assert main([*options, "--output", str(tmp_path / "broken"), "--stop-after", "2"]) == 0
    whole, broken = (
        torch.load(tmp_path / run / "checkpoint.pt", weights_only=True)["network"]
        for run in ("whole", "broken")
    )
    for name, tensor in whole.items():
        assert tensor.equal(broken[name]), name
    monkeypatch.setattr("vosrt.models.training.trainer.MAX_BROKEN_STEPS", 2)
    assert main([*options, "--output", str(tmp_path / "broken")]) == 2
    assert "begin another run with a lower learning_rate" in capsys.readouterr().err


def test_a_run_goes_on_when_it_ended_before_the_first_line_of_its_curve(tmp_path, recipe):
    run = tmp_path / "run"
    assert main([*recipe, "--steps", "1", "--output", str(run)]) == 0
    whole = curve(run)
    (run / "checkpoint.pt").unlink()
    (run / "steps.csv").write_text("")  # opened, and then the disk was full
    assert main([*recipe, "--steps", "1", "--output", str(run)]) == 0
    assert curve(run) == whole


def test_a_checkpoint_that_finds_no_room_says_so(tmp_path):
    with (
        largest_file(1 << 20),
        pytest.raises(InputError, match=r"checkpoint\.pt cannot be written \(File too large\)"),
    ):
        RunFolder(tmp_path).save_checkpoint({"network": {"weight": torch.zeros(1 << 20)}})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told_with_what_is_in_its_way(tmp_path, recipe, capsys):
    (tmp_path / "link").symlink_to("gone")
    assert main([*recipe, "--output", str(tmp_path / "link" / "run")]) == 2
    assert "cannot be written (File exists)" in capsys.readouterr().err


def test_a_killed_run_of_two_processes_goes_on_bit_by_bit(tmp_path, recipe):
    options = [*recipe, "--steps", "4", "--processes", "2", "--save-every", "2", "--log-every", "3"]
    command = [sys.executable, "-m", "vosrt", "train", *options, "--output", str(tmp_path / "killed")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not (tmp_path / "killed" / "checkpoint.pt").exists():
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert (tmp_path / "killed" / "checkpoint.pt").exists()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL, timeout=120)
    undisturbed = [*command[:-1], str(tmp_path / "whole")]
    subprocess.run(undisturbed, check=True, stderr=subprocess.DEVNULL, timeout=120)
    assert_same_run(tmp_path / "whole", tmp_path / "killed")


def one_clip(settings: TrainingSettings) -> list[TrainingClip]:
    return [TrainingClips(settings, [(SyntheticScenes(), 1.0)])[0]]


SLOW_LSE = pytest.param("lse-lite", marks=pytest.mark.full)  # its crops are large


@pytest.mark.parametrize("model", ["cfbi-lite", "stm-lite", "directional-lite", SLOW_LSE])
def test_a_network_learns_a_clip(model):
    torch.manual_seed(0)
    settings = TrainingSettings(steps=1, batch=1, stages=(Stage(1.0, 65, 65, 2),))
    network = build_network(model).train()
    training, clips = training_of(network, settings), one_clip(settings)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    losses = []
    for _ in range(12):
        loss = training.loss(clips, hardest=1.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize(
    ("model", "backbone"),
    [
        ("cfbi", "mobilenetv2"),
        ("cfbi_plus", "resnet101"),
        ("stm", "refine50"),
        ("directional", "resnet101"),
        pytest.param("lse", "resnet101", marks=pytest.mark.full),
    ],
)
def test_gradients_reach_every_weight_of_the_large_networks(model, backbone):
    settings = TrainingSettings(steps=1, batch=1, stages=(Stage(1.0, 65, 65, 1),))
    network = build_network(model, backbone)
    training_of(network, settings).loss(one_clip(settings), hardest=0.5).backward()
    without = [name for name, weight in network.named_parameters() if weight.grad is None]
    assert without == []
    assert all(torch.isfinite(weight.grad).all() for weight in network.parameters())


def test_nothing_is_learnt_from_unrolled_frames_but_their_masks():
    """The loss of a clip is that of its last frames alone, each from the masks predicted before it."""
    settings = TrainingSettings(steps=1, batch=1, stages=(Stage(1.0, 65, 65, 3),), frozen_batch_norm=True)
    network = build_network("cfbi-lite", None).eval()
    clip = one_clip(settings)[0]
    family = training_of(network, settings)
    whole, first, both = (family.loss([one], 1.0) for one in (clip, _cut(clip, 3), _cut(clip, 4)))
    unrolled = family.loss([replace(clip, unrolled=1)], 1.0)
    assert unrolled.item() == pytest.approx(((3 * whole - first) / 2).item(), rel=1e-4)
    last = family.loss([replace(clip, unrolled=2)], 1.0)
    assert last.item() == pytest.approx((3 * whole - 2 * both).item(), rel=1e-3)
    last.backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def _cut(clip: TrainingClip, frames: int) -> TrainingClip:
    return replace(clip, frames=clip.frames[:frames], labels=clip.labels[:frames])


def test_other_families_do_not_unroll():
    settings = TrainingSettings(model="stm-lite", stages=(Stage(1.0, 65, 65, 1, unrolled=1),))
    with pytest.raises(InputError, match=r"unrolled.*0 for stm-lite"):
        training_of(build_network("stm-lite", None), settings)


def test_a_held_out_sequence_may_begin_without_an_object(tmp_path):
    root = write_sequences(tmp_path, ("late",))
    (whole,) = find_sequences(root)
    network = build_network("cfbi-lite").eval()
    (expected,) = validate(network, Footage([replace(whole, frames=whole.frames[2:])]))
    for paths in whole.frames[:2]:
        Image.fromarray(np.zeros((72, 96), np.uint8)).save(paths.mask)
    (found,) = validate(network, Footage([whole]))
    assert found.region_similarity == expected.region_similarity
    assert np.array_equal(found.picture, expected.picture)


def plain_mode(folder: Path) -> int:
    """Permissions of a file that is simply written."""
    (folder / "plain").touch()
    return (folder / "plain").stat().st_mode & 0o777


def test_weights_handed_on_keep_variances_that_float16_does_not_hold(tmp_path):
    weights = {"norm.running_var": torch.tensor([1e5, 1e-8]), "conv.weight": torch.ones(2, 1, 3, 3)}
    folder = RunFolder(tmp_path / "run")
    folder.begin(TrainingSettings())
    folder.save_weights(weights, {})
    stored = tensors(tmp_path / "run", "weights-float16.safetensors")
    assert (tmp_path / "run" / "weights.safetensors").stat().st_mode & 0o777 == plain_mode(tmp_path)
    assert torch.equal(stored["norm.running_var"], weights["norm.running_var"])
    assert stored["conv.weight"].dtype == torch.float16


@pytest.mark.parametrize("model", ["cfbi-lite", "stm-lite", "directional-lite"])
def test_held_out_sequences_are_validated_and_weights_load(tmp_path, recipe, model):
    data = write_sequences(tmp_path / "data", ("one", "two"), count=8)
    options = [*recipe, "--model", model, "--steps", "4", "--synthetic", "0", "--data", str(data)]
    options += ["--hold-out", "two"]
    assert main([*options, "--validate-every", "2", "--output", str(tmp_path / "run")]) == 0
    network, half = build_network(model), build_network(model)
    load_checkpoint(network, tmp_path / "run" / "weights.safetensors")
    load_checkpoint(half, tmp_path / "run" / "weights-float16.safetensors")
    for one, other in zip(network.state_dict().values(), half.state_dict().values(), strict=True):
        assert other.dtype == one.dtype
        torch.testing.assert_close(other, one, rtol=1e-3, atol=1e-6)
    with (tmp_path / "run" / "validation.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["2", "4"]
    assert len(list((tmp_path / "run" / "examples").glob("two_*.png"))) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--synthetic", "0"], "no --data"),
        (["--processes", "3"], "--processes"),
        (["--data", "DATA", "--hold-out", "three"], "--hold-out"),
        (["--data", "DATA", "--hold-out", "one,two", "--synthetic", "0.5"], "no sequence to train on"),
        (["--recipe", "magic"], "--recipe"),
        (["--data", "nowhere"], "no annotated sequences"),
        (["--steps", "0"], "steps"),
        (["--model", "lse-lite", "--without", "zoom,wheels"], "allowed: zoom, fusion, embeddings"),
        (["--without", "zoom"], "allowed: background, windows, attention"),
        (["--model", "stm-lite", "--without", "zoom"], "stm-lite has no option --without"),
        (["--set", "pasted=1.5"], "pasted: got 1.5; allowed: 0 to 1"),
        (["--set", "damaged=half"], "damaged: got 'half'; allowed: a value like 0.5"),
        (["--set", "seed=-1"], "seed: got -1; allowed: 0 and more"),
        (["--set", 'stages=[{"share":0,"height":65,"width":65,"predicted":1}]'], "a share above 0"),
        (["--set", 'stages=[{"share":1,"height":1,"width":65,"predicted":1}]'], "sides of 16 k + 1"),
        (["--set", 'stages=[{"share":1,"height":65,"width":65,"predicted":1.5}]'], "predicted: got 1.5"),
        (["--recipe", "DATA/strange.json"], "settings cannot be read"),
        (["--photographs", "nowhere"], "no images in nowhere"),
        (["--start-from", "nowhere"], "no checkpoint at nowhere"),
        (["--start-from", "DATA/broken.safetensors"], "no finite numbers in trunk.stem.1.bias"),
        (["--model", "stm-lite", "--start-from", "DATA/strange.safetensors"], "fits stm-lite"),
    ],
)
def test_mistakes_are_named_before_training(tmp_path, capsys, recipe, options, message):
    data = write_sequences(tmp_path / "data")
    save_file({"strange": torch.ones(2)}, data / "strange.safetensors")
    save_file({"trunk.stem.1.bias": torch.full((16,), torch.nan)}, data / "broken.safetensors")
    (data / "strange.json").write_bytes(b"\xff{}")
    options = [option.replace("DATA", str(data)) for option in options]
    assert main([*recipe, *options, "--output", str(tmp_path / "run")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("option", ["--data", "--photographs", "--output"])
def test_an_empty_path_is_not_the_current_folder(capsys, recipe, option):
    with pytest.raises(SystemExit, match="2"):
        main([*recipe, "--output", "run", option, ""])
    assert f"{option}: the path is empty" in capsys.readouterr().err


@pytest.mark.parametrize(
    "option",
    ["--processes=0", "--workers=-1", "--log-every=0", "--save-every=x", "--stop-after=0", "--device=abacus"],
)
def test_options_that_cannot_be_are_named_with_the_usage(tmp_path, capsys, recipe, option):
    with pytest.raises(SystemExit) as end:
        main([*recipe, option, "--output", str(tmp_path / "run")])
    assert end.value.code == 2
    assert f"argument {option.split('=')[0]}: " in capsys.readouterr().err


def test_a_run_starts_from_what_fits_of_other_weights(tmp_path, recipe):
    shipped = Path(__file__).parents[3] / "models" / "weights" / "cfbi-lite-davis.safetensors"
    run = tmp_path / "run"
    options = ["--model", "lse-lite", "--start-from", "cfbi-lite-davis", "--steps", "1"]
    assert main([*recipe, *options, "--learning-rate", "1e-9", "--output", str(run)]) == 0
    given, found = load_file(shipped), tensors(run)
    shared = [name for name in found if name in given]
    assert len(shared) == 79
    for name in ("trunk.stem.0.weight", "trunk.up8.0.weight"):
        torch.testing.assert_close(found[name], given[name].float(), rtol=1e-3, atol=1e-6)
    assert json.loads((run / "settings.json").read_text())["start_from"] == "cfbi-lite-davis"


def test_a_folder_with_another_run_is_not_touched(tmp_path, capsys, recipe):
    run = str(tmp_path / "run")
    assert main([*recipe, "--steps", "2", "--output", run]) == 0
    before = (tmp_path / "run" / "steps.csv").read_text()
    assert main([*recipe, "--steps", "3", "--output", run]) == 2
    assert "holds a run with other settings" in capsys.readouterr().err
    assert (tmp_path / "run" / "steps.csv").read_text() == before
