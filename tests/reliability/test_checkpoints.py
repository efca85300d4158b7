"""Checkpoints that run code on loading are refused, and their code has not run; damaged ones are errors."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.reliability.bundle_copy import outcome_of
from tests.reliability.effort import effort
from tests.reliability.file_faults import damaged

torch = pytest.importorskip("torch")

from safetensors.torch import save  # noqa: E402

from vosrt.cli import main  # noqa: E402
from vosrt.models.checkpoint import read_tensors  # noqa: E402
from vosrt.models.training.run_folder import CHECKPOINT, RunFolder  # noqa: E402
from vosrt.models.training.settings import TrainingSettings  # noqa: E402


class Code:
    """Makes a folder when it is loaded by a pickle that is trusted."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, (str(self.trace),)


def as_zip(content: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def as_old_file(content: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


def with_code_in_the_archive(content: object) -> bytes:
    """The pickle inside of a file of tensors is exchanged."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(as_zip({"a": torch.ones(2)}))) as good,
        zipfile.ZipFile(file, "w") as evil,
    ):
        for entry in good.infolist():
            is_pickle = entry.filename.endswith("data.pkl")
            evil.writestr(entry, pickle.dumps(content) if is_pickle else good.read(entry))
    return file.getvalue()


WRITERS = {
    "zip": as_zip,
    "old file": as_old_file,
    "bare pickle": pickle.dumps,
    "archive": with_code_in_the_archive,
}
PLACES = {
    "alone": lambda code: code,
    "beside tensors": lambda code: {"state_dict": {"a": torch.ones(2)}, "epoch": code},
    "among tensors": lambda code: {"state_dict": {"a": torch.ones(2), "b": code}},
    "as a key": lambda code: {code: torch.ones(2)},
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("writer", WRITERS)
def test_code_in_a_checkpoint_is_refused_and_has_not_run(writer, place, tmp_path, tally):
    trace = tmp_path / "trace"
    path = tmp_path / "model.pth"
    path.write_bytes(WRITERS[writer](PLACES[place](Code(trace))))
    trust(path, trace)
    for suffix in (".pth", ".pt", ".bin", ".safetensors"):
        other = path.with_suffix(suffix)
        other.write_bytes(path.read_bytes())
        found = outcome_of(lambda other=other: f"read {read_tensors(other)}")
        tally.tried()
        assert found.startswith("error"), found
        assert not trace.exists()


def trust(path: Path, trace: Path) -> None:
    """The code is there: a loader that trusts the file runs it."""
    with suppress(Exception):  # once it has run, what it leaves behind is no checkpoint
        torch.load(path, weights_only=False)
    assert trace.exists()
    trace.rmdir()


@pytest.mark.parametrize("command", ["export", "train"])
def test_commands_refuse_code_and_have_not_run_it(command, tmp_path, capsys, tally):
    trace = tmp_path / "trace"
    evil = tmp_path / "evil.pth"
    evil.write_bytes(as_zip({"state_dict": {"a": Code(trace)}}))
    options = {
        "export": ["--model", "cfbi-lite", "--checkpoint"],
        "train": ["--synthetic", "1", "--start-from"],
    }
    line = [command, *options[command], str(evil), "--output", str(tmp_path / "out")]
    tally.tried()
    assert main(line) == 2
    assert "not a checkpoint that can be read safely" in capsys.readouterr().err
    assert not trace.exists()
    assert not (tmp_path / "out").exists()


@effort("count", 32, 3000)
def test_a_damaged_checkpoint_is_an_error_or_holds_tensors(count, tmp_path, tally):
    content = {"state_dict": {f"module.layer{index}.weight": torch.ones(3, 4) for index in range(4)}}
    files = {
        "a.pth": as_zip(content),
        "b.pth": as_old_file(content),
        "c.safetensors": save(content["state_dict"]),
    }
    for name, whole in files.items():
        path = tmp_path / name
        for what, data in damaged(whole, count, seed=6):
            path.write_bytes(data)
            found = outcome_of(lambda path=path: f"read {len(read_tensors(path))}")
            tally.tried()
            if found.startswith("RAISED"):
                tally.failure(f"{name}, {what}: {found}")
    tally.check()


@effort("count", 16, 500)
def test_a_damaged_checkpoint_of_a_run_is_an_error_that_names_it(count, tmp_path, tally):
    run, settings = RunFolder(tmp_path / "run"), TrainingSettings(steps=3)
    run.begin(settings)
    run.save_checkpoint({"step": 2, "weights": {"a": torch.ones(3000)}})
    path, loaded = run.path / CHECKPOINT, described(run)
    whole, trace = path.read_bytes(), tmp_path / "trace"
    contents = [("code", as_zip({"step": Code(trace)})), *damaged(whole, count, seed=7)]
    for what, data in contents:
        path.write_bytes(data)
        found = outcome_of(lambda: described(run))
        tally.tried()
        if found != loaded and not (found.startswith("error") and "checkpoint.pt is damaged" in found):
            tally.failure(f"{what}: {found[:300]}")
    assert not trace.exists()
    tally.check()


def described(run: RunFolder) -> str:
    content = run.load_checkpoint()
    assert content is not None
    return f"{content['step']} {content['weights']['a'].numpy().tobytes().hex()}"
