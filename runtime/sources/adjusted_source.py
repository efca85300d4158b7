"""Turned, cut and thinned out frames of another source."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from vosrt.errors import InputError
from vosrt.number_check import check_above_zero, is_whole
from vosrt.resize_rule import SMALLEST_SIDE
from vosrt.sources.live_status import LiveStatus
from vosrt.sources.reader import Picture, Reader
from vosrt.sources.source import Source
from vosrt.sources.source_frame import SourceFrame

TURNS = (0, 90, 180, 270)


@dataclass(frozen=True)
class Adjustment:
    """What is done to frames, in this order.

    Attributes:
        rotate: degrees clockwise: 0, 90, 180 or 270.
        crop: `(x0, y0, x1, y1)` in pixels of the turned frame, ends excluded; None for all of it.
        rate: most frames per second; None for all.

    Raises:
        InputError: another turn, no four whole numbers, or a rate that is not above 0.
    """

    rotate: int = 0
    crop: tuple[int, int, int, int] | None = None
    rate: Fraction | None = None

    def __post_init__(self) -> None:
        if self.rotate not in TURNS:
            raise InputError("rotate", value=self.rotate, allowed=", ".join(map(str, TURNS)))
        crop = self.crop
        is_box = isinstance(crop, Sequence) and len(crop) == 4 and all(map(is_whole, crop))
        if crop is not None and not is_box:
            raise InputError("crop", value=crop, allowed="x0, y0, x1, y1 in whole pixels")
        if self.rate is not None:
            check_above_zero("rate", self.rate)

    @property
    def is_none(self) -> bool:
        """Whether frames stay as they are."""
        return self == Adjustment()

    def aspect(self, pixel_aspect: Fraction) -> Fraction:
        """Width of pixels over their height when they are turned."""
        return 1 / pixel_aspect if self.rotate % 180 else pixel_aspect

    def applied(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A frame or label map, turned and cut.

        Raises:
            InputError: the frame does not hold the crop.
        """
        turned = np.rot90(image, -self.rotate // 90)
        if self.crop is not None:
            x0, y0, x1, y1 = self.crop
            height, width = turned.shape[:2]
            if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
                allowed = f"x0,y0,x1,y1 within {width}x{height}"
                raise InputError("crop", value=",".join(map(str, self.crop)), allowed=allowed)
            if min(x1 - x0, y1 - y0) < SMALLEST_SIDE:
                raise InputError("crop", value=f"{x1 - x0}x{y1 - y0}", allowed=f"sides from {SMALLEST_SIDE}")
            turned = turned[y0:y1, x0:x1]
        return np.ascontiguousarray(turned)


class _Thinning:
    """Keeps the first frame of each interval of a rate; every frame where there is no rate."""

    def __init__(self, rate: Fraction | None) -> None:
        self._interval = 0.0 if rate is None else 1 / float(rate)
        self._due: float | None = None

    def keeps(self, time: float) -> bool:
        """Whether a frame of this time stays; times are given in their order."""
        # A little early is in time: cameras are not exact, and half of all frames would go.
        if self._due is not None and time < self._due - 0.1 * self._interval:
            return False
        due = time if self._due is None else self._due
        self._due = max(due, time - self._interval) + self._interval
        return True


class AdjustedReader:
    """A reader whose pictures are turned and cut, and thinned out; see `Reader`."""

    def __init__(self, reader: Reader, adjustment: Adjustment) -> None:
        self._reader = reader
        self._adjustment = adjustment
        self._thinning = _Thinning(adjustment.rate)
        self.rate = reader.rate
        self.is_finite = reader.is_finite
        self.time: float | None = None
        self.pixel_aspect = reader.pixel_aspect

    def read(self) -> Picture:
        """See `Reader`."""
        picture = self._read()
        while not self._thinning.keeps(time.monotonic() if self.time is None else self.time):
            picture = self._read()
        return lambda: self._adjustment.applied(picture())

    def close(self) -> None:
        """See `Reader`."""
        self._reader.close()

    def _read(self) -> Picture:
        picture = self._reader.read()
        self.time = self._reader.time
        self.pixel_aspect = self._adjustment.aspect(self._reader.pixel_aspect)
        return picture


class AdjustedSource(Source):
    """The frames of another source, adjusted. Where there are too many, the first of each interval stays.

    Args:
        source: closed with this.
        adjustment: what is done.
    """

    def __init__(self, source: Source, adjustment: Adjustment) -> None:
        self._source = source
        self._adjustment = adjustment
        self.length = source.length if adjustment.rate is None else None
        self.is_live = source.is_live
        self.names = source.names

    @property
    def rate(self) -> Fraction:  # type: ignore[override]
        """Frames per second, on average or assumed."""
        most = self._adjustment.rate
        return self._source.rate if most is None else min(most, self._source.rate)

    @property
    def status(self) -> LiveStatus | None:  # type: ignore[override]
        """How the source is now."""
        return self._source.status

    def __iter__(self) -> Iterator[SourceFrame]:
        """Yield the frames.

        Raises:
            InputError: as the source does; or a frame does not hold the crop.
        """
        thinning = _Thinning(self._adjustment.rate)
        for frame in self._source:
            if not thinning.keeps(frame.timestamp):
                continue
            truth = None if frame.truth is None else self._adjustment.applied(frame.truth)
            aspect = self._adjustment.aspect(frame.pixel_aspect)
            image = self._adjustment.applied(frame.image)
            yield replace(frame, image=image, truth=truth, pixel_aspect=aspect)

    def close(self) -> None:
        """Close the source."""
        self._source.close()
