"""The documentation site is built without a warning, and needs nothing from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.docs.fenced_blocks import ROOT

NAVIGATION = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
LOADED = re.compile(r"""<(?:script|img|link|iframe|source)[^>]*?(?:src|href)=["']?([^"'> ]+)""")


def test_every_page_is_in_the_navigation():
    named = re.findall(r": (\S+\.md)$", NAVIGATION, re.M)
    there = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert sorted(named) == sorted(there)


@pytest.mark.full  # ten seconds
@pytest.mark.skipif(find_spec("mkdocs") is None, reason="needs the extra docs")
def test_site_is_built_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path):
    line = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    run = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 15
    for page in pages:
        loaded = LOADED.findall(page.read_text(encoding="utf-8"))
        assert loaded
        assert [address for address in loaded if "//" in address] == []
    for style in tmp_path.rglob("*.css"):
        assert "@import" not in style.read_text(encoding="utf-8")
    reference = (tmp_path / "reference/api.html").read_text(encoding="utf-8")
    for name in ("vosrt.Segmenter", "vosrt.Stream.step", "vosrt.cameras.Cameras", "vosrt.InputError"):
        assert f'id="{name}"' in reference
    two_lines = r"an <code>Error</code> where the marks cannot be\s+used"  # of one item
    assert re.search(two_lines, reference)
    assert Path(tmp_path, "search/search_index.json").stat().st_size > 10_000
