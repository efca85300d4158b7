"""Matching maps of CFBI: global and multi-window local, foreground and background.

Source: Yang, Wei, Yang, "Collaborative Video Object Segmentation by Foreground-Background
Integration" (ECCV 2020), equations 1 to 5, and CFBI+ (TPAMI 2021) for the scales.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from vosrt.models.resize import resize_linear, resize_nearest
from vosrt.plugins import global_matching, least_other, local_matching

NO_LABEL = 255  # empty capacity or no statement: counts nowhere
THINNED = -2  # a reference pixel left out of matching, still "not this row" for every average


@dataclass(frozen=True)
class MatchingOptions:
    """How one scale matches.

    Attributes:
        channels: leading embedding channels used for distances.
        windows: local radii in ascending order, in pixels of the grid that is matched.
        local_atrous: step between the offsets of a local window.
        halve: match locally on a grid of half the size.
        halve_global: match globally from every second row and column of the frame's grid.
        global_atrous: keep every so many-th row and column of a reference.
        minimum_pixels: rows with more than this times `global_atrous` squared pixels are thinned by
            `global_atrous`, rows with fewer keep all; 0 thins the grid whatever the rows hold.
    """

    channels: int
    windows: tuple[int, ...]
    local_atrous: int = 1
    halve: bool = False
    halve_global: bool = False
    global_atrous: int = 1
    minimum_pixels: int = 0

    @property
    def window_order(self) -> tuple[int, ...]:
        """Order of the local maps: the largest window first, then ascending."""
        ordered = sorted(self.windows)
        return (ordered[-1], *ordered[:-1])

    @property
    def map_count(self) -> int:
        """Matching maps per row: global and local, foreground and background."""
        return 2 * (1 + len(self.windows))


class MatchingMaps(NamedTuple):
    """Squashed distances per row: `global_* [R, h, w]`, `local_* [R, K, h, w]`, in (-1, 1]."""

    global_fg: Tensor
    local_fg: Tensor
    global_bg: Tensor
    local_bg: Tensor


def squash(distances: Tensor, bias: Tensor) -> Tensor:
    """`1 - 2 / (1 + exp(d + b))`, written as a hyperbolic tangent that cannot overflow.

    Args:
        distances: `[R, ...]` squared distances.
        bias: `[R]`, one value per row.
    """
    return torch.tanh((distances + bias.reshape(-1, *[1] * (distances.dim() - 1))) * 0.5)


def background_maps(foreground: Tensor) -> Tensor:
    """Per row the least value of all *other* rows; a single row is returned as it is.

    Args:
        foreground: `[R, h, w]` or `[R, K, h, w]`.
    """
    if foreground.dim() == 3:
        return least_other(foreground.unsqueeze(1)).squeeze(1)
    return least_other(foreground)


def global_maps(
    query: Tensor, bank: Tensor, bank_labels: Tensor, rows: Tensor, options: MatchingOptions
) -> Tensor:
    """Least squared distance to the reference pixels of every row.

    Args:
        query: `[C, h, w]`.
        bank: `[S, h, w, C]`, embeddings of the references.
        bank_labels: int32 `[S, h, w]`, already thinned where `minimum_pixels` is set.
        rows: int32 `[R]`.
        options: of this scale.

    Returns:
        `[R, h, w]`, or of half the grid with `halve_global`.
    """
    step = options.global_atrous
    if step > 1 and options.minimum_pixels == 0:
        bank = bank[:, ::step, ::step]
        bank_labels = bank_labels[:, ::step, ::step]
    channels = options.channels
    bank = bank[..., :channels]
    query = halved(query[:channels]) if options.halve_global else query[:channels]
    return global_matching(query, bank.reshape(-1, channels), bank_labels.reshape(-1), rows)


def thin_labels(labels: Tensor, rows: Tensor, options: MatchingOptions) -> Tensor:
    """Drop reference pixels of the rows that have many: the "minimum pixels" rule.

    Args:
        labels: int32 `[h, w]`.
        rows: int32 `[R]`.
        options: of this scale.

    Returns:
        int32 `[h, w]`, dropped pixels are `THINNED`.
    """
    step = options.global_atrous
    if step == 1 or options.minimum_pixels == 0:
        return labels
    masks = labels.unsqueeze(0) == rows.reshape(-1, 1, 1)  # [R, h, w]
    counts = masks.to(torch.float32).sum((1, 2), keepdim=True)
    is_thinned = counts > options.minimum_pixels * step * step
    on_grid = _is_multiple(labels.shape[0], step, labels).unsqueeze(1) & _is_multiple(
        labels.shape[1], step, labels
    )  # [h, w]
    is_dropped = (masks & is_thinned).to(torch.float32).amax(0) > 0.5
    return torch.where(is_dropped & ~on_grid, torch.full_like(labels, THINNED), labels)


def _is_multiple(count: int, step: int, like: Tensor) -> Tensor:
    """Whether each of 0, 1, ... is a multiple of `step`, `[count]`."""
    index = torch.arange(count, device=like.device).to(torch.float32)
    return torch.floor(index / step) * step == index


def local_maps(
    query: Tensor,
    previous: Tensor,
    previous_labels: Tensor,
    rows: Tensor,
    bias: Tensor,
    options: MatchingOptions,
) -> Tensor:
    """Squashed least distance to the previous pixels of every row within every window.

    Args:
        query: `[C, h, w]`.
        previous: `[C, h, w]`, embedding of the previous frame.
        previous_labels: int32 `[h, w]`.
        rows: int32 `[R]`.
        bias: `[R]`.
        options: of this scale.

    Returns:
        `[R, K, h, w]`, the largest window first, then ascending.
    """
    height, width = query.shape[-2:]
    query, previous = query[: options.channels], previous[: options.channels]
    if options.halve:
        # Labels sit one pixel off the embeddings from here on (nearest takes pixel 2i - 1,
        # the embedding pixel 2i): trained behaviour.
        previous_labels = resize_nearest(previous_labels, height // 2 + 1, width // 2 + 1)
        query, previous = halved(query), halved(previous)
    distances = local_matching(
        query,
        previous,
        previous_labels,
        rows,
        windows=options.window_order,
        dilation=options.local_atrous,
    )
    maps = squash(distances, bias)
    return resize_linear(maps, height, width) if options.halve else maps


def halved(embedding: Tensor) -> Tensor:
    """Bilinear, aligned corners, to `(h // 2 + 1, w // 2 + 1)`: every second pixel where h and w are odd."""
    height, width = embedding.shape[-2:]
    if height % 2 == 1 and width % 2 == 1:
        return embedding[..., ::2, ::2]
    return resize_linear(embedding, height // 2 + 1, width // 2 + 1)


def matching_maps(
    query: Tensor,
    bank: Tensor,
    bank_labels: Tensor,
    previous: Tensor,
    previous_labels: Tensor,
    rows: Tensor,
    bias: Tensor,
    options: MatchingOptions,
) -> MatchingMaps:
    """All maps of one scale; shapes as in `global_maps` and `local_maps`."""
    global_fg = squash(global_maps(query, bank, bank_labels, rows, options), bias)
    if options.halve_global:
        global_fg = resize_linear(global_fg.unsqueeze(1), query.shape[-2], query.shape[-1]).squeeze(1)
    local_fg = local_maps(query, previous, previous_labels, rows, bias, options)
    return MatchingMaps(global_fg, local_fg, background_maps(global_fg), background_maps(local_fg))
