"""Tiny data sets on disk: two coloured squares that move over grey, in the folders of each layout.

Colours are far apart, so that a bundle which segments by colour finds the squares exactly.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from vosrt.label_map import write_label_map

HEIGHT, WIDTH, FRAMES = 40, 64, 6
COLOURS = {1: (30, 30, 220), 2: (40, 210, 40), 3: (220, 60, 60)}


def image_and_labels(index: int, ids=(1, 2)) -> tuple[np.ndarray, np.ndarray]:
    """A frame, BGR, and its label map."""
    image, labels = np.full((HEIGHT, WIDTH, 3), 120, np.uint8), np.zeros((HEIGHT, WIDTH), np.uint8)
    places = {1: (4, 4 + 3 * index), 2: (24, 40 - 2 * index), 3: (15 + index, 50)}
    for object_id in ids:
        top, left = places[object_id]
        image[top : top + 10, left : left + 10] = COLOURS[object_id]
        labels[top : top + 10, left : left + 10] = object_id
    return image, labels


def write_frame(folder: Path, name: str, image: np.ndarray, suffix: str = ".png") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(folder / f"{name}{suffix}"), image)


def write_mask(folder: Path, name: str, labels: np.ndarray, palette: np.ndarray | None = None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_label_map(folder / f"{name}.png", labels, palette=palette)


def write_davis(root: Path, *, clips=("bear", "bus"), year=2017, truth=True) -> Path:
    lines = []
    for clip in clips:
        for index in range(FRAMES):
            image, labels = image_and_labels(index)
            name = f"{index:05d}"
            write_frame(root / "JPEGImages/480p" / clip, name, image)
            lines.append(f"/JPEGImages/480p/{clip}/{name}.png /Annotations/480p/{clip}/{name}.png")
            if truth or index == 0:
                folder = root / "Annotations/480p" / clip
                if year == 2016:  # grey, 255 is the object
                    write_frame(folder, name, np.where(labels > 0, 255, 0).astype(np.uint8))
                else:
                    write_mask(folder, name, labels)
    sets = root / "ImageSets" / ("480p" if year == 2016 else "2017")
    sets.mkdir(parents=True, exist_ok=True)
    (sets / "val.txt").write_text("\n".join(lines if year == 2016 else clips) + "\n")
    return root


def write_mose(root: Path, *, split="valid", truth=False) -> Path:
    for index in range(FRAMES):
        image, labels = image_and_labels(index)
        write_frame(root / split / "JPEGImages/street", f"{index:05d}", image)
        if truth or index == 0:
            write_mask(root / split / "Annotations/street", f"{index:05d}", labels)
    return root


def write_youtube_vos(root: Path, *, split="valid", leak=False, dense=True) -> Path:
    """Object 4 starts on 00010, object 1 on 00015; frames begin at 00005, and 00030 is wanted by none.

    With `leak` every frame has its whole mask, the truth.
    """
    names = {5 * number: f"{5 * number:05d}" for number in range(1, 7)}
    for index, name in enumerate(names.values()):
        image, labels = _youtube_frame(index)
        write_frame(root / split / "JPEGImages/0043f083b5", name, image)
        masks = root / split / "Annotations/0043f083b5"
        if leak:
            write_mask(masks, name, labels)
        elif name in ("00010", "00015"):
            write_mask(masks, name, np.where(labels == {"00010": 4, "00015": 1}[name], labels, 0))
    if dense:
        for number in range(5, 31):
            image, _ = _youtube_frame((number - 5) / 5)
            write_frame(root / f"{split}_all_frames/JPEGImages/0043f083b5", f"{number:05d}", image)
    wanted = {"4": ["00010", "00015", "00020", "00025"], "1": ["00015", "00020", "00025"]}
    meta = {"videos": {"0043f083b5": {"objects": {key: {"frames": own} for key, own in wanted.items()}}}}
    (root / split / "meta.json").write_text(json.dumps(meta))
    return root


def _youtube_frame(index: float) -> tuple[np.ndarray, np.ndarray]:
    image, labels = image_and_labels(round(index))
    return image, np.where(labels == 2, 4, labels).astype(np.uint8)


def write_lvos(root: Path, *, split="val", truth=True) -> Path:
    """Frames 1, 6, …, 31; object 1 from 1 to 31, object 2 from 11 to 26."""
    for index in range(7):
        name = f"{1 + 5 * index:08d}"
        image, labels = image_and_labels(index)
        write_frame(root / split / "JPEGImages/abc", name, image)
        if truth:
            write_mask(root / split / "Annotations/abc", name, labels)
        elif index in (0, 2):
            own = {0: 1, 2: 2}[index]
            write_mask(root / split / "Annotations/abc", name, np.where(labels == own, labels, 0))
    ranges = {"1": {"start": "00000001", "end": "00000031"}, "2": {"start": "00000011", "end": "00000026"}}
    objects = {key: {"frame_range": {**own, "frame_nums": 7}} for key, own in ranges.items()}
    (root / f"{split}_meta.json").write_text(json.dumps({"videos": {"abc": {"objects": objects}}}))
    return root


def write_segtrack(root: Path) -> Path:
    """`worm` with one object and `cheetah` with two, whose masks have other suffixes than the frames."""
    for index in range(FRAMES):
        image, labels = image_and_labels(index)
        for clip, suffix in (("worm", ".png"), ("cheetah", ".bmp")):
            name = f"{clip}_{index + 11:05d}"
            write_frame(root / "JPEGImages" / clip, name, image, suffix)
            truth = root / "GroundTruth" / clip
            if clip == "worm":
                write_frame(truth, name, _white(labels == 1))
            else:
                write_frame(truth / "1", name, _white(labels == 1), ".bmp")
                write_frame(truth / "2", name, _white(labels == 2))
    return root


def _white(mask: np.ndarray) -> np.ndarray:
    """RGB, with a grey rim outside that is no object."""
    rim = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return np.where(mask, 255, np.where(rim, 100, 0)).astype(np.uint8)[..., None].repeat(3, axis=2)


def write_clip(folder: Path, *, masks=range(FRAMES), ids=(1, 2), facts=None, union_of=None) -> Path:
    """A plain clip; with `union_of` its truth has the one id 1, and init/ holds those ids."""
    for index in range(FRAMES):
        image, labels = image_and_labels(index, ids)
        write_frame(folder / "frames", f"{index:05d}", image)
        if union_of and index == 0:
            write_mask(folder / "init", f"{index:05d}", labels)
        if index in masks:
            write_mask(
                folder / "masks", f"{index:05d}", (labels > 0).astype(np.uint8) if union_of else labels
            )
    if facts is not None:
        (folder / "clip.json").write_text(json.dumps(facts))
    return folder
