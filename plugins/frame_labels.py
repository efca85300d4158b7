"""FrameProbabilities and FrameLabels: from the logits of rows to a frame of its own size.

Both enlarge the logits first (bilinear, aligned corners); then one takes the softmax over the rows and the
other the id of the row that is ahead. Written out they are a dozen nodes, each of which reads and writes an
array of the frame's size for every row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vosrt.plugins.axis_lengths import CONSTANTS, axis_lengths, size_of
from vosrt.plugins.operator import Operator, Port

if TYPE_CHECKING:
    from torch import Tensor


def frame_probabilities(logits: Tensor, canvas: Tensor) -> Tensor:
    """Enlarge logits and take their softmax over the rows.

    While `torch.onnx.export(dynamo=True)` runs, this writes one `vosrt::FrameProbabilities` node instead.

    Args:
        logits: `[R, h, w]`, float32.
        canvas: `[H, W]`; only its shape is used.

    Returns:
        `[R, H, W]`.

    Raises:
        ValueError: there is no row.
    """
    import torch

    if torch.onnx.is_in_onnx_export():
        return FRAME_PROBABILITIES.emit([logits, size_of(canvas)], [logits.shape[0], *canvas.shape])
    _check(logits)
    return _probabilities(logits, canvas.shape[0], canvas.shape[1])


def frame_labels(logits: Tensor, canvas: Tensor, rows: Tensor) -> Tensor:
    """Enlarge logits and name the first row with the greatest one.

    While `torch.onnx.export(dynamo=True)` runs, this writes one `vosrt::FrameLabels` node instead.

    Args:
        logits: `[R, h, w]`, float32.
        canvas: `[H, W]`; only its shape is used.
        rows: int32 `[R]`, the ids.

    Returns:
        int32 `[H, W]`.

    Raises:
        ValueError: there is no row, or not one id for each.
    """
    import torch

    if torch.onnx.is_in_onnx_export():
        return FRAME_LABELS.emit([logits, size_of(canvas), rows], canvas.shape, dtype=torch.int32)
    _check(logits)
    if rows.shape != logits.shape[:1]:
        raise ValueError(f"frame_labels needs rows [{logits.shape[0]}], got {tuple(rows.shape)}")
    return _labels(logits, canvas.shape[0], canvas.shape[1], rows)


def linear_matrix(source: int, target: int, like: Tensor) -> Tensor:
    """Bilinear weights with aligned corners.

    Args:
        source: length of the axis before.
        target: length of the axis after.
        like: a tensor whose dtype and device the result takes.

    Returns:
        `[target, source]`; every row sums to one.
    """
    import torch

    distance = aligned_distance(source, target, like, margin=0)  # [target, source]
    return torch.clamp(1.0 - distance, min=0.0)


def aligned_distance(source: int, target: int, like: Tensor, margin: int) -> Tensor:
    """|position of each target pixel - each source pixel|, `[target, source + 2 * margin]`."""
    import torch

    steps = torch.arange(target, device=like.device).to(like.dtype)
    last = torch.ones_like(steps[:1]) * (target - 1)
    position = steps * (torch.ones_like(last) * (source - 1) / torch.clamp(last, min=1.0))
    pixels = (torch.arange(source + 2 * margin, device=like.device) - margin).to(like.dtype)
    return (position.unsqueeze(1) - pixels.unsqueeze(0)).abs()


def _check(logits: Tensor) -> None:
    if logits.ndim != 3 or logits.shape[0] == 0:
        raise ValueError(f"logits are [R, h, w] with a row at least, got {tuple(logits.shape)}")


def _enlarged(logits: Tensor, height: int, width: int) -> Tensor:
    import torch

    across = linear_matrix(logits.shape[2], width, logits)
    down = linear_matrix(logits.shape[1], height, logits)
    return torch.matmul(down, torch.matmul(logits, across.transpose(0, 1)))


def _probabilities(logits: Tensor, height: int, width: int) -> Tensor:
    import torch

    enlarged = _enlarged(logits, height, width)
    # Written out: ONNX Runtime's own softmax would turn the array around and back.
    weights = torch.exp(enlarged - enlarged.amax(0, keepdim=True))
    return weights / weights.sum(0, keepdim=True)


def _labels(logits: Tensor, height: int, width: int, rows: Tensor) -> Tensor:
    ahead = _enlarged(logits, height, width).argmax(0)
    return rows.index_select(0, ahead.flatten()).reshape(height, width)


def _compute_probabilities(logits: Tensor, size: Tensor) -> Tensor:
    return _probabilities(logits, int(size[0]), int(size[1]))


def _compute_labels(logits: Tensor, size: Tensor, rows: Tensor) -> Tensor:
    return _labels(logits, int(size[0]), int(size[1]), rows)


_AXIS = """
  @axis_last = Sub (@axis_size_32, one)
  @axis_target_last = Sub (@axis_target_32, one)
  @axis_divisor = Max (@axis_target_last, one)
  @axis_factor = Div (@axis_last, @axis_divisor)
  @axis_position = Mul (@axis_steps_32, @axis_factor)
  @axis_sources = Squeeze (@axis_size)
  @axis_pixels = Range (zero_scalar, @axis_sources, one_scalar)
  @axis_pixels_32 = Cast <to: int = 1> (@axis_pixels)
