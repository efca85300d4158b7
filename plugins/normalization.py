"""GroupNorm, GroupNormRelu and ChannelGate: what lies between the convolutions of an ensembler."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vosrt.plugins.operator import FEATURES, Attribute, Operator, Port

if TYPE_CHECKING:
    from torch import Tensor

EPSILON = 1e-5


def group_norm(maps: Tensor, gain: Tensor, shift: Tensor, *, groups: int) -> Tensor:
    """Group norm (Wu and He, "Group Normalization", ECCV 2018), sums in float32.

    While `torch.onnx.export(dynamo=True)` runs, this writes one `vosrt::GroupNorm` node instead.

    Args:
        maps: `[n, C, h, w]`; float16, float32 or float64.
        gain: float32 `[C]`.
        shift: float32 `[C]`.
        groups: divides C.

    Returns:
        `[n, C, h, w]` of the maps' type.

    Raises:
        ValueError: the shapes do not fit together.
    """
    import torch

    if torch.onnx.is_in_onnx_export():
        return GROUP_NORM.emit([maps, gain, shift], list(maps.shape), groups=groups)
    channels = maps.shape[1] if maps.ndim == 4 else 0
    if channels == 0 or gain.shape != (channels,) or shift.shape != (channels,) or channels % groups:
        raise ValueError(
            f"group_norm needs maps [n, C, h, w] with C a multiple of {groups}, gain and shift [C], "
            f"got {tuple(maps.shape)}, {tuple(gain.shape)} and {tuple(shift.shape)}"
        )
    return _normalise(maps, gain, shift, groups=groups)


def channel_gate(maps: Tensor, alpha: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    """Gated channel transformation (Yang et al., CVPR 2020), sums in float32.

    `y = x * (1 + tanh(s * g + beta))` with `s = alpha * |x|_2` per channel (the square root of a
    sum over space, not of a mean) and `g = gamma / rms_c(s)`.

    While `torch.onnx.export(dynamo=True)` runs, this writes one `vosrt::ChannelGate` node instead.

    Args:
        maps: `[n, C, h, w]`; float16, float32 or float64.
        alpha: float32 `[C]`, as the next two.
        gamma: of the gate.
        beta: of the gate.

    Returns:
        `[n, C, h, w]` of the maps' type.

    Raises:
        ValueError: the shapes do not fit together.
    """
    import torch

    if torch.onnx.is_in_onnx_export():
        return CHANNEL_GATE.emit([maps, alpha, gamma, beta], list(maps.shape))
    channels = maps.shape[1:2]
    if maps.ndim != 4 or not alpha.shape == gamma.shape == beta.shape == channels:
        raise ValueError(
            f"channel_gate needs maps [n, C, h, w] and alpha, gamma and beta [C], got {tuple(maps.shape)}, "
            f"{tuple(alpha.shape)}, {tuple(gamma.shape)} and {tuple(beta.shape)}"
        )
    return _open_gates(maps, alpha, gamma, beta)


def _normalise(maps: Tensor, gain: Tensor, shift: Tensor, *, groups: int) -> Tensor:
    import torch

    wide = maps if maps.dtype == torch.float64 else maps.float()
    gain, shift = gain.to(wide.dtype), shift.to(wide.dtype)
    return torch.nn.functional.group_norm(wide, groups, gain, shift, EPSILON).to(maps.dtype)


def _normalise_relu(maps: Tensor, gain: Tensor, shift: Tensor, *, groups: int) -> Tensor:
    return _normalise(maps, gain, shift, groups=groups).relu()


def _open_gates(maps: Tensor, alpha: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    import torch

    wide = maps if maps.dtype == torch.float64 else maps.float()
    alpha, gamma, beta = (each.to(wide.dtype).reshape(1, -1, 1, 1) for each in (alpha, gamma, beta))
    energy = (wide * wide).sum(3, keepdim=True).sum(2, keepdim=True) + EPSILON
    strength = alpha * torch.sqrt(energy)  # [n, C, 1, 1]
    mean_square = (strength * strength).mean(1, keepdim=True) + EPSILON
    gate = 1.0 + torch.tanh(strength * (gamma / torch.sqrt(mean_square)) + beta)
    return (wide * gate).to(maps.dtype)


# Means go over rows first, then over their means: some executors add up one number at a time, which over
# 200,000 numbers in one go costs two digits.
_NORM = """
  axis_1 = Constant <value_ints: ints = [1]> ()
  axis_2 = Constant <value_ints: ints = [2]> ()
  axis_3 = Constant <value_ints: ints = [3]> ()
  same = Constant <value_ints: ints = [0]> ()
  rest = Constant <value_ints: ints = [-1]> ()
  epsilon = Constant <value_float: float = 1e-5> ()
  group_number = Constant <value_int: int = @groups> ()
  group_count = Reshape (group_number, axis_1)
  channel_count = Shape (gain)
  member_count = Div (channel_count, group_count)
  by_group = Concat <axis: int = 0> (same, group_count, member_count, axis_1)
  by_member = Concat <axis: int = 0> (axis_1, axis_1, member_count, axis_1)
  by_channel = Concat <axis: int = 0> (same, channel_count, axis_1, axis_1)
  of_channel = Concat <axis: int = 0> (axis_1, channel_count, axis_1, axis_1)

  maps_32 = Cast <to: int = 1> (maps)
  row_means = ReduceMean <axes: ints = [3], keepdims: int = 1> (maps_32)
  channel_means = ReduceMean <axes: ints = [2], keepdims: int = 1> (row_means)
  member_means = Reshape (channel_means, by_group)
  group_means = ReduceMean <axes: ints = [2], keepdims: int = 1> (member_means)
  spread_means = Expand (group_means, by_member)
  means = Reshape (spread_means, by_channel)
  centred = Sub (maps_32, means)
  squares = Mul (centred, centred)
  row_squares = ReduceMean <axes: ints = [3], keepdims: int = 1> (squares)
  channel_squares = ReduceMean <axes: ints = [2], keepdims: int = 1> (row_squares)
  member_squares = Reshape (channel_squares, by_group)
  variance = ReduceMean <axes: ints = [2], keepdims: int = 1> (member_squares)
  safe_variance = Add (variance, epsilon)
  deviation = Sqrt (safe_variance)
  spread_deviation = Expand (deviation, by_member)
  deviations = Reshape (spread_deviation, by_channel)
  gains = Reshape (gain, of_channel)
  shifts = Reshape (shift, of_channel)
  factors = Div (gains, deviations)
  scaled = Mul (centred, factors)
  shifted = Add (scaled, shifts)
