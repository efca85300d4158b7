"""LocalMatching: how far every query pixel is from each row's pixels nearby in the previous frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vosrt.plugins.operator import FEATURES, LABELS, NO_CANDIDATE, Attribute, Operator, Port

if TYPE_CHECKING:
    from torch import Tensor

_BARRED = 1e30  # bias of a pixel that is not the row's


def local_matching(
    query: Tensor,
    previous: Tensor,
    labels: Tensor,
    rows: Tensor,
    *,
    windows: Sequence[int],
    dilation: int = 1,
) -> Tensor:
    """Least squared distance of each query pixel to the nearby previous pixels of each row.

    While `torch.onnx.export(dynamo=True)` runs, this writes one `vosrt::LocalMatching` node instead.
    All windows come from one pass over the largest.

    Args:
        query: `[C, h, w]`, float16, float32 or float64.
        previous: `[C, h, w]`, the previous frame.
        labels: int32 `[h, w]`, labels of the previous frame; a label that is no row is skipped.
        rows: int32 `[R]`, the label of each row; -1 marks an unused row.
        windows: radii in pixels, in any order; output channel k belongs to `windows[k]`. A candidate of
            window k lies at most k columns and k rows away.
        dilation: only offsets that are multiples of it are candidates.

    Returns:
        `[R, K, h, w]`, at least 0; 5e4 where the window holds no pixel of the row; NaN where the query is
        NaN, while operators on a CPU may pass over NaN in the previous frame. float32, or float64 for a
        float64 query. The gradient goes through the nearest pixel alone.

    Raises:
        ValueError: the shapes do not fit together, or a window or the dilation is out of range.
    """
    import torch

    windows = [int(window) for window in windows]
    if not windows or min(windows) < 0 or dilation < 1:
        raise ValueError(
            "local_matching needs windows of at least 0 and a dilation of at least 1, "
            f"got {windows} and {dilation}"
        )
    if torch.onnx.is_in_onnx_export():
        shape = [rows.shape[0], len(windows), *query.shape[1:]]
        inputs = [query, previous, labels.to(torch.int32), rows.to(torch.int32)]
        return LOCAL_MATCHING.emit(inputs, shape, windows=windows, dilation=dilation)
    if query.ndim != 3 or previous.shape != query.shape:
        raise ValueError(
            "local_matching needs a query and a previous frame of one shape [C, h, w], "
            f"got {tuple(query.shape)} and {tuple(previous.shape)}"
        )
    if labels.shape != query.shape[1:] or rows.ndim != 1:
        raise ValueError(
            f"local_matching needs labels {list(query.shape[1:])} and rows [R], "
            f"got {tuple(labels.shape)} and {tuple(rows.shape)}"
        )
    return _compute(query, previous, labels, rows, windows=windows, dilation=dilation)


def _compute(
    query: Tensor, previous: Tensor, labels: Tensor, rows: Tensor, *, windows: Sequence[int], dilation: int
) -> Tensor:
    """Pixels at a multiple of the dilation from each other form one phase; each phase is a small grid."""
    import torch

    dtype = torch.float64 if query.dtype == torch.float64 else torch.float32
    _, h, w = query.shape
    radii = [window // dilation for window in windows]
    least = torch.full((len(rows), len(windows), h, w), NO_CANDIDATE, dtype=dtype, device=query.device)
    for y in range(min(dilation, h)):
        for x in range(min(dilation, w)):
            phase = (..., slice(y, None, dilation), slice(x, None, dilation))
            least[phase] = _match_phase(
                query[phase].to(dtype), previous[phase].to(dtype), labels[phase], rows, radii
            )
    return least


def _match_phase(query: Tensor, previous: Tensor, labels: Tensor, rows: Tensor, radii: list[int]) -> Tensor:
    """One phase `[C, h, w]` at dilation 1: `[R, K, h, w]`. See the body below for the method."""
    import torch

    if torch.is_grad_enabled() and (query.requires_grad or previous.requires_grad):
        return _match_phase_with_gradient(query, previous, labels, rows, radii)
    scores = torch.stack(
        [best.amin(3) for best, _ in _best_by_window(query, previous, labels, rows, radii, False)]
    )  # [K, h, R, w]
    scores = scores.permute(2, 0, 1, 3)  # [R, K, h, w]
    distances = (scores + query.square().sum(0)).clamp_min(0)
    return distances.masked_fill(scores >= _BARRED / 2, NO_CANDIDATE)


def _match_phase_with_gradient(
    query: Tensor, previous: Tensor, labels: Tensor, rows: Tensor, radii: list[int]
) -> Tensor:
    """The same, computed once more from the nearest pixel of every window."""
    import torch
    from torch.nn.functional import pad

    channels, h, w = query.shape
    radius = max(radii)
    y = torch.arange(h, device=query.device)[:, None, None]
    x = torch.arange(w, device=query.device)
    indices, empty = [], []
    with torch.no_grad():
        for reach, (best, rise) in zip(
            radii, _best_by_window(query, previous, labels, rows, radii, True), strict=True
        ):
            score, column = best.min(3)  # [h, R, w]
            dy = rise.gather(3, column[..., None])[..., 0]
            indices.append((y + dy) * (w + 2 * radius) + x + column + radius - reach)
            empty.append(score >= _BARRED / 2)
    index = torch.stack(indices).permute(2, 0, 1, 3)  # [R, K, h, w], into the padded frame
    nearest = pad(previous, [radius] * 4).flatten(1).T[index.flatten()]  # [R*K*h*w, C]
    nearest = nearest.reshape(*index.shape, channels)
    distances = (query.permute(1, 2, 0) - nearest).square().sum(4)
    return distances.masked_fill(torch.stack(empty).permute(2, 0, 1, 3), NO_CANDIDATE)


def _best_by_window(
    query: Tensor,
    previous: Tensor,
    labels: Tensor,
    rows: Tensor,
    radii: list[int],
    with_rise: bool,
) -> list[tuple[Tensor, Tensor]]:
    """Per radius and column offset the least score over the rows within, and the padded row it lies in.

    Returns:
        for every radius a `[h, R, w, 2a+1]` score and, when asked for, the vertical offset (0 .. 2r).
    """
    import torch
    from torch.nn.functional import pad

    _, h, w = query.shape
    radius = max(radii)
    side = 2 * radius + 1
    pixels = -2 * query.permute(1, 2, 0)  # [h, w, C]
    keys = pad(previous, [radius] * 4).transpose(0, 1)  # [h+2r, C, w+2r]
    labels = pad(labels.int(), [radius] * 4, value=-1)[:, None]  # [h+2r, 1, w+2r]
    own = (labels == rows[:, None]) & (rows[:, None] >= 0)  # [h+2r, R, w+2r]
    bias = keys.square().sum(1)[:, None].masked_fill(~own, _BARRED)  # [h+2r, R, w+2r]
    bias = bias.unfold(2, side, 1)  # [h+2r, R, w, side], a view
    best = bias.new_full((h, len(rows), w, side), _BARRED)
    rise = torch.zeros_like(best, dtype=torch.int64) if with_rise else best
    nested = {}
    for reach in range(radius + 1):
        for dy in {radius - reach, radius + reach}:
            product = torch.bmm(pixels, keys[dy : dy + h])  # [h, w, w+2r]
            diagonal = product.as_strided((h, w, side), (w * (w + 2 * radius), w + 2 * radius + 1, 1))
            score = diagonal[:, None] + bias[dy : dy + h]
            if with_rise:
                rise = torch.where(score < best, dy, rise)
            best = torch.minimum(best, score)
        if reach in radii:
            middle = slice(radius - reach, radius + reach + 1)
            nested[reach] = (best[..., middle], rise[..., middle])
    return [nested[reach] for reach in radii]


# One Scan over the vertical offsets, nearest first. A step multiplies every query row with the key row at
# that offset, which gives all w + 2r columns; the 2r + 1 columns around x are x, x+1, ... of line x, so in
# the flattened product they start at x * (w + 2r + 1) and a Gather with constant indices takes them out.
# The features are never gathered. What depends on the row is the bias (key norm, or 1e30 where the label
# is another), which is small; so objects only add the sum and the running minimum. After the step at
# +-a the minimum over the middle 2a + 1 columns is window a: every radius comes out of the one pass and the
# asked ones are picked at the end. Measured on a 61 x 107 grid, radius 12, two threads: 58 ms for one object
# and 31 MiB; all offsets in one product 68 ms and 190 MiB; a Scan over query rows 66 ms; two offsets per
# step, or Pad and Reshape in place of the Gather, make no difference to the time.
# With a dilation d the d * d phases are a leading dimension of everything: py, px below.
_BODY = """
  first = Constant <value_ints: ints = [0]> ()
  axis_1 = Constant <value_ints: ints = [1]> ()
  two = Constant <value_ints: ints = [2]> ()
  axis_4 = Constant <value_ints: ints = [4]> ()
  rest = Constant <value_ints: ints = [-1]> ()
  index_zero = Constant <value_int: int = 0> ()
  index_one = Constant <value_int: int = 1> ()
  index_two = Constant <value_int: int = 2> ()
  zero = Constant <value_float: float = 0.0> ()
  minus_two = Constant <value_float: float = -2.0> ()
  barred = Constant <value_float: float = 1e30> ()
  barred_limit = Constant <value_float: float = 5e29> ()
  no_candidate = Constant <value_float: float = 5e4> ()
  unused_below = Constant <value: tensor = int32 {0}> ()
  outside = Constant <value: tensor = int32 {-1}> ()
  window_radii = Constant <value_ints: ints = @windows> ()
  step_scalar = Constant <value_int: int = @dilation> ()

  # sizes: a phase is height x width, padded by the radius for keys and labels
  step = Reshape (step_scalar, axis_1)
  radii = Div (window_radii, step)
  radius = ReduceMax <keepdims: int = 1> (radii)
  diameter = Mul (radius, two)
  side = Add (diameter, axis_1)
  channels = Shape <start: int = 0, end: int = 1> (query)
  grid_height = Shape <start: int = 1, end: int = 2> (query)
  grid_width = Shape <start: int = 2, end: int = 3> (query)
  step_rounding = Sub (step, axis_1)
  height_rounded = Add (grid_height, step_rounding)
  width_rounded = Add (grid_width, step_rounding)
  height = Div (height_rounded, step)
  width = Div (width_rounded, step)
  whole_height = Mul (height, step)
  whole_width = Mul (width, step)
  below = Sub (whole_height, grid_height)
  beside = Sub (whole_width, grid_width)
  key_width = Add (width, diameter)
  line = Add (key_width, axis_1)
  phases = Mul (step, step)

  # features -> query [py*px, height, width, C], keys [py*px, height+2r, C, width+2r]
  whole_pads = Concat <axis: int = 0> (first, first, first, first, below, beside)
  split_shape = Concat <axis: int = 0> (channels, height, step, width, step)
  query_32 = Cast <to: int = 1> (query)
  query_squares = Mul (query_32, query_32)
  query_norm = ReduceSum <keepdims: int = 0> (query_squares, first)
  query_scaled = Mul (query_32, minus_two)
  query_whole = Pad (query_scaled, whole_pads)
  query_split = Reshape (query_whole, split_shape)
  query_phases = Transpose <perm: ints = [2, 4, 1, 3, 0]> (query_split)
  pixels_shape = Concat <axis: int = 0> (phases, height, width, channels)
  pixels = Reshape (query_phases, pixels_shape)
  previous_32 = Cast <to: int = 1> (previous)
  previous_whole = Pad (previous_32, whole_pads)
  previous_split = Reshape (previous_whole, split_shape)
  previous_phases = Transpose <perm: ints = [2, 4, 1, 0, 3]> (previous_split)
  keys_shape = Concat <axis: int = 0> (phases, height, channels, width)
  keys_inner = Reshape (previous_phases, keys_shape)
  key_pads = Concat <axis: int = 0> (first, radius, first, radius, first, radius, first, radius)
  keys = Pad (keys_inner, key_pads)

  # labels -> bias [py*px, height+2r, R, width, side]
  label_whole_pads = Concat <axis: int = 0> (first, first, below, beside)
  labels_whole = Pad (labels, label_whole_pads, outside)
  label_split_shape = Concat <axis: int = 0> (height, step, width, step)
  labels_split = Reshape (labels_whole, label_split_shape)
  labels_phases = Transpose <perm: ints = [1, 3, 0, 2]> (labels_split)
  labels_shape = Concat <axis: int = 0> (phases, height, axis_1, width)
  labels_inner = Reshape (labels_phases, labels_shape)
  key_labels = Pad (labels_inner, key_pads, outside)
  row_column = Unsqueeze (rows, axis_1)
  same_label = Equal (key_labels, row_column)
  used = GreaterOrEqual (row_column, unused_below)
  own = And (same_label, used)
  key_squares = Mul (keys, keys)
  key_norm = ReduceSum <keepdims: int = 1> (key_squares, two)
  bias = Where (own, key_norm, barred)
  width_scalar = Squeeze (width)
  side_scalar = Squeeze (side)
  x = Range (index_zero, width_scalar, index_one)
  offset = Range (index_zero, side_scalar, index_one)
  x_column = Unsqueeze (x, axis_1)
  neighbour = Add (x_column, offset)
  neighbour_bias = Gather <axis: int = 3> (bias, neighbour)

  # steps 0, -1, +1, -2, +2, ...; the minimum of steps 0 .. 2a covers all rows within a
  line_start = Mul (x_column, line)
  diagonal = Add (line_start, offset)
  flat_shape = Constant <value_ints: ints = [0, 0, -1]> ()
  row_count = Shape (rows)
  best_shape = Concat <axis: int = 0> (phases, height, row_count, width, side)
  worst = Expand (barred, best_shape)
  unused_best, nested = Scan <num_scan_inputs: int = 1, body = match_offset (best, turn) => (
      float[?, ?, ?, ?, ?] better, float[?, ?, ?, ?] window
    ) {
    turn_next = Add (turn, index_one)
    reach_scalar = Div (turn_next, index_two)
    reach = Reshape (reach_scalar, axis_1)
    is_upward = Mod (turn, index_two)
    twice_upward = Mul (is_upward, index_two)
    sign = Sub (index_one, twice_upward)
    vertical = Mul (reach, sign)
    top = Add (radius, vertical)
    bottom = Add (top, height)
    key_rows = Slice (keys, top, bottom, axis_1)
    product = MatMul (pixels, key_rows)
    flat_product = Reshape (product, flat_shape)
    near = Gather <axis: int = 2> (flat_product, diagonal)
    near_rows = Unsqueeze (near, two)
    offset_bias = Slice (neighbour_bias, top, bottom, axis_1)
    score = Add (near_rows, offset_bias)
    better = Min (best, score)
    left = Sub (radius, reach)
    right = Add (radius, reach)
    right_end = Add (right, axis_1)
    middle = Slice (better, left, right_end, axis_4)
    window = ReduceMin <axes: ints = [4], keepdims: int = 0> (middle)
  }> (worst, offset)

  # nested [side, py*px, height, R, width] -> distances [R, K, h, w]
  last_turn = Mul (radii, two)
  chosen = Gather <axis: int = 0> (nested, last_turn)
  chosen_shape = Concat <axis: int = 0> (rest, step, step, height, row_count, width)
  chosen_phases = Reshape (chosen, chosen_shape)
  woven = Transpose <perm: ints = [4, 0, 3, 1, 5, 2]> (chosen_phases)
  woven_shape = Concat <axis: int = 0> (row_count, rest, whole_height, whole_width)
  whole_scores = Reshape (woven, woven_shape)
  ends = Concat <axis: int = 0> (grid_height, grid_width)
  origin = Constant <value_ints: ints = [0, 0]> ()
  grid_axes = Constant <value_ints: ints = [2, 3]> ()
  scores = Slice (whole_scores, origin, ends, grid_axes)
  distance = Add (scores, query_norm)
  clamped = Max (distance, zero)
  is_empty = Greater (scores, barred_limit)
  distances = Where (is_empty, no_candidate, clamped)
"""

LOCAL_MATCHING = Operator(
    name="LocalMatching",
    inputs=(
        Port("query", FEATURES, ("C", "h", "w"), "embedding of the current frame"),
        Port("previous", FEATURES, ("C", "h", "w"), "embedding of the previous frame"),
        Port("labels", LABELS, ("h", "w"), "labels of the previous frame"),
        Port("rows", LABELS, ("R",), "label of each row, -1 for an unused one"),
    ),
    outputs=(Port("distances", ("float32",), ("R", "K", "h", "w"), "least squared distance, 5e4 if none"),),
    attributes=(
        Attribute("windows", "ints", "radii in pixels; output channel k belongs to windows[k]"),
        Attribute("dilation", "int", "offsets are multiples of it", default=1),
    ),
    body=_BODY,
    compute=_compute,
)
