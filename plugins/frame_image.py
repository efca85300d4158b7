"""FrameImage: a camera's frame as a network takes it: resized, normed, planes of colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vosrt.plugins.axis_lengths import CONSTANTS, axis_lengths, size_of
from vosrt.plugins.operator import Operator, Port

if TYPE_CHECKING:
    from torch import Tensor

CUBIC_A = -0.75  # Keys' parameter as OpenCV and PyTorch use it


def frame_image(frame: Tensor, canvas: Tensor, factor: Tensor, summand: Tensor) -> Tensor:
    """Resize a frame as `cv2.resize(..., INTER_CUBIC)` does it on float32, and norm its colours.

    While `torch.onnx.export(dynamo=True)` runs, this writes one `vosrt::FrameImage` node instead.

    Args:
        frame: uint8 `[1, H, W, 3]`.
        canvas: `[h, w]`; only its shape is used.
        factor: float32 `[3]`, of each colour.
        summand: float32 `[3]`, added to the product.

    Returns:
        float32 `[1, 3, h, w]`.

    Raises:
        ValueError: the shapes do not fit together.
    """
    import torch

    height, width = canvas.shape
    if torch.onnx.is_in_onnx_export():
        return FRAME_IMAGE.emit([frame, size_of(canvas), factor, summand], [1, 3, height, width])
    if (
        frame.ndim != 4
        or frame.shape[0] != 1
        or frame.shape[3] != 3
        or not factor.shape == summand.shape == (3,)
    ):
        raise ValueError(
            "frame_image needs a frame [1, H, W, 3], factor and summand [3], "
            f"got {tuple(frame.shape)}, {tuple(factor.shape)} and {tuple(summand.shape)}"
        )
    return _image(frame, height, width, factor, summand)


def _compute(frame: Tensor, size: Tensor, factor: Tensor, summand: Tensor) -> Tensor:
    return _image(frame, int(size[0]), int(size[1]), factor, summand)


def _image(frame: Tensor, height: int, width: int, factor: Tensor, summand: Tensor) -> Tensor:
    import torch

    dtype = torch.float64 if factor.dtype == torch.float64 else torch.float32
    resized = resize_frame(frame[0].to(dtype), height, width)
    return (resized * factor + summand).permute(2, 0, 1).unsqueeze(0).contiguous()


def resize_frame(frame: Tensor, height: int, width: int) -> Tensor:
    """Bicubic resize with half-pixel centres and replicated edges, neither smoothed nor clipped.

    Args:
        frame: `[H, W, 3]`, float.
        height: target height.
        width: target width.

    Returns:
        `[height, width, 3]`.
    """
    source_height, source_width, channels = frame.shape
    flat = frame.reshape(source_height, source_width * channels)
    rows = _sum_of_taps(flat, 0, source_height, height)
    return _sum_of_taps(rows.reshape(height, source_width, channels), 1, source_width, width)


def cubic_kernel(distance: Tensor) -> Tensor:
    """Keys' cubic convolution kernel of a non-negative distance, element by element."""
    import torch

    near = ((CUBIC_A + 2.0) * distance - (CUBIC_A + 3.0)) * distance * distance + 1.0
    far = CUBIC_A * (distance - 1.0) * (distance - 2.0) * (distance - 2.0)  # factored: no cancellation
    zero = torch.zeros_like(distance)
    return torch.where(distance <= 1.0, near, torch.where(distance < 2.0, far, zero))


