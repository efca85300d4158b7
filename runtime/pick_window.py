"""Objects of a frame, picked in a window of OpenCV's."""

from __future__ import annotations

import math
import os
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.errors import Error
from vosrt.optional_import import import_for
from vosrt.overlay import draw_overlay
from vosrt.picking import Picking
from vosrt.user_input import LARGEST_ID

TITLE = "vosrt pick"
HELP = (
    "drag: box   left / right click: object / not   Enter: next object   Backspace: undo   S: save   Esc: end"
)
_ENTER, _BACKSPACE, _ESCAPE = (10, 13), (8, 127), 27
_GREEN, _RED = (108, 211, 54), (94, 107, 255)  # BGR
_DRAG = 6  # pixels from which a press is a box
_WAIT = 30  # milliseconds between looks at the keyboard
_LINE = 20  # pixels of a line of text
_SMALLEST, _LARGEST = 560, 1400  # pixels of a window's width; smaller and larger frames are resized for it


def window_missing() -> str | None:
    """What keeps a window from opening here; None when one can."""
    cv2 = import_for("a window", "cv2")
    lines = [
        line.partition(":")[2].strip() for line in cv2.getBuildInformation().splitlines() if "GUI" in line
    ]
    if not lines or lines[0].startswith("NONE"):
        return "this OpenCV has no windows (opencv-python has them)"
    needs_display = sys.platform.startswith("linux")
    if needs_display and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return "there is no display"
    return None


class PickWindow:
    """Marks belong to one object until Enter; what they give is shown at once.

    Args:
        picking: where the objects are kept.
    """

    def __init__(self, picking: Picking) -> None:
        self.picking = picking
        self.problem = ""
        self._cv2 = import_for("a window", "cv2")
        width = picking.image.shape[1]
        self._scale = math.ceil(_SMALLEST / width) if width < _SMALLEST else min(1.0, _LARGEST / width)
        self._id = 1
        self._box: tuple[int, int, int, int] | None = None
        self._clicks: list[tuple[int, int, bool]] = []
        self._before = picking.labels  # without the present object
        self._pressed: tuple[int, int] | None = None
        self._drawn: tuple[int, int] | None = None  # where the pointer is while a box is drawn

    def run(self) -> bool:
        """Show the window until the person saves (True) or ends it (False)."""
        cv2 = self._cv2
        cv2.namedWindow(TITLE, cv2.WINDOW_AUTOSIZE | cv2.WINDOW_GUI_NORMAL)
        try:
            cv2.setMouseCallback(TITLE, self._on_mouse)
            while True:
                cv2.imshow(TITLE, self.shown())
                key = cv2.waitKey(_WAIT) & 0xFF
                if key in (ord("s"), ord("S")):
                    if self.picking.ids:
                        return True
                    self.problem = "nothing is picked yet"
                elif key == _ESCAPE or cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1:
                    return False
                elif key in _ENTER:
                    self.next_object()
                elif key in _BACKSPACE:
                    self.undo()
        finally:
            cv2.destroyAllWindows()

    def draw_box(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        """Mark the present object by a box between two corners."""
        (x0, x1), (y0, y1) = sorted((start[0], end[0])), sorted((start[1], end[1]))
        height, width = self.picking.image.shape[:2]
        before = self._box
        self._box = (max(x0, 0), max(y0, 0), min(x1 + 1, width), min(y1 + 1, height))
        if not self._apply():
            self._box = before

    def click(self, x: int, y: int, *, is_inside: bool) -> None:
        """Mark the present object by a place that belongs to it or does not."""
        height, width = self.picking.image.shape[:2]
        if not (0 <= x < width and 0 <= y < height):
            return
        self._clicks.append((x, y, is_inside))
        if not self._apply():
            self._clicks.pop()

    def next_object(self) -> None:
        """Begin another object, if the present one is there."""
        if self._id not in self.picking.ids:
            self.problem = "mark an object first"
            return
        self._before, self._box, self._clicks = self.picking.labels, None, []
        self._id = next(value for value in range(1, LARGEST_ID + 1) if value not in self.picking.ids)

    def undo(self) -> None:
        """Take back the last mark of the present object, or that object."""
        if self._clicks:
            self._clicks.pop()
        else:
            self._box = None
        if self._box is None and not any(inside for *_, inside in self._clicks):
            self._clicks = []
            self.picking.labels = self._before
        else:
            self._apply()

    def shown(self) -> NDArray[np.uint8]:
        """The picture of the window: masks, the box that is being drawn, and lines of help."""
        cv2 = self._cv2
        picture = draw_overlay(self.picking.image, self.picking.labels)
        how = cv2.INTER_AREA if self._scale < 1 else cv2.INTER_NEAREST
        picture = cv2.resize(picture, None, fx=self._scale, fy=self._scale, interpolation=how)
        if self._pressed and self._drawn:
            cv2.rectangle(
                picture, self._on_window(self._pressed), self._on_window(self._drawn), (255,) * 3, 1
            )
        for x, y, inside in self._clicks:
            cv2.circle(picture, self._on_window((x, y)), 5, _GREEN if inside else _RED, -1)
        lines = (self.problem[:100], "") if self.problem else HELP
        bar = np.full((_LINE * len(lines) + 6, picture.shape[1], 3), 30, np.uint8)
        for number, text in enumerate(lines, start=1):
            colour = _RED if self.problem else (230, 230, 230)
            place = (8, _LINE * number - 4)
            cv2.putText(bar, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, 1, cv2.LINE_AA)
        return np.concatenate([picture, bar])

    def _on_window(self, place: tuple[int, int]) -> tuple[int, int]:
        return round((place[0] + 0.5) * self._scale), round((place[1] + 0.5) * self._scale)

    def _apply(self) -> bool:
        """Find the present object anew from its marks; whether it is found."""
        now, self.picking.labels = self.picking.labels, self._before
        marks: dict[str, Any] = {"boxes": {self._id: self._box}} if self._box else {}
        if self._clicks:
            marks["clicks"] = {self._id: self._clicks}
        try:
            self.picking.mark(**marks)
        except Error as error:
            self.problem = str(error)
            self.picking.labels = now
            return False
        self.problem = ""
        return True

    def _on_mouse(self, event: int, x: int, y: int, flags: int, _: object) -> None:
        cv2 = self._cv2
        x, y = math.floor(x / self._scale), math.floor(y / self._scale)
        if event == cv2.EVENT_LBUTTONDOWN:
            self._pressed = self._drawn = (x, y)
        elif event == cv2.EVENT_MOUSEMOVE and self._pressed:
            self._drawn = (x, y)
        elif event == cv2.EVENT_LBUTTONUP and self._pressed:
            start, self._pressed = self._pressed, None
            if max(abs(x - start[0]), abs(y - start[1])) >= _DRAG:
                self.draw_box(start, (x, y))
            else:
                self.click(x, y, is_inside=True)
        elif event == cv2.EVENT_RBUTTONDOWN:
            self.click(x, y, is_inside=False)
