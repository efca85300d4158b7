"""LeastOther: of every row, the least value that all other rows have at that place.

Background matching maps are this of the foreground's (Yang, Wei, Yang, "Collaborative Video Object
Segmentation by Foreground-Background Integration", ECCV 2020, equation 2). Written out it is a dozen nodes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vosrt.plugins.operator import Operator, Port

if TYPE_CHECKING:
    from torch import Tensor


def least_other(maps: Tensor) -> Tensor:
    """Per row the least value of all *other* rows; a single row is returned as it is.

    While `torch.onnx.export(dynamo=True)` runs, this writes one `vosrt::LeastOther` node instead.

    Args:
        maps: `[R, K, h, w]`, float32, at most 3.

    Returns:
        as `maps`.
    """
    import torch

    if torch.onnx.is_in_onnx_export():
        return LEAST_OTHER.emit([maps], maps.shape)
    least = maps.amin(0, keepdim=True)
    is_least = maps == least
    is_only_least = is_least & (is_least.to(torch.float32).sum(0, keepdim=True) < 1.5)
    beyond = torch.full_like(maps, 4.0)
    second = torch.where(is_least, beyond, maps).amin(0, keepdim=True)
    second = torch.where(second > 3.0, least, second)  # no second row: the row itself
    return torch.where(is_only_least, second.expand_as(maps), least.expand_as(maps))


LEAST_OTHER = Operator(
    name="LeastOther",
    inputs=(Port("maps", ("float32",), ("R", "K", "h", "w"), "at most 3, as squashed distances are"),),
    outputs=(Port("least", ("float32",), ("R", "K", "h", "w"), "of all other rows; of one row, itself"),),
    attributes=(),
    body="""
      axis_0 = Constant <value: tensor = int64[1] {0}> ()
      one_and_a_half = Constant <value: tensor = float[1, 1, 1, 1] {1.5}> ()
      three = Constant <value: tensor = float[1, 1, 1, 1] {3.0}> ()
      four = Constant <value: tensor = float[1, 1, 1, 1] {4.0}> ()
      first = ReduceMin <axes: ints = [0], keepdims: int = 1> (maps)
      is_first = Equal (maps, first)
      flags = Cast <to: int = 1> (is_first)
      count = ReduceSum <keepdims: int = 1> (flags, axis_0)
      is_single = Less (count, one_and_a_half)
      is_only_first = And (is_first, is_single)
      rest = Where (is_first, four, maps)
      least_rest = ReduceMin <axes: ints = [0], keepdims: int = 1> (rest)
      is_none = Greater (least_rest, three)
      second = Where (is_none, first, least_rest)
      least = Where (is_only_first, second, first)
    """,
    compute=least_other,
)
