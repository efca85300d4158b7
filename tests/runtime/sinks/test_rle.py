"""Run-length encoding against COCO's own tools."""

from __future__ import annotations

import numpy as np
import pytest

from vosrt.errors import InputError
from vosrt.sinks.rle import decode_mask, encode_mask


def some_masks():
    """Masks of many shapes: empty, full, one pixel, noise, areas."""
    random = np.random.default_rng(0)
    yield np.zeros((5, 7), np.bool_)
    yield np.ones((5, 7), np.bool_)
    yield np.ones((1, 1), np.bool_)
    for corner in ((0, 0), (0, -1), (-1, 0), (-1, -1), (2, 3)):
        mask = np.zeros((5, 7), np.bool_)
        mask[corner] = True
        yield mask
    for share in (0.01, 0.3, 0.5, 0.99):
        for _ in range(20):
            yield random.random(random.integers(1, 40, 2)) < share
    y, x = np.mgrid[:480, :854]
    yield (y - 200) ** 2 + (x - 400) ** 2 < 150**2
    large = np.zeros((1200, 2000), np.bool_)
    large[:, 1999] = True
    yield large


def test_masks_are_decoded_to_what_was_encoded():
    for mask in some_masks():
        decoded = decode_mask(encode_mask(mask), mask.shape)
        assert decoded.dtype == np.bool_
        assert np.array_equal(decoded, mask)


@pytest.mark.filterwarnings("ignore:__array__ implementation")
def test_text_is_that_of_cocos_tools_both_ways():
    coco = pytest.importorskip("pycocotools.mask")
    for mask in some_masks():
        counts = encode_mask(mask)
        theirs = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
        assert counts == theirs["counts"].decode()
        decoded = coco.decode({"size": list(mask.shape), "counts": counts.encode()})
        assert np.array_equal(decoded, mask)


def test_known_texts():
    mask = np.zeros((3, 2), np.bool_)
    assert encode_mask(mask) == "6"
    assert encode_mask(~mask) == "06"
    mask[1, 0] = True
    assert encode_mask(mask) == "114"


def test_views_and_reversed_masks_are_encoded_as_they_look():
    mask = np.random.default_rng(1).random((9, 12)) < 0.4
    for view in (mask[::-1], mask[:, ::2], mask.T):
        assert encode_mask(view) == encode_mask(view.copy())


@pytest.mark.parametrize("text", ["", "5", "7", "06~", "é", "Q", "ooooooooooo1", "1/", "0600N"])
def test_text_that_does_not_fit_the_size_is_refused(text):
    with pytest.raises(InputError, match=r"run-length encoding: got .*a mask of 3x2 pixels"):
        decode_mask(text, (3, 2))
