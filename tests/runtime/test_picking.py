"""Objects that a person picks on a frame: by marks, and in a real window where a test can open one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.waiting import wait_for
from vosrt.cli import main
from vosrt.errors import InputError
from vosrt.label_map import read_label_map
from vosrt.pick_window import TITLE, PickWindow
from vosrt.picking import Picking
from vosrt.sources.test_pattern import PatternSettings, TestPattern

SCENE = "test://144x256?objects=2&seed=4"
SCALE = 3  # of the window, for a frame that small
FRAME = TestPattern(PatternSettings(144, 256, objects=2, seed=4)).frame(0)


def box_of(value: int, margin: int = 4) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero(FRAME.truth == value)
    return (
        int(columns.min()) - margin,
        int(rows.min()) - margin,
        int(columns.max()) + 1 + margin,
        int(rows.max()) + 1 + margin,
    )


def overlap(labels: np.ndarray, value: int, truth_value: int) -> float:
    one, other = labels == value, FRAME.truth == truth_value
    return float((one & other).sum() / (one | other).sum())


def middle_of(value: int) -> tuple[int, int]:
    rows, columns = np.nonzero(FRAME.truth == value)
    return round(columns.mean()), round(rows.mean())


def test_objects_are_added_corrected_and_removed(tmp_path):
    picking = Picking(FRAME.image)
    picking.mark(boxes={1: box_of(1)})
    picking.mark(boxes={2: box_of(2)})
    assert picking.ids == (1, 2)
    assert overlap(picking.labels, 2, 2) > 0.85
    smaller = np.zeros_like(picking.labels)
    smaller[40:60, 40:60] = 1
    picking.mark(mask=smaller, objects=[1])
    assert (picking.labels == 1).sum() == 400
    picking.remove([1])
    assert picking.ids == (2,)
    picking.save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_label_map(tmp_path / "mask.png"), picking.labels)


def test_a_mark_that_cannot_be_used_changes_nothing(tmp_path):
    picking = Picking(FRAME.image)
    with pytest.raises(InputError, match="no object is picked"):
        picking.save(tmp_path / "mask.png")
    picking.mark(polygons={1: [(10, 10), (30, 10), (30, 30), (10, 30)]})
    before = picking.labels.copy()
    for marks in (
        {},
        {"boxes": {2: (0, 0, 9999, 9)}},
        {"polygons": {2: [(5, 5), (40, 5), (40, 40), (5, 40)]}},
    ):
        with pytest.raises(InputError):
            picking.mark(**marks)
        np.testing.assert_array_equal(picking.labels, before)
    assert not (tmp_path / "mask.png").exists()


def test_marks_of_the_window_belong_to_one_object_until_the_next():
    window = PickWindow(Picking(FRAME.image))
    window.next_object()
    assert window.problem == "mark an object first"
    x0, y0, x1, y1 = box_of(1)
    window.draw_box((x1, y1), (x0, y0))
    found = window.picking.labels.copy()
    assert overlap(found, 1, 1) > 0.85
    window.click(2, 2, is_inside=False)
    window.undo()
    np.testing.assert_array_equal(window.picking.labels, found)
    window.next_object()
    x0, y0, x1, y1 = box_of(2)
    window.draw_box((x0, y0), (x1, y1))
    assert window.picking.ids == (1, 2)
    window.undo()
    assert window.picking.ids == (1,)
    window.click(2, 2, is_inside=False)  # nothing says where the object is
    assert window.problem
    assert window.picking.ids == (1,)
    assert window.shown().shape == (144 * SCALE + 46, 256 * SCALE, 3)


@pytest.mark.skipif(
    not shutil.which("Xvfb") or not shutil.which("xdotool"), reason="needs: apt install xvfb xdotool"
)
def test_the_window_is_used_with_mouse_and_keyboard(tmp_path):
    environment = {**os.environ, "QT_QPA_PLATFORM": "xcb"}
    mask = tmp_path / "mask.png"

    def act(*words: object) -> str:
        command = ["xdotool", *map(str, words)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20).stdout

    def drag(box: tuple[int, ...]) -> None:
        box = tuple(round(edge * SCALE) for edge in box)
        act("mousemove", "--window", window, box[0], box[1], "mousedown", 1)
        for part in (0.3, 0.7, 1.0):
            place = [round(box[axis] + part * (box[axis + 2] - box[axis])) for axis in (0, 1)]
            act("mousemove", "--window", window, *place)
            time.sleep(0.05)
        act("mouseup", 1)
        time.sleep(1.0)

    told_by, tells = os.pipe()
    screen = ["Xvfb", "-noreset", "-displayfd", str(tells), "-screen", "0", "800x600x24"]
    with subprocess.Popen(screen, stderr=subprocess.DEVNULL, pass_fds=[tells]) as server:
        try:
            environment["DISPLAY"] = f":{os.read(told_by, 20).decode().strip()}"  # as soon as it is there
            command = [sys.executable, "-m", "vosrt", "pick", SCENE, "-o", str(mask), "--window"]
            with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as picking:
                wait_for(lambda: act("search", "--name", TITLE).strip())
                window = act("search", "--name", TITLE).split()[-1]
                act("windowfocus", window)
                time.sleep(0.5)
                drag(box_of(1))
                act("key", "Return")
                drag(box_of(2))
                act("key", "s")
                told, _ = picking.communicate(timeout=30)
        finally:
            server.kill()
            os.close(told_by)
            os.close(tells)
    assert "objects 1, 2 of frame 00000" in told
    labels = read_label_map(mask)
    assert overlap(labels, 1, 1) > 0.8
    assert overlap(labels, 2, 2) > 0.8


def test_without_a_display_a_window_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert main(["pick", SCENE, "-o", str(tmp_path / "mask.png"), "--window"]) == 2
    assert "use --browser" in capsys.readouterr().err
    assert main(["pick", SCENE, "-o", str(tmp_path / "mask.jpg")]) == 2
    assert "a name that ends in .png" in capsys.readouterr().err


def test_folder_of_the_mask_is_made_before_anything_is_marked(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["pick", SCENE, "-o", str(tmp_path / "file" / "mask.png"), "--browser"]) == 2
    assert "cannot be made" in capsys.readouterr().err
    mask = tmp_path / "new" / "mask.png"
    command = [sys.executable, "-m", "vosrt", "pick", SCENE, "-o", str(mask), "--browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as picking:
        try:
            assert picking.stdout is not None
            assert picking.stdout.readline().startswith("http://")
            assert mask.parent.is_dir()
        finally:
            picking.kill()
