"""Clips from single annotated frames: the frame is bent a little more from one frame of the clip to the next.

Pre-training on still images as for STM (Oh et al., ICCV 2019, section 3.5) and "Towards Good Practices for
Video Object Segmentation" (Yu, Su et al., 2019): affine maps and thin-plate splines (Bookstein, 1989).
"""

from __future__ import annotations

import cv2
import numpy as np

from vosrt.models.training.footage import Footage
from vosrt.models.training.motion import similarity
from vosrt.models.training.pasted_layers import Size
from vosrt.models.training.randomness import log_uniform
from vosrt.models.training.real_scenes import draw_view, few_objects

_POINTS = 4  # control points along each side
_CELLS = 24  # the spline is evaluated on a grid of so many cells along each side


class StillScenes:
    """Draws clips of deformed still images.

    Args:
        footage: annotated frames; sequences may have a single one.
    """

    def __init__(self, footage: Footage) -> None:
        self.footage = footage

    def draw(
        self, rng: np.random.Generator, size: Size, predicted: int, max_step: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Frames and labels as `RealScenes.draw` gives them; `max_step` scales the deformations."""
        chosen = int(rng.integers(len(self.footage)))
        image, labels = self.footage.frame(chosen, int(rng.integers(len(self.footage.sequences[chosen]))))
        view = draw_view(rng, labels, size)
        path = _Path.draw(rng, size, 0.25 * max_step)
        frames, maps = [], []
        for time in range(2 + predicted):
            x, y = path.places(time, view)
            frames.append(cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101))
            maps.append(cv2.remap(labels, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT_101))
        return np.stack(frames), few_objects(rng, np.stack(maps))


class _Path:
    """An affine map and a bending whose strength grows from frame to frame.

    Args:
        size: of the clip.
        affine: logarithms of two scales, a shear and an angle, and a shift in sizes, per frame: `[6]`.
        bending: shifts of the control points per frame, in sizes, `[_POINTS ** 2, 2]`.
    """

    def __init__(self, size: Size, affine: np.ndarray, bending: np.ndarray) -> None:
        self.size, self.affine = size, affine
        self.shifts = thin_plate_shifts(bending)

    @classmethod
    def draw(cls, rng: np.random.Generator, size: Size, strength: float) -> _Path:
        """A random one."""
        strength *= log_uniform(rng, 0.3, 1.5)
        affine = strength * rng.normal(0, (0.05, 0.05, 0.04, 0.08, 0.04, 0.04))
        return cls(size, affine, strength * rng.normal(0, 0.02, (_POINTS**2, 2)))

    def places(self, time: int, view: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where in the image every pixel of a frame comes from: x and y, each float32 `[H, W]`."""
        height, width = self.size
        wide, high, shear, angle, right, down = time * self.affine
        centre = (width / 2, height / 2)
        about = similarity(1.0, 0.0, centre, (0.0, 0.0))
        stretch = np.array([[np.exp(wide), shear, 0], [0, np.exp(high), 0], [0, 0, 1]])
        target = (centre[0] + right * width, centre[1] + down * height)
        matrix = np.linalg.inv(similarity(1.0, angle, (0.0, 0.0), target) @ stretch @ about @ view)
        bent = cv2.resize(time * self.shifts, (width, height), interpolation=cv2.INTER_CUBIC)
        x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        x, y = x + bent[..., 0] * width, y + bent[..., 1] * height
        across, along = (matrix[axis, 0] * x + matrix[axis, 1] * y + matrix[axis, 2] for axis in (0, 1))
        return across.astype(np.float32), along.astype(np.float32)


def thin_plate_shifts(bending: np.ndarray) -> np.ndarray:
    """The smoothest field that takes given values on a grid of control points.

    Args:
        bending: values at the points of a square grid over the unit square, row by row, `[k * k, 2]`.

    Returns:
        float32 `[cells, cells, 2]` over the unit square.
    """
    side = round(len(bending) ** 0.5)
    points = np.stack(np.meshgrid(*[np.linspace(0, 1, side)] * 2), -1).reshape(-1, 2)
    rest = np.concatenate([np.ones((len(points), 1)), points], 1)
    system = np.block([[_kernel(points, points), rest], [rest.T, np.zeros((3, 3))]])
    weights = np.linalg.solve(system, np.concatenate([bending, np.zeros((3, 2))]))
    steps = (np.arange(_CELLS) + 0.5) / _CELLS
    at = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)
    field = _kernel(at, points) @ weights[: len(points)] + weights[-3] + at @ weights[-2:]
    return field.reshape(_CELLS, _CELLS, 2).astype(np.float32)


def _kernel(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """r^2 log r^2 of all distances between two sets of points, `[len(one), len(other)]`."""
    squared = ((one[:, None] - other[None]) ** 2).sum(-1)
    return squared * np.log(np.maximum(squared, 1e-12))
