"""Networks in actors of a Ray cluster, for a program of your own: the area of every object over time.

`vosrt batch run --ray auto` writes masks of many videos. This is for results that are not files.

    python examples/ray_job.py first.mp4=first.png second.mp4=second.png
"""

from __future__ import annotations

import os
import sys

import numpy as np

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # Ray reports its use to its makers otherwise
import ray

from vosrt import Segmenter
from vosrt.label_map import read_label_map
from vosrt.sources.open_source import open_source


@ray.remote(num_cpus=1)  # or num_gpus=1
class Worker:
    """Opens the networks once and follows the objects of one video after another."""

    def __init__(self) -> None:
        self.segmenter = Segmenter("cfbi-lite-davis", threads=1)

    def areas(self, video: str, mask: str) -> dict[int, list[int]]:
        """Pixels of every object, frame by frame."""
        stream, found = self.segmenter.stream(), {}
        with open_source(video) as frames:
            for index, frame in enumerate(frames):
                result = stream.step(frame.image, mask=read_label_map(mask) if index == 0 else None)
                for object_id in result.ids:
                    found.setdefault(object_id, []).append(int(np.sum(result.labels == object_id)))
        return found


def main(pairs: list[str]) -> None:
    """Share the videos out and print what comes back."""
    ray.init(ignore_reinit_error=True, log_to_driver=False)
    videos = [tuple(map(os.path.abspath, pair.split("="))) for pair in pairs]
    pool = ray.util.ActorPool([Worker.remote() for _ in range(min(2, len(videos)))])
    found = pool.map(lambda worker, video: worker.areas.remote(*video), videos)
    for (video, _), areas in zip(videos, found, strict=True):
        for object_id, pixels in areas.items():
            print(f"{os.path.basename(video)}: object {object_id}: {pixels[0]} to {pixels[-1]} pixels")


if __name__ == "__main__":
    main(sys.argv[1:])
