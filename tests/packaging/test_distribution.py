"""The wheel and the source archive hold what they should, and one gives the other."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHARED = ("runtime", "models", "plugins", "export", "benchmarks", "docs", "docker", "examples", "packaging")
FILES = ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "Makefile", "constraints.txt")
FILES += ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "mkdocs.yml", ".dockerignore")


def build(source: Path, target: Path, *kinds: str) -> None:
    """Without a compiler, which has its own tests, and without a download."""
    line = [sys.executable, "-m", "build", "--no-isolation", *kinds, "--outdir", str(target), str(source)]
    environment = {**os.environ, "CXX": ""}
    run = subprocess.run(line, capture_output=True, text=True, env=environment, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A copy of what is packaged: building writes beside the sources."""
    if find_spec("build") is None or find_spec("setuptools") is None:
        pytest.skip("needs build and setuptools")
    folder = tmp_path_factory.mktemp("clone")
    for name in SHARED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    for name in FILES:
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.mark.full  # three builds
def test_source_archive_gives_the_wheel_of_the_clone(clone, tmp_path):
    build(clone, tmp_path, "--sdist", "--wheel")
    (archive,), (wheel,) = tmp_path.glob("*.tar.gz"), tmp_path.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    with tarfile.open(archive) as file:
        names = {"/".join(Path(name).parts[1:]) for name in file.getnames()}
        file.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    assert set(FILES) <= names
    for pattern in ("plugins/**/*.cpp", "plugins/**/*.cu", "plugins/**/*.h", "plugins/**/*.inl"):
        assert {path.relative_to(clone).as_posix() for path in clone.glob(pattern)} <= names
    build(unpacked, tmp_path / "again", "--wheel")
    (again,) = (tmp_path / "again").glob("*.whl")
    files = [sorted(zipfile.ZipFile(one).namelist()) for one in (wheel, again)]
    assert files[0] == files[1]
    assert {
        "vosrt/bundles/cfbi-lite-davis/bundle.json",
        "vosrt/py.typed",
        "vosrt/serve/page/page.js",
        "vosrt/serve/page/tile.js",
        "vosrt/models/weights/cfbi-lite-davis.safetensors",
        "vosrt/export/to_onnx.py",
    } <= set(files[0])
