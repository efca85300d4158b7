"""Network sizes of frames, against recorded ones and at the limits of each rule."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vosrt.errors import InputError
from vosrt.resize_rule import FixedSize, LongEdge, NativeSize, Scale

TABLE = Path(__file__).parents[3] / "shared" / "golden" / "cfbi_resize_table.json"
RECORDED = [  # height, width, longest edge, scale, network height, network width
    (480, 854, 1040.0, 1.0, 481, 849),
    (480, 854, 800, 1.0, 449, 801),
    (480, 854, 800, 1.3, 577, 1041),
    (480, 910, 800, 1.15, 481, 913),
    (720, 1280, 1040.0, 1.0, 577, 1041),
    (1080, 1920, 800, 1.5, 673, 1201),
    (854, 480, 800, 2.3, 1841, 1041),
    (465, 465, 1040.0, 1.0, 465, 465),
    (481, 849, 800, 1.3, 593, 1041),
    (1041, 600, 1040.0, 1.0, 1041, 593),
    (100, 130, 800, 2.3, 225, 305),
    (105, 121, 1040.0, 1.0, 97, 129),  # 104 / 16 = 6.5 goes to the even 6, 120 / 16 = 7.5 to the even 8
    (25, 41, 1040.0, 1.0, 33, 33),  # 24 / 16 = 1.5 goes to 2, 40 / 16 = 2.5 to 2
    (17, 24, 800, 1.15, 17, 33),
    (16, 16, 1040.0, 1.0, 17, 17),
]


@pytest.mark.parametrize("row", RECORDED, ids=lambda row: "x".join(map(str, row[:4])))
def test_long_edge_gives_recorded_size(row):
    height, width, longest, scale, *network = row
    assert LongEdge(longest, scale).network_size(height, width) == tuple(network)


@pytest.mark.skipif(not TABLE.is_file(), reason="the whole table of recorded sizes is not here")
def test_long_edge_gives_every_recorded_size():
    rows = json.loads(TABLE.read_text())["rows"]
    assert {tuple(row) for row in RECORDED} <= {tuple(row) for row in rows}
    differ = [row for row in rows if list(LongEdge(row[2], row[3]).network_size(*row[:2])) != row[4:]]
    assert differ == []


def test_long_edge_is_symmetric_in_height_and_width():
    rule = LongEdge(800, 1.3)
    for height, width in ((480, 854), (33, 47), (1080, 1920)):
        assert rule.network_size(width, height) == rule.network_size(height, width)[::-1]


@pytest.mark.parametrize(("scale", "size"), [(1.0, (99, 101)), (0.5, (50, 51)), (0.75, (74, 76))])
def test_scale_rounds_halves_up(scale, size):
    assert Scale(scale).network_size(99, 101) == size
    assert Scale(scale).network_size(101, 99) == size[::-1]


def test_native_and_fixed_sizes_are_what_they_say():
    assert NativeSize().network_size(33, 47) == (33, 47)
    assert FixedSize((321, 321)).network_size(33, 47) == (321, 321)


@pytest.mark.parametrize(
    ("rule", "large", "small"),
    [
        (NativeSize(), (287, 512), (100, 131)),
        (Scale(0.5), (143, 256), (50, 65)),
        (LongEdge(1040.0), (289, 513), (97, 129)),
        (LongEdge(300.0, 1.3), (369, 673), (129, 177)),
    ],
    ids=str,
)
def test_a_limit_shrinks_what_is_larger_and_nothing_else(rule, large, small):
    assert rule.limited(512).network_size(480, 854) == large
    assert rule.limited(512).network_size(100, 131) == small
    assert rule.limited(512).network_size(131, 100) == small[::-1]


def test_a_fixed_size_takes_no_limit():
    with pytest.raises(InputError, match=r"long_edge: got 512; allowed: none: .* fixed to 64x64"):
        FixedSize((64, 64)).limited(512)


@pytest.mark.parametrize("rule", [NativeSize(), Scale(4.0), FixedSize((64, 64))], ids=lambda rule: rule.rule)
def test_frame_below_one_cell_is_refused(rule):
    with pytest.raises(
        InputError, match=r"a 15x400 frame is too small.*at least 16 pixels.*use larger frames"
    ):
        rule.network_size(15, 400)


@pytest.mark.parametrize("rule", [Scale(0.1), LongEdge(200.0, 1.0, multiple=8)], ids=lambda rule: rule.rule)
def test_frame_that_shrinks_below_one_cell_is_refused(rule):
    with pytest.raises(InputError, match="network input: got"):
        rule.network_size(20, 800)


@pytest.mark.parametrize(
    "rule",
    [Scale(1e38), Scale(float("inf")), Scale(40.0), LongEdge(1e38, 1e38), LongEdge(800, 1e308)],
    ids=str,
)
def test_network_size_that_no_memory_holds_is_refused(rule):
    with pytest.raises(InputError, match=r"too large: network input.*at most 16384 pixels"):
        rule.network_size(480, 854)


def test_fixed_size_that_no_memory_holds_is_refused():
    with pytest.raises(InputError, match=r"too large: network input"):
        FixedSize((16385, 64)).network_size(480, 854)


def test_largest_network_size_is_allowed():
    assert FixedSize((16384, 16384)).network_size(480, 854) == (16384, 16384)
