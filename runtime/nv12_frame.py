"""Frames as video decoders leave them: brightness for every pixel, colour for every four."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from vosrt.arithmetic import Arithmetic
from vosrt.cuda.cuda_array import CudaArray
from vosrt.device import Array, Device
from vosrt.errors import InputError

_WEIGHTS = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}  # of red and blue in the brightness


@dataclass(frozen=True, eq=False)
class Nv12Frame:
    """A frame in NV12, taken by `Stream.step` in place of a BGR image; on the host or on the stream's GPU.

    Attributes:
        planes: uint8 `[H + H/2, W]`, H and W even: H lines of brightness (Y), then H/2 lines of colour, U and
            V in turn, each for two pixels of two lines. Or both planes apart, as a pair: `[H, W]`, and
            `[H/2, W]` or `[H/2, W/2, 2]`. On the GPU lines may have gaps behind them (a pitch).
        matrix: "bt601" (standard definition, cameras) or "bt709" (high definition): ITU-R BT.601 and BT.709.
        full_range: whether black and white are 0 and 255 (JPEG, many cameras) and not 16 and 235.
    """

    planes: object
    matrix: str = "bt601"
    full_range: bool = False

    def to_bgr(self, arithmetic: Arithmetic) -> Array:
        """The frame as uint8 `[H, W, 3]`, BGR, on the device.

        Raises:
            InputError: the planes are no NV12, or an unknown matrix.
        """
        device = arithmetic.device
        planes = [device.own(plane, arithmetic.pool.take) for plane in self._checked(device.name != "cpu")]
        if len(planes) == 1:
            lines = planes[0].shape[0]
            planes = [
                device.part(planes[0], *ends) for ends in ((0, lines // 3 * 2), (lines // 3 * 2, lines))
            ]
        luma, chroma = planes
        height, width = luma.shape
        offsets, mixing = self._conversion()
        inputs = {
            "luma": luma,
            "chroma": device.view(chroma, (height // 2, width // 2, 2), np.uint8),
            "offsets": arithmetic.constant(offsets),
            "mixing": arithmetic.constant(mixing),
        }
        return device.run("nv12", inputs, arithmetic.pool.take((height, width, 3), np.uint8))

    def ahead(self, device: Device) -> Nv12Frame:
        """The frame with its planes on their way to a device; see `Device.ahead`."""
        if isinstance(self.planes, tuple | list):
            return replace(self, planes=tuple(device.ahead(plane) for plane in self.planes))
        return replace(self, planes=device.ahead(self.planes))

    def _checked(self, on_gpu: bool) -> list[Array]:
        """One array, or brightness and colour."""
        if self.matrix not in _WEIGHTS:
            raise InputError("matrix of an NV12 frame", value=self.matrix, allowed=", ".join(_WEIGHTS))
        given = self.planes if isinstance(self.planes, tuple | list) else (self.planes,)
        arrays = [(CudaArray.of(plane) if on_gpu else None) or plane for plane in given]
        for array in arrays:
            if not isinstance(array, np.ndarray | CudaArray) or array.dtype != np.uint8:
                kind = str(getattr(array, "dtype", type(array).__name__))
                raise InputError("planes of an NV12 frame", value=kind, allowed="uint8 arrays")
        shapes = [tuple(array.shape) for array in arrays]
        if not _is_whole(shapes) and not _are_apart(shapes):
            raise InputError(
                "shape of an NV12 frame",
                value=[list(shape) for shape in shapes],
                allowed="[H + H/2, W] with even H and W, or a pair [H, W], [H/2, W]",
            )
        return arrays

    def _conversion(self) -> tuple[np.ndarray, np.ndarray]:
        """What is subtracted from Y, U and V, and how they add up to blue, green and red: `[3]`, `[3, 3]`."""
        red, blue = _WEIGHTS[self.matrix]
        green = 1 - red - blue
        y, c = (1.0, 1.0) if self.full_range else (255 / 219, 255 / 224)
        u, v = 2 * c * (1 - blue), 2 * c * (1 - red)
        mixing = [[y, y, y], [u, -u * blue / green, 0], [0, -v * red / green, v]]
        offsets = [0 if self.full_range else 16, 128, 128]
        return np.array(offsets, np.float32), np.array(mixing, np.float32)


def _is_whole(shapes: list[tuple[int, ...]]) -> bool:
    return len(shapes) == 1 and len(shapes[0]) == 2 and shapes[0][0] % 3 == shapes[0][1] % 2 == 0


def _are_apart(shapes: list[tuple[int, ...]]) -> bool:
    if len(shapes) != 2 or len(shapes[0]) != 2:
        return False
    height, width = shapes[0]
    is_even = height % 2 == width % 2 == 0
    return is_even and shapes[1] in ((height // 2, width), (height // 2, width // 2, 2))
