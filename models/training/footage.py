"""Decoded frames of annotated sequences, kept in memory as far as they fit."""

from __future__ import annotations

from collections import OrderedDict

import cv2
import numpy as np

from vosrt.label_map import read_label_map
from vosrt.models.training.sequence_folders import FramePaths, Sequence
from vosrt.sources.image_folder import read_image

Frame = tuple[np.ndarray, np.ndarray]  # image uint8 [h, w, 3], labels uint8 [h, w]


class Footage:
    """Frames of sequences at a working size; the most recent ones stay decoded.

    Args:
        sequences: to read from.
        max_height: taller frames are reduced to this height.
        cache_bytes: of decoded frames.
    """

    def __init__(
        self, sequences: list[Sequence], *, max_height: int = 288, cache_bytes: int = 2 * 1024**3
    ) -> None:
        self.sequences = sequences
        self.max_height = max_height
        self.cache_bytes = cache_bytes
        self._decoded: OrderedDict[FramePaths, Frame] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self.sequences)

    def frame(self, sequence: int, index: int) -> Frame:
        """Image and labels of one frame; not to be written into."""
        paths = self.sequences[sequence].frames[index]
        if paths in self._decoded:
            self._decoded.move_to_end(paths)
            return self._decoded[paths]
        decoded = self._read(paths)
        self._decoded[paths] = decoded
        self._bytes += sum(array.nbytes for array in decoded)
        while self._bytes > self.cache_bytes and len(self._decoded) > 1:
            _, oldest = self._decoded.popitem(last=False)
            self._bytes -= sum(array.nbytes for array in oldest)
        return decoded

    def _read(self, paths: FramePaths) -> Frame:
        image = read_image(paths.frame)
        labels = read_label_map(paths.mask)
        height, width = labels.shape
        if height <= self.max_height:
            return image, labels
        size = (round(width * self.max_height / height), self.max_height)
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        return np.asarray(small), np.asarray(cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST))
