"""What several tests of the command line run on, and the bundles of tests of streams."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.runtime import scene_streams
from tests.runtime.command_lines import FRAMES, HEIGHT, WIDTH
from tests.runtime.toy_bundle import write_colour_bundle, write_failing_bundle, write_running_mean_bundle
from vosrt import Segmenter
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


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where a module's bundles lie."""
    return tmp_path_factory.mktemp("bundles")


@pytest.fixture(scope="module")
def colour(folder):
    return Segmenter(write_colour_bundle(folder / "colour"), threads=1)


@pytest.fixture(scope="module")
def fixed_colour(folder):
    """For frames of one size and at most four objects; all slots and rows are always there."""
    path = write_colour_bundle(
        folder / "fixed", objects=4, frame_size=(scene_streams.HEIGHT, scene_streams.WIDTH)
    )
    return Segmenter(path, threads=1)


@pytest.fixture(scope="module")
def running_mean(folder):
    return Segmenter(write_running_mean_bundle(folder / "mean"), threads=1)


@pytest.fixture(scope="module")
def fails_on_white(folder):
    """The running-mean bundle; the last graph of a frame fails when the frame has a channel value of 255."""
    return Segmenter(write_failing_bundle(folder / "fails"), threads=1)
