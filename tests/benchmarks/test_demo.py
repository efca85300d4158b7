"""The demonstration runs whole, makes its bundle once, and needs torch for nothing else."""

import shutil
import subprocess
import sys

import pytest

from tests.benchmarks.test_imports import WITHOUT_TORCH
from vosrt.benchmarks import demo
from vosrt.label_map import read_label_map

pytestmark = pytest.mark.xdist_group("demo")  # one export


def run_without_torch(*arguments):
    code = WITHOUT_TORCH + "from vosrt.benchmarks.demo import main\nsys.exit(main(sys.argv[1:]))"
    line = [sys.executable, "-c", code, *arguments]
    return subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)


def test_everything_is_where_it_says(demo_folder):
    assert (demo_folder / "overlay.mp4").stat().st_size > 1000
    masks = sorted((demo_folder / "masks").iterdir())
    assert len(masks) == 48
    first = read_label_map(masks[0])
    assert first.shape == (240, 426)
    assert set(first.ravel()) == {0, 1, 2}


def test_a_second_run_uses_the_bundle_again_and_needs_no_torch(demo_folder):
    before = (demo_folder / "bundle" / "bundle.json").stat().st_mtime_ns
    result = run_without_torch("--output", str(demo_folder))
    assert result.returncode == 0, result.stderr
    assert f"the bundle in {demo_folder / 'bundle'} is used again" in result.stdout
    assert "frames per second" in result.stdout
    assert "proves the plumbing, not the masks" in result.stdout
    assert (demo_folder / "bundle" / "bundle.json").stat().st_mtime_ns == before


def test_own_frames_and_mask(demo_folder, clip, capsys, tmp_path):
    shutil.copytree(demo_folder / "bundle", tmp_path / "bundle")
    assert demo.main(["--output", str(tmp_path), *clip]) == 0
    assert "6 frames, 2 objects" in capsys.readouterr().out


def test_without_bundle_and_torch_the_cure_is_named(tmp_path):
    result = run_without_torch("--output", str(tmp_path / "new"))
    assert result.returncode == 2
    assert "exporting needs torch, onnx, onnxscript; run  pip install '.[cpu,export]'" in result.stderr


def test_mistakes_are_explained(tmp_path, capsys):
    assert demo.main(["--output", str(tmp_path), "--source", "a.mp4"]) == 2
    assert "--source and --mask belong together" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert demo.main(["--output", str(tmp_path / "file")]) == 2
    assert "cannot be made" in capsys.readouterr().err
