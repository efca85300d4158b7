"""Convolution3x3: the convolution that networks spend most of their time in, under a name of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vosrt.plugins.operator import Operator, Port

if TYPE_CHECKING:
    from torch import Tensor


def convolution_3x3(image: Tensor, weights: Tensor, bias: Tensor) -> Tensor:
    """Convolve with stride 1 and one pixel of zeros around the image.

    While `torch.onnx.export(dynamo=True)` runs, this writes one `vosrt::Convolution3x3` node instead.

    Args:
        image: `[n, Ci, h, w]`, float32.
        weights: `[Co, Ci, 3, 3]`.
        bias: `[Co]`.

    Returns:
        `[n, Co, h, w]`.

    Raises:
        ValueError: the weights are no 3x3 kernels.
    """
    import torch

    if torch.onnx.is_in_onnx_export():
        shape = [image.shape[0], weights.shape[0], *image.shape[2:]]
        return CONVOLUTION_3X3.emit([image, weights, bias], shape)
    if weights.ndim != 4 or weights.shape[2:] != (3, 3):
        raise ValueError(f"convolution_3x3 needs weights [Co, Ci, 3, 3], got {tuple(weights.shape)}")
    return torch.nn.functional.conv2d(image, weights, bias, padding=1)


CONVOLUTION_3X3 = Operator(
    name="Convolution3x3",
    inputs=(
        Port("image", ("float32",), ("n", "Ci", "h", "w"), "any number of images"),
        Port("weights", ("float32",), ("Co", "Ci", "3", "3"), "best a constant: they are transformed once"),
        Port("bias", ("float32",), ("Co",), "added to every output"),
    ),
    outputs=(Port("convolved", ("float32",), ("n", "Co", "h", "w"), "stride 1, zeros around the image"),),
    attributes=(),
    body="""
      convolved = Conv <kernel_shape: ints = [3, 3], pads: ints = [1, 1, 1, 1]> (image, weights, bias)
    """,
    compute=convolution_3x3,
    has_plugin=False,
)
