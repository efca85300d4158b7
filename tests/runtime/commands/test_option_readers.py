"""Values of options."""

from __future__ import annotations

import argparse

import pytest

from vosrt.commands import option_readers


@pytest.mark.parametrize(
    ("reader", "text", "value"),
    [
        ("positive", "12", 12),
        ("threads", "256", 256),
        ("box", "10,20,110,220", (10, 20, 110, 220)),
        ("box", "-3,0,5,6", (-3, 0, 5, 6)),
        ("scales", "1", (1.0,)),
        ("scales", "1,1.3,0.75", (1.0, 1.3, 0.75)),
        ("memory", "4096", 4096),
        ("memory", "2G", 2**31),
        ("memory", "1.5GiB", 3 * 2**29),
        ("memory", "500m", 500 * 2**20),
        ("memory", "64kB", 2**16),
    ],
)
def test_values_are_read(reader, text, value):
    assert getattr(option_readers, reader)(text) == value


@pytest.mark.parametrize(
    ("reader", "text", "message"),
    [
        ("positive", "0", "no whole number above 0"),
        ("positive", "²", "no whole number above 0"),
        ("threads", "257", "257 is more than 256"),
        ("box", "1,2,3", "give x0,y0,x1,y1 in whole pixels"),
        ("box", "1,2,3,4.5", "give x0,y0,x1,y1 in whole pixels"),
        ("scales", "", "are no scales"),
        ("scales", "1,,2", "are no scales"),
        ("scales", "0", "are no scales"),
        ("scales", "9", "numbers above 0 and up to 8"),
        ("scales", "nan", "are no scales"),
        ("path", "", "the path is empty"),
        ("address", "", "the path is empty"),
        ("memory", "lots", "no amount of memory"),
        ("memory", "0", "no amount of memory"),
        ("memory", "-2G", "give bytes, or such as 500M or 2G"),
    ],
)
def test_other_values_are_refused_with_what_is_allowed(reader, text, message):
    with pytest.raises(argparse.ArgumentTypeError, match=message):
        getattr(option_readers, reader)(text)
