"""What the page says of objects."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from vosrt.errors import InputError
from vosrt.optional_import import import_for

_PLACES = 24  # of strokes that hint at an object
_Pixel = Annotated[float, Field(ge=-1e5, le=1e5, allow_inf_nan=False)]


class Mark(BaseModel):
    """An object that is added (without an id) or corrected, marked in one way or several.

    Attributes:
        frame: number of the frozen frame that it was marked on; None for the newest one.
        id: of the object; None for a new one.
        name: for people.
        box: x0, y0, x1, y1 in pixels of the frame, ends excluded.
        clicks: x, y, and 1 inside or 0 outside.
        polygon: points of an outline.
        strokes: base64 of a grey PNG of the frame's size: 1 where the object is, 2 where it is not. They add
            to an object that is there and take from it; a new one they only hint at.
    """

    model_config = ConfigDict(extra="forbid")

    frame: int | None = Field(default=None, ge=0)
    id: int | None = Field(default=None, ge=1, le=254)
    name: str | None = Field(default=None, max_length=80)
    box: tuple[int, int, int, int] | None = None
    clicks: list[tuple[int, int, int]] | None = Field(default=None, max_length=100)
    polygon: list[tuple[_Pixel, _Pixel]] | None = Field(default=None, min_length=3, max_length=2000)
    strokes: str | None = Field(default=None, max_length=4_000_000)

    def prompts(self, object_id: int, labels: NDArray[np.uint8]) -> dict[str, Any]:
        """Keyword arguments of `Stream.step` that say the same of an object.

        Args:
            object_id: the object's.
            labels: what was found on the frame, `[H, W]`; strokes correct it.

        Raises:
            InputError: there is no mark, or the strokes are no PNG of the frame's size.
        """
        prompts: dict[str, Any] = {}
        if self.box is not None:
            prompts["boxes"] = {object_id: self.box}
        if self.clicks:
            prompts["clicks"] = {object_id: [(x, y, bool(inside)) for x, y, inside in self.clicks]}
        if self.polygon is not None:
            prompts["polygons"] = {object_id: self.polygon}
        if self.strokes is not None:
            strokes = _plane(self.strokes, (labels.shape[0], labels.shape[1]))
            if (labels == object_id).any():
                mask = ((labels == object_id) | (strokes == 1)) & (strokes != 2)
                prompts["mask"] = np.where(mask, object_id, 0).astype(np.uint8)
                prompts["objects"] = [object_id]  # what was wiped out is the object nowhere else
            else:
                places = prompts.setdefault("clicks", {}).setdefault(object_id, [])
                places += [*_places(strokes == 1, is_inside=True), *_places(strokes == 2, is_inside=False)]
        if not prompts:
            raise InputError("mark", value="nothing", allowed="a box, clicks, a polygon or strokes")
        return prompts


class Name(BaseModel):
    """An object's name."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=80)


def _places(painted: NDArray[np.bool_], *, is_inside: bool) -> list[tuple[int, int, bool]]:
    """Places all over what was painted."""
    rows, columns = np.nonzero(painted)
    if not len(rows):
        return []
    chosen = np.unique(np.linspace(0, len(rows) - 1, _PLACES).astype(int))
    return [(int(columns[index]), int(rows[index]), is_inside) for index in chosen]


def _plane(text: str, size: tuple[int, int]) -> NDArray[np.uint8]:
    cv2 = import_for("reading strokes", "cv2")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError("strokes", value="no base64", allowed="base64 of a PNG") from error
    width, height = (int.from_bytes(data[place : place + 4], "big") for place in (16, 20))  # PNG's own head
    if data[:8] != b"\x89PNG\r\n\x1a\n" or (height, width) != size:
        allowed = f"a grey PNG of {size[0]}x{size[1]}, the frame's size"
        raise InputError(
            "strokes", value=f"{height}x{width}" if data[1:4] == b"PNG" else "no PNG", allowed=allowed
        )
    plane = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    if plane is None:
        raise InputError("strokes", value="a damaged PNG", allowed="a grey PNG")
    return plane
