"""Run-length encoding of masks, as COCO's tools read it.

A mask is read column by column. The lengths of its runs, which are of background and of the object in turn
and start with background, are written as text: every length from the fourth on as the difference to the
length two before, each number in groups of five bits, lowest first, the sixth bit saying that more follow,
and 48 added to make a printable character.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vosrt.errors import InputError

_BITS, _MORE, _SIGN, _ZERO = 5, 0x20, 0x10, 48
_MOST_GROUPS = 7  # five bits each: enough for 32-bit lengths with their sign


def encode_mask(mask: NDArray[np.bool_]) -> str:
    """Encode a mask `[H, W]`; its size belongs beside the text."""
    pixels = np.ravel(mask, order="F").view(np.uint8)
    changes = np.flatnonzero(np.diff(pixels)) + 1
    starts = np.concatenate(([0, 0] if pixels.size and pixels[0] else [0], changes))
    return _text_of(np.diff(starts, append=pixels.size))


def decode_mask(counts: str, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Decode a mask of the given size (height, width).

    Raises:
        InputError: the text is no run-length encoding of a mask of this size.
    """
    lengths = _lengths_of(counts)
    if lengths is None or (lengths < 0).any() or lengths.sum() != size[0] * size[1]:
        raise InputError(
            "run-length encoding",
            value=counts if len(counts) <= 40 else f"{counts[:40]}…",
            allowed=f"COCO's compressed counts of a mask of {size[0]}x{size[1]} pixels",
            cure="check that the size is [height, width]",
        )
    pixels = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return np.ascontiguousarray(pixels.reshape(size, order="F"))


def _text_of(lengths: NDArray[np.int64]) -> str:
    numbers = lengths.copy()
    numbers[3:] -= lengths[1:-2]
    shifts = _BITS * np.arange(_MOST_GROUPS)
    groups = (numbers[:, None] >> shifts) & (_MORE - 1)  # [numbers, groups]
    # what is left above a group is nothing once it repeats the group's highest bit: 0, or -1 below zero
    rest = numbers[:, None] >> (shifts + _BITS)
    more = np.where(groups & _SIGN, rest != -1, rest != 0)
    written = np.ones_like(more)
    written[:, 1:] = np.logical_and.accumulate(more[:, :-1], axis=1)
    characters = groups + np.where(more, _MORE, 0) + _ZERO
    return characters[written].astype(np.uint8).tobytes().decode("ascii")


def _lengths_of(text: str) -> NDArray[np.int64] | None:
    """The lengths of runs; None when the text is no encoding."""
    codes = np.frombuffer(text.encode("ascii", "replace"), np.uint8).astype(np.int64) - _ZERO
    if not codes.size or codes.min() < 0 or codes.max() >= 2 * _MORE or codes[-1] & _MORE:
        return None
    ends = np.flatnonzero(codes & _MORE == 0)
    starts = np.concatenate(([0], ends[:-1] + 1))
    if (ends - starts).max() >= _MOST_GROUPS:
        return None
    position = np.arange(codes.size) - np.repeat(starts, ends - starts + 1)
    values = np.add.reduceat((codes & (_MORE - 1)) << (_BITS * position), starts)
    negative = codes[ends] & _SIGN != 0
    numbers = values - np.where(negative, np.int64(1) << (_BITS * (ends - starts + 1)), 0)
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers
