"""Rows, background maps, thinning and averages."""

import pytest
import torch

from vosrt.models.instance_vectors import instance_vectors
from vosrt.models.matching_maps import (
    THINNED,
    MatchingOptions,
    background_maps,
    matching_maps,
    squash,
    thin_labels,
)


def random_scene(rows: int, height: int = 9, width: int = 13, channels: int = 8, slots: int = 2):
    generator = torch.Generator().manual_seed(rows)
    query = torch.rand(channels, height, width, generator=generator)
    bank = torch.rand(slots, height, width, channels, generator=generator)
    bank_labels = torch.randint(0, rows, (slots, height, width), generator=generator, dtype=torch.int32)
    previous = torch.rand(channels, height, width, generator=generator)
    previous_labels = torch.randint(0, rows, (height, width), generator=generator, dtype=torch.int32)
    return query, bank, bank_labels, previous, previous_labels


@pytest.mark.parametrize("rows", [1, 2, 3, 5])
def test_background_map_is_the_least_of_all_other_rows(rows):
    foreground = torch.round(torch.rand(rows, 4, 5) * 4) / 4  # with ties
    found = background_maps(foreground)
    for row in range(rows):
        others = [foreground[other] for other in range(rows) if other != row]
        expected = torch.stack(others).amin(0) if others else foreground[row]
        assert torch.equal(found[row], expected)


def test_squash_has_the_published_form():
    distances = torch.tensor([[0.0, 0.5, 3.0, 60.0, 5e4]])
    bias = torch.tensor([-0.3])
    expected = 1 - 2 / (1 + torch.exp(distances.double() - 0.3))
    torch.testing.assert_close(squash(distances, bias).double(), expected, atol=1e-6, rtol=0)


def test_unused_rows_change_nothing_for_the_others():
    scene = random_scene(3)
    options = MatchingOptions(8, (1, 2), halve=True)
    rows = torch.arange(3, dtype=torch.int32)
    padded = torch.tensor([0, 1, 2, -1, -1], dtype=torch.int32)
    plain = matching_maps(*scene, rows, torch.tensor([0.2, -0.1, -0.1]), options)
    wide = matching_maps(*scene, padded, torch.tensor([0.2, -0.1, -0.1, -0.1, -0.1]), options)
    for expected, found in zip(plain, wide, strict=True):
        torch.testing.assert_close(found[:3], expected)


def test_thinning_is_decided_per_row():
    labels = torch.zeros(8, 8, dtype=torch.int32)
    labels[2:4, 2:4] = 1
    rows = torch.tensor([0, 1], dtype=torch.int32)
    thinned = thin_labels(labels, rows, MatchingOptions(4, (1,), global_atrous=2, minimum_pixels=5))
    assert (thinned == 1).sum() == 4  # few: all kept
    assert (thinned == 0).sum() == 15  # many: every second row and column
    assert (thinned == THINNED).sum() == 64 - 4 - 15


def test_vectors_are_averages_and_thinned_pixels_are_outside():
    _, bank, bank_labels, previous, previous_labels = random_scene(3)
    bank_labels[0, 0, :] = THINNED
    rows = torch.arange(3, dtype=torch.int32)
    vectors = instance_vectors(bank, bank_labels, previous, previous_labels, rows)
    channels = bank.shape[-1]
    for row in range(3):
        inside = bank[bank_labels == row].mean(0)
        outside = bank[bank_labels != row].mean(0)
        torch.testing.assert_close(vectors[row, :channels], inside, atol=1e-4, rtol=0)
        torch.testing.assert_close(vectors[row, channels : 2 * channels], outside, atol=1e-4, rtol=0)


def test_vectors_ignore_empty_slots_and_void_pixels():
    _, bank, bank_labels, previous, previous_labels = random_scene(3)
    rows = torch.arange(3, dtype=torch.int32)
    plain = instance_vectors(bank, bank_labels, previous, previous_labels, rows)
    empty = torch.full_like(bank_labels, 255)
    padded = instance_vectors(
        torch.cat([bank, torch.zeros_like(bank)]),
        torch.cat([bank_labels, empty]),
        previous,
        previous_labels,
        rows,
    )
    torch.testing.assert_close(padded, plain, atol=1e-6, rtol=0)


def test_a_row_that_covers_everything_has_finite_vectors():
    _, bank, bank_labels, previous, previous_labels = random_scene(2, height=121, width=213)
    vectors = instance_vectors(
        bank, torch.zeros_like(bank_labels), previous, torch.zeros_like(previous_labels), torch.tensor([0, 1])
    )
    assert vectors.abs().max() <= 1.0  # embeddings are within 0..1, and so are their averages
    assert vectors[1, :8].abs().max() == 0  # an absent row: exactly zero inside
