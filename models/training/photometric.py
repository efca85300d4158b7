"""What cameras and light do to a clip: exposure, colour, shadow, blur, noise, compression."""

from __future__ import annotations

import cv2
import numpy as np

from vosrt.models.training.randomness import log_uniform, one_in


def degrade(frames: np.ndarray, rng: np.random.Generator, *, reference_light: float = 0.0) -> np.ndarray:
    """A clip as another camera might have seen it.

    Args:
        frames: uint8 `[T, H, W, 3]`, the reference first.
        rng: decides how.
        reference_light: standard deviation of the logarithm of what the reference's light is multiplied by:
            an object that was marked in the shade may be in the sun later on.

    Returns:
        uint8 `[T, H, W, 3]`.
    """
    frames = _recolour(frames, rng)
    if reference_light > 0:
        frames[0] = _relight(frames[0], rng, reference_light)
    if one_in(rng, 0.3):
        frames = _cast_shadow(frames, rng)
    if one_in(rng, 0.3):
        frames = np.stack([_blur(frame, rng) if one_in(rng, 0.6) else frame for frame in frames])
    if one_in(rng, 0.3):
        strength = log_uniform(rng, 1, 10)
        noise = rng.normal(0, strength, frames.shape).astype(np.float32)
        frames = np.clip(frames + noise, 0, 255).astype(np.uint8)
    if one_in(rng, 0.3):
        quality = int(rng.integers(20, 80))
        frames = np.stack([_compress(frame, quality) for frame in frames])
    return frames


def _recolour(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One look-up table per channel for the clip, and exposure that changes a little from frame to frame."""
    ramp = np.linspace(0, 1, 256)
    gamma = np.exp(rng.normal(0, 0.25)) * np.exp(rng.normal(0, 0.06, 3))
    gain = np.exp(rng.normal(0, 0.15)) * np.exp(rng.normal(0, 0.08, 3))
    lift = rng.normal(0, 0.06) + rng.normal(0, 0.02, 3)
    drift = np.cumsum(rng.normal(0, 0.025, len(frames))) if one_in(rng, 0.4) else np.zeros(len(frames))
    is_grey = one_in(rng, 0.04)
    result = np.empty_like(frames)
    for time, frame in enumerate(frames):
        exposed = np.exp(drift[time])
        table = np.clip((ramp[:, None] ** gamma * gain + lift) * exposed, 0, 1)  # [256, 3]
        table = (table * 255).astype(np.uint8)
        result[time] = cv2.LUT(frame, table.reshape(256, 1, 3))
        if is_grey:
            result[time] = cv2.cvtColor(result[time], cv2.COLOR_BGR2GRAY)[..., None]
    return result


def _relight(frame: np.ndarray, rng: np.random.Generator, spread: float) -> np.ndarray:
    """More or less light of a slightly other colour."""
    gain = np.exp(rng.normal(0, spread) + rng.normal(0, spread / 4, 3))
    table = np.clip(np.arange(256)[:, None] * gain, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(frame, table.reshape(256, 1, 3)), np.uint8)


def _cast_shadow(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Soft dark or bright patches that drift."""
    height, width = frames.shape[1:3]
    patches = rng.standard_normal((int(rng.integers(2, 6)), int(rng.integers(2, 6)))).astype(np.float32)
    field = cv2.resize(patches, (2 * width, 2 * height), interpolation=cv2.INTER_CUBIC)
    strength = rng.uniform(0.1, 0.5)
    step = rng.normal(0, 0.01, 2) * (height, width)
    result = np.empty_like(frames)
    for time, frame in enumerate(frames):
        top = int(np.clip(height / 2 + step[0] * time, 0, height))
        left = int(np.clip(width / 2 + step[1] * time, 0, width))
        light = 1 - strength / (1 + np.exp(-3 * field[top : top + height, left : left + width]))
        result[time] = np.clip(frame * light[..., None], 0, 255).astype(np.uint8)
    return result


def _blur(frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Out of focus, or moved along a line."""
    if one_in(rng, 0.5):
        return cv2.GaussianBlur(frame, (0, 0), rng.uniform(0.4, 1.6))
    length = int(rng.integers(2, 8))
    kernel = np.zeros((9, 9), np.float32)
    angle = rng.uniform(0, np.pi)
    reach = length / 2 * np.array([np.cos(angle), np.sin(angle)])
    start, end = (4 - reach).round().astype(int), (4 + reach).round().astype(int)
    cv2.line(kernel, [int(v) for v in start], [int(v) for v in end], 1.0)
    return cv2.filter2D(frame, -1, kernel / kernel.sum())


def _compress(frame: np.ndarray, quality: int) -> np.ndarray:
    _, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
