"""Resampling written as small matrix products and gathers.

Every resize of the networks is separable, so it is two products with matrices of a few
hundred rows. That is exact, fast on every executor and leaves no `Resize` node, whose
rounding and coordinate rules differ between runtimes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vosrt.plugins.frame_image import cubic_kernel, half_pixel_position
from vosrt.plugins.frame_labels import aligned_distance, linear_matrix


def cubic_matrix(source: int, target: int, like: Tensor) -> Tensor:
    """Bicubic weights with aligned corners and replicated edges, `[target, source]`."""
    margin = 2
    weight = cubic_kernel(aligned_distance(source, target, like, margin))  # [target, source+4]
    first = weight[:, : margin + 1].sum(1, keepdim=True)
    last = weight[:, -margin - 1 :].sum(1, keepdim=True)
    return torch.cat([first, weight[:, margin + 1 : -margin - 1], last], dim=1)


def resize_maps(maps: Tensor, height_matrix: Tensor, width_matrix: Tensor) -> Tensor:
    """Resize the last two axes.

    Args:
        maps: `[..., h, w]`.
        height_matrix: `[H, h]`.
        width_matrix: `[W, w]`.

    Returns:
        `[..., H, W]`.
    """
    # The width first: rows of the input are contiguous, so it is one plain matrix product.
    return torch.matmul(height_matrix, torch.matmul(maps, width_matrix.transpose(0, 1)))


def resize_linear(maps: Tensor, height: int, width: int) -> Tensor:
    """Bilinear resize with aligned corners, `[..., h, w]` to `[..., height, width]`."""
    return resize_maps(
        maps, linear_matrix(maps.shape[-2], height, maps), linear_matrix(maps.shape[-1], width, maps)
    )


def resize_cubic(maps: Tensor, height: int, width: int) -> Tensor:
    """Bicubic resize with aligned corners, `[..., h, w]` to `[..., height, width]`."""
    return resize_maps(
        maps, cubic_matrix(maps.shape[-2], height, maps), cubic_matrix(maps.shape[-1], width, maps)
    )


def nearest_index(source: int, target: int, device: torch.device) -> Tensor:
    """Source index of every target index: `min(floor(target_index * source / target), source - 1)`.

    The factor is rounded to float32 first, as PyTorch's `nearest` does: an exact quotient, or
    `Resize` of ONNX, picks other pixels at some sizes (720 to 145, 90 to 25).

    Returns:
        int64 `[target]`.
    """
    steps = torch.arange(target, device=device).to(torch.float32)
    index = torch.floor(steps * _quotient(source, target, steps)).to(torch.int64)
    return torch.minimum(index, torch.ones_like(index) * (source - 1))


def _quotient(source: int, target: int, like: Tensor) -> Tensor:
    """`source / target` rounded to float32, `[1]`."""
    one = torch.ones(1, device=like.device, dtype=torch.float32)
    return (one * source) / (one * target)


def resize_nearest(labels: Tensor, height: int, width: int) -> Tensor:
    """Nearest resize of a label map, `[H, W]` to `[height, width]`."""
    rows = nearest_index(labels.shape[0], height, labels.device)
    columns = nearest_index(labels.shape[1], width, labels.device)
    return labels.index_select(0, rows).index_select(1, columns)


def resize_frame_linear(frame: Tensor, height: int, width: int, padded: tuple[int, int]) -> Tensor:
    """Bilinear resize of a frame, half-pixel centres, edges repeated; then zeros around it.

    Args:
        frame: `[H, W, 3]`, float.
        height: target height.
        width: target width.
        padded: height and width with the zeros, of which the lower half (rounded down) lies before the frame.

    Returns:
        `[*padded, 3]`.
    """
    for axis, target in enumerate((height, width)):
        shape = [1] * frame.dim()
        shape[axis] = -1
        first, fraction = half_pixel_position(frame.shape[axis], target, frame)
        place, inside = _padded_place(target, padded[axis], frame)
        last = torch.ones_like(first) * (frame.shape[axis] - 1)
        taps = []
        for offset in (0, 1):
            index = torch.clamp(first + offset, min=0).minimum(last).index_select(0, place)
            weight = torch.clamp(1.0 - (fraction - offset).abs(), min=0.0).index_select(0, place) * inside
            taps.append(frame.index_select(axis, index) * weight.reshape(shape))
        frame = taps[0] + taps[1]
    return frame


def pad_maps(maps: Tensor, height: int, width: int) -> Tensor:
    """Zeros around maps, as `resize_frame_linear` lays them: `[..., h, w]` to `[..., height, width]`."""
    for axis, target in ((-2, height), (-1, width)):
        place, inside = _padded_place(maps.shape[axis], target, maps)
        maps = maps.index_select(maps.dim() + axis, place) * inside.reshape(-1, *[1] * (-1 - axis))
    return maps


def crop_maps(maps: Tensor, height: int, width: int) -> Tensor:
    """What `pad_maps` took: `[..., H, W]` to `[..., height, width]`."""
    for axis, target in ((-2, height), (-1, width)):
        before = (maps.shape[axis] - target) // 2
        maps = maps.index_select(maps.dim() + axis, torch.arange(target, device=maps.device) + before)
    return maps


def reflect_maps(maps: Tensor, height: int, width: int) -> Tensor:
    """Maps mirrored at their edges, the edge itself not repeated: `[..., h, w]` to `[..., height, width]`.

    The larger half of what is added lies before the maps. They must be larger than what is added to them.
    """
    for axis, target in ((-2, height), (-1, width)):
        size = maps.shape[axis]
        place = (torch.arange(target, device=maps.device) - (target - size + 1) // 2).abs()
        place = (size - 1) - ((size - 1) - place).abs()
        maps = maps.index_select(maps.dim() + axis, place)
    return maps


def crop_reflected(maps: Tensor, height: int, width: int) -> Tensor:
    """What `reflect_maps` took: `[..., H, W]` to `[..., height, width]`."""
    for axis, target in ((-2, height), (-1, width)):
        before = (maps.shape[axis] - target + 1) // 2
        maps = maps.index_select(maps.dim() + axis, torch.arange(target, device=maps.device) + before)
    return maps


def _padded_place(size: int, padded: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Of every padded place: the index it shows, int64 `[padded]`, and 1 inside or 0, `[padded]`."""
    shifted = torch.arange(padded, device=like.device) - (padded - size) // 2
    last = torch.ones_like(shifted) * (size - 1)
    place = torch.clamp(shifted, min=0).minimum(last)
    return place, (place == shifted).to(like.dtype)


def half_pixel_matrix(source: int, target: int, like: Tensor, *, factor: float) -> Tensor:
    """Bilinear weights of an enlargement with half-pixel centres and repeated edges, `[target, source]`.

    Args:
        source: length of the axis before.
        target: length after; the enlarged axis is cut off there.
        like: a tensor whose dtype and device the result takes.
        factor: of the enlargement.
    """
    steps = torch.arange(target, device=like.device).to(like.dtype)
    last = torch.ones_like(steps) * (source - 1)
    position = torch.clamp((steps + 0.5) / factor - 0.5, min=0.0).minimum(last)
    pixels = torch.arange(source, device=like.device).to(like.dtype)
    return torch.clamp(1.0 - (position.unsqueeze(1) - pixels.unsqueeze(0)).abs(), min=0.0)
