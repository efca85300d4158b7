"""What resizing operators share: their input `size`, and the nodes that their bodies begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

CONSTANTS = """
  zero = Constant <value_ints: ints = [0]> ()
  whole_one = Constant <value_ints: ints = [1]> ()
  whole_two = Constant <value_ints: ints = [2]> ()
  zero_scalar = Constant <value_int: int = 0> ()
  one_scalar = Constant <value_int: int = 1> ()
"""
_BOUNDS = ("zero", "whole_one", "whole_two")
_NODES = """
  @axis_size = Shape <start: int = @number, end: int = @next> (@source)
  @axis_target = Slice (size, @start, @end, zero)
  @axis_count = Squeeze (@axis_target)
  @axis_steps = Range (zero_scalar, @axis_count, one_scalar)
  @axis_steps_32 = Cast <to: int = 1> (@axis_steps)
  @axis_size_32 = Cast <to: int = 1> (@axis_size)
  @axis_target_32 = Cast <to: int = 1> (@axis_target)
"""


def size_of(canvas: Tensor) -> Tensor:
    """The shape `[2]` of a canvas `[H, W]`, int64, while an export traces it."""
    import torch

    return torch.stack([torch.scalar_tensor(side, dtype=torch.int64) for side in canvas.shape])


def axis_lengths(name: str, number: int, source: str) -> str:
    """Lengths of an axis before and after, and the places after, in ONNX' text format.

    The nodes need `CONSTANTS`. They make `<name>_size`, `<name>_target` and `<name>_steps`, int64 `[1]`,
    `[1]` and `[target]`, and float32 copies whose names end in `_32`.

    Args:
        name: of the axis, which the names of values begin with.
        number: of the axis of `source`, 1 or 2; its length after is `size[number - 1]`.
        source: what is resized.
    """
    text = _NODES.replace("@axis", name).replace("@number", str(number)).replace("@next", str(number + 1))
    text = text.replace("@start", _BOUNDS[number - 1]).replace("@end", _BOUNDS[number])
    return text.replace("@source", source)
