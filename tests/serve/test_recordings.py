"""Recordings of a server: which are kept, and what is told of those that end by themselves."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from vosrt import InputError
from vosrt.cameras import View
from vosrt.result import Result
from vosrt.serve.recordings import Recordings
from vosrt.sources.source_frame import SourceFrame
from vosrt.sources.video_file import VideoFile


def view(index: int) -> View:
    image = np.full((64, 96, 3), index, np.uint8)
    result = Result(np.zeros((64, 96), np.uint8), (), index, {}, confidence={})
    return View(SourceFrame(image, str(index), index / 10, captured=index / 10), result, index / 10)


def record(recordings: Recordings, camera: str) -> str:
    recordings.start(camera)
    recordings.write(camera, view(0))
    return recordings.stop(camera)


def test_a_folder_is_there_as_long_as_it_is_used(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    recordings = Recordings()
    assert list(tmp_path.iterdir()) == []  # a server that is ended now leaves nothing
    assert recordings.file("0123456789abcdef") is None
    name = record(recordings, "door")
    assert recordings.file(name).parent.parent == tmp_path
    recordings.close()
    assert list(tmp_path.iterdir()) == []
    Recordings().close()

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(InputError, match=r"no room for recordings \(No such file or directory\); let TMPDIR"):
        Recordings().start("door")


def test_one_that_runs_never_gives_way():
    recordings = Recordings()
    long = recordings.start("door")
    recordings.write("door", view(0))
    short = [record(recordings, "yard") for _ in range(33)]
    assert recordings.file(short[0]) is None
    assert recordings.file(long) is None  # not finished
    recordings.write("door", view(1))
    assert recordings.stop("door") == long
    assert recordings.file(long) is not None
    assert recordings.status("door") == {"recording": None, "recorded": long, "recording_error": None}
    recordings.close()


def test_on_a_full_disk_the_oldest_give_way(monkeypatch):
    """Nobody else can remove them, and no recording would succeed any more."""
    recordings = Recordings()
    files = [recordings.file(record(recordings, "door")) for _ in range(3)]

    def disk_for(most: int) -> None:
        def usage(_: str) -> SimpleNamespace:
            return SimpleNamespace(free=(most - sum(file.exists() for file in files)) << 30)

        monkeypatch.setattr(shutil, "disk_usage", usage)

    disk_for(4)
    recordings.start("door")
    assert [file.exists() for file in files] == [True, True, True]
    disk_for(3)
    recordings.start("yard")
    assert [file.exists() for file in files] == [False, True, True]
    disk_for(2)
    recordings.write("yard", view(0))
    assert [file.exists() for file in files] == [False, False, True]
    recordings.close()


def test_one_ends_before_it_fills_the_disk(monkeypatch):
    """Forgotten, it would leave no byte to anything else that writes there."""
    recordings = Recordings()
    name = recordings.start("door")
    recordings.write("door", view(0))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 20))
    recordings.write("door", view(1))
    recordings.write("door", view(2))
    told = "it ended: the disk has less than 64 MiB left"
    assert recordings.status("door") == {"recording": None, "recorded": name, "recording_error": told}
    assert [frame.name for frame in VideoFile(recordings.file(name))] == ["00000", "00001"]
    recordings.close()


def test_one_that_cannot_go_on_says_why(caplog):
    recordings = Recordings()
    with pytest.raises(InputError, match="is not being recorded"):
        recordings.stop("door")
    name = recordings.start("door")
    (Path(recordings._folder.name) / f"{name}.mp4").mkdir()  # in the file's place
    recordings.write("door", view(0))
    assert "recording of camera door: video" in caplog.text
    status = recordings.status("door")
    assert (status["recording"], status["recorded"]) == (None, None)
    assert "cannot be written" in status["recording_error"]
    recordings.start("door")
    assert recordings.status("door")["recording_error"] is None
    recordings.stop("door")
    assert "nothing came" in recordings.status("door")["recording_error"]
    recordings.close()


def test_a_file_that_somebody_removed_is_not_offered():
    recordings = Recordings()
    name = recordings.start("door")
    recordings.write("door", view(0))
    for path in Path(recordings._folder.name).iterdir():
        path.unlink()
    recordings.write("door", view(1))
    assert recordings.stop("door") == name
    assert recordings.status("door")["recorded"] is None
    record(recordings, "door")
    shutil.rmtree(recordings._folder.name)
    assert recordings.file(record(recordings, "door")) is not None
    recordings.close()
