"""MemoryRead: what remembered frames hold where their keys resemble those of the current frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vosrt.plugins.operator import FEATURES, LABELS, Operator, Port
from vosrt.plugins.query_tiles import query_tiles

if TYPE_CHECKING:
    from torch import Tensor


def memory_read(query: Tensor, keys: Tensor, values: Tensor, valid: Tensor) -> Tensor:
    """Scaled dot-product read of each row's memory: softmax over all positions of all its valid slots.

    The read of Oh, Lee, Xu and Kim, "Video Object Segmentation using Space-Time Memory Networks", ICCV 2019,
    equations 1 and 2, with logits divided by sqrt(Ck). With K and V the row's valid slots side by side
    (`[Ck, S*N]`, `[Cv, S*N]`) the result is `V softmax(K^T query / sqrt(Ck))`, softmax over the memory.
    The memory is read slot by slot with a running maximum and sum; nothing of size T x N x N is stored, in
    training neither.

    While `torch.onnx.export(dynamo=True)` runs, this writes one `vosrt::MemoryRead` node instead.

    Args:
        query: `[Ck, N]`, keys of the current frame, the same for all rows; float16, float32 or float64.
        keys: `[n, T, Ck, N]`, keys of T remembered frames for each of n objects.
        values: `[n, T, Cv, N]`.
        valid: int32 or bool `[n, T]`, not 0 where the object reads the slot. Whatever another slot holds, it
            is not looked at and costs nothing.

    Returns:
        `[n, Cv, N]`; zeros for a row without a valid slot. float32, or float64 for a float64 query.

    Raises:
        ValueError: the shapes do not fit together.
    """
    import torch

    if torch.onnx.is_in_onnx_export():
        shape = [keys.shape[0], values.shape[2], query.shape[1]]
        return MEMORY_READ.emit([query, keys, values, valid.to(torch.int32)], shape)
    if query.ndim != 2 or keys.ndim != 4 or keys.shape[2:] != query.shape:
        raise ValueError(
            "memory_read needs a query [Ck, N] and keys [n, T, Ck, N], "
            f"got {tuple(query.shape)} and {tuple(keys.shape)}"
        )
    rows, slots, _, pixels = keys.shape
    is_readable = values.ndim == 4 and (*values.shape[:2], values.shape[3]) == (rows, slots, pixels)
    if not is_readable or valid.shape != keys.shape[:2]:
        raise ValueError(
            f"memory_read needs values [{rows}, {slots}, Cv, {pixels}] and valid [{rows}, {slots}], "
            f"got {tuple(values.shape)} and {tuple(valid.shape)}"
        )
    return _compute(query, keys, values, valid)


def _compute(query: Tensor, keys: Tensor, values: Tensor, valid: Tensor) -> Tensor:
    from vosrt.plugins.memory_read_torch import MemoryReadFunction

    return MemoryReadFunction.apply(query, keys, values, valid)


# Rows > query tiles > valid slots. The numbers of a row's valid slots are picked first, so the others cost
# nothing and cannot leak; the loops over rows and slots are Loops because ONNX Runtime's Scan refuses to run
# zero times. A slot is read as if it were the whole memory, with Softmax; its total weight is
# sum exp(s) = exp(max s) / max(softmax s), and slots are averaged by that weight, kept relative to the
# running maximum. Everything is laid out [query, memory], so that reductions run over the last axis, and
# Gemm reads the transposed weights without a copy.
# Measured at N = 1620, Ck = 128, Cv = 512, one object, one thread (AVX-512, median ms, T = 2 / T = 20): this
# form 33 / 324, of which the two products take 31 / 305; subtraction, Exp and ReduceSum in place of Softmax
# 34 / 334; reductions over the first axis 37 / -; two slots per step 34 / 342; query tiles of 128 to 512
# within 3 %, but up to 1.3 times slower with two threads on a busy machine. All weights at once: 40 / 440,
# or 36 / 356 laid out [query, memory]. Above the inputs this takes 61 MiB for any T, all weights at once
# 111 / 1003 MiB. So query tiles only bound memory at large frames: equal parts of at most 2048 pixels.
_BODY = """
  first = Constant <value_ints: ints = [0]> ()
  axis_1 = Constant <value_ints: ints = [1]> ()
  query_tile = Constant <value_ints: ints = [2048]> ()
  zero = Constant <value_float: float = 0.0> ()
  lowest = Constant <value_float: float = -3e38> ()
  yes = Constant <value: tensor = bool {1}> ()

  row_count = Shape <start: int = 0, end: int = 1> (keys)
  channels = Shape <start: int = 0, end: int = 1> (query)
  count = Shape <start: int = 1, end: int = 2> (query)
  value_channels = Shape <start: int = 2, end: int = 3> (values)

  # query -> query / sqrt(Ck) as [tiles, tile, Ck]
  query_32 = Cast <to: int = 1> (query)
  channels_32 = Cast <to: int = 1> (channels)
  root = Sqrt (channels_32)
  scaled = Div (query_32, root)
  @QUERY_TILES

  column = Concat <axis: int = 0> (tile, axis_1)
  line = Concat <axis: int = 0> (axis_1, tile)
  padded_shape = Concat <axis: int = 0> (value_channels, padded_count)
  tile_shape = Concat <axis: int = 0> (value_channels, tile)
  no_maximum = Expand (lowest, column)
  no_weight = Expand (zero, column)
  nothing = Expand (zero, tile_shape)
  rows = Squeeze (row_count)
  rows_read = Loop <body = read_row (int64 row, bool go_on) => (go_on_rows, row_read) {
    row_valid = Gather <axis: int = 0> (valid, row)
    is_valid = Cast <to: int = 9> (row_valid)
    valid_places = NonZero (is_valid)
    slots = Squeeze (valid_places, first)
    slot_count = Size (slots)
    row_index = Reshape (row, axis_1)
    tiles_read = Scan <num_scan_inputs: int = 1, body = read_tile (query_part) => (float[?, ?] tile_read) {
      end_maximum, end_weight, tile_read = Loop <body = read_slot (
        int64 step, bool go_on_reading, maximum, weight, mean
      ) => (go_on_slots, higher, total, better) {
        slot = Gather <axis: int = 0> (slots, step)
        slot_index = Reshape (slot, axis_1)
        place = Concat <axis: int = 0> (row_index, slot_index)
        slot_key = GatherND (keys, place)
        slot_value = GatherND (values, place)
        key = Cast <to: int = 1> (slot_key)
        value = Cast <to: int = 1> (slot_value)
        logits = MatMul (query_part, key)
        slot_maximum = ReduceMax <axes: ints = [1], keepdims: int = 1> (logits)
        shares = Softmax <axis: int = 1> (logits)
        largest_share = ReduceMax <axes: ints = [1], keepdims: int = 1> (shares)
        slot_read = Gemm <transB: int = 1> (value, shares)
        higher = Max (maximum, slot_maximum)
        old_drop = Sub (maximum, higher)
        old_factor = Exp (old_drop)
        old_weight = Mul (weight, old_factor)
        slot_drop = Sub (slot_maximum, higher)
        slot_factor = Exp (slot_drop)
        slot_weight = Div (slot_factor, largest_share)
        total = Add (old_weight, slot_weight)
        old_part = Div (old_weight, total)
        slot_part = Div (slot_weight, total)
        old_line = Reshape (old_part, line)
        slot_line = Reshape (slot_part, line)
        old_share = Mul (mean, old_line)
        slot_share = Mul (slot_read, slot_line)
        better = Add (old_share, slot_share)
        go_on_slots = Identity (go_on_reading)
      }> (slot_count, yes, no_maximum, no_weight, nothing)
    }> (query_tiles)
    channels_first = Transpose <perm: ints = [1, 0, 2]> (tiles_read)
    padded_read = Reshape (channels_first, padded_shape)
    row_read = Slice (padded_read, first, count, axis_1)
    go_on_rows = Identity (go_on)
  }> (rows, yes)

  # without rows the loop knows no shape
  read_shape = Concat <axis: int = 0> (row_count, value_channels, count)
  read = Reshape (rows_read, read_shape)
"""

MEMORY_READ = Operator(
    name="MemoryRead",
    inputs=(
        Port("query", FEATURES, ("Ck", "N"), "keys of the current frame"),
        Port("keys", FEATURES, ("n", "T", "Ck", "N"), "keys of the remembered frames"),
        Port("values", FEATURES, ("n", "T", "Cv", "N"), "values of the remembered frames"),
        Port("valid", LABELS, ("n", "T"), "not 0 where the object reads the slot"),
    ),
    outputs=(Port("read", ("float32",), ("n", "Cv", "N"), "mean value, zeros without a valid slot"),),
    attributes=(),
    body=_BODY.replace("@QUERY_TILES", query_tiles("scaled", "channels")),
    compute=_compute,
)
