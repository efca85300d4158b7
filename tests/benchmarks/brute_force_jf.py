"""J and F once more, pixel by pixel and straight from their definition: slow, and hard to get wrong."""

from __future__ import annotations

import math
from itertools import product

import numpy as np


def brute_force_j(truth, found, void=None):
    height, width = truth.shape
    both = either = 0
    for y, x in product(range(height), range(width)):
        if void is None or not void[y, x]:
            both += int(truth[y, x] and found[y, x])
            either += int(truth[y, x] or found[y, x])
    return both / either if either else 1.0


def brute_force_f(truth, found, void=None, bound=0.008):
    height, width = truth.shape
    radius = bound if bound >= 1 else math.ceil(bound * math.sqrt(height**2 + width**2))
    if void is not None:
        truth, found = truth & ~void, found & ~void
    one, other = brute_force_boundary(truth), brute_force_boundary(found)
    if not one or not other:
        return float(len(one) == len(other))
    recall = sum(_is_near(point, other, radius) for point in one) / len(one)
    precision = sum(_is_near(point, one, radius) for point in other) / len(other)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def brute_force_boundary(mask):
    """Boundary pixels (y, x): they differ from the right, lower or lower right neighbour in the image."""
    height, width = mask.shape
    points = []
    for y, x in product(range(height), range(width)):
        if y == height - 1 or x == width - 1:  # in the last row right only, in the last column down only
            neighbours = [(y, x + 1)] if y == height - 1 else [(y + 1, x)]
        else:
            neighbours = [(y, x + 1), (y + 1, x), (y + 1, x + 1)]
        inside = [(b, a) for b, a in neighbours if b < height and a < width]
        if any(mask[place] != mask[y, x] for place in inside):
            points.append((y, x))
    return points


def brute_force_decay(values):
    """First quarter less last; quarters share their end frames."""
    count = len(values)
    edges = [round(1 + (count - 1) * k / 4 + 1e-10) - 1 for k in range(5)]  # half to even
    quarters = [np.nanmean(values[edges[k] : edges[k + 1] + 1]) for k in range(4)]
    return quarters[0] - quarters[3]


def _is_near(point, others, radius):
    return any((point[0] - y) ** 2 + (point[1] - x) ** 2 <= radius**2 for y, x in others)
