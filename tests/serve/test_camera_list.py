"""Cameras from a file: what may stand in it, and what the server does with each by itself."""

from __future__ import annotations

import importlib
import logging
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.waiting import wait_for
from vosrt import Segmenter
from vosrt.cameras import Cameras, View
from vosrt.errors import InputError, MissingDependencyError
from vosrt.label_map import write_label_map
from vosrt.result import Result
from vosrt.serve.camera_list import CameraSettings, cameras_of_addresses, cameras_of_file
from vosrt.serve.camera_outputs import CameraOutputs
from vosrt.sinks.overlay_video import OverlayVideo
from vosrt.sinks.segmented_video import SegmentedVideo
from vosrt.sources.test_pattern import PatternSettings, TestPattern
from vosrt.sources.video_file import VideoFile

SCENE = "test://64x96?objects=1&frames=100000&fps=20"


def file_of(tmp_path: Path, text: str) -> str:
    path = tmp_path / "cameras.toml"
    path.write_text(text)
    return str(path)


MISTAKES = {
    "no table": ("x = 1", r"tables: got \['x'\]"),
    "no source": ("[camera.door]\nrotate = 90", "camera.door.source"),
    "unknown": (f'[camera.door]\nsource = "{SCENE}"\nzoom = 2', "unknown setting: got 'zoom'"),
    "turned": (f'[camera.door]\nsource = "{SCENE}"\nrotate = 45', "camera.door.rotate: got 45"),
    "crop": (f'[camera.door]\nsource = "{SCENE}"\ncrop = [1, 2]', "camera.door.crop"),
    "crop of no size": (f'[camera.door]\nsource = "{SCENE}"\ncrop = [50, 5, 1, 40]', "sides from 16"),
    "crop outside": (f'[camera.door]\nsource = "{SCENE}"\ncrop = [-1, 0, 50, 50]', "camera.door.crop"),
    "rate": (f'[camera.door]\nsource = "{SCENE}"\nfps = 0', "camera.door.fps: got 0"),
    "mask": (f'[camera.door]\nsource = "{SCENE}"\nmask = "none.png"', "mask none.png is not there"),
    "push": (f'[camera.door]\nsource = "{SCENE}"\npush = "http://h/x"', "address to push to"),
    "tiny rate": (f'[camera.door]\nsource = "{SCENE}"\nfps = 1e-9', "camera.door.fps: got 1e-09"),
    "rate that is none": (f'[camera.door]\nsource = "{SCENE}"\nfps = true', "camera.door.fps: got True"),
    "one folder": (
        f'[camera.a]\nsource = "{SCENE}"\nsegments = "x"\n[camera.b]\nsource = "{SCENE}"\nsegments = "./x"',
        "camera.b.segments: got './x'; allowed: another folder than a's",
    ),
    "pieces": (f'[camera.door]\nsource = "{SCENE}"\nsegments = 4', "camera.door.segments: got 4"),
    "no folder": (f'[camera.door]\nsource = "{SCENE}"\nsegments = ""', "path '' cannot be used"),
    "seconds": (f'[camera.door]\nsource = "{SCENE}"\nsegment_seconds = 0', "segment_seconds: got 0"),
    "hardware": (f'[camera.door]\nsource = "{SCENE}"\nhardware_decode = 1', "allowed: true or false"),
    "only dots": (f'[camera.".."]\nsource = "{SCENE}"', "letters, digits, spaces, dots, dashes"),
    "no TOML": ("[camera", "cannot be read"),
}


def test_python_3_10_reads_files_with_tomli(tmp_path, monkeypatch):
    path = file_of(tmp_path, f'[camera.door]\nsource = "{SCENE}"')
    reader = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    monkeypatch.setattr(sys, "version_info", (3, 10, 12))
    monkeypatch.setitem(sys.modules, "tomllib", None)
    monkeypatch.setitem(sys.modules, "tomli", reader)
    assert list(cameras_of_file(path)) == ["door"]
    monkeypatch.setitem(sys.modules, "tomli", None)
    with pytest.raises(MissingDependencyError, match=r"needs tomli.*'\.\[serve\]'"):
        cameras_of_file(path)


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_in_a_file_name_their_place(name, tmp_path):
    text, message = MISTAKES[name]
    with pytest.raises(InputError, match=message):
        cameras_of_file(file_of(tmp_path, text))


def test_a_file_may_begin_with_the_mark_that_editors_write(tmp_path):
    path = tmp_path / "cameras.toml"
    path.write_text(f'[camera.door]\r\nsource = "{SCENE}"\r\n', encoding="utf-8-sig")
    assert list(cameras_of_file(str(path))) == ["door"]


def test_addresses_have_names_or_numbers():
    assert list(cameras_of_addresses([f"front door={SCENE}", SCENE])) == ["front door", "camera 2"]
    with pytest.raises(InputError, match="each name once"):
        cameras_of_addresses([f"a={SCENE}", f"a={SCENE}"])
    assert list(cameras_of_addresses([f"Tür 1={SCENE}"])) == ["Tür 1"]
    with pytest.raises(InputError, match="is not there"):  # dots are no name
        cameras_of_addresses([f"..={SCENE}"])


