"""Convolutions under names of their own: what networks spend most of their time in."""

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
    return _convolved(CONVOLUTION_3X3, 3, image, weights, bias)


def convolution_1x1(image: Tensor, weights: Tensor, bias: Tensor) -> Tensor:
    """Mix the channels of every pixel.

    While `torch.onnx.export(dynamo=True)` runs, this writes one `vosrt::Convolution1x1` node instead.

    Args:
        image: `[n, Ci, h, w]`, float32.
        weights: `[Co, Ci, 1, 1]`.
        bias: `[Co]`.

    Returns:
        `[n, Co, h, w]`.

    Raises:
        ValueError: the weights are no 1x1 kernels.
    """
    return _convolved(CONVOLUTION_1X1, 1, image, weights, bias)


def _convolved(operator: Operator, side: int, image: Tensor, weights: Tensor, bias: Tensor) -> Tensor:
    import torch

    if torch.onnx.is_in_onnx_export():
        shape = [image.shape[0], weights.shape[0], *image.shape[2:]]
        return operator.emit([image, weights, bias], shape)
    if weights.ndim != 4 or weights.shape[2:] != (side, side):
        raise ValueError(
            f"{operator.name} needs weights [Co, Ci, {side}, {side}], got {tuple(weights.shape)}"
        )
    return torch.nn.functional.conv2d(image, weights, bias, padding=side // 2)


def _operator(side: int, weights_note: str, *, relu: bool) -> Operator:
    name = f"Convolution{side}x{side}{'Relu' if relu else ''}"
    border = f", pads: ints = [{', '.join([str(side // 2)] * 4)}]" if side > 1 else ""
    convolution = f"Conv <kernel_shape: ints = [{side}, {side}]{border}> (image, weights, bias)"
    plain = {1: convolution_1x1, 3: convolution_3x3}[side]

    def rectified(image: Tensor, weights: Tensor, bias: Tensor) -> Tensor:
        return plain(image, weights, bias).clamp(min=0)

    return Operator(
        name=name,
        inputs=(
            Port("image", ("float32",), ("n", "Ci", "h", "w"), "any number of images"),
            Port("weights", ("float32",), ("Co", "Ci", str(side), str(side)), weights_note),
            Port("bias", ("float32",), ("Co",), "added to every output"),
        ),
        outputs=(Port("convolved", ("float32",), ("n", "Co", "h", "w"), "stride 1, zeros around the image"),),
        attributes=(),
        body=f"whole = {convolution}\n convolved = Relu (whole)" if relu else f"convolved = {convolution}",
        compute=rectified if relu else plain,
        has_plugin=False,
    )


CONVOLUTION_3X3 = _operator(3, "best a constant: they are transformed once", relu=False)
CONVOLUTION_3X3_RELU = _operator(3, "best a constant: they are transformed once", relu=True)
CONVOLUTION_1X1 = _operator(1, "best a constant: they are arranged once", relu=False)
CONVOLUTION_1X1_RELU = _operator(1, "best a constant: they are arranged once", relu=True)
