"""Clips in files, and a bundle of a few nodes."""

import pytest
from PIL import Image

from tests.benchmarks import dataset_trees as trees
from tests.runtime.toy_bundle import write_colour_bundle
from vosrt.label_map import write_label_map
from vosrt.sources.test_pattern import PatternSettings, TestPattern


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    """A folder of six images of 96x128 and the mask of the first, with the objects 1 and 2."""
    folder = tmp_path_factory.mktemp("clip")
    (folder / "frames").mkdir()
    pattern = TestPattern(PatternSettings(96, 128, objects=2, frames=6))
    for frame in pattern:
        Image.fromarray(frame.image[..., ::-1]).save(folder / "frames" / f"{frame.name}.png")
    write_label_map(folder / "mask.png", pattern.frame(0).truth)
    return ["--source", str(folder / "frames"), "--mask", str(folder / "mask.png")]


@pytest.fixture(scope="session")
def toy(tmp_path_factory):
    return str(write_colour_bundle(tmp_path_factory.mktemp("toy") / "colour"))


@pytest.fixture
def clips(tmp_path):
    """Three clips: two objects, a union, and prompts only."""
    folder = tmp_path / "clips"
    trees.write_clip(folder / "pair", facts={"attributes": ["OCC", "FM"]})
    union = {"scoring": "objects", "scoring_init": "union", "attributes": ["FM"]}
    trees.write_clip(folder / "union", union_of=(1, 2), facts=union)
    trees.write_clip(folder / "prompts", masks=(0, 3))
    return folder
