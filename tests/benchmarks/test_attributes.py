"""Attributes of clips from the files that people have."""

from __future__ import annotations

import pytest

from vosrt.benchmarks.evaluation.attributes import read_attributes
from vosrt.errors import InputError

EXPECTED = {"bear": ("DEF",), "bmx-trees": ("LR", "OCC"), "rhino": ()}
FILES = {
    "flow.yml": """
# DAVIS
attributes:
  - [AC, Appearance Change]
sequences:
- attributes: [DEF]
  eval_t: true
  name: bear
  num_frames: 82
  set: train
- attributes: [LR,
    OCC]   # over two lines
  name: 'bmx-trees'
- attributes: []
  name: rhino
""",
    "block.yaml": """
sequences:
  - name: bear
    attributes:
      - DEF
    num_frames: 82
  - name: bmx-trees
    num_frames: 80
    attributes:
    - "LR"
    - OCC
  - name: rhino
    attributes:
""",
    "own.json": '{"bear": ["DEF"], "bmx-trees": ["LR", "OCC"], "rhino": []}',
    "own.csv": "bear,DEF\nbmx-trees, LR, OCC\nrhino\n",
    "table.csv": "clip,DEF,LR,OCC\nbear,1,0,0\nbmx-trees,0,1,1\nrhino,0,,0\n",
}


@pytest.mark.parametrize("name", FILES)
def test_every_format_says_the_same(tmp_path, name):
    (tmp_path / name).write_text(FILES[name])
    assert read_attributes(tmp_path / name) == EXPECTED


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "bear OCC", r"--attributes: got .*a.txt'; allowed: db_info.yml, JSON"),
        ("a.json", '{"bear": "OCC"}', "not an object of lists of names"),
        ("a.json", "{", "cannot be read"),
        ("a.yml", "- a\n- b\n", "tells no attributes of any clip"),
        ("a.csv", "", "tells no attributes of any clip"),
    ],
)
def test_other_files_are_refused(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        read_attributes(tmp_path / name)
    with pytest.raises(InputError, match="cannot be read"):
        read_attributes(tmp_path / "absent.yml")
