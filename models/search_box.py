"""Search boxes: where an object is looked for in the next frame, what is cut out there, and how it goes back.

Zoom-in of Ci, Wang and Wang, "Video Object Segmentation by Learning Location-Sensitive Embeddings", ECCV
2018, 4.2. The paper names neither factor nor borders: they are this project's. Boxes are float32 `[n, 4]`:
left, top, right, bottom in whole pixels, right and bottom exclusive.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

ENLARGEMENT = 1.5  # of the object's box
MARGIN = 16  # pixels at least on each side
SMALLEST = 64  # pixels of a side at least
GROWTH = 1.25  # each frame on which the object is not found


def box_around(masks: Tensor) -> tuple[Tensor, Tensor]:
    """Boxes of masks, bool `[n, H, W]`, and whether there is anything in them, bool `[n]`."""
    sides = []
    for axis in (1, 2):  # rows share the columns, and the other way round
        is_hit = masks.to(torch.float32).amax(axis) > 0  # [n, W] or [n, H]
        place = torch.arange(is_hit.shape[1], device=masks.device).to(torch.float32)
        nowhere = torch.full_like(place, float(2**24))
        first = torch.where(is_hit, place, nowhere).amin(1)
        last = torch.where(is_hit, place + 1, torch.zeros_like(place)).amax(1)
        sides.append((first, last))
    (left, right), (top, bottom) = sides
    boxes = torch.stack([left, top, right, bottom], dim=1)
    is_found = right > 0
    return torch.where(is_found.unsqueeze(1), boxes, torch.zeros_like(boxes)), is_found


def search_box(masks: Tensor, before: Tensor, missed: Tensor) -> tuple[Tensor, Tensor]:
    """Where to look next, and on how many frames in a row an object has not been found.

    Args:
        masks: bool `[n, H, W]`.
        before: the last search boxes, `[n, 4]`.
        missed: int32 `[n]`.
    """
    boxes, is_found = box_around(masks)
    found = search_box_around(boxes, masks.shape)
    grown = _grown(before, masks.shape)
    chosen = torch.where(is_found.unsqueeze(1), found, grown)
    return chosen, torch.where(is_found, torch.zeros_like(missed), missed + 1)


def search_box_around(boxes: Tensor, shape: torch.Size) -> Tensor:
    """Where to look for objects that fill given boxes.

    Args:
        boxes: `[n, 4]`, of objects.
        shape: `[..., H, W]`, of the frame.
    """
    return _enlarged(boxes, ENLARGEMENT, shape)


def whole_frames(boxes: Tensor, shape: torch.Size) -> Tensor:
    """Boxes of whole frames, in the place of given ones.

    Args:
        boxes: `[n, 4]`; only their number is used.
        shape: `[..., H, W]`, of the frame.
    """
    one = torch.ones_like(boxes[:, :1])
    return torch.cat([one * 0.0, one * 0.0, one * shape[-1], one * shape[-2]], dim=1)


def cut_out(image: Tensor, boxes: Tensor, side: int) -> Tensor:
    """What lies in the boxes, stretched to squares: bilinear, half-pixel centres, edges of a box repeated.

    Args:
        image: `[1, C, H, W]`.
        boxes: `[n, 4]`.
        side: of the squares.

    Returns:
        `[n, C, side, side]`.
    """
    return cut_out_each(image.expand(boxes.shape[0], -1, -1, -1), boxes, side)


def cut_out_each(images: Tensor, boxes: Tensor, side: int) -> Tensor:
    """The same, each box from an image of its own, `[n, C, H, W]`."""
    height, width = images.shape[2:]
    step = (torch.arange(side, device=images.device).to(torch.float32) + 0.5) / side
    left, top, right, bottom = (edge.unsqueeze(1) for edge in _open(boxes).unbind(1))
    columns = (left + step * (right - left) - 0.5).maximum(left).minimum(right - 1.0)  # [n, side]
    rows = (top + step * (bottom - top) - 0.5).maximum(top).minimum(bottom - 1.0)
    places = _grid(columns, rows, width, height)
    return grid_sample(images, places, mode="bilinear", padding_mode="border", align_corners=False)


def pasted(maps: Tensor, boxes: Tensor, like: Tensor) -> Tensor:
    """Square maps back in their boxes, zeros elsewhere: the way back from `cut_out`.

    Args:
        maps: `[n, side, side]`.
        boxes: `[n, 4]`.
        like: `[..., H, W]`; only its shape is used.

    Returns:
        `[n, H, W]`.
    """
    height, width = like.shape[-2:]
    side = maps.shape[-1]
    left, top, right, bottom = (edge.unsqueeze(1) for edge in _open(boxes).unbind(1))
    x = torch.arange(width, device=maps.device).to(torch.float32) + 0.5
    y = torch.arange(height, device=maps.device).to(torch.float32) + 0.5
    columns = ((x - left) * side / (right - left) - 0.5).clamp(0.0, side - 1.0)  # [n, W]
    rows = ((y - top) * side / (bottom - top) - 0.5).clamp(0.0, side - 1.0)
    places = _grid(columns, rows, side, side)
    found = grid_sample(
        maps.unsqueeze(1), places, mode="bilinear", padding_mode="border", align_corners=False
    )
    return found[:, 0] * inside_boxes(boxes, like)


def inside_boxes(boxes: Tensor, like: Tensor) -> Tensor:
    """1 in each box and 0 elsewhere.

    Args:
        boxes: `[n, 4]`.
        like: `[..., H, W]`; only its shape and type are used.

    Returns:
        `[n, H, W]`.
    """
    height, width = like.shape[-2:]
    x = torch.arange(width, device=like.device).to(torch.float32) + 0.5
    y = torch.arange(height, device=like.device).to(torch.float32) + 0.5
    left, top, right, bottom = (edge.unsqueeze(1) for edge in _open(boxes).unbind(1))
    is_column, is_row = (x > left) & (x < right), (y > top) & (y < bottom)
    return (is_row.unsqueeze(2) & is_column.unsqueeze(1)).to(like.dtype)


def _open(boxes: Tensor) -> Tensor:
    """The same boxes, at least one pixel wide and high: rows of unused capacity have empty ones."""
    corner = boxes[:, :2]
    return torch.cat([corner, torch.maximum(boxes[:, 2:], corner + 1.0)], dim=1)


def _enlarged(boxes: Tensor, factor: float, shape: torch.Size) -> Tensor:
    size = boxes[:, 2:] - boxes[:, :2]
    wanted = torch.maximum(size * factor, size + 2.0 * MARGIN).clamp(min=float(SMALLEST))
    return _around(boxes, wanted, shape)


def _grown(boxes: Tensor, shape: torch.Size) -> Tensor:
    return _around(boxes, (boxes[:, 2:] - boxes[:, :2]) * GROWTH, shape)


def _around(boxes: Tensor, size: Tensor, shape: torch.Size) -> Tensor:
    """Boxes of a size about the same centres, in whole pixels and within the frame."""
    centre = (boxes[:, :2] + boxes[:, 2:]) * 0.5
    first, last = torch.floor(centre - 0.5 * size), torch.ceil(centre + 0.5 * size)
    one = torch.ones_like(boxes[:, :1])
    limits = torch.cat([one * shape[-1], one * shape[-2]], dim=1)
    return torch.cat([first.clamp(min=0.0), torch.minimum(last, limits)], dim=1)


def _grid(columns: Tensor, rows: Tensor, width: int, height: int) -> Tensor:
    """Places in pixels, `[n, w]` and `[n, h]`, as `grid_sample` counts them: `[n, h, w, 2]`."""
    one = torch.ones_like(columns[:, :1])
    across = (2.0 * columns + 1.0) / (one * width) - 1.0
    down = (2.0 * rows + 1.0) / (one * height) - 1.0
    size = (columns.shape[0], rows.shape[1], columns.shape[1])
    return torch.stack([across.unsqueeze(1).expand(size), down.unsqueeze(2).expand(size)], dim=3)
