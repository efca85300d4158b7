"""Inputs of the operators, usual and unusual ones, by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]
OFFICIAL_WINDOWS = [12, 2, 4, 6, 8, 10]


@dataclass
class Case:
    operator: str
    arrays: Arrays
    attributes: dict[str, Any] = field(default_factory=dict)


def global_case(
    grid: tuple[int, int],
    rows: list[int],
    *,
    bank: int,
    labels: list[int],
    channels: int = 5,
    away: float = 0,
) -> Case:
    """`labels` are the values drawn for the bank, `away` lies between its features and the query's."""
    rng = np.random.default_rng(bank)
    arrays = {
        "query": rng.standard_normal((channels, *grid)).astype(np.float32),
        "bank": rng.standard_normal((bank, channels)).astype(np.float32),
        "bank_labels": rng.choice(np.array(labels, np.int32), bank),
        "rows": np.array(rows, np.int32),
    }
    arrays["bank"][: min(bank, 3)] = arrays["query"][:, 0, 0]  # exact matches: a distance of 0, never below
    arrays["bank"] += np.float32(away)
    return Case("GlobalMatching", arrays)


def local_case(
    grid: tuple[int, int],
    rows: list[int],
    windows: list[int],
    *,
    labels: list[int],
    dilation: int = 1,
    away: float = 0,
) -> Case:
    rng = np.random.default_rng(len(windows))
    arrays = {
        "query": rng.standard_normal((4, *grid)).astype(np.float32),
        "previous": rng.standard_normal((4, *grid)).astype(np.float32),
        "labels": rng.choice(np.array(labels, np.int32), grid),
        "rows": np.array(rows, np.int32),
    }
    arrays["previous"][:, ::2] = arrays["query"][:, ::2]  # exact matches
    arrays["previous"] += np.float32(away)
    return Case("LocalMatching", arrays, {"windows": windows, "dilation": dilation})


def read_case(
    valid: list[list[int]],
    pixels: int,
    *,
    channels: tuple[int, int] = (6, 5),
    scale: float = 1,
    elsewhere: float = np.nan,
) -> Case:
    """Standard normal keys times `scale`; slots that are not valid hold `elsewhere`."""
    rng = np.random.default_rng(pixels)
    flags = np.array(valid, np.int32)
    arrays = {
        "query": scale * rng.standard_normal((channels[0], pixels), np.float32),
        "keys": scale * rng.standard_normal((*flags.shape, channels[0], pixels), np.float32),
        "values": rng.standard_normal((*flags.shape, channels[1], pixels), np.float32),
        "valid": flags,
    }
    for name in ("keys", "values"):
        arrays[name][flags == 0] = elsewhere
    return Case("MemoryRead", arrays)


def convolution_case(
    images: int, channels: tuple[int, int], size: tuple[int, int], *, side: int = 3, relu: bool = False
) -> Case:
    """`channels` in and out."""
    rng = np.random.default_rng(size[0])
    arrays = {
        "image": rng.standard_normal((images, channels[0], *size), np.float32),
        "weights": rng.standard_normal((channels[1], channels[0], side, side), np.float32),
        "bias": rng.standard_normal(channels[1], np.float32),
    }
    return Case(f"Convolution{side}x{side}{'Relu' if relu else ''}", arrays)


def resize_case(
    images: int, channels: int, source: tuple[int, int], target: tuple[int, int], *, taps: int = 2
) -> Case:
    """Rows of the matrices hold so many weights in a run, at places that go from end to end."""
    rng = np.random.default_rng(target[1])
    arrays = {"maps": rng.standard_normal((images, channels, *source), np.float32)}
    for name, before, after in zip(("height_matrix", "width_matrix"), source, target, strict=True):
        matrix = np.zeros((after, before), np.float32)
        for place in range(after):
            first = round(place * max(before - taps, 0) / max(after - 1, 1))
            run = matrix[place, first : first + taps]
            run[:] = rng.uniform(0.1, 1, run.size)
        arrays[name] = matrix
    return Case("SeparableResize", arrays)


def others_case(rows: int, maps: int, size: tuple[int, int], *, steps: int = 1000) -> Case:
    """Values between -1 and 1; with few steps, rows have equal ones."""
    rng = np.random.default_rng(rows)
    values = rng.integers(-steps, steps, (rows, maps, *size), endpoint=True) / np.float32(steps)
    return Case("LeastOther", {"maps": values.astype(np.float32)})


