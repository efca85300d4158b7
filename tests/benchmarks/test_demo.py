"""The demonstration runs whole, without torch."""

import re
import subprocess
import sys

import pytest

from tests.benchmarks.test_imports import WITHOUT_TORCH
from vosrt.benchmarks import demo
from vosrt.benchmarks.demo_scene import FRAMES, SIZE, write_demo_scene
from vosrt.label_map import read_label_map


def run_without_torch(frames, *arguments):
    """The demonstration of so many frames."""
    code = WITHOUT_TORCH + (
        "from vosrt.benchmarks.demo import main, write_demo_scene\n"
        f"write_demo_scene.__kwdefaults__['frames'] = {frames}\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    line = [sys.executable, "-c", code, *arguments]
    return subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("frames", [24, pytest.param(FRAMES, marks=pytest.mark.full)])
def test_it_follows_objects_and_needs_no_torch(tmp_path, frames):
    result = run_without_torch(frames, "--output", str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert "non-commercial use" in result.stderr
    printed = re.search(r"mean over 2 objects: J&F ([0-9.]+), J ([0-9.]+), F ([0-9.]+)", result.stdout)
    j_and_f, j, f = (float(text) for text in printed.groups())
    assert j_and_f == pytest.approx((j + f) / 2, abs=0.1)
    assert min(j, f) > 85
    assert "frames per second" in result.stdout
    assert (tmp_path / "overlay.mp4").stat().st_size > 1000
    masks = sorted((tmp_path / "masks").iterdir())
    assert [path.name for path in masks] == [f"{index:05d}.png" for index in range(frames)]
    middle = read_label_map(masks[frames // 2])
    assert middle.shape == SIZE
    assert set(middle.ravel()) == {0, 1, 2}


def test_a_scene_is_the_same_however_many_of_its_frames_are_drawn(tmp_path):
    for name, frames in (("short", 3), ("long", 11)):
        write_demo_scene(tmp_path / name, frames=frames, size=(64, 96))
    for path in (tmp_path / "short").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "long" / path.relative_to(tmp_path / "short")).read_bytes()
    assert len(list((tmp_path / "long/frames").iterdir())) == 11


def test_own_frames_and_mask(clip, capsys, tmp_path):
    assert demo.main(["--output", str(tmp_path), *clip]) == 0
    assert "6 frames, 2 objects" in capsys.readouterr().out


def test_mistakes_are_explained(tmp_path, capsys):
    assert demo.main(["--output", str(tmp_path), "--source", "a.mp4"]) == 2
    assert "--source and --mask belong together" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        demo.main(["--output", ""])
    assert "--output: the path is empty" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert demo.main(["--output", str(tmp_path / "file")]) == 2
    assert "cannot be made" in capsys.readouterr().err
