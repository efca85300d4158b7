"""SeparableResize: maps resized along both axes by a matrix for each.

A row of such a matrix has two or four weights that are not zero, side by side. As matrix products they are
multiplied with all the zeros, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vosrt.plugins.operator import Operator, Port

if TYPE_CHECKING:
    from torch import Tensor


def separable_resize(maps: Tensor, height_matrix: Tensor, width_matrix: Tensor) -> Tensor:
    """Resize the last two axes.

    While `torch.onnx.export(dynamo=True)` runs, this writes one `vosrt::SeparableResize` node instead.

    Args:
        maps: `[n, C, h, w]`, float32.
        height_matrix: `[H, h]`.
        width_matrix: `[W, w]`.

    Returns:
        `[n, C, H, W]`.
    """
    import torch

    if torch.onnx.is_in_onnx_export():
        shape = [*maps.shape[:2], height_matrix.shape[0], width_matrix.shape[0]]
        return SEPARABLE_RESIZE.emit([maps, height_matrix, width_matrix], shape)
    return torch.matmul(height_matrix, torch.matmul(maps, width_matrix.transpose(0, 1)))


SEPARABLE_RESIZE = Operator(
    name="SeparableResize",
    inputs=(
        Port("maps", ("float32",), ("n", "C", "h", "w"), "any number of images"),
        Port("height_matrix", ("float32",), ("H", "h"), "weights of the lines that each new line is made of"),
        Port("width_matrix", ("float32",), ("W", "w"), "weights of the columns that each new one is made of"),
    ),
    outputs=(Port("resized", ("float32",), ("n", "C", "H", "W"), "columns are made first, then lines"),),
    attributes=(),
    body="""
      turned = Transpose <perm: ints = [1, 0]> (width_matrix)
      wide = MatMul (maps, turned)
      resized = MatMul (height_matrix, wide)
    """,
    compute=separable_resize,
    has_plugin=False,
)
