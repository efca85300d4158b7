"""Masks of one frame in files: a label map, or an image per object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vosrt.benchmarks.clip_score import Labels, Truth
from vosrt.errors import InputError
from vosrt.label_map import read_label_map, read_palette
from vosrt.sources.image_folder import read_image

_HALF = 128  # of 255; edges and overlaps of masks drawn in grey lie between


@dataclass(frozen=True)
class LabelFile:
    """An indexed or grey PNG of object ids.

    Attributes:
        path: of the file.
        foreground_only: whether every value but 0 is the one object 1, as in DAVIS 2016.
    """

    path: Path
    foreground_only: bool = False

    @property
    def paths(self) -> tuple[Path, ...]:
        """The file."""
        return (self.path,)

    def labels(self) -> Labels:
        """Object ids, uint8 `[H, W]`.

        Raises:
            InputError: the file is missing, damaged, or holds colours.
        """
        labels = read_label_map(self.path)
        return (labels > 0).astype(np.uint8) if self.foreground_only else labels

    def truth(self) -> Truth:
        """The same."""
        return self.labels()

    def palette(self) -> NDArray[np.uint8] | None:
        """The file's colours, RGB uint8 `[256, 3]`; None where it has none for its ids."""
        return None if self.foreground_only else read_palette(self.path)


@dataclass(frozen=True)
class ObjectFiles:
    """An image per object, white where it is. They may overlap."""

    files: Mapping[int, Path]  # by object id

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files, by object id."""
        return tuple(self.files[object_id] for object_id in sorted(self.files))

    def labels(self) -> Labels:
        """Object ids, uint8 `[H, W]`; where objects overlap, the one with the greater id.

        Raises:
            InputError: a file cannot be read, or their sizes differ.
        """
        masks = self.truth()
        labels = np.zeros(next(iter(masks.values())).shape, np.uint8)
        for object_id in sorted(masks):
            labels[masks[object_id]] = object_id
        return labels

    def truth(self) -> Mapping[int, NDArray[np.bool_]]:
        """A mask `[H, W]` by object id.

        Raises:
            InputError: a file cannot be read, or their sizes differ.
        """
        masks = {object_id: read_image(path).max(axis=2) >= _HALF for object_id, path in self.files.items()}
        shapes = {mask.shape for mask in masks.values()}
        if len(shapes) > 1:
            raise InputError(
                f"masks of one frame have different sizes: {', '.join(map(str, self.paths))}",
                value=sorted(shapes),
                cure="copy the data set again",
            )
        return masks

    def palette(self) -> NDArray[np.uint8] | None:
        """None: black and white say nothing of ids."""
        return None


MaskFiles = LabelFile | ObjectFiles
