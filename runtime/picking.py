"""Objects of one frame, picked one after the other by a person."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.errors import InputError
from vosrt.label_map import write_label_map
from vosrt.marked_objects import MaskFinder, grab_cut
from vosrt.prompt import Marks, checked_prompt
from vosrt.user_input import VOID, objects_of


class Picking:
    """A label map that grows with every mark; a mark that cannot be used changes nothing.

    Attributes:
        image: the frame, BGR uint8 `[H, W, 3]`.
        labels: uint8 `[H, W]`, 0 where no object is.

    Args:
        image: the frame.
        find: finds objects from boxes and clicks.
    """

    def __init__(self, image: NDArray[np.uint8], *, find: MaskFinder = grab_cut) -> None:
        self.image = image
        self.labels: NDArray[np.uint8] = np.zeros(image.shape[:2], np.uint8)
        self._find = find

    @property
    def ids(self) -> tuple[int, ...]:
        """The objects that are picked, ascending."""
        return objects_of(self.labels)

    def mark(self, **marks: Any) -> None:
        """Add or correct objects.

        Args:
            marks: as `Stream.step` takes them; `objects` names those that are nowhere but in the marks.

        Raises:
            InputError: no object is found, or it would hide another one.
        """
        given = Marks(**marks)
        prompt = checked_prompt(self.image, given, known=self.ids, find=self._find, download=np.asarray)
        if prompt is None:
            raise InputError("mark", value="nothing", allowed="a mask, a box, clicks or a polygon")
        labels = np.where(np.isin(self.labels, prompt.complete), 0, self.labels).astype(np.uint8)
        said = (prompt.mask != 0) & (prompt.mask != VOID)
        labels[said] = prompt.mask[said]
        hidden = sorted(set(self.ids) - set(objects_of(labels)) - set(prompt.complete))
        if hidden:
            raise InputError(f"objects {hidden} would be hidden", cure="mark so that a part of each is free")
        self.labels = labels

    def remove(self, ids: Iterable[int]) -> None:
        """Forget objects."""
        self.labels = np.where(np.isin(self.labels, list(ids)), 0, self.labels).astype(np.uint8)

    def save(self, path: str | Path) -> None:
        """Write the label map as an indexed PNG.

        Raises:
            InputError: no object is picked, or the file cannot be written.
        """
        if not self.ids:
            raise InputError("no object is picked", cure="mark one first")
        write_label_map(path, self.labels)
