"""Search boxes, what is cut out and pasted back, and the network with location-sensitive embeddings."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from vosrt.errors import InputError
from vosrt.models import build_network, load_stand_in_weights
from vosrt.models.search_box import box_around, cut_out, pasted, search_box

HEIGHT, WIDTH = 200, 320


@pytest.fixture(scope="module")
def network():
    network = build_network("lse-lite")
    load_stand_in_weights(network)
    return network


def mask_of(left: int, top: int, right: int, bottom: int) -> torch.Tensor:
    mask = torch.zeros(1, HEIGHT, WIDTH, dtype=torch.bool)
    mask[0, top:bottom, left:right] = True
    return mask


class TestSearchBox:
    def search(self, mask: torch.Tensor) -> list[float]:
        boxes, missed = search_box(mask, torch.zeros(1, 4), torch.tensor([3], dtype=torch.int32))
        assert missed.tolist() == [0]
        return boxes[0].tolist()

    def test_a_box_holds_the_outermost_pixels(self):
        masks = torch.cat([mask_of(5, 7, 9, 8), mask_of(0, 0, WIDTH, HEIGHT), mask_of(1, 1, 1, 1)])
        boxes, found = box_around(masks)
        assert boxes.tolist() == [[5, 7, 9, 8], [0, 0, WIDTH, HEIGHT], [0, 0, 0, 0]]
        assert found.tolist() == [True, True, False]

    def test_it_is_half_as_large_again_about_the_same_centre(self):
        assert self.search(mask_of(100, 50, 200, 150)) == [75, 25, 225, 175]

    def test_it_has_a_margin_and_a_least_side(self):
        assert self.search(mask_of(100, 90, 140, 140)) == [84, 74, 156, 156]  # 16 pixels on each side
        assert self.search(mask_of(100, 90, 103, 92)) == [69, 59, 134, 123]  # 64 pixels, in whole ones

    def test_it_stays_within_the_frame(self):
        assert self.search(mask_of(0, 0, 40, 20)) == [0, 0, 56, 42]
        assert self.search(mask_of(0, 0, WIDTH, HEIGHT)) == [0, 0, WIDTH, HEIGHT]

    def test_what_is_not_found_is_looked_for_in_a_growing_box(self):
        boxes, missed = torch.tensor([[100.0, 50.0, 180.0, 114.0]]), torch.tensor([0], dtype=torch.int32)
        nothing = mask_of(0, 0, 0, 0)
        boxes, missed = search_box(nothing, boxes, missed)
        assert boxes.tolist() == [[90, 42, 190, 122]]
        assert missed.tolist() == [1]
        for _ in range(12):
            boxes, missed = search_box(nothing, boxes, missed)
        assert boxes.tolist() == [[0, 0, WIDTH, HEIGHT]]
        assert missed.tolist() == [13]


class TestCrops:
    boxes = torch.tensor([[16.0, 8.0, 96.0, 72.0], [0.0, 0.0, float(WIDTH), float(HEIGHT)]])

    def test_a_crop_is_the_resized_box(self):
        image = torch.rand(1, 3, HEIGHT, WIDTH)
        found = cut_out(image, self.boxes, 48)
        for crop, (left, top, right, bottom) in zip(found, self.boxes.int().tolist(), strict=True):
            own = image[:, :, top:bottom, left:right]  # pixels outside the box do not bleed into it
            expected = F.interpolate(own, (48, 48), mode="bilinear", align_corners=False)[0]
            torch.testing.assert_close(crop, expected, atol=2e-4, rtol=0)

    def test_a_map_is_pasted_into_its_box(self):
        maps = torch.rand(2, 48, 48) + 0.5
        found = pasted(maps, self.boxes, torch.empty(1, HEIGHT, WIDTH))
        for index, (left, top, right, bottom) in enumerate(self.boxes.int().tolist()):
            size = (bottom - top, right - left)
            expected = F.interpolate(maps[index, None, None], size, mode="bilinear", align_corners=False)
            torch.testing.assert_close(
                found[index, top:bottom, left:right], expected[0, 0], atol=2e-4, rtol=0
            )
            outside = found[index].clone()
            outside[top:bottom, left:right] = 0
            assert not outside.any()

    def test_an_empty_box_gives_finite_numbers(self):
        nowhere = torch.zeros(1, 4)
        assert torch.isfinite(cut_out(torch.rand(1, 3, HEIGHT, WIDTH), nowhere, 16)).all()
        assert torch.isfinite(pasted(torch.rand(1, 16, 16), nowhere, torch.empty(1, HEIGHT, WIDTH))).all()


def test_places_are_the_centres_of_cells(network):
    x, y = network.places[0, :, 2, 5]
    assert float(x) == pytest.approx((8 * 5 + 4) / 321)
    assert float(y) == pytest.approx((8 * 2 + 4) / 321)


@torch.no_grad()
def test_rows_follow_each_objects_own_foreground(network, monkeypatch):
    """An object wins a pixel where its foreground is above one half and above the others'."""
    logits = torch.full((3, 41, 41), -9.0)
    logits[0, :, :20], logits[1, :, :30] = math.log(0.7 / 0.3), math.log(0.9 / 0.1)
    embedding = torch.zeros(3, 32, 41, 41)  # on the left every pixel is typical: final = (o + 1) / 2
    embedding[..., 30:] = 10.0
    monkeypatch.setattr(network, "described", lambda crops, head=None: (logits, embedding, None, None))
    box = torch.tensor([[0.0, 0.0, 82.0, 82.0]]).expand(3, 4)
    rows = torch.tensor([0, 4, 9, -1], dtype=torch.int32)
    (found,) = network.segment(torch.zeros(1, 3, 82, 82), box, rows)
    torch.testing.assert_close(found.sum(0), torch.ones(82, 82))
    assert (found[3] == 0).all()  # unused capacity
    assert (found.argmax(0)[:, :56] == 2).all()
    assert found.argmax(0)[0, 81] == 0


