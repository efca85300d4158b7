"""What several tests of the command line run on."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.runtime.command_lines import FRAMES, HEIGHT, WIDTH
from tests.runtime.toy_bundle import write_colour_bundle
from vosrt.label_map import write_label_map
from vosrt.video_writer import VideoWriter


@pytest.fixture(scope="session")
def scene(tmp_path_factory):
    """A toy bundle, a folder and a video of two moving squares, and the mask of the first frame."""
    folder = tmp_path_factory.mktemp("scene")
    (folder / "frames").mkdir()
    write_colour_bundle(folder / "bundle")
    with VideoWriter(folder / "clip.mp4", rate=10) as writer:
        for index in range(FRAMES):
            image = np.full((HEIGHT, WIDTH, 3), 40, np.uint8)
            image[8:20, 4 + 3 * index : 18 + 3 * index] = (30, 30, 220)
            image[28:42, 40 - 2 * index : 56 - 2 * index] = (40, 210, 40)
            writer.write(image)
            cv2.imwrite(str(folder / "frames" / f"shot_{index:02d}.png"), image)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[8:20, 4:18] = 5
    mask[28:42, 40:56] = 9
    write_label_map(folder / "mask.png", mask)
    return folder
