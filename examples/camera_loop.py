"""A camera, ten lines: `python examples/camera_loop.py 0` (or rtsp://…, video.mp4, test://96x160)."""

import sys

from vosrt import Segmenter
from vosrt.sources.open_source import open_source

stream = Segmenter("cfbi-lite-davis").stream()
with open_source(sys.argv[1]) as source:
    for index, frame in enumerate(source):
        height, width = frame.image.shape[:2]
        middle = {1: (width // 4, height // 4, 3 * width // 4, 3 * height // 4)}
        result = stream.step(frame.image, boxes=middle if index == 0 else None)  # what is in the middle
        print(frame.name, int((result.labels == 1).sum()), "pixels", "lost" if 1 in result.lost else "")
