"""What the demonstration leaves, and a clip in files; each is made once."""

import pytest
from PIL import Image

from vosrt.benchmarks import demo
from vosrt.label_map import write_label_map
from vosrt.sources.test_pattern import PatternSettings, TestPattern


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "out"
    assert demo.main(["--output", str(folder)]) == 0
    return folder


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
