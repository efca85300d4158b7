"""The export command line: every mistake gets a message and status 2, and leaves nothing behind."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from vosrt.export.to_onnx import _parser, main
from vosrt.models import build_network, load_stand_in_weights, save_published
from vosrt.models.catalog import MODELS

pytestmark = pytest.mark.xdist_group("lite")
REPOSITORY = Path(__file__).parents[2]


def failing(capsys, *arguments):
    """Standard error of a call that must end with status 2."""
    try:
        status = main(arguments)
    except SystemExit as stop:
        status = stop.code
    assert status == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "cbfi", "--stand-in"], "--model: got 'cbfi'; allowed: cfbi, elcp, cfbi_plus, cfbi-lite"),
        (["--model", "cfbi", "--backbone", "vgg", "--stand-in"], "allowed: resnet101, mobilenetv2"),
        (["--model", "cfbi"], "one of the arguments --checkpoint --stand-in is required"),
        (["--model", "cfbi", "--checkpoint", "no.pth"], "no checkpoint at no.pth"),
        (["--model", "cfbi-lite", "--stand-in", "--frame", "480"], "'480' is no HEIGHTxWIDTH"),
        (["--model", "cfbi-lite", "--stand-in", "--objects", "0"], "'0' is no whole number from 1 to 254"),
        (["--model", "cfbi-lite", "--stand-in", "--precision", "int4"], "choose from float32, float16"),
        (["--model", "cfbi-lite", "--stand-in", "--scale", "-1"], "'-1' is no number above 0 and up to 8"),
        (["--model", "stm-lite", "--stand-in", "--references", "3"], "has no option --references"),
    ],
)
def test_mistakes_are_explained(capsys, tmp_path, arguments, message):
    assert message in failing(capsys, *arguments, "--output", str(tmp_path / "bundle"))
    assert list(tmp_path.iterdir()) == []


def test_existing_output_is_not_touched(capsys, tmp_path):
    (tmp_path / "holiday.txt").write_text("photos")
    arguments = ["--model", "cfbi-lite", "--stand-in", "--output", str(tmp_path)]
    assert "exists; choose another --output, or give --overwrite" in failing(capsys, *arguments)
    assert "is no bundle and is not replaced" in failing(capsys, *arguments, "--overwrite")
    assert (tmp_path / "holiday.txt").read_text() == "photos"


@pytest.mark.parametrize("output", ["new/..", ".", "..", "/", "link", "/dev/null", "/dev/null/x", "n" * 300])
def test_outputs_that_are_no_place_for_a_bundle_are_refused(capsys, tmp_path, monkeypatch, output):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "holiday.txt").write_text("photos")
    (tmp_path / "inner" / "link").symlink_to(tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path / "inner")
    message = failing(capsys, "--model", "cfbi-lite", "--stand-in", "--output", output, "--overwrite")
    assert "Traceback" not in message
    assert sorted(path.name for path in (tmp_path / "inner").iterdir()) == ["holiday.txt", "link"]


def test_a_bundle_with_other_files_beside_it_is_not_replaced(capsys, tmp_path, lite_bundle):
    shutil.copytree(lite_bundle, tmp_path / "bundle")
    (tmp_path / "bundle" / "my_video.mp4").write_text("film")
    message = failing(
        capsys, "--model", "cfbi-lite", "--stand-in", "--output", str(tmp_path / "bundle"), "--overwrite"
    )
    assert "holds more than a bundle and is not replaced: my_video.mp4" in message
    assert (tmp_path / "bundle" / "my_video.mp4").read_text() == "film"


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_export_leaves_nothing(tmp_path, stop):
    command = ["--model", "cfbi-lite", "--stand-in", "--output", "new/bundle"]
    process = subprocess.Popen([sys.executable, "-m", "vosrt", "export", *command], cwd=tmp_path)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not list(tmp_path.glob("new/*partial*")):
        time.sleep(0.05)
    process.send_signal(stop)
    # Interrupted in the middle of an import, Python itself ends by the signal; a shell sees 130 either way.
    assert process.wait(timeout=60) in (130, 143, -signal.SIGINT)
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_of_another_network_is_refused(capsys, tmp_path):
    network = build_network("cfbi-lite")
    load_stand_in_weights(network)
    save_published(network, tmp_path / "lite.pth")
    message = failing(
        capsys,
        "--model",
        "cfbi",
        "--checkpoint",
        str(tmp_path / "lite.pth"),
        "--output",
        str(tmp_path / "bundle"),
    )
    assert "does not fit cfbi-resnet101" in message
    assert not (tmp_path / "bundle").exists()


def test_the_script_in_the_clone_is_the_same_program():
    for command in (
        [sys.executable, str(REPOSITORY / "export" / "to_onnx.py")],
        [sys.executable, "-m", "vosrt", "export"],
    ):
        text = subprocess.run(
            [*command, "--help"], capture_output=True, text=True, check=True, cwd="/"
        ).stdout
        assert "usage: vosrt export" in text


def test_help_names_every_network():
    (text,) = (action.help for action in _parser()._actions if action.dest == "model")
    assert sorted(re.split("[,;] ", text)) == sorted(MODELS)


def test_the_script_says_how_to_install_when_the_package_is_absent(tmp_path):
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-S", str(REPOSITORY / "export" / "to_onnx.py"), "--help"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert run.returncode != 0
    assert "pip install -e '.[cpu,export]'" in run.stderr


def test_missing_packages_are_named(tmp_path):
    block = "import sys; sys.modules['torch'] = None; sys.modules['onnxscript'] = None\n"
    arguments = ["--model", "cfbi", "--stand-in", "--output", "b"]
    call = f"from vosrt.export.to_onnx import main; sys.exit(main({arguments}))"
    run = subprocess.run(
        [sys.executable, "-c", block + call], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert run.returncode == 2
    assert "exporting needs torch, onnxscript" in run.stderr
    assert "pip install '.[cpu,export]'" in run.stderr
    assert torch.__version__  # the machine itself has it