"""
# Weights are [H, h] and [w, W]: no transposed product.
_ENLARGED = f"""
  {CONSTANTS}
  one = Constant <value_floats: floats = [1.0]> ()
  nothing = Constant <value_floats: floats = [0.0]> ()
  {axis_lengths("down", 1, "logits")}
  {_AXIS.replace("@axis", "down")}
  {axis_lengths("across", 2, "logits")}
  {_AXIS.replace("@axis", "across")}
  down_positions = Unsqueeze (down_position, whole_one)
  down_apart = Sub (down_positions, down_pixels_32)
  down_distance = Abs (down_apart)
  down_near = Sub (one, down_distance)
  down_weights = Max (down_near, nothing)
  across_columns = Unsqueeze (across_pixels_32, whole_one)
  across_apart = Sub (across_position, across_columns)
  across_distance = Abs (across_apart)
  across_near = Sub (one, across_distance)
  across_weights = Max (across_near, nothing)
  wide = MatMul (logits, across_weights)
  enlarged = MatMul (down_weights, wide)
"""
_LOGITS = Port("logits", ("float32",), ("R", "h", "w"), "of the rows")
_SIZE = Port("size", ("int64",), ("2",), "H and W")

FRAME_PROBABILITIES = Operator(
    name="FrameProbabilities",
    inputs=(_LOGITS, _SIZE),
    outputs=(Port("probabilities", ("float32",), ("R", "H", "W"), "of the rows; they sum to one"),),
    attributes=(),
    body=f"""{_ENLARGED}
  axis_0 = Constant <value_ints: ints = [0]> ()
  greatest = ReduceMax <axes: ints = [0], keepdims: int = 1> (enlarged)
  below = Sub (enlarged, greatest)
  weights = Exp (below)
  total = ReduceSum <keepdims: int = 1> (weights, zero)
  probabilities = Div (weights, total)
""",
    compute=_compute_probabilities,
)

FRAME_LABELS = Operator(
    name="FrameLabels",
    inputs=(_LOGITS, _SIZE, Port("rows", ("int32",), ("R",), "the ids of the rows")),
    outputs=(Port("labels", ("int32",), ("H", "W"), "id of the first row with the greatest logit"),),
    attributes=(),
    body=f"""{_ENLARGED}
  ahead = ArgMax <axis: int = 0, keepdims: int = 0> (enlarged)
  labels = Gather <axis: int = 0> (rows, ahead)
""",
    compute=_compute_labels,
)