def test_a_camera_follows_its_mask_and_is_recorded_and_one_that_cannot_stops_nobody(tmp_path, caplog):
    mask, pieces = tmp_path / "mask.png", tmp_path / "pieces"
    truth = TestPattern(PatternSettings(64, 96, objects=1)).frame(0).truth
    write_label_map(mask, truth)
    write_label_map(tmp_path / "small.png", np.ones((9, 9), np.uint8))
    (tmp_path / "file").touch()
    text = f"""
        [camera.door]
        source = "{SCENE}"
        mask = "{mask}"
        segments = "{pieces}"
        segment_seconds = 0.5
        [camera.yard]
        source = "{SCENE}&seed=1"
        mask = "{tmp_path / "small.png"}"
        segments = "{tmp_path / "file" / "below"}"
    """
    settings = cameras_of_file(file_of(tmp_path, text))
    outputs = CameraOutputs(settings)
    with caplog.at_level(logging.ERROR):
        outputs.cameras = Cameras(
            Segmenter("cfbi-lite-davis"),
            {name: one.open for name, one in settings.items()},
            seen=outputs.seen,
        )
        wait_for(lambda: pieces.is_dir() and len(list(pieces.iterdir())) >= 3)
        assert outputs.cameras.status("door")["objects"] == [1]
        assert outputs.cameras.status("yard")["objects"] == []
        before = outputs.cameras.status("yard")["segmented"]
        wait_for(lambda: outputs.cameras.status("yard")["segmented"] > before + 3)
        outputs.cameras.close()
        outputs.close()
    counts = [len(list(VideoFile(path))) for path in sorted(pieces.iterdir())]
    assert sum(counts) > 15
    told = caplog.text
    assert "camera yard: its mask cannot be used: mask shape" in told
    assert "this is tried again every 30 s" in told
    assert "camera door" not in told


def test_an_output_that_failed_is_written_again_when_it_can_be(tmp_path, caplog, monkeypatch):
    """The disk was full, or away: nobody looks at a camera that is recorded for weeks."""
    monkeypatch.setattr("vosrt.serve.camera_outputs._AGAIN", 0.3)
    pieces = tmp_path / "disk" / "pieces"
    (tmp_path / "disk").touch()
    opened = cameras_of_addresses([f"door={SCENE}"])["door"].open
    outputs = CameraOutputs({"door": CameraSettings(opened, sinks=(SegmentedVideo(pieces, seconds=0.2),))})
    with Cameras(Segmenter("cfbi-lite-davis"), {"door": opened}, seen=outputs.seen) as cameras:
        wait_for(lambda: "cannot" in caplog.text)
        before = cameras.status("door")["segmented"]
        wait_for(lambda: cameras.status("door")["segmented"] > before + 5)
        (tmp_path / "disk").unlink()
        wait_for(lambda: "is written again" in caplog.text)
    outputs.close()
    assert caplog.text.count("tried again every") == 1
    assert all(len(list(VideoFile(path))) > 0 for path in pieces.iterdir())


class Scarce:
    """A sink for which there is no memory when it is opened first."""

    opened = written = 0

    def open(self, first, rate):
        self.opened += 1

    def write(self, frame, result):
        if self.opened == 1:
            raise MemoryError("no room for a frame")
        self.written += 1

    def close(self):
        pass


def test_an_output_is_opened_again_whatever_it_failed_with(caplog, monkeypatch):
    monkeypatch.setattr("vosrt.serve.camera_outputs._AGAIN", 0.0)
    sink = Scarce()
    opened = cameras_of_addresses([f"door={SCENE}"])["door"].open
    outputs = CameraOutputs({"door": CameraSettings(opened, sinks=(sink,))})
    frame = TestPattern(PatternSettings(64, 96)).frame(0)
    view = View(replace(frame, captured=0.0), Result(frame.truth, (1, 2), 0, {}), 0.0)
    wait_for(lambda: outputs.seen("door", view) or sink.written)
    outputs.close()
    assert "camera door: no room for a frame; this is tried again" in caplog.text
    assert sink.opened == 2


def test_one_output_that_fails_leaves_the_others_and_no_frame_is_written_twice(tmp_path, caplog):
    (tmp_path / "file").touch()
    kept, lost = OverlayVideo(tmp_path / "kept.mp4"), OverlayVideo(tmp_path / "file" / "lost.mp4")
    opened = cameras_of_addresses([f"door={SCENE}"])["door"].open
    outputs = CameraOutputs({"door": CameraSettings(opened, sinks=(lost, kept))})
    with Cameras(Segmenter("cfbi-lite-davis"), {"door": opened}, seen=outputs.seen) as cameras:
        wait_for(lambda: cameras.status("door")["segmented"] > 3)
        for _ in range(20):
            cameras.mark("door", boxes={1: (20, 20, 50, 50)}).result(30)
        before = cameras.status("door")["segmented"]
        wait_for(lambda: cameras.status("door")["segmented"] > before + 3)
    outputs.close()
    assert len(list(VideoFile(tmp_path / "kept.mp4"))) == cameras.status("door")["segmented"]
    assert caplog.text.count("tried again") == 1


def test_whoever_looks_on_cannot_stop_the_cameras(caplog):
    seen = []

    def fails(name: str, view: object) -> None:
        seen.append(name)
        raise RuntimeError("the disk is full")

    sources = {name: one.open for name, one in cameras_of_addresses([f"door={SCENE}"]).items()}
    with Cameras(Segmenter("cfbi-lite-davis"), sources, seen=fails) as cameras:
        wait_for(lambda: len(seen) > 5)
        assert cameras.status("door")["segmented"] > 3
        time.sleep(0.1)
    assert caplog.text.count("what it shows cannot be used") == 1
