"""Many short videos of moving squares with the masks of their first frames, and batches of them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

from vosrt.label_map import write_label_map
from vosrt.video_writer import VideoWriter

HEIGHT, WIDTH = 64, 96


def write_videos(folder: Path, count: int, frames: int, *, height: int = HEIGHT, width: int = WIDTH) -> None:
    """`folder/videos/clip_007.mp4` and `folder/masks/clip_007.png`, each clip with speeds of its own."""
    (folder / "videos").mkdir(parents=True)
    (folder / "masks").mkdir()
    for number in range(count):
        random = np.random.default_rng(number)
        speeds = random.integers(1, 4, 2)
        with VideoWriter(folder / "videos" / f"clip_{number:03d}.mp4", rate=10) as writer:
            for index in range(frames):
                image, mask = _frame(index, speeds, height, width)
                writer.write(image)
                if index == 0:
                    write_label_map(folder / "masks" / f"clip_{number:03d}.png", mask)


def _frame(index: int, speeds: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    image, mask = np.full((height, width, 3), 40, np.uint8), np.zeros((height, width), np.uint8)
    side = height // 3
    for row, (colour, speed) in enumerate(zip(((30, 30, 220), (40, 210, 40)), speeds, strict=True)):
        top, left = 4 + row * height // 2, 4 + int(speed) * (index + 1) % (width - side - 4)
        image[top : top + side, left : left + side] = colour
        mask[top : top + side, left : left + side] = row + 1
    return image, mask


def command(bundle: object, folder: Path, output: object, *options: object) -> list[str]:
    """`vosrt batch run` over the videos, one thread per graph, as a command line of this Python."""
    line = ["-m", "vosrt", "batch", "run", bundle, "--videos", folder / "videos", "--masks", folder / "masks"]
    return [sys.executable, *map(str, [*line, "--output", output, "--threads", 1, "--json", *options])]


def run(line: list[str], *, status: int | None = 0) -> dict:
    """Run a command line; returns what it printed."""
    done = subprocess.run(line, capture_output=True, text=True, timeout=1200, check=False)
    if status is not None:
        assert done.returncode == status, done.stderr
    return json.loads(done.stdout) if done.stdout else {}


def records(output: Path) -> dict[str, dict]:
    """The records of a batch by name."""
    return {file.stem: json.loads(file.read_bytes()) for file in sorted((output / "records").glob("*.json"))}


def digests(output: Path) -> dict[str, dict]:
    """SHA-256 of every output of every video, as recorded."""
    return {name: record["outputs"] for name, record in records(output).items()}


def workers_of(output: Path) -> list[int]:
    """Processes that are making results now."""
    return [int(path.name.split("~")[2]) for path in (output / "unfinished").glob("*~*")]


def killed(process: subprocess.Popen) -> None:
    """Kill a process at once and wait until it is gone."""
    process.send_signal(signal.SIGKILL)
    process.wait(60)


def is_alive(process: int) -> bool:
    """Whether a process is there and is no zombie."""
    try:
        with open(f"/proc/{process}/stat") as status:
            return status.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
