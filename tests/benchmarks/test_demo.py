"""The demonstration runs whole, without torch."""

import re
import subprocess
import sys

from tests.benchmarks.test_imports import WITHOUT_TORCH
from vosrt.benchmarks import demo
from vosrt.label_map import read_label_map


def run_without_torch(*arguments):
    code = WITHOUT_TORCH + "from vosrt.benchmarks.demo import main\nsys.exit(main(sys.argv[1:]))"
    line = [sys.executable, "-c", code, *arguments]
    return subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)


def test_it_follows_objects_and_needs_no_torch(tmp_path):
    result = run_without_torch("--output", str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert "non-commercial use" in result.stderr
    similarity = float(re.search(r"mean J ([0-9.]+) against the truth", result.stdout).group(1))
    assert similarity > 0.9
    assert (tmp_path / "overlay.mp4").stat().st_size > 1000
    masks = sorted((tmp_path / "masks").iterdir())
    assert len(masks) == 48
    middle = read_label_map(masks[24])
    assert middle.shape == (480, 854)
    assert set(middle.ravel()) == {0, 1, 2}


def test_own_frames_and_mask(clip, capsys, tmp_path):
    assert demo.main(["--output", str(tmp_path), *clip]) == 0
    assert "6 frames, 2 objects" in capsys.readouterr().out


def test_mistakes_are_explained(tmp_path, capsys):
    assert demo.main(["--output", str(tmp_path), "--source", "a.mp4"]) == 2
    assert "--source and --mask belong together" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert demo.main(["--output", str(tmp_path / "file")]) == 2
    assert "cannot be made" in capsys.readouterr().err
