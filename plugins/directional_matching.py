"""DirectionalMatching: how well each pixel's direction fits an object's best reference pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vosrt.plugins.operator import FEATURES, LABELS, Operator, Port

if TYPE_CHECKING:
    from torch import Tensor


def directional_matching(query: Tensor, bank: Tensor, weights: Tensor, valid: Tensor) -> Tensor:
    """Largest weighted cosine over an object's reference pixels, by class.

    The global directional matching of Fiaz, Mahmood and Jung, "Video Object Segmentation using Guided Feature
    and Directional Deep Appearance Learning", DAVIS challenge 2020, equations 1 and 2: with unit vectors the
    products are cosines. They depend on no object, so each slot's are computed once for all rows and classes.

    While `torch.onnx.export(dynamo=True)` runs, this writes one `vosrt::DirectionalMatching` node instead.

    Args:
        query: `[C, N]`, unit vectors of the current frame; float16, float32 or float64.
        bank: `[S, C, M]`, unit vectors of S reference frames.
        weights: `[n, k, S, M]`, how much each reference pixel belongs to each of k classes, for n objects.
        valid: int32 or bool `[n, S]`, not 0 where a slot is a reference of the object. Whatever another slot
            holds, it is not looked at.

    Returns:
        `[n, k, N]`, the largest weight times cosine; zeros for a row without a valid slot; NaN where the
        query is NaN, while compiled operators pass over NaN in bank and weights. float32, or float64 for a
        float64 query.

    Raises:
        ValueError: the shapes do not fit together.
    """
    import torch

    if torch.onnx.is_in_onnx_export():
        shape = [weights.shape[0], weights.shape[1], query.shape[1]]
        return DIRECTIONAL_MATCHING.emit([query, bank, weights, valid.to(torch.int32)], shape)
    if query.ndim != 2 or bank.ndim != 3 or bank.shape[1] != query.shape[0]:
        raise ValueError(
            "directional_matching needs a query [C, N] and a bank [S, C, M], "
            f"got {tuple(query.shape)} and {tuple(bank.shape)}"
        )
    slots, _, pixels = bank.shape
    if weights.ndim != 4 or weights.shape[2:] != (slots, pixels) or valid.shape != (len(weights), slots):
        raise ValueError(
            f"directional_matching needs weights [n, k, {slots}, {pixels}] and valid [n, {slots}], "
            f"got {tuple(weights.shape)} and {tuple(valid.shape)}"
        )
    return _compute(query, bank, weights, valid)


def _compute(query: Tensor, bank: Tensor, weights: Tensor, valid: Tensor) -> Tensor:
    import torch

    dtype = torch.float64 if query.dtype == torch.float64 else torch.float32
    query, bank, weights = (tensor.to(dtype) for tensor in (query, bank, weights))
    found: list[list[Tensor]] = [[] for _ in range(len(weights))]
    for slot in range(len(bank)):
        rows = torch.nonzero(valid[:, slot]).flatten().tolist()
        if not rows:
            continue
        cosines = bank[slot].T @ query  # [M, N]
        for row in rows:
            maxima = [(weight[:, None] * cosines).amax(0) for weight in weights[row, :, slot]]
            found[row].append(torch.stack(maxima))
    nothing = query.new_zeros(weights.shape[1], query.shape[1])
    scores = [torch.stack(slots).amax(0) if slots else nothing for slots in found]
    return torch.stack(scores) if scores else query.new_zeros(0, *nothing.shape)


# Slots > rows and classes. A slot's cosines [M, N] are the largest thing that is stored. Slots that are not
# valid for a row are computed and not taken: rows share the product, and it is what a slot costs.
_BODY = """
  axis_0 = Constant <value_ints: ints = [0]> ()
  axis_1 = Constant <value_ints: ints = [1]> ()
  flat = Constant <value_ints: ints = [-1]> ()
  yes = Constant <value: tensor = bool {1}> ()
  zero = Constant <value_float: float = 0.0> ()
  lowest = Constant <value_float: float = -3e38> ()
  low = Constant <value_float: float = -1e38> ()

  row_count = Shape <start: int = 0, end: int = 1> (weights)
  class_count = Shape <start: int = 1, end: int = 2> (weights)
  pixel_count = Shape <start: int = 2, end: int = 3> (bank)
  count = Shape <start: int = 1, end: int = 2> (query)
  line_count = Mul (row_count, class_count)
  lines = Squeeze (line_count)
  line_shape = Concat <axis: int = 0> (line_count, pixel_count)
  score_shape = Concat <axis: int = 0> (row_count, class_count, count)
  flag_shape = Concat <axis: int = 0> (row_count, axis_1, axis_1)
  column = Concat <axis: int = 0> (pixel_count, axis_1)
  slot_count = Shape <start: int = 0, end: int = 1> (bank)
  slots = Squeeze (slot_count)
  query_32 = Cast <to: int = 1> (query)
  no_score = Expand (lowest, score_shape)
  best = Loop <body = read_slot (int64 slot, bool go_on, before) => (go_on_slots, better) {
    slot_bank = Gather <axis: int = 0> (bank, slot)
    bank_32 = Cast <to: int = 1> (slot_bank)
    pixels = Transpose <perm: ints = [1, 0]> (bank_32)
    cosines = MatMul (pixels, query_32)
    slot_weights = Gather <axis: int = 2> (weights, slot)
    weights_32 = Cast <to: int = 1> (slot_weights)
    line_weights = Reshape (weights_32, line_shape)
    line_scores = Loop <body = read_line (int64 line, bool go_on_lines) => (go_on_reading, score) {
      line_weight = Gather <axis: int = 0> (line_weights, line)
      weight = Reshape (line_weight, column)
      weighted = Mul (weight, cosines)
      score = ReduceMax <axes: ints = [0], keepdims: int = 0> (weighted)
      go_on_reading = Identity (go_on_lines)
    }> (lines, yes)
    scores = Reshape (line_scores, score_shape)
    slot_valid = Gather <axis: int = 1> (valid, slot)
    flags = Cast <to: int = 9> (slot_valid)
    is_valid = Reshape (flags, flag_shape)
    taken = Where (is_valid, scores, lowest)
    better = Max (before, taken)
    go_on_slots = Identity (go_on)
  }> (slots, yes, no_score)
  is_nothing = Less (best, low)
  matched = Where (is_nothing, zero, best)
"""

DIRECTIONAL_MATCHING = Operator(
    name="DirectionalMatching",
    inputs=(
        Port("query", FEATURES, ("C", "N"), "unit vectors of the current frame"),
        Port("bank", FEATURES, ("S", "C", "M"), "unit vectors of the reference frames"),
        Port("weights", FEATURES, ("n", "k", "S", "M"), "how much a pixel belongs to a class, by object"),
        Port("valid", LABELS, ("n", "S"), "not 0 where a slot is a reference of the object"),
    ),
    outputs=(Port("matched", ("float32",), ("n", "k", "N"), "zeros without a valid slot"),),
    attributes=(),
    body=_BODY,
    compute=_compute,
)
