"""A folder with small files under the names that the documentation uses."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.dataset_trees import write_davis
from tests.docs.fenced_blocks import ROOT
from tests.models.training.annotated_folders import write_sequences
from vosrt.label_map import write_label_map
from vosrt.shipped_bundles import find_bundle
from vosrt.sources.test_pattern import PatternSettings, TestPattern
from vosrt.video_writer import VideoWriter

_SCENE = TestPattern(PatternSettings(height=96, width=160, frames=6))
HELD_OUT = ("flamingo", "hike", "scooter-gray", "tennis")
LINKS = ("examples", "export", "models", "tests")


def write_sample_files(folder: Path) -> Path:
    """Make everything once; `lay_out` puts it into other folders."""
    frames = list(_SCENE)
    for name in ("video.mp4", "clip.mp4"):
        with VideoWriter(folder / name, rate=10) as writer:
            for frame in frames:
                writer.write(frame.image)
    assert frames[0].truth is not None
    for name in ("first_frame.png", "door.png"):
        write_label_map(folder / name, frames[0].truth)
    write_davis(folder / "DAVIS", clips=("bear",))
    write_sequences(folder / "DAVIS_TRAIN", (*HELD_OUT, "bear", "bus"))
    write_sequences(folder / "clips", ("bear",))
    for name in ("street", "yard"):
        write_sequences(folder / "footage", (name,), frames="videos/{}", masks="all_masks/{}")
        first = folder / "footage/all_masks" / name / "00000.png"
        (folder / "footage/masks").mkdir(exist_ok=True)
        first.rename(folder / f"footage/masks/{name}.png")
    for name in LINKS:
        (folder / name).symlink_to(ROOT / name)
    return folder


def lay_out(samples: Path, folder: Path, text: str) -> None:
    """Put the files into a folder where commands may write.

    Args:
        samples: where they are.
        folder: where they are wanted.
        text: of the block that is to be run; `videos` and `masks` are there for those that read them.
    """
    if "--videos" in text:
        for name in ("videos", "masks"):
            shutil.copytree(samples / "footage" / name, folder / name)
    for path in samples.iterdir():
        (folder / path.name).symlink_to(path)
    (folder / "bundles").mkdir()
    (folder / "bundles" / "cfbi").symlink_to(find_bundle("cfbi-lite-davis"))


def names_in_sentences() -> dict[str, Any]:
    """What Python blocks speak of without saying where it comes from."""
    frames = list(_SCENE)
    truth = frames[0].truth
    assert truth is not None
    extra, fixed = np.zeros_like(truth), np.zeros_like(truth)
    extra[40:60, 40:60] = 7
    fixed[40:60, 44:64] = 7
    return {
        "first_frame": frames[0].image,
        "next_frame": frames[1].image,
        "frame": frames[2].image,
        "mask": np.where(truth > 0, truth + 2, 0).astype(np.uint8),  # objects 3 and 4
        "extra": extra,
        "fixed": fixed,
        **{"x0": 60, "y0": 20, "x1": 120, "y1": 80},
    }
