"""Whether what a command left behind can be read."""

from __future__ import annotations

import json
from pathlib import Path

import av
import cv2
import numpy as np

from vosrt.label_map import read_label_map
from vosrt.sinks.rle import decode_mask

SOURCE = "test://48x64?objects=2&frames={frames}&fps=10"


def stream_line(bundle: Path, folder: Path, frames: int) -> list[str]:
    """A command line of `vosrt` that writes every kind of output."""
    line = ["stream", str(bundle), "--source", SOURCE.format(frames=frames), "--overwrite", "--json"]
    line += ["--device", "cpu", "--threads", "1"]
    files = {"--out": "video.mp4", "--rle": "masks.jsonl", "--masks": "masks", "--cutout": "cutout"}
    return line + [part for option, name in files.items() for part in (option, str(folder / name))]


def check_outputs(folder: Path) -> dict[str, int]:
    """Read everything in a folder; returns how many frames there are of each kind."""
    return {
        "video": _frames_of(folder / "video.mp4"),
        "lines": _lines_of(folder / "masks.jsonl"),
        "masks": sum(1 for path in _images(folder / "masks") if read_label_map(path).shape == (48, 64)),
        "cutouts": sum(1 for path in _images(folder / "cutout") if _read(path).shape == (48, 64, 4)),
    }


def _images(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.png")) if folder.is_dir() else []


def _read(path: Path) -> np.ndarray:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image is not None, path
    return image


def _frames_of(path: Path) -> int:
    """All frames that are in a video; a file that holds none yet has no head either."""
    if not path.exists() or path.stat().st_size == 0:
        return 0
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0)) if container.streams.video else 0


def _lines_of(path: Path) -> int:
    """Whole lines of JSON; the last one may be cut off only where its end is missing."""
    lines = path.read_bytes().split(b"\n") if path.exists() else [b""]
    assert lines[-1] == b"", "the last line has no end"
    for line in lines[:-1]:
        for found in json.loads(line)["objects"]:
            mask = decode_mask(found["segmentation"]["counts"], tuple(found["segmentation"]["size"]))
            assert int(mask.sum()) == found["area"]
    return len(lines) - 1
