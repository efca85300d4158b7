"""The published formulation of matching, as the baseline to compare with.

Written from the description of CFBI (Yang, Wei, Yang, ECCV 2020): every distance is stored, one masked
copy of it per row is searched. Where the description leaves a choice, the faster one on a CPU is taken:
one masked copy exists at a time, and windows are laid out for the batched product.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

NOT_THE_ROW = 5e4  # added to the distance of a pixel with another label
QUERY_CHUNKS = 4  # the published default
_OUTSIDE = -9  # label beyond the edge of the grid; no row has it


def published_global_matching(query: Tensor, bank: Tensor, bank_labels: Tensor, rows: Tensor) -> Tensor:
    """Same arguments and result as `vosrt.plugins.global_matching`, for rows that have a pixel."""
    pixels = query.flatten(1).T  # [N, C]
    masks = bank_labels == rows[:, None]  # [R, M]
    is_valid = masks.any(0)
    bank, masks = bank[is_valid], masks[:, is_valid]
    bank_norm = bank.square().sum(1)  # [M]
    chunks = []
    for chunk in pixels.chunk(QUERY_CHUNKS):
        distances = chunk.square().sum(1, keepdim=True) + bank_norm - 2 * (chunk @ bank.T)  # [N/4, M]
        least = [(distances + NOT_THE_ROW * ~mask).amin(1) for mask in masks]
        chunks.append(torch.stack(least))  # [R, N/4]
    return torch.cat(chunks, dim=1).unflatten(1, query.shape[1:])


def published_local_matching(
    query: Tensor,
    previous: Tensor,
    labels: Tensor,
    rows: Tensor,
    *,
    windows: Sequence[int],
    dilation: int = 1,
) -> Tensor:
    """Same arguments and result as `vosrt.plugins.local_matching`, for windows that hold the row."""
    channels, h, w = query.shape
    radii = [window // dilation for window in windows]  # in steps of the dilation
    radius = max(radii)
    side = 2 * radius + 1
    pixels = query.flatten(1).T[:, None].contiguous()  # [N, 1, C]
    unfolded = (
        _unfold(previous, radius, dilation).permute(1, 2, 0, 3, 4).reshape(h * w, channels, side * side)
    )
    products = torch.bmm(pixels, unfolded)[:, 0]  # [N, side * side]
    norms = _unfold(previous.square().sum(0, keepdim=True), radius, dilation)[0].reshape(h * w, side * side)
    distances = (query.square().sum(0).reshape(-1, 1) + norms - 2 * products).reshape(h, w, side, side)
    near_labels = _unfold(labels[None], radius, dilation, fill=_OUTSIDE)[0]  # [h, w, side, side]
    maps = []
    for row in rows:
        masked = distances + NOT_THE_ROW * (near_labels != row)
        for reach in radii:
            middle = slice(radius - reach, radius + reach + 1)
            maps.append(masked[:, :, middle, middle].amin((2, 3)))
    return torch.stack(maps).unflatten(0, (len(rows), len(windows)))  # [R, K, h, w]


def published_background_maps(foreground: Tensor) -> Tensor:
    """Same argument and result as `vosrt.models.matching_maps.background_maps`: a minimum per row."""
    rows = len(foreground)
    if rows == 1:
        return foreground
    others = [[other for other in range(rows) if other != row] for row in range(rows)]
    return torch.stack([foreground[chosen].amin(0) for chosen in others])


def _unfold(planes: Tensor, radius: int, dilation: int, fill: int = 0) -> Tensor:
    """Window of every pixel, a view: `[C, h, w] -> [C, h, w, side, side]`."""
    reach = radius * dilation
    windows = pad(planes, [reach] * 4, value=fill).unfold(1, 2 * reach + 1, 1).unfold(2, 2 * reach + 1, 1)
    return windows[..., ::dilation, ::dilation]
