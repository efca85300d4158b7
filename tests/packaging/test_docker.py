"""What can be said of the images without building them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vosrt.cli import _parser
from vosrt.sources.open_source import open_source

ROOT = Path(__file__).parents[2]
DOCKERFILES = sorted((ROOT / "docker").glob("Dockerfile.*"))
IGNORED = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()


def instructions(path: Path) -> list[tuple[str, str]]:
    text = re.sub(r"^#.*\n", "", path.read_text(encoding="utf-8"), flags=re.M).replace("\\\n", " ")
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in text.splitlines()) if name]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_image_runs_without_rights_and_says_how_it_is(path):
    steps = instructions(path)
    last = steps[max(index for index, (name, _) in enumerate(steps) if name == "FROM") :]
    assert [rest for name, rest in last if name == "USER"] == ["vosrt"]
    (check,) = (rest for name, rest in last if name == "HEALTHCHECK")
    assert "/healthz" in check
    assert len(steps) > len(last), "the wheel is built in a stage of its own"


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_command_of_an_image_is_one_that_vosrt_takes(path):
    (command,) = (rest for name, rest in instructions(path) if name == "CMD")
    arguments = _parser().parse_args(re.findall(r'"([^"]*)"', command))
    assert arguments.host == "0.0.0.0"
    (source,) = arguments.sources
    if source.startswith("test://"):  # else the service would end by itself, and its health with it
        assert open_source(source).length is None


def test_of_the_weights_only_what_is_packaged_goes_to_the_builder():
    packaged = re.findall(r'"(weights/[^"]+)"', (ROOT / "setup.py").read_text(encoding="utf-8"))
    assert packaged
    weights = [line for line in IGNORED if "models/weights" in line]
    assert weights == ["models/weights", *(f"!models/{name}" for name in packaged)]


def test_everything_that_is_packaged_goes_to_the_builder():
    kept = {line[1:] for line in IGNORED if line.startswith("!")}
    assert {name for name in kept if not (ROOT / name).exists()} == set()
    assert {"setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"} <= kept
    rooms = re.findall(r'"vosrt[.\w]*": "(\w+)"', (ROOT / "setup.py").read_text(encoding="utf-8"))
    assert len(rooms) == 5
    assert set(rooms) <= kept