def half_pixel_position(source: int, target: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Where every target pixel lies: the pixel before it, int64 `[target]`, and the way on from there.

    The position ((2i + 1) * source - target) / (2 * target) is kept as an integer fraction: as a float32
    number it would be off by 3e-5 pixels at the right edge of a wide frame.
    """
    import torch

    steps = torch.arange(target, device=like.device)
    one = torch.ones(1, device=like.device, dtype=torch.float32)
    position = (steps.to(torch.float32) + 0.5) * ((one * source) / (one * target)) - 0.5
    first = torch.floor(position).to(torch.int64)  # off by one at worst where the fraction is 0 or 1
    remainder = (2 * steps + 1) * source - target - first * (2 * target)
    fraction = remainder.to(like.dtype) / (torch.ones(1, device=like.device, dtype=like.dtype) * (2 * target))
    return first, fraction


def _sum_of_taps(image: Tensor, axis: int, source: int, target: int) -> Tensor:
    """One axis of the resize: four gathers, weighted and summed."""
    import torch

    shape = [1] * image.dim()
    shape[axis] = -1
    first, fraction = half_pixel_position(source, target, image)
    last = torch.ones_like(first) * (source - 1)
    result = None
    for offset in (-1, 0, 1, 2):
        index = torch.clamp(first + offset, min=0).minimum(last)
        tap = image.index_select(axis, index) * cubic_kernel((fraction - offset).abs()).reshape(shape)
        result = tap if result is None else result + tap
    assert result is not None
    return result


_TAP = """
  @tap_step = Constant <value_int: int = @offset> ()
  @tap_place = Add (@axis_first, @tap_step)
  @tap_lowest = Max (@tap_place, zero)
  @tap_index = Min (@tap_lowest, @axis_last)
  @tap_way = Constant <value_float: float = @offset.0> ()
  @tap_apart = Sub (@axis_fraction, @tap_way)
  @tap_distance = Abs (@tap_apart)
  @tap_near_0 = Mul (@tap_distance, near_factor)
  @tap_near_1 = Sub (@tap_near_0, near_less)
  @tap_near_2 = Mul (@tap_near_1, @tap_distance)
  @tap_near_3 = Mul (@tap_near_2, @tap_distance)
  @tap_near = Add (@tap_near_3, one)
  @tap_less_1 = Sub (@tap_distance, one)
  @tap_less_2 = Sub (@tap_distance, two)
  @tap_far_0 = Mul (@tap_less_1, keys)
  @tap_far_1 = Mul (@tap_far_0, @tap_less_2)
  @tap_far_2 = Mul (@tap_far_1, @tap_less_2)
  @tap_is_far = Less (@tap_distance, two)
  @tap_far = Where (@tap_is_far, @tap_far_2, nothing)
  @tap_is_near = LessOrEqual (@tap_distance, one)
  @tap_weights = Where (@tap_is_near, @tap_near, @tap_far)
  @tap_shaped = Reshape (@tap_weights, @axis_shape)
  @tap_taken = Gather <axis: int = @number> (@source, @tap_index)
  @tap_share = Mul (@tap_taken, @tap_shaped)
"""
_AXIS = """
  @axis_quotient = Div (@axis_size_32, @axis_target_32)
  @axis_centres = Add (@axis_steps_32, half)
  @axis_scaled = Mul (@axis_centres, @axis_quotient)
  @axis_position = Sub (@axis_scaled, half)
  @axis_floor = Floor (@axis_position)
  @axis_first = Cast <to: int = 7> (@axis_floor)
  @axis_twice = Mul (@axis_steps, whole_two)
  @axis_odd = Add (@axis_twice, whole_one)
  @axis_wide = Mul (@axis_odd, @axis_size)
  @axis_shifted = Sub (@axis_wide, @axis_target)
  @axis_double = Mul (@axis_target, whole_two)
  @axis_before = Mul (@axis_first, @axis_double)
  @axis_remainder = Sub (@axis_shifted, @axis_before)
  @axis_remainder_32 = Cast <to: int = 1> (@axis_remainder)
  @axis_double_32 = Cast <to: int = 1> (@axis_double)
  @axis_fraction = Div (@axis_remainder_32, @axis_double_32)
  @axis_last = Sub (@axis_size, whole_one)
  @taps
  @axis_ab = Add (@axis_a_share, @axis_b_share)
  @axis_abc = Add (@axis_ab, @axis_c_share)
  @axis_sum = Add (@axis_abc, @axis_d_share)
"""


def _axis(name: str, number: int, source: str) -> str:
    taps = "".join(
        _TAP.replace("@tap", f"@axis_{tap}").replace("@offset", str(offset))
        for tap, offset in zip("abcd", (-1, 0, 1, 2), strict=True)
    )
    text = _AXIS.replace("@taps", taps).replace("@axis", name).replace("@source", source)
    return axis_lengths(name, number, "frame_32") + text.replace("@number", str(number))


_BODY = f"""
  {CONSTANTS}
  half = Constant <value_float: float = 0.5> ()
  nothing = Constant <value_float: float = 0.0> ()
  one = Constant <value_float: float = 1.0> ()
  two = Constant <value_float: float = 2.0> ()
  keys = Constant <value_float: float = {CUBIC_A}> ()
  near_factor = Constant <value_float: float = {CUBIC_A + 2}> ()
  near_less = Constant <value_float: float = {CUBIC_A + 3}> ()
  down_shape = Constant <value_ints: ints = [1, -1, 1, 1]> ()
  across_shape = Constant <value_ints: ints = [1, 1, -1, 1]> ()
  frame_32 = Cast <to: int = 1> (frame)
  {_axis("down", 1, "frame_32")}
  {_axis("across", 2, "down_sum")}
  scaled = Mul (across_sum, factor)
  normed = Add (scaled, summand)
  image = Transpose <perm: ints = [0, 3, 1, 2]> (normed)
"""

FRAME_IMAGE = Operator(
    name="FrameImage",
    inputs=(
        Port("frame", ("uint8",), ("1", "H", "W", "3"), "of a camera"),
        Port("size", ("int64",), ("2",), "h and w"),
        Port("factor", ("float32",), ("3",), "of each colour"),
        Port("summand", ("float32",), ("3",), "of each colour, added to the product"),
    ),
    outputs=(Port("image", ("float32",), ("1", "3", "h", "w"), "resized, normed, planes"),),
    attributes=(),
    body=_BODY,
    compute=_compute,
)
