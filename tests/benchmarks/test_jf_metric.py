"""J and F by hand, and against a second implementation that goes pixel by pixel."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from tests.benchmarks.brute_force_jf import brute_force_boundary, brute_force_f, brute_force_j
from vosrt.benchmarks.jf_metric import boundary_map, contour_match, region_similarity
from vosrt.errors import InputError


def square(top, left, size=10, shape=(40, 60)):
    mask = np.zeros(shape, bool)
    mask[top : top + size, left : left + size] = True
    return mask


def blobs(seed, shape, threshold=0.5):
    """Smooth random masks with islands, holes, and objects cut by the border."""
    noise = np.random.default_rng(seed).random(shape)
    for axis in (0, 1):
        noise = sum(np.roll(noise, shift, axis) for shift in (-2, -1, 0, 1, 2)) / 5
    return noise > threshold


def test_j_is_intersection_over_union():
    assert region_similarity(square(5, 5), square(5, 10)) == 50 / 150
    assert region_similarity(square(5, 5), square(20, 40)) == 0


def test_a_shift_within_the_radius_costs_no_f():
    assert contour_match(square(5, 5), square(5, 6)).radius == 1  # 0.008 of 72.1, rounded up
    assert contour_match(square(5, 5), square(5, 6)).f == 1
    far = contour_match(square(5, 5), square(5, 8))
    assert (far.truth, far.found, far.radius) == (40, 40, 1)  # an outline of 11 x 11, one pixel wide
    # Upper and lower edges overlap in 8 of 11 pixels and have one neighbour; so have the ends of a side.
    assert far.matched_truth == far.matched_found == 2 * (8 + 1) + 2
    assert far.f == 20 / 40
    assert contour_match(square(5, 5), square(5, 8), bound=3).f == 1


def test_the_boundary_leans_to_the_top_left():
    one_pixel = square(2, 3, size=1, shape=(6, 7))
    assert np.argwhere(boundary_map(one_pixel)).tolist() == [[1, 2], [1, 3], [2, 2], [2, 3]]


def test_there_is_no_boundary_along_the_border():
    corner = square(30, 50)  # fills the lower right corner
    edge = boundary_map(corner)
    assert not edge[30:, 50:].any()
    assert edge[29, 49:60].all()
    assert edge[29:40, 49].all()
    assert not boundary_map(np.ones((5, 6), bool)).any()


@pytest.mark.parametrize(
    ("truth", "found", "j", "f"),
    [
        ("empty", "empty", 1, 1),
        ("empty", "square", 0, 0),
        ("square", "empty", 0, 0),
        ("full", "full", 1, 1),
        ("full", "empty", 0, 1),  # neither has a boundary
        ("full", "half", 0.5, 0),
        ("square", "outside", 0, 1),  # F does not see which side is inside
    ],
)
def test_empty_and_full_masks(truth, found, j, f):
    masks = {"empty": np.zeros((40, 60), bool), "full": np.ones((40, 60), bool), "square": square(5, 5)}
    masks["half"] = np.arange(60)[None].repeat(40, 0) < 30
    masks["outside"] = ~masks["square"]
    assert region_similarity(masks[truth], masks[found]) == j
    assert contour_match(masks[truth], masks[found]).f == f


def test_void_does_not_count_for_j_and_is_emptied_for_f():
    void = np.zeros((40, 60), bool)
    void[:, 10:] = True
    assert region_similarity(square(5, 5), square(5, 7)) == 80 / 120
    assert region_similarity(square(5, 5), square(5, 7), void=void) == 30 / 50
    assert region_similarity(square(5, 5), square(5, 7), void=np.ones((40, 60), bool)) == 1
    cut = contour_match(square(5, 5), square(5, 5), void=void)
    assert cut.truth == 11 * 2 + 6 * 2 - 4  # an object of 10 x 5


@pytest.mark.parametrize("shape", [(1, 9), (9, 1), (1, 1), (2, 2), (13, 17), (31, 24)])
@pytest.mark.parametrize("seed", range(4))
def test_all_agrees_with_a_second_implementation(shape, seed):
    truth, found = blobs(seed, shape), blobs(seed + 100, shape, threshold=0.52)
    void = blobs(seed + 200, shape, threshold=0.6)
    for excluded in (None, void):
        assert region_similarity(truth, found, void=excluded) == brute_force_j(truth, found, excluded)
        for bound in (0.008, 0.1, 2, 5):
            expected = brute_force_f(truth, found, excluded, bound)
            match = contour_match(truth, found, void=excluded, bound=bound)
            assert match.f == pytest.approx(expected, abs=1e-12)
    assert np.argwhere(boundary_map(truth)).tolist() == [list(point) for point in brute_force_boundary(truth)]


@pytest.mark.parametrize(
    ("shape", "radius"),
    [
        ((480, 854), 8),
        ((480, 910), 9),
        ((480, 1152), 10),
        ((240, 432), 4),
        ((720, 1280), 12),
        ((1080, 1920), 18),
    ],
)
def test_the_radius_follows_the_diagonal(shape, radius):
    empty = np.zeros(shape, bool)
    assert contour_match(empty, empty).radius == radius


def test_masks_of_two_sizes_are_refused():
    with pytest.raises(
        InputError, match="size of a result: got '40x60'; allowed: 40x61, the size of its truth"
    ):
        region_similarity(np.zeros((40, 61), bool), square(5, 5))
    with pytest.raises(InputError, match="size of a result"):
        contour_match(square(5, 5), square(5, 5), void=np.zeros((40, 61), bool))


def test_a_frame_is_no_wait():
    """A guard against something like a loop over pixels; a pair takes about one thousandth of this."""
    truth, found = blobs(1, (480, 854)), blobs(2, (480, 854))
    started = time.perf_counter()
    region_similarity(truth, found)
    assert not math.isnan(contour_match(truth, found).f)
    assert time.perf_counter() - started < 2
