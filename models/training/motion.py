"""Smooth affine motion of cameras and layers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vosrt.models.training.randomness import log_uniform

FAR = 8.0  # frames after which a steady motion has gone as far as it goes


@dataclass(frozen=True)
class Motion:
    """Steady change per frame, with a slow swing on top.

    Attributes:
        shift: pixels per frame, x and y.
        swing: amplitude in pixels, x and y.
        period: frames of one swing.
        turn: radians per frame.
        growth: natural logarithm of the scale per frame.
        phase: of the swing, radians.
    """

    shift: tuple[float, float]
    swing: tuple[float, float]
    period: float
    turn: float
    growth: float
    phase: float

    @staticmethod
    def draw(rng: np.random.Generator, size: float, strength: float) -> Motion:
        """A motion whose shift is up to `strength` of `size` per frame, most of them far less."""
        reach = size * strength * rng.random() ** 2
        angle = rng.uniform(0, 2 * np.pi)
        swing = size * strength * 2.0 * rng.random(2) * (rng.random() < 0.4)
        return Motion(
            shift=(reach * np.cos(angle), reach * np.sin(angle)),
            swing=(float(swing[0]), float(swing[1])),
            period=log_uniform(rng, 6, 40),
            turn=float(rng.normal(0, 0.012 * (rng.random() < 0.5))),
            growth=float(rng.normal(0, 0.008)),
            phase=float(rng.uniform(0, 2 * np.pi)),
        )

    def matrix(self, time: float, centre: tuple[float, float]) -> np.ndarray:
        """Affine matrix `[3, 3]` at a time in frames; the identity at 0 but for the swing."""
        steady = np.clip(time, -FAR, FAR) + 0.25 * (time - np.clip(time, -FAR, FAR))
        wave = np.sin(2 * np.pi * time / self.period + self.phase) - np.sin(self.phase)
        dx = self.shift[0] * steady + self.swing[0] * wave
        dy = self.shift[1] * steady + self.swing[1] * wave
        return similarity(
            float(np.exp(self.growth * steady)), self.turn * steady, centre, (centre[0] + dx, centre[1] + dy)
        )


def similarity(
    scale: float,
    angle: float,
    pivot: tuple[float, float],
    target: tuple[float, float],
    mirrored: bool = False,
) -> np.ndarray:
    """Matrix `[3, 3]` that scales and turns about a pivot, which it moves to the target."""
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    turn = np.array([[cosine, -sine], [sine, cosine]])
    if mirrored:
        turn = turn @ np.diag([-1.0, 1.0])
    matrix = np.eye(3)
    matrix[:2, :2] = turn
    matrix[:2, 2] = np.asarray(target) - turn @ np.asarray(pivot)
    return matrix
