"""Frames as video decoders leave them: brightness for every pixel, colour for every four."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vosrt.arithmetic import Arithmetic
from vosrt.cuda.cuda_array import CudaArray
from vosrt.device import Array
from vosrt.errors import InputError

_WEIGHTS = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}  # of red and blue in the brightness


@dataclass(frozen=True)
class Nv12Frame:
    """A frame in NV12, taken by `Stream.step` in place of a BGR image; on the host or on the stream's GPU.

    Attributes:
        planes: uint8 `[H + H/2, W]`, H and W even: H lines of brightness (Y), then H/2 lines of colour, U and
            V in turn, each for two pixels of two lines. On the GPU lines may have gaps behind them (a pitch).
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
        planes, device = self._checked(on_gpu=arithmetic.device.name != "cpu"), arithmetic.device
        planes = device.own(planes, arithmetic.pool.take)
        height, width = planes.shape[0] // 3 * 2, planes.shape[1]
        offsets, mixing = self._conversion()
        inputs = {
            "luma": device.part(planes, 0, height),
            "chroma": device.view(
                device.part(planes, height, planes.shape[0]), (height // 2, width // 2, 2), np.uint8
            ),
            "offsets": arithmetic.constant(offsets),
            "mixing": arithmetic.constant(mixing),
        }
        return device.run("nv12", inputs, arithmetic.pool.take((height, width, 3), np.uint8))

    def _checked(self, *, on_gpu: bool) -> Array:
        array = (CudaArray.of(self.planes) if on_gpu else None) or self.planes
        if self.matrix not in _WEIGHTS:
            raise InputError("matrix of an NV12 frame", value=self.matrix, allowed=", ".join(_WEIGHTS))
        if not isinstance(array, np.ndarray | CudaArray) or array.dtype != np.uint8:
            kind = str(getattr(array, "dtype", type(array).__name__))
            raise InputError("planes of an NV12 frame", value=kind, allowed="a uint8 array")
        if array.ndim != 2 or array.shape[0] % 3 or array.shape[1] % 2:
            raise InputError(
                "shape of an NV12 frame",
                value=list(array.shape),
                allowed="[H + H/2, W] with even H and W",
                cure="give both planes as one array",
            )
        return array

    def _conversion(self) -> tuple[np.ndarray, np.ndarray]:
        """What is subtracted from Y, U and V, and how they add up to blue, green and red: `[3]`, `[3, 3]`."""
        red, blue = _WEIGHTS[self.matrix]
        green = 1 - red - blue
        y, c = (1.0, 1.0) if self.full_range else (255 / 219, 255 / 224)
        u, v = 2 * c * (1 - blue), 2 * c * (1 - red)
        mixing = [[y, y, y], [u, -u * blue / green, 0], [0, -v * red / green, v]]
        offsets = [0 if self.full_range else 16, 128, 128]
        return np.array(offsets, np.float32), np.array(mixing, np.float32)
