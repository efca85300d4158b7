"""The operators in float64: one loop over rows or offsets, differences squared one by one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def brute_force_global(
    query: np.ndarray, bank: np.ndarray, bank_labels: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    pixels = query.astype(np.float64).reshape(len(query), -1).T  # [N, C]
    distances = np.full((len(rows), len(pixels)), np.inf)
    for candidate, label in zip(bank.astype(np.float64), bank_labels, strict=True):
        for index in np.flatnonzero((rows == label) & (rows >= 0)):
            distances[index] = np.minimum(distances[index], ((pixels - candidate) ** 2).sum(1))
    distances[np.isinf(distances)] = 5e4
    return distances.reshape(len(rows), *query.shape[1:])


def brute_force_local(
    query: np.ndarray,
    previous: np.ndarray,
    labels: np.ndarray,
    rows: np.ndarray,
    windows: list[int],
    dilation: int = 1,
) -> np.ndarray:
    _, h, w = query.shape
    query, previous = query.astype(np.float64), previous.astype(np.float64)
    distances = np.full((len(rows), len(windows), h, w), np.inf)
    for y, x in np.ndindex(h, w):
        for v, u in np.ndindex(h, w):
            far = max(abs(v - y), abs(u - x))
            if far > max(windows) or (v - y) % dilation or (u - x) % dilation or labels[v, u] < 0:
                continue
            distance = ((query[:, y, x] - previous[:, v, u]) ** 2).sum()
            for index in np.flatnonzero(rows == labels[v, u]):
                for k, window in enumerate(windows):
                    if far <= window:
                        distances[index, k, y, x] = min(distances[index, k, y, x], distance)
    distances[np.isinf(distances)] = 5e4
    return distances


def brute_force_read(
    query: np.ndarray, keys: np.ndarray, values: np.ndarray, valid: np.ndarray
) -> np.ndarray:
    read = np.zeros((len(keys), values.shape[2], query.shape[1]))
    for row, slots in enumerate(valid != 0):
        if slots.any():
            memory = np.concatenate(list(keys[row, slots].astype(np.float64)), axis=1)  # [Ck, S*N]
            content = np.concatenate(list(values[row, slots].astype(np.float64)), axis=1)  # [Cv, S*N]
            logits = memory.T @ query.astype(np.float64) / np.sqrt(len(query))
            weights = np.exp(logits - logits.max(0))
            read[row] = content @ (weights / weights.sum(0))
    return read


def brute_force_directions(
    query: np.ndarray, bank: np.ndarray, weights: np.ndarray, valid: np.ndarray
) -> np.ndarray:
    matched = np.zeros((*weights.shape[:2], query.shape[1]))
    for row, kind in np.ndindex(*weights.shape[:2]):
        best = np.full(query.shape[1], -np.inf)
        for slot in np.flatnonzero(valid[row]):
            for pixel, weight in enumerate(weights[row, kind, slot].astype(np.float64)):
                best = np.maximum(best, weight * (bank[slot, :, pixel].astype(np.float64) @ query))
        matched[row, kind] = np.where(np.isinf(best), 0, best)
    return matched


def brute_force_convolution(image: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    height, width = image.shape[2:]
    border = weights.shape[2] // 2
    padded = np.pad(image.astype(np.float64), ((0, 0), (0, 0), (border, border), (border, border)))
    convolved = np.zeros((len(image), len(weights), height, width))
    for y, x in np.ndindex(weights.shape[2:]):
        shifted = padded[:, :, y : y + height, x : x + width]
        convolved += np.einsum("oc,nchw->nohw", weights[:, :, y, x].astype(np.float64), shifted)
    return convolved + bias[:, None, None]


def brute_force_norm(maps: np.ndarray, gain: np.ndarray, shift: np.ndarray, groups: int) -> np.ndarray:
    normed = np.zeros(maps.shape)
    members = maps.shape[1] // groups
    for row, group in np.ndindex(len(maps), groups):
        own = slice(group * members, (group + 1) * members)
        values = maps[row, own].astype(np.float64)
        normed[row, own] = (values - values.mean()) / np.sqrt(values.var() + 1e-5)
    return normed * gain.astype(np.float64)[:, None, None] + shift.astype(np.float64)[:, None, None]


def brute_force_gates(maps: np.ndarray, alpha: np.ndarray, gamma: np.ndarray, beta: np.ndarray) -> np.ndarray:
    gated = maps.astype(np.float64)
    for row in range(len(maps)):
        strengths = [
            a * np.sqrt((channel**2).sum() + 1e-5)
            for a, channel in zip(alpha.astype(np.float64), gated[row], strict=True)
        ]
        usual = np.sqrt(np.square(strengths).mean() + 1e-5)
        gated[row] *= (1 + np.tanh(strengths * gamma / usual + beta))[:, None, None]
    return gated


def brute_force_frame(
    frame: np.ndarray, size: np.ndarray, factor: np.ndarray, summand: np.ndarray
) -> np.ndarray:
    image = frame[0].astype(np.float64)
    for axis, target in enumerate(size.tolist()):
        image = np.moveaxis(_resized_cubic(np.moveaxis(image, axis, 0), target), 0, axis)
    normed = image * factor.astype(np.float64) + summand.astype(np.float64)
    return normed.transpose(2, 0, 1)[None]


def _resized_cubic(lines: np.ndarray, target: int) -> np.ndarray:
    """The first axis, pixel by pixel, with Keys' kernel written as its definition has it."""
    resized = np.zeros((target, *lines.shape[1:]))
    for place in range(target):
        position = (place + 0.5) * len(lines) / target - 0.5
        for pixel in range(int(np.floor(position)) - 1, int(np.floor(position)) + 3):
            x = abs(position - pixel)
            near, far = 1.25 * x**3 - 2.25 * x**2 + 1, -0.75 * (x**3 - 5 * x**2 + 8 * x - 4)
            weight = near if x <= 1 else far if x < 2 else 0.0
            resized[place] += weight * lines[min(max(pixel, 0), len(lines) - 1)]
    return resized