"""

_GATE = """
  axis_1 = Constant <value_ints: ints = [1]> ()
  axis_2 = Constant <value_ints: ints = [2]> ()
  axis_3 = Constant <value_ints: ints = [3]> ()
  rest = Constant <value_ints: ints = [-1]> ()
  epsilon = Constant <value_float: float = 1e-5> ()
  one = Constant <value_float: float = 1.0> ()
  of_channel = Concat <axis: int = 0> (axis_1, rest, axis_1, axis_1)
  alphas = Reshape (alpha, of_channel)
  gammas = Reshape (gamma, of_channel)
  betas = Reshape (beta, of_channel)

  maps_32 = Cast <to: int = 1> (maps)
  squares = Mul (maps_32, maps_32)
  row_sums = ReduceSum <keepdims: int = 1> (squares, axis_3)
  sums = ReduceSum <keepdims: int = 1> (row_sums, axis_2)
  energy = Add (sums, epsilon)
  root = Sqrt (energy)
  strength = Mul (alphas, root)
  strength_squares = Mul (strength, strength)
  mean_square = ReduceMean <axes: ints = [1], keepdims: int = 1> (strength_squares)
  safe_square = Add (mean_square, epsilon)
  usual = Sqrt (safe_square)
  relative = Div (gammas, usual)
  weighted = Mul (strength, relative)
  opening = Add (weighted, betas)
  bounded = Tanh (opening)
  gate = Add (one, bounded)
  gated = Mul (maps_32, gate)
  result = CastLike (gated, maps)
"""

_MAPS = Port("maps", FEATURES, ("n", "C", "h", "w"), "of a convolution")
_RESULT = Port("result", FEATURES, ("n", "C", "h", "w"), "of the maps' type")
_GROUPS = Attribute("groups", "int", "groups of channels that are normed together")


def _per_channel(name: str) -> Port:
    return Port(name, ("float32",), ("C",), "of each channel")


GROUP_NORM = Operator(
    name="GroupNorm",
    inputs=(_MAPS, _per_channel("gain"), _per_channel("shift")),
    outputs=(_RESULT,),
    attributes=(_GROUPS,),
    body=_NORM + "  result = CastLike (shifted, maps)\n",
    compute=_normalise,
)
GROUP_NORM_RELU = Operator(  # export writes it where a ReLU alone reads a GroupNorm
    name="GroupNormRelu",
    inputs=GROUP_NORM.inputs,
    outputs=GROUP_NORM.outputs,
    attributes=GROUP_NORM.attributes,
    body=_NORM + "  positive = Relu (shifted)\n  result = CastLike (positive, maps)\n",
    compute=_normalise_relu,
)
CHANNEL_GATE = Operator(
    name="ChannelGate",
    inputs=(_MAPS, _per_channel("alpha"), _per_channel("gamma"), _per_channel("beta")),
    outputs=(_RESULT,),
    attributes=(),
    body=_GATE,
    compute=_open_gates,
)
