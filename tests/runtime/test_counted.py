import pytest

from vosrt.counted import counted


@pytest.mark.parametrize(
    ("count", "noun", "text"),
    [(1, "object", "1 object"), (0, "frame", "0 frames"), (2, "clip", "2 clips")],
)
def test_one_has_no_plural(count, noun, text):
    assert counted(count, noun) == text