def frame_case(source: tuple[int, int], target: tuple[int, int]) -> Case:
    rng = np.random.default_rng(source[1])
    arrays = {
        "frame": rng.integers(0, 256, (1, *source, 3), dtype=np.uint8),
        "size": np.array(target, np.int64),
        "factor": np.array([0.017, 0.018, 0.0175], np.float32),
        "summand": np.array([-2.1, -2.0, -1.8], np.float32),
    }
    return Case("FrameImage", arrays)


def rows_case(
    ids: list[int], grid: tuple[int, int], target: tuple[int, int], *, labels: bool, scale: float = 3
) -> Case:
    """Logits of rows with these ids; labels or probabilities are asked for."""
    rng = np.random.default_rng(target[1] + len(ids))
    arrays = {
        "logits": rng.standard_normal((len(ids), *grid), np.float32) * np.float32(scale),
        "size": np.array(target, np.int64),
    }
    if labels:
        arrays["rows"] = np.array(ids, np.int32)
    return Case("FrameLabels" if labels else "FrameProbabilities", arrays)


def directions_case(
    valid: list[list[int]],
    pixels: tuple[int, int],
    *,
    channels: int = 6,
    classes: int = 2,
    empty: bool = False,
    opposite: bool = False,
    elsewhere: float = np.nan,
) -> Case:
    """`pixels` of the query and of each slot; `empty` leaves nothing to the last class.

    With `opposite` vectors all cosines are negative.
    """
    rng = np.random.default_rng(pixels[0])
    flags = np.array(valid, np.int32)
    query = rng.standard_normal((channels, pixels[0]), np.float32)
    bank = rng.standard_normal((flags.shape[1], channels, pixels[1]), np.float32)
    weights = rng.uniform(0, 1, (len(flags), classes, flags.shape[1], pixels[1])).astype(np.float32)
    if empty:
        weights[:, -1] = 0
    if opposite:
        query, bank = np.abs(query), -np.abs(bank)
    bank /= np.linalg.norm(bank, axis=1, keepdims=True)
    bank[~flags.any(axis=0)] = elsewhere
    arrays = {
        "query": query / np.linalg.norm(query, axis=0),
        "bank": bank,
        "weights": np.where(flags[:, None, :, None] != 0, weights, np.float32(elsewhere)),
        "valid": flags,
    }
    return Case("DirectionalMatching", arrays)


def norm_case(
    rows: int, channels: int, groups: int, size: tuple[int, int], *, relu: bool = False, away: float = 0
) -> Case:
    """`away` lies between all values and 0."""
    rng = np.random.default_rng(channels)
    arrays = {
        "maps": rng.standard_normal((rows, channels, *size), np.float32) + np.float32(away),
        "gain": rng.standard_normal(channels, np.float32),
        "shift": rng.standard_normal(channels, np.float32),
    }
    return Case("GroupNormRelu" if relu else "GroupNorm", arrays, {"groups": groups})


def gate_case(rows: int, channels: int, size: tuple[int, int], *, scale: float = 1) -> Case:
    rng = np.random.default_rng(channels)
    arrays = {"maps": rng.standard_normal((rows, channels, *size), np.float32) * np.float32(scale)}
    arrays |= {name: rng.standard_normal(channels, np.float32) for name in ("alpha", "gamma", "beta")}
    return Case("ChannelGate", arrays)