def brute_force_rows(logits: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Logits at the frame's size, pixel by pixel."""
    height, width = size.tolist()
    enlarged = np.zeros((len(logits), height, width))
    for y, x in np.ndindex(height, width):
        v = y * (logits.shape[1] - 1) / max(height - 1, 1)
        u = x * (logits.shape[2] - 1) / max(width - 1, 1)
        for j, i in np.ndindex(logits.shape[1:]):
            weight = max(0.0, 1 - abs(v - j)) * max(0.0, 1 - abs(u - i))
            if weight:
                enlarged[:, y, x] += weight * logits[:, j, i].astype(np.float64)
    return enlarged


def brute_force_probabilities(logits: np.ndarray, size: np.ndarray) -> np.ndarray:
    enlarged = brute_force_rows(logits, size)
    weights = np.exp(enlarged - enlarged.max(0))
    return weights / weights.sum(0)


def brute_force_resize(maps: np.ndarray, height_matrix: np.ndarray, width_matrix: np.ndarray) -> np.ndarray:
    return np.einsum("nchw,Hh,Ww->ncHW", *(x.astype(np.float64) for x in (maps, height_matrix, width_matrix)))


def brute_force_others(maps: np.ndarray) -> np.ndarray:
    rows = [np.delete(maps, row, axis=0) for row in range(len(maps))]
    return np.stack([rest.min(0) if len(rest) else maps[0] for rest in rows])


def brute_force_labels(logits: np.ndarray, size: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return rows[brute_force_rows(logits, size).argmax(0)]


REFERENCES: dict[str, Callable[..., np.ndarray]] = {
    "ChannelGate": brute_force_gates,
    "Convolution1x1": brute_force_convolution,
    "Convolution1x1Relu": lambda **inputs: np.maximum(brute_force_convolution(**inputs), 0),
    "Convolution3x3": brute_force_convolution,
    "Convolution3x3Relu": lambda **inputs: np.maximum(brute_force_convolution(**inputs), 0),
    "DirectionalMatching": brute_force_directions,
    "FrameImage": brute_force_frame,
    "FrameLabels": brute_force_labels,
    "FrameProbabilities": brute_force_probabilities,
    "GlobalMatching": brute_force_global,
    "GroupNorm": brute_force_norm,
    "GroupNormRelu": lambda **inputs: np.maximum(brute_force_norm(**inputs), 0),
    "LeastOther": brute_force_others,
    "LocalMatching": brute_force_local,
    "MemoryRead": brute_force_read,
    "SeparableResize": brute_force_resize,
}
