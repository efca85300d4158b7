"""Full disks and disks that cannot be written: exit status 2 and a reason; what was written can be read."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.reliability.bundle_copy import outcome_of
from tests.reliability.effort import effort
from tests.reliability.mounts import fill, read_only, small_disk
from tests.reliability.outputs import check_outputs, stream_line
from tests.reliability.stream_machine import frame_of
from vosrt import Segmenter
from vosrt.cli import main
from vosrt.engine_cache import EngineCache, EngineKey

NO_ROOM, READ_ONLY = "No space left on device", "Read-only file system"
KEY = EngineKey("toy.segment", {"graph": "1"})


def refused(line: list[str], reason: str, capsys, tally) -> str:
    """The message of a command that a disk does not let finish."""
    tally.fault()
    status = main(line)
    message = capsys.readouterr().err
    assert status == 2, message
    assert message.startswith("error: ")
    assert reason in message
    return message


@effort("sizes", 3, 25)
def test_a_stream_onto_a_full_disk_leaves_what_can_be_read(colour_bundle, sizes, tmp_path, capsys, tally):
    for number in range(sizes):
        with small_disk(tmp_path / f"disk{number}", 24 + 20 * number) as disk:
            refused(stream_line(colour_bundle, disk, 400), NO_ROOM, capsys, tally)
            check_outputs(disk)


@pytest.mark.parametrize("option", ["--out", "--masks", "--rle", "--cutout", "--segments"])
def test_every_output_alone_meets_a_full_disk(colour_bundle, option, tmp_path, capsys, tally):
    names = {"--out": "video.mp4", "--rle": "masks.jsonl"}
    line = ["stream", str(colour_bundle), "--source", "test://48x64?frames=400", "--json", "--threads", "1"]
    with small_disk(tmp_path / "disk", 16) as disk:
        refused([*line, option, str(disk / names.get(option, "folder"))], NO_ROOM, capsys, tally)


def test_no_output_can_be_made_on_a_disk_that_cannot_be_written(colour_bundle, tmp_path, capsys, tally):
    with read_only(tmp_path):
        for option, name in {"--out": "v.mp4", "--masks": "m", "--rle": "r.jsonl", "--cutout": "c"}.items():
            line = ["stream", str(colour_bundle), "--source", "test://48x64?frames=4", "--json"]
            refused([*line, option, str(tmp_path / name)], READ_ONLY, capsys, tally)


def test_a_bundle_is_read_from_a_disk_that_cannot_be_written(colour_bundle, tmp_path, capsys, tally):
    bundle = shutil.copytree(colour_bundle, tmp_path / "bundle")
    with read_only(bundle):
        tally.fault()
        assert main(["inspect", str(bundle)]) == 0
        assert Segmenter(bundle, threads=1).stream().step(frame_of(0, (17, 23))).ids == ()
    assert "error" not in capsys.readouterr().err


def test_a_snapshot_meets_a_full_disk_and_the_one_before_stays(colour_bundle, tmp_path, tally):
    stream = Segmenter(colour_bundle, threads=1).stream()
    mask = frame_of(1, (64, 64))[..., 0] // 128
    stream.step(frame_of(0, (64, 64)), mask)
    with small_disk(tmp_path / "disk", 512) as disk:
        stream.save(disk / "stream.npz")
        before = (disk / "stream.npz").read_bytes()
        fill(disk, leave=20_000)
        tally.fault()
        found = outcome_of(lambda: str(stream.save(disk / "stream.npz")))
        assert found.startswith("error: ")
        assert NO_ROOM in found
        assert (disk / "stream.npz").read_bytes() == before
        assert not list(disk.glob(".*"))
    with read_only(tmp_path):
        found = outcome_of(lambda: str(stream.save(tmp_path / "stream.npz")))
        assert READ_ONLY in found


def test_an_engine_is_used_though_it_cannot_be_kept(tmp_path, caplog, tally):
    engine = bytes(100_000)
    with small_disk(tmp_path / "disk", 64) as disk:
        tally.fault()
        assert EngineCache(disk).get(KEY, lambda: engine) == engine
        assert NO_ROOM in caplog.text
        assert [path.name for path in disk.iterdir() if not path.name.endswith(".lock")] == []


def test_an_engine_is_read_from_a_disk_that_cannot_be_written(tmp_path, tally):
    cache, other = EngineCache(tmp_path), EngineKey("toy.encode", {"graph": "2"})
    cache.get(KEY, lambda: b"engine")
    with read_only(tmp_path):
        tally.fault(2)
        assert cache.get(KEY, lambda: b"another") == b"engine"
        found = outcome_of(lambda: cache.get(other, lambda: b"engine").decode())
        assert found.startswith("error: engine cache")
        assert READ_ONLY in found


def test_standard_output_that_is_full_is_an_error(colour_bundle, tally):
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    tally.fault()
    with open("/dev/full", "w") as full:
        run = subprocess.run(
            [sys.executable, "-m", "vosrt", "inspect", str(colour_bundle)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert run.returncode == 2
    assert run.stderr == f"error: standard output: {NO_ROOM}\n"


def test_a_training_run_meets_full_disks(tmp_path, capsys, tally):
    """The run's folder is made, its settings are written, or its checkpoint: each time it says so."""
    pytest.importorskip("torch")
    import torch

    from vosrt.models.training.run_folder import RunFolder
    from vosrt.models.training.settings import TrainingSettings

    with small_disk(tmp_path / "disk", 64) as disk:
        run = RunFolder(disk / "run")
        run.begin(TrainingSettings(steps=2))
        run.save_checkpoint({"step": 1})
        contents = {"step": 2, "network": torch.zeros(100_000)}
        for write in (
            lambda: run.save_checkpoint(contents),
            lambda: run.save_weights({"a": torch.zeros(100, 1000)}, {}),
        ):
            tally.fault()
            found = outcome_of(lambda write=write: str(write()))
            assert found.startswith("error: ")
            assert "cannot be written" in found
        assert run.load_checkpoint() == {"step": 1}
        assert sorted(path.name for path in run.path.iterdir()) == ["checkpoint.pt", "settings.json"]
        fill(disk, leave=0)
        found = outcome_of(lambda: str([run.log("steps.csv", {"step": 1.0}) for _ in range(1000)]))
        assert NO_ROOM in found
    with read_only(tmp_path):
        refused(["train", "--synthetic", "1", "--output", str(tmp_path / "run")], READ_ONLY, capsys, tally)


def test_an_export_onto_a_disk_that_cannot_be_written_says_so_at_once(tmp_path, capsys, tally):
    pytest.importorskip("torch")
    with read_only(tmp_path):
        line = ["export", "--model", "cfbi-lite", "--stand-in", "--output", str(tmp_path / "bundle")]
        refused(line, READ_ONLY, capsys, tally)


@pytest.mark.full
@pytest.mark.parametrize("kilobytes", [8, 1024, 5000])
def test_an_export_onto_a_full_disk_leaves_nothing(kilobytes, tmp_path, capsys, tally):
    with small_disk(tmp_path / "disk", kilobytes) as disk:
        sizes = ["--frame", "65x65", "--objects", "1", "--references", "1"]
        line = ["export", "--model", "cfbi-lite", "--stand-in", "1", "--output", str(disk / "bundle"), *sizes]
        refused(line, NO_ROOM, capsys, tally)
        assert list(Path(disk).iterdir()) == []