CASES = {
    "resize to more": lambda: resize_case(2, 5, (9, 13), (17, 25)),
    "resize to less": lambda: resize_case(1, 3, (33, 41), (16, 19)),
    "resize of more taps": lambda: resize_case(1, 6, (11, 9), (31, 50), taps=4),
    "resize of full matrices": lambda: resize_case(1, 9, (6, 7), (5, 18), taps=7),
    "resize of one pixel": lambda: resize_case(1, 2, (1, 1), (3, 5)),
    "resize to one pixel": lambda: resize_case(1, 2, (3, 5), (1, 1)),
    "resize by zeros": lambda: resize_case(1, 2, (3, 5), (7, 6), taps=0),
    "others of two rows": lambda: others_case(2, 4, (9, 13)),
    "others of many rows": lambda: others_case(7, 1, (31, 53)),
    "others of one row": lambda: others_case(1, 2, (5, 4)),
    "others of equal rows": lambda: others_case(4, 3, (8, 16), steps=1),
    "others of much": lambda: others_case(3, 2, (61, 91)),
    "frame of another size": lambda: frame_case((40, 53), (33, 65)),
    "frame of its own size": lambda: frame_case((17, 33), (17, 33)),
    "frame much smaller": lambda: frame_case((120, 203), (17, 33)),
    "frame much larger": lambda: frame_case((9, 5), (49, 97)),
    "frame of one pixel": lambda: frame_case((1, 1), (4, 3)),
    "weights of two rows": lambda: rows_case([0, 1], (9, 13), (48, 80), labels=False),
    "weights of odd sizes": lambda: rows_case([0, 1, 2], (7, 5), (31, 53), labels=False),
    "weights of a smaller frame": lambda: rows_case([0, 4], (33, 61), (17, 29), labels=False),
    "weights of its own size": lambda: rows_case([0, 4], (8, 17), (8, 17), labels=False),
    "weights of one row": lambda: rows_case([0], (5, 4), (9, 9), labels=False),
    "weights of one pixel": lambda: rows_case([0, 1], (1, 1), (3, 5), labels=False),
    "weights of a frame of one pixel": lambda: rows_case([0, 1], (3, 5), (1, 1), labels=False),
    "weights of far logits": lambda: rows_case([0, 1, 2], (9, 9), (33, 20), labels=False, scale=1e4),
    "names of two rows": lambda: rows_case([0, 1], (9, 13), (48, 80), labels=True),
    "names of many rows": lambda: rows_case([0, 7, 255, 3, 9], (9, 13), (31, 53), labels=True),
    "names of unused rows": lambda: rows_case([0, -1, 5], (7, 5), (29, 16), labels=True),
    "names of one row": lambda: rows_case([0], (4, 5), (9, 9), labels=True),
    "names of equal logits": lambda: rows_case([3, 2, 1], (4, 5), (9, 9), labels=True, scale=0),
    "names of a frame of one pixel": lambda: rows_case([0, 1], (3, 5), (1, 1), labels=True),
    "gates of whole vectors": lambda: gate_case(2, 16, (8, 8)),
    "gates of odd maps": lambda: gate_case(3, 7, (5, 11)),
    "gates of one pixel": lambda: gate_case(1, 3, (1, 1)),
    "gates of nothing": lambda: gate_case(2, 6, (9, 5), scale=0),
    "gates of sums above the halves": lambda: gate_case(1, 5, (61, 47), scale=40),
    "gates of no rows": lambda: gate_case(0, 4, (3, 3)),
    "gates of more channels than threads": lambda: gate_case(1, 300, (3, 5)),
    "norms of whole vectors": lambda: norm_case(2, 16, 4, (8, 8)),
    "norms of odd maps": lambda: norm_case(3, 12, 4, (5, 11)),
    "norms of one group": lambda: norm_case(1, 6, 1, (7, 5)),
    "norms of each channel": lambda: norm_case(2, 5, 5, (7, 9)),
    "norms of one pixel": lambda: norm_case(1, 8, 2, (1, 1)),
    "norms of values far from 0": lambda: norm_case(1, 8, 2, (13, 17), away=50),
    "norms of several parts": lambda: norm_case(1, 4, 1, (61, 83)),
    "norms of no rows": lambda: norm_case(0, 4, 2, (3, 3)),
    "rectified norms of whole vectors": lambda: norm_case(2, 16, 4, (8, 8), relu=True),
    "rectified norms of odd maps": lambda: norm_case(2, 10, 5, (3, 13), relu=True),
    "rectified norms of many parts": lambda: norm_case(1, 6, 2, (229, 311), relu=True),
    "directions of one slot": lambda: directions_case([[1]], (12, 9)),
    "directions of several rows and slots": lambda: directions_case([[1, 0, 1], [0, 1, 1]], (20, 15)),
    "directions of no valid slot in a row": lambda: directions_case([[0, 0], [0, 1], [0, 0]], (7, 8)),
    "directions of an empty object": lambda: directions_case([[1, 1]], (10, 10), empty=True),
    "directions of invalid slots of infinity": lambda: directions_case([[1, 0, 0]], (6, 5), elsewhere=np.inf),
    "directions of validity that is not 1": lambda: directions_case([[-1, 255]], (6, 5)),
    "directions of one pixel": lambda: directions_case([[1]], (1, 1), channels=1, classes=1),
    "directions of no rows": lambda: directions_case(np.zeros((0, 2), np.int32), (5, 4)),
    "directions of no slots": lambda: directions_case(np.zeros((2, 0), np.int32), (5, 4)),
    "directions of opposite vectors": lambda: directions_case([[1, 1], [0, 1]], (11, 9), opposite=True),
    "directions of opposite vectors and an empty object": lambda: directions_case(
        [[1]], (9, 7), opposite=True, empty=True
    ),
    "directions of several tiles": lambda: directions_case([[1, 0], [0, 1]], (67, 131), channels=35),
    "directions of several tiles of even sizes": lambda: directions_case([[1]], (68, 136), channels=40),
    "directions of full tiles": lambda: directions_case([[1, 1]], (64, 128), channels=32, classes=1),
    "directions of many rows": lambda: directions_case([[i % 2, i % 3] for i in range(19)], (13, 10)),
    "directions of published channels": lambda: directions_case([[1], [1]], (48, 48), channels=512),
    "convolution of one pixel": lambda: convolution_case(1, (1, 1), (1, 1)),
    "convolution of whole tiles": lambda: convolution_case(1, (16, 24), (8, 64)),
    "convolution of cut tiles": lambda: convolution_case(1, (5, 7), (9, 14)),
    "convolution of three images": lambda: convolution_case(3, (33, 17), (13, 101)),
    "convolution of a column": lambda: convolution_case(2, (3, 50), (31, 1)),
    "convolution of a row": lambda: convolution_case(1, (4, 6), (2, 333)),
    "convolution of no image": lambda: convolution_case(0, (4, 6), (5, 5)),
    "convolution in several steps, more channels than a block": lambda: convolution_case(
        1, (300, 65), (41, 120)
    ),
    "folded convolution of cut tiles": lambda: convolution_case(1, (5, 7), (9, 14), relu=True),
    "folded convolution of three images": lambda: convolution_case(3, (33, 17), (13, 101), relu=True),
    "bent pointwise of three images": lambda: convolution_case(3, (33, 17), (13, 11), side=1, relu=True),
    "bent pointwise of whole panels": lambda: convolution_case(1, (16, 24), (8, 24), side=1, relu=True),
    "pointwise of one pixel": lambda: convolution_case(1, (1, 1), (1, 1), side=1),
    "pointwise of whole panels": lambda: convolution_case(1, (16, 24), (8, 24), side=1),
    "pointwise of three images, cut panels": lambda: convolution_case(3, (33, 17), (13, 11), side=1),
    "pointwise of more outputs than a group": lambda: convolution_case(2, (3, 50), (31, 1), side=1),
    "pointwise in several blocks": lambda: convolution_case(1, (300, 65), (41, 20), side=1),
    "pointwise of no image": lambda: convolution_case(0, (4, 6), (5, 5), side=1),
    "global one row": lambda: global_case((6, 9), [0], bank=40, labels=[0]),
    "global odd grid, 8 rows": lambda: global_case((7, 11), list(range(8)), bank=300, labels=[*range(8)]),
    "global absent rows": lambda: global_case((4, 5), [0, 1, 2, 3], bank=50, labels=[0, 2]),
    "global unused rows, though a label is -1": lambda: global_case(
        (4, 5), [0, 1, -1, -1], bank=50, labels=[-1, 0, 1]
    ),
    "global empty capacity": lambda: global_case((5, 8), [0, 3], bank=200, labels=[0, 3, 7, 255]),
    "global nothing valid": lambda: global_case((4, 6), [0, 1], bank=60, labels=[255]),
    "global one bank pixel": lambda: global_case((3, 3), [0, 1], bank=1, labels=[1]),
    "global empty bank": lambda: global_case((3, 3), [0, 1], bank=0, labels=[0]),
    "global several references": lambda: global_case((9, 13), [0, 1, 2], bank=5 * 117, labels=[0, 1, 2, 255]),
    "global several tiles of everything": lambda: global_case(
        (67, 63), [0, 1], bank=2500, labels=[0, 0, 0, 1], channels=3
    ),
    "global exactly full tiles": lambda: global_case((32, 32), [4], bank=512, labels=[4], channels=3),
    "global distances above the empty value": lambda: global_case(
        (4, 4), [0, 1], bank=30, labels=[0], away=200
    ),
    "local official windows": lambda: local_case((14, 15), [0, 1, 2], OFFICIAL_WINDOWS, labels=[0, 1, 2]),
    "local grid below the window": lambda: local_case((5, 16), [0, 1], OFFICIAL_WINDOWS, labels=[0, 1]),
    "local column": lambda: local_case((17, 1), [0, 1], OFFICIAL_WINDOWS, labels=[0, 1]),
    "local one pixel": lambda: local_case((1, 1), [0, 1], [2], labels=[1]),
    "local single window": lambda: local_case((9, 12), [0, 1], [5], labels=[0, 1]),
    "local window 0 and a repeated one": lambda: local_case((7, 6), [0, 1], [3, 0, 3], labels=[0, 1]),
    "local 8 rows": lambda: local_case((8, 9), list(range(8)), [4, 2], labels=[*range(8)]),
    "local absent rows": lambda: local_case((6, 7), [0, 1, 5], [2, 3], labels=[0, 1]),
    "local unused rows, though a label is -1": lambda: local_case(
        (6, 7), [0, -1, 1, -1], [2, 1], labels=[-1, 0, 1]
    ),
    "local skipped labels": lambda: local_case((6, 8), [0, 2], [2, 1], labels=[0, 1, 2, 255]),
    "local nothing valid": lambda: local_case((5, 5), [0, 1], [2], labels=[255]),
    "local sparse row": lambda: local_case((13, 12), [0, 1], [6, 1, 3], labels=[0] * 30 + [1]),
    "local distances above the empty value": lambda: local_case(
        (4, 5), [0, 1], [1], labels=[0, 0, 0, 1], away=200
    ),
    "local dilation 2": lambda: local_case((13, 16), [0, 1, 2], [12, 4, 8], labels=[0, 1, 2], dilation=2),
    "local dilation 3": lambda: local_case((11, 13), [0, 1], [8, 2, 4, 6], labels=[0, 1, 255], dilation=3),
    "local dilation above the grid": lambda: local_case((2, 4), [0, 1], [6, 3], labels=[0, 1], dilation=3),
    "read one slot": lambda: read_case([[1]], 12),
    "read all slots of 3 rows": lambda: read_case([[1] * 4] * 3, 35),
    "read other slots in each row": lambda: read_case([[1, 0, 1], [0, 1, 0], [0, 1, 1]], 20),
    "read no valid slot in a row": lambda: read_case([[0, 0, 0], [0, 1, 0], [0, 0, 0]], 15),
    "read no valid slot at all": lambda: read_case([[0, 0]], 9),
    "read invalid slots of infinity": lambda: read_case([[1, 0, 1]], 10, elsewhere=np.inf),
    "read invalid slots of huge values": lambda: read_case([[0, 1, 0]], 11, elsewhere=6e4),
    "read validity that is not 1": lambda: read_case([[-1, 0, 255]], 8),
    "read no rows": lambda: read_case(np.zeros((0, 3), np.int32), 7),
    "read no slots": lambda: read_case(np.zeros((2, 0), np.int32), 7),
    "read one pixel": lambda: read_case([[1, 1]], 1),
    "read logits up to 1e4": lambda: read_case([[1, 0, 1], [1, 1, 1]], 30, scale=50),
    "read one key and value channel": lambda: read_case([[1, 1]], 14, channels=(1, 1)),
    "read uniform weights": lambda: read_case([[1, 1, 0]], 16, scale=0),
    "read published channels": lambda: read_case([[1, 1, 0, 1]], 24, channels=(128, 512)),
    "read two query tiles, one pixel more than even": lambda: read_case([[1, 0, 1]], 2049, channels=(2, 3)),
}

# Cases of which a first input with what is no number must show in the result, in every implementation.
NO_NUMBERS = (
    "directions of several rows and slots",
    "gates of odd maps",
    "global several references",
    "local official windows",
    "norms of odd maps",
    "read all slots of 3 rows",
    "rectified norms of whole vectors",
    "weights of odd sizes",
)