def without(parts: str) -> torch.nn.Module:
    network = build_network("lse-lite", without=parts)
    load_stand_in_weights(network)
    return network


class TestLeftOut:
    def test_without_zoom_the_whole_frame_is_looked_at(self, monkeypatch):
        network = without("zoom")
        labels = mask_of(40, 50, 60, 70)[0].to(torch.int32)
        rows = torch.tensor([0, 1], dtype=torch.int32)
        boxes, missed = network.reference(labels, rows)
        assert boxes.tolist() == [[0, 0, WIDTH, HEIGHT]]
        boxes, missed = network.memorize(torch.zeros_like(labels), rows, boxes, missed)
        assert (boxes.tolist(), missed.tolist()) == ([[0, 0, WIDTH, HEIGHT]], [1])
        seen = []
        monkeypatch.setattr(network, "looked_for", lambda image, box, taps: seen.append(box) or image[0, :1])
        network.find(torch.zeros(1, 3, HEIGHT, WIDTH), torch.tensor([[40.0, 50.0, 60.0, 70.0]]))
        assert seen[0].tolist() == [[0, 0, WIDTH, HEIGHT]]

    @torch.no_grad()
    @pytest.mark.parametrize("part", ["fusion", "embeddings"])
    def test_without_fusion_the_foreground_head_decides(self, network, part):
        image, box = torch.randn(1, 3, 321, 321), torch.tensor([[0.0, 0.0, 321.0, 321.0]])
        taps = {}
        (whole,) = network.looked_for(image, box, taps)
        (alone,) = without(part).looked_for(image, box)
        expected = F.interpolate(taps["foreground"][None], (321, 321), mode="bilinear")[0, 0]
        torch.testing.assert_close(alone, expected, rtol=1e-4, atol=1e-4)
        assert not torch.allclose(whole, alone, atol=0.1)

    def test_other_parts_are_refused(self):
        with pytest.raises(InputError, match="--without"):
            without("zoom,matching")


@torch.no_grad()
@pytest.mark.parametrize("model", ["lse", "lse-lite"])
def test_the_trunk_gives_41_cells_a_side(model):
    network = build_network(model)
    logits, embedding, appearance, centres = network.described(torch.rand(1, 3, 321, 321))
    assert logits.shape == (1, 41, 41)
    assert embedding.shape == appearance.shape
    assert centres.shape == (1, 2, 41, 41)
