"""What every source offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from vosrt.sources.live_status import LiveStatus
from vosrt.sources.source_frame import SourceFrame

if TYPE_CHECKING:
    from typing import Self


class Source(ABC):
    """Frames of one size, whose time stamps strictly increase.

    Attributes:
        rate: frames per second, on average or assumed.
        length: how many frames the source says it holds; None when it does not say.
        is_live: whether frames arrive at their own pace, so that a slow reader misses some.
        names: the names of all frames, where they are known before reading.
        status: of a camera, how it is now; None for everything else.
    """

    rate: Fraction
    length: int | None = None
    is_live: bool = False
    names: Sequence[str] | None = None
    status: LiveStatus | None = None

    @abstractmethod
    def __iter__(self) -> Iterator[SourceFrame]:
        """Yield the frames.

        Raises:
            InputError: a frame cannot be read or has another size than the first.
        """

    def close(self) -> None:
        """Release what the source holds; a second call does nothing."""
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
