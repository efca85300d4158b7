"""Segments two frames with each bundle that is named; prints a line about each as soon as it is known."""

from __future__ import annotations

import resource
import sys

import numpy as np

from tests.reliability.bundle_copy import outcome_of
from vosrt import Segmenter

MOST_BYTES = 8 << 30  # of the address space: what asks for more gets an error, and the machine stays usable


def segment(bundle: str) -> str:
    frame, mask = np.full((16, 24, 3), 90, np.uint8), np.zeros((16, 24), np.uint8)
    mask[:5, :5] = 3
    stream = Segmenter(bundle, device="cpu", threads=1).stream()
    stream.step(frame, mask)
    stream.step(frame)
    return "works"


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for bundle in sys.argv[1:]:
        print(" ".join(outcome_of(lambda bundle=bundle: segment(bundle)).split()), flush=True)


if __name__ == "__main__":
    main()
