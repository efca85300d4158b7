"""Resampling against the libraries whose results the networks were trained with."""

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from vosrt.models.resize import nearest_index, resize_cubic, resize_linear, resize_nearest
from vosrt.plugins.frame_image import resize_frame

SIZES = [((7, 9), (25, 33)), ((13, 17), (7, 9)), ((1, 5), (3, 9)), ((31, 54), (121, 213)), ((6, 6), (6, 6))]


@pytest.mark.parametrize(("source", "target"), SIZES)
def test_linear_equals_aligned_bilinear(source, target):
    maps = torch.randn(2, 3, *source)
    expected = F.interpolate(maps, target, mode="bilinear", align_corners=True)
    torch.testing.assert_close(resize_linear(maps, *target), expected, atol=2e-5, rtol=0)


@pytest.mark.parametrize(("source", "target"), SIZES[:2] + SIZES[3:])
def test_cubic_equals_aligned_bicubic(source, target):
    maps = torch.randn(2, 3, *source)
    expected = F.interpolate(maps, target, mode="bicubic", align_corners=True)
    torch.testing.assert_close(resize_cubic(maps, *target), expected, atol=5e-5, rtol=0)


@pytest.mark.parametrize(
    ("source", "target"),
    [((100, 130), (97, 129)), ((480, 854), (481, 849)), ((720, 1280), (577, 1041)), ((65, 49), (65, 49))],
)
def test_frame_resize_equals_opencv(source, target):
    frame = np.random.default_rng(0).integers(0, 256, (*source, 3)).astype(np.float32)
    expected = cv2.resize(frame, target[::-1], interpolation=cv2.INTER_CUBIC)
    found = resize_frame(torch.from_numpy(frame), *target).numpy()
    assert np.abs(found - expected).max() < 1e-3  # of 255


def test_frame_resize_to_the_same_size_changes_nothing():
    frame = torch.randint(0, 256, (50, 66, 3)).float()
    assert torch.equal(resize_frame(frame, 50, 66), frame)


def test_nearest_index_equals_torch_at_every_height():
    for source in range(64, 1200):
        target = (round((source - 1) / 16) * 16) // 4 + 1
        ramp = torch.arange(source, dtype=torch.float32).reshape(1, 1, -1)
        expected = F.interpolate(ramp, size=target, mode="nearest").flatten().long()
        assert torch.equal(nearest_index(source, target, torch.device("cpu")), expected), source


@pytest.mark.parametrize("height", [90, 175, 255, 720])
def test_nearest_keeps_labels(height):
    labels = torch.randint(0, 5, (height, 131), dtype=torch.int32)
    target = ((height - 1) // 16 * 4 + 1, 33)
    expected = F.interpolate(labels[None, None].float(), target, mode="nearest")[0, 0].int()
    assert torch.equal(resize_nearest(labels, *target), expected)
