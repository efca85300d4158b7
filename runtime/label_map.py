"""Label maps as indexed PNG: the pixel value is the object id, the palette is only for viewing."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.errors import InputError, unwritable
from vosrt.optional_import import import_for
from vosrt.regular_file import require_regular_file
from vosrt.whole_file import write_whole_file

_LOSSY = ("JPEG", "JPEG2000", "MPO")  # Pillow's names of formats that do not keep grey values


def davis_palette() -> NDArray[np.uint8]:
    """Return the palette of DAVIS and PASCAL VOC, RGB uint8 `[256, 3]`.

    Bits 3k, 3k+1 and 3k+2 of an id are bit 7-k of red, green and blue.
    """
    ids = np.arange(256)
    palette = np.zeros((256, 3), np.uint8)
    for channel in range(3):
        for k in range(8):
            bit = (ids >> (3 * k + channel)) & 1 if 3 * k + channel < 8 else np.zeros_like(ids)
            palette[:, channel] |= (bit << (7 - k)).astype(np.uint8)
    return palette


def read_label_map(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Read a mask image's index plane.

    Args:
        path: an 8-bit PNG of mode P (indexed) or L (grey); both hold ids as pixel values.

    Returns:
        Object ids, uint8 `[H, W]`.

    Raises:
        InputError: the file is missing or damaged, or holds colours instead of ids.
    """
    with _opened(path) as image:
        return np.array(image, dtype=np.uint8)


def label_map_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Read a mask image's height and width without decoding it.

    Raises:
        InputError: as `read_label_map`, as far as the head of the file tells.
    """
    with _opened(path) as image:
        return image.height, image.width


def read_palette(path: str | os.PathLike[str]) -> NDArray[np.uint8] | None:
    """Read the colours of a mask image.

    Returns:
        RGB uint8 `[256, 3]`, with DAVIS' colours where the file's palette ends; None for a grey image.

    Raises:
        InputError: as `read_label_map`, as far as the head of the file tells.
    """
    with _opened(path) as image:
        colours = image.getpalette("RGB") if image.mode == "P" else None
    if colours is None:
        return None
    palette = davis_palette().reshape(-1)
    palette[: len(colours)] = colours
    return palette.reshape(256, 3)


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[Any]:
    """A mask image of a usable mode; errors while it is read become a user's."""
    image_module = import_for("reading a mask", "PIL.Image")
    try:
        require_regular_file(path)
        with image_module.open(path) as image:
            if image.format in _LOSSY:
                raise InputError(
                    f"mask {os.fspath(path)}: image format",
                    value=image.format,
                    allowed="PNG: other compression invents ids along the edges",
                    cure="save the mask as a PNG where it was drawn",
                )
            if image.mode not in ("P", "L"):
                raise InputError(
                    f"mask {os.fspath(path)}: image mode",
                    value=image.mode,
                    allowed="P (indexed) or L (grey), 8 bits, where a pixel's value is an object id",
                    cure="save the mask with a palette; colours cannot be turned back into ids",
                )
            yield image
    except FileNotFoundError as error:
        raise InputError(f"mask {os.fspath(path)} is not there", cure="check the path") from error
    except image_module.DecompressionBombError as error:
        cure = "use a mask of the size of the frames"
        raise InputError(f"mask {os.fspath(path)} is too large ({error})", cure=cure) from error
    except (OSError, SyntaxError, ValueError) as error:  # Pillow raises SyntaxError for broken PNG chunks
        raise InputError(f"mask {os.fspath(path)} cannot be read ({error})", cure="write it again") from error


def write_label_map(
    path: str | os.PathLike[str], labels: NDArray[np.uint8], *, palette: NDArray[np.uint8] | None = None
) -> None:
    """Write a label map as indexed PNG; a killed process leaves either the whole file or none.

    Args:
        path: where to write.
        labels: object ids, uint8 `[H, W]`.
        palette: RGB uint8 `[256, 3]`; None for the palette of DAVIS.

    Raises:
        InputError: the file cannot be written, or the arrays are no label map and palette.
    """
    palette = davis_palette() if palette is None else palette
    if labels.dtype != np.uint8 or labels.ndim != 2 or 0 in labels.shape:
        got = f"{labels.dtype} {list(labels.shape)}"
        raise InputError("labels", value=got, allowed="uint8 [H, W]", cure="labels.astype(numpy.uint8)")
    if palette.dtype != np.uint8 or palette.shape != (256, 3):
        got = f"{palette.dtype} {list(palette.shape)}"
        raise InputError("palette", value=got, allowed="uint8 [256, 3], colours from 0 to 255")
    image = import_for("writing a mask", "PIL.Image").fromarray(labels)
    image.putpalette(palette.tobytes())
    encoded = io.BytesIO()
    image.save(encoded, format="PNG")
    try:
        write_whole_file(path, encoded.getvalue())
    except (OSError, ValueError) as error:  # ValueError: no file can have this path
        raise unwritable(f"mask {os.fspath(path)}", error) from error
