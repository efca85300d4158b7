"""GlobalMatching: how far every query pixel is from each row's pixels in a bank of reference pixels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from vosrt.plugins.operator import FEATURES, LABELS, NO_CANDIDATE, Operator, Port
from vosrt.plugins.query_tiles import query_tiles

if TYPE_CHECKING:
    from torch import Tensor

# Query pixels and bank pixels that meet in one product. 4 Mi distances (16 MiB) in eager PyTorch, where
# fewer, larger calls win; the body below uses 1024 x 512, whose 2 MiB stay in a core's second-level cache.
_QUERY_TILE, _BANK_TILE = 4096, 1024


def global_matching(query: Tensor, bank: Tensor, bank_labels: Tensor, rows: Tensor) -> Tensor:
    """Least squared distance of each query pixel to the bank pixels of each row.

    While `torch.onnx.export(dynamo=True)` runs, this writes one `vosrt::GlobalMatching` node instead.
    Cost does not depend on the number of rows: a bank pixel meets the query once, under its own label.

    Args:
        query: `[C, h, w]`, float16, float32 or float64.
        bank: `[M, C]`, reference pixels of any number of frames.
        bank_labels: int32 `[M]`; a label that is no row (255, empty capacity) is skipped.
        rows: int32 `[R]`, the label of each row; -1 marks an unused row.

    Returns:
        `[R, h, w]`, at least 0; 5e4 where the row has no pixel in the bank; NaN where the query is NaN, while
        operators on a CPU pass over NaN in the bank. float32, or float64 for a float64 query. Distances near
        0 carry a rounding error of about 1e-7 of the squared norm. The gradient goes through the nearest
        pixel alone, so training keeps nothing of size N x M either.

    Raises:
        ValueError: the shapes do not fit together.
    """
    import torch

    if torch.onnx.is_in_onnx_export():
        labels = [bank_labels.to(torch.int32), rows.to(torch.int32)]
        return GLOBAL_MATCHING.emit([query, bank, *labels], [rows.shape[0], *query.shape[1:]])
    if query.ndim != 3 or bank.ndim != 2 or bank.shape[1] != query.shape[0]:
        raise ValueError(
            "global_matching needs a query [C, h, w] and a bank [M, C], "
            f"got {tuple(query.shape)} and {tuple(bank.shape)}"
        )
    if bank_labels.shape != bank.shape[:1] or rows.ndim != 1:
        raise ValueError(
            f"global_matching needs bank_labels [{bank.shape[0]}] and rows [R], "
            f"got {tuple(bank_labels.shape)} and {tuple(rows.shape)}"
        )
    return _compute(query, bank, bank_labels, rows)


def _compute(query: Tensor, bank: Tensor, bank_labels: Tensor, rows: Tensor) -> Tensor:
    import torch

    dtype = torch.float64 if query.dtype == torch.float64 else torch.float32
    pixels = query.flatten(1).to(dtype).T  # [N, C]
    norm = pixels.square().sum(1)  # [N]
    # |q - b|^2 = |q|^2 + [q, 1] . [-2 b, |b|^2]: the last channel makes the product the score to minimise.
    pixels = torch.cat([pixels, torch.ones_like(norm)[:, None]], dim=1)  # [N, C+1]
    references = bank.to(dtype)
    references = torch.cat([-2 * references, references.square().sum(1, keepdim=True)], dim=1)  # [M, C+1]
    needs_gradient = torch.is_grad_enabled() and (query.requires_grad or bank.requires_grad)
    distances = []
    for row in rows.tolist():
        chosen = (bank_labels == row).nonzero()[:, 0] if row >= 0 else bank_labels.new_empty(0).long()
        if len(chosen) == 0:
            distances.append(torch.full_like(norm, NO_CANDIDATE))
        elif needs_gradient:
            with torch.no_grad():
                winner = _nearest(pixels, references[chosen])
            nearest = bank.to(dtype)[chosen[winner]]  # [N, C]
            distances.append((pixels[:, :-1] - nearest).square().sum(1))
        else:
            distances.append((_least_score(pixels, references[chosen]) + norm).clamp_min(0))
    return torch.stack(distances).unflatten(1, query.shape[1:])  # [R, h, w]


def _least_score(pixels: Tensor, candidates: Tensor) -> Tensor:
    """Least product of each pixel `[N, C+1]` with any candidate `[Mr, C+1]`, tile by tile: `[N]`."""
    import torch

    tiles = []
    for pixel_tile in pixels.split(_QUERY_TILE):
        least = pixel_tile.new_full((len(pixel_tile),), math.inf)
        for candidate_tile in candidates.split(_BANK_TILE):
            least = torch.minimum(least, (pixel_tile @ candidate_tile.T).amin(1))
        tiles.append(least)
    return torch.cat(tiles)


def _nearest(pixels: Tensor, candidates: Tensor) -> Tensor:
    """Index of the candidate with the least score, `[N]`; ten times slower per score than the score alone."""
    import torch

    tiles = []
    for pixel_tile in pixels.split(_QUERY_TILE):
        least = pixel_tile.new_full((len(pixel_tile),), math.inf)
        winner = torch.zeros(len(pixel_tile), dtype=torch.int64, device=pixels.device)
        for start in range(0, len(candidates), _BANK_TILE):
            score, index = (pixel_tile @ candidates[start : start + _BANK_TILE].T).min(1)
            winner = torch.where(score < least, index + start, winner)
            least = torch.minimum(least, score)
        tiles.append(winner)
    return torch.cat(tiles)


# Rows > query tiles > bank tiles, as three Scans. Each row's pixels are picked once, so every bank pixel is
# multiplied once whatever the number of rows; nothing larger than one tile of distances is stored. Query
# pixels are the long side of the product and the minimum runs over its last axis: measured on a 121 x 213
# grid (two threads, AVX-512) that orientation takes 0.47 s, the bank as the long side with the minimum over
# the first axis 0.8 s, and untiled query or bank 0.6 to 1.6 s. Tiles are equal parts rather than full ones
# with a remainder: no tile needs more padding than the number of tiles. Every row's candidates end with at
# least one sentinel (score 1e30), so no minimum is ever empty.
_BODY = """
  first = Constant <value_ints: ints = [0]> ()
  axis_1 = Constant <value_ints: ints = [1]> ()
  rest = Constant <value_ints: ints = [-1]> ()
  query_tile = Constant <value_ints: ints = [1024]> ()
  bank_tile = Constant <value_ints: ints = [512]> ()
  zero = Constant <value_float: float = 0.0> ()
  one = Constant <value_float: float = 1.0> ()
  minus_two = Constant <value_float: float = -2.0> ()
  sentinel_score = Constant <value_float: float = 1e30> ()
  sentinel_limit = Constant <value_float: float = 5e29> ()
  no_candidate = Constant <value_float: float = 5e4> ()
  unused_below = Constant <value: tensor = int32 {0}> ()

  channels = Shape <start: int = 0, end: int = 1> (query)
  grid = Shape <start: int = 1, end: int = 3> (query)
  columns = Add (channels, axis_1)

  # query -> [-2 q, 1] as [tiles, tile, C+1]
  query_32 = Cast <to: int = 1> (query)
  flat_shape = Concat <axis: int = 0> (channels, rest)
  flat = Reshape (query_32, flat_shape)
  squares = Mul (flat, flat)
  query_norm = ReduceSum <keepdims: int = 0> (squares, first)
  count = Shape (query_norm)
  ones_shape = Concat <axis: int = 0> (axis_1, count)
  ones = Expand (one, ones_shape)
  scaled = Mul (flat, minus_two)
  extended = Concat <axis: int = 0> (scaled, ones)
  @QUERY_TILES

  # bank -> [b, |b|^2]
  bank_32 = Cast <to: int = 1> (bank)
  bank_squares = Mul (bank_32, bank_32)
  bank_norm = ReduceSum <keepdims: int = 1> (bank_squares, axis_1)
  bank_extended = Concat <axis: int = 1> (bank_32, bank_norm)

  worst = Expand (sentinel_score, tile)
  scores = Scan <num_scan_inputs: int = 1, body = match_row (row) => (float[?] row_scores) {
    same_label = Equal (bank_labels, row)
    used = GreaterOrEqual (row, unused_below)
    is_candidate = And (same_label, used)
    chosen = Compress <axis: int = 0> (bank_extended, is_candidate)
    chosen_count = Shape <start: int = 0, end: int = 1> (chosen)
    full_parts = Div (chosen_count, bank_tile)
    parts = Add (full_parts, axis_1)
    part_floor = Div (chosen_count, parts)
    part = Add (part_floor, axis_1)
    part_total = Mul (part, parts)
    sentinels = Sub (part_total, chosen_count)
    sentinel_shape = Concat <axis: int = 0> (sentinels, channels)
    sentinel_features = Expand (zero, sentinel_shape)
    sentinel_norm_shape = Concat <axis: int = 0> (sentinels, axis_1)
    sentinel_norm = Expand (sentinel_score, sentinel_norm_shape)
    sentinel_rows = Concat <axis: int = 1> (sentinel_features, sentinel_norm)
    candidates = Concat <axis: int = 0> (chosen, sentinel_rows)
    parts_shape = Concat <axis: int = 0> (parts, part, columns)
    split = Reshape (candidates, parts_shape)
    bank_tiles = Transpose <perm: ints = [0, 2, 1]> (split)
    tile_scores = Scan <num_scan_inputs: int = 1, body = match_tile (query_part) => (float[?] tile_score) {
      least = Scan <num_scan_inputs: int = 1, body = match_part (best, bank_part) => (float[?] better) {
        product = MatMul (query_part, bank_part)
        part_best = ReduceMin <axes: ints = [1], keepdims: int = 0> (product)
        better = Min (best, part_best)
      }> (worst, bank_tiles)
      tile_score = Identity (least)
    }> (query_tiles)
    row_scores = Reshape (tile_scores, rest)
  }> (rows)

  kept = Slice (scores, first, count, axis_1)
  distance = Add (kept, query_norm)
  clamped = Max (distance, zero)
  is_empty = Greater (kept, sentinel_limit)
  flat_distances = Where (is_empty, no_candidate, clamped)
  row_count = Shape (rows)
  output_shape = Concat <axis: int = 0> (row_count, grid)
  distances = Reshape (flat_distances, output_shape)
"""

GLOBAL_MATCHING = Operator(
    name="GlobalMatching",
    inputs=(
        Port("query", FEATURES, ("C", "h", "w"), "embedding of the current frame"),
        Port("bank", FEATURES, ("M", "C"), "reference pixels"),
        Port("bank_labels", LABELS, ("M",), "label of each reference pixel"),
        Port("rows", LABELS, ("R",), "label of each row, -1 for an unused one"),
    ),
    outputs=(Port("distances", ("float32",), ("R", "h", "w"), "least squared distance, 5e4 if none"),),
    attributes=(),
    body=_BODY.replace("@QUERY_TILES", query_tiles("extended", "columns")),
    compute=_compute,
)
