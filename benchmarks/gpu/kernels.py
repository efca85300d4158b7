"""The compiled kernels on PyTorch's arrays, and random inputs for them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vosrt.cuda.kernel_library import KernelLibrary
from vosrt.errors import MissingDependencyError
from vosrt.native_libraries import build_cure, native_library
from vosrt.plugins import channel_gate, frame_image, group_norm, least_other

_METHODS = {
    "ChannelGate": "channel_gate",
    "DirectionalMatching": "directional_matching",
    "FrameImage": "frame_image",
    "FrameLabels": "frame_labels",
    "FrameProbabilities": "frame_probabilities",
    "GlobalMatching": "global_matching",
    "GroupNorm": "group_norm",
    "LeastOther": "least_other",
    "LocalMatching": "local_matching",
    "MemoryRead": "memory_read",
}
OFFICIAL_WINDOWS = (12, 2, 4, 6, 8, 10)  # radii that CFBI uses


@dataclass(frozen=True)
class Call:
    """A kernel, its inputs by name, the shape of its output and its attributes."""

    operator: str
    inputs: Mapping[str, Tensor]
    shape: tuple[int, ...]
    attributes: Mapping[str, Any]

    def output(self) -> Tensor:
        """Room for the result, full of NaN, or of what is no label."""
        first = next(iter(self.inputs.values()))
        if self.operator == "FrameLabels":
            return torch.full(self.shape, -77, device=first.device, dtype=torch.int32)
        keeps_type = self.operator in ("ChannelGate", "GroupNorm")
        dtype = first.dtype if keeps_type else torch.float32
        return torch.full(self.shape, torch.nan, device=first.device, dtype=dtype)

    def run(self, library: KernelLibrary, output: Tensor) -> None:
        """Put the kernel into PyTorch's current stream."""
        if output.is_cuda:
            library.stream = torch.cuda.current_stream().cuda_stream
        kernel = getattr(library, _METHODS[self.operator])
        kernel(*self.inputs.values(), output, **self.attributes)


def open_kernels(arguments: argparse.Namespace, *, is_poisoned: bool = True) -> KernelLibrary:
    """The library on the arguments' device; its workspace may be full of what no kernel may rely on.

    Raises:
        MissingDependencyError: it has not been built.
    """
    path = arguments.library or native_library("vosrt_kernels")
    if path is None:
        raise MissingDependencyError("libvosrt_kernels.so has not been built", cure=build_cure("nvcc"))
    device = torch.device(arguments.device)

    def allocate(size: int) -> Tensor:
        room = torch.empty(size + 256, dtype=torch.uint8, device=device)
        if is_poisoned:
            room.fill_(0xFF)
        return room[-room.data_ptr() % 256 :]

    return KernelLibrary(path, allocate)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of every program that runs kernels."""
    parser.add_argument("--device", default="cuda", help="of PyTorch (cuda)")
    parser.add_argument("--library", metavar="FILE", help="the kernels (those of `make plugins`)")
    parser.add_argument("--seed", type=int, default=0)


def global_call(
    random: torch.Generator, *, channels: int, size: tuple[int, int], references: int, rows: int, dtype: Any
) -> Call:
    """Random features; labels hold rows, rows that are absent, and values that are no row."""
    inputs = {
        "query": _features(random, (channels, *size), dtype),
        "bank": _features(random, (references, channels), dtype),
        "bank_labels": _labels(random, (references,), rows),
        "rows": _rows(random, rows),
    }
    return Call("GlobalMatching", inputs, (rows, *size), {})


def local_call(
    random: torch.Generator,
    *,
    channels: int,
    size: tuple[int, int],
    rows: int,
    windows: tuple[int, ...],
    dilation: int,
    dtype: Any,
) -> Call:
    """The same for two frames."""
    inputs = {
        "query": _features(random, (channels, *size), dtype),
        "previous": _features(random, (channels, *size), dtype),
        "labels": _labels(random, size, rows),
        "rows": _rows(random, rows),
    }
    attributes = {"windows": list(windows), "dilation": dilation}
    return Call("LocalMatching", inputs, (rows, len(windows), *size), attributes)


def memory_call(
    random: torch.Generator, *, keys: int, values: int, pixels: int, objects: int, slots: int, dtype: Any
) -> Call:
    """Random memories of which every object reads some slots."""
    valid = torch.randint(0, 3, (objects, slots), generator=random, device=random.device)
    inputs = {
        "query": _features(random, (keys, pixels), dtype),
        "keys": _features(random, (objects, slots, keys, pixels), dtype),
        "values": _features(random, (objects, slots, values, pixels), dtype),
        "valid": valid.clamp(max=1).to(torch.int32),
    }
    return Call("MemoryRead", inputs, (objects, values, pixels), {})


def directional_call(
    random: torch.Generator,
    *,
    channels: int,
    pixels: int,
    references: int,
    objects: int,
    classes: int,
    slots: int,
    dtype: Any,
) -> Call:
    """Random directions and weights; slots that an object does not read have weights of NaN."""
    valid = torch.randint(0, 3, (objects, slots), generator=random, device=random.device).clamp(max=1)
    weights = torch.rand(objects, classes, slots, references, generator=random, device=random.device)
    weights[(valid == 0)[:, None].expand(objects, classes, slots)] = torch.nan
    query = torch.randn(channels, pixels, generator=random, device=random.device)
    bank = torch.randn(slots, channels, references, generator=random, device=random.device)
    inputs = {
        "query": torch.nn.functional.normalize(query, dim=0).to(dtype),
        "bank": torch.nn.functional.normalize(bank, dim=1).to(dtype),
        "weights": weights.to(dtype),
        "valid": valid.to(torch.int32),
    }
    return Call("DirectionalMatching", inputs, (objects, classes, pixels), {})


def norm_call(
    random: torch.Generator,
    *,
    rows: int,
    channels: int,
    groups: int,
    size: tuple[int, int],
    dtype: Any,
    relu: bool = False,
) -> Call:
    """Random maps away from 0, each channel by its own gain."""
    shape = (rows, channels, *size)
    inputs = {
        "maps": (torch.randn(shape, generator=random, device=random.device) + 1.5).to(dtype),
        "gain": torch.randn(channels, generator=random, device=random.device),
        "shift": torch.randn(channels, generator=random, device=random.device),
    }
    return Call("GroupNorm", inputs, shape, {"groups": groups, "relu": relu})


def gate_call(
    random: torch.Generator, *, rows: int, channels: int, size: tuple[int, int], dtype: Any
) -> Call:
    """Random maps and gates."""
    shape = (rows, channels, *size)
    inputs = {"maps": torch.randn(shape, generator=random, device=random.device).to(dtype)}
    for name in ("alpha", "gamma", "beta"):
        inputs[name] = torch.randn(channels, generator=random, device=random.device)
    return Call("ChannelGate", inputs, shape, {})


def image_call(random: torch.Generator, *, frame: tuple[int, int], size: tuple[int, int]) -> Call:
    """A frame of noise, normed to a few units."""
    drawn = torch.randint(0, 256, (1, *frame, 3), generator=random, device=random.device)
    inputs = {
        "frame": drawn.to(torch.uint8),
        "factor": torch.rand(3, generator=random, device=random.device) * 0.02,
        "summand": torch.randn(3, generator=random, device=random.device),
    }
    return Call("FrameImage", inputs, (1, 3, *size), {})


def probabilities_call(
    random: torch.Generator, *, rows: int, grid: tuple[int, int], frame: tuple[int, int]
) -> Call:
    """Random logits."""
    logits = torch.randn(rows, *grid, generator=random, device=random.device) * 3
    return Call("FrameProbabilities", {"logits": logits}, (rows, *frame), {})


def labels_call(random: torch.Generator, *, rows: int, grid: tuple[int, int], frame: tuple[int, int]) -> Call:
    """Random logits; ids are not the numbers of the rows."""
    logits = torch.randn(rows, *grid, generator=random, device=random.device) * 3
    ids = torch.randperm(rows, generator=random, device=random.device).to(torch.int32) + 3
    return Call("FrameLabels", {"logits": logits, "rows": ids}, frame, {})


def others_call(random: torch.Generator, *, rows: int, maps: int, size: tuple[int, int]) -> Call:
    """Random maps from -1 to 1, of which some rows are equal."""
    values = torch.randint(-9, 10, (rows, maps, *size), generator=random, device=random.device) / 9
    return Call("LeastOther", {"maps": values}, (rows, maps, *size), {})


def enlarged(logits: Tensor, frame: Sequence[int]) -> Tensor:
    """Logits at the size of a frame, aligned corners."""
    return torch.nn.functional.interpolate(logits[None], tuple(frame), mode="bilinear", align_corners=True)[0]


def reference(call: Call) -> Tensor:
    """The result in float64, differences squared one by one; see `vosrt.plugins` for what it means.

    Labels are no number that could be close: see `enlarged`.
    """
    function: dict[str, Callable[..., Tensor]] = {
        "ChannelGate": channel_gate,
        "DirectionalMatching": _directional,
        "FrameImage": lambda frame, *norm: frame_image(frame, frame.new_empty(call.shape[2:]), *norm),
        "FrameProbabilities": lambda logits: enlarged(logits, call.shape[1:]).softmax(0),
        "GlobalMatching": _global,
        "GroupNorm": _norm,
        "LeastOther": least_other,
        "LocalMatching": _local,
        "MemoryRead": _memory,
    }
    doubled = [each.double() if each.is_floating_point() else each for each in call.inputs.values()]
    return function[call.operator](*doubled, **call.attributes)


def _norm(*maps: Tensor, groups: int, relu: bool) -> Tensor:
    normed = group_norm(*maps, groups=groups)
    return normed.relu() if relu else normed


_NONE = 5e4


def _features(random: torch.Generator, shape: tuple[int, ...], dtype: Any) -> Tensor:
    return torch.randn(shape, generator=random, device=random.device).mul_(0.5).to(dtype)


def _labels(random: torch.Generator, shape: tuple[int, ...], rows: int) -> Tensor:
    """Every other row has no pixel if there are many; some pixels belong to no row."""
    drawn = torch.randint(0, max(rows, 1), shape, generator=random, device=random.device)
    drawn = drawn // 2 * 2 if rows > 3 else drawn
    nowhere = torch.rand(shape, generator=random, device=random.device) < 0.1
    return torch.where(nowhere, torch.full_like(drawn, 255), drawn).to(torch.int32)


def _rows(random: torch.Generator, rows: int) -> Tensor:
    numbers = torch.arange(rows, dtype=torch.int32, device=random.device)
    if rows > 2:
        numbers[-1] = -1  # unused capacity
    return numbers


def _global(query: Tensor, bank: Tensor, labels: Tensor, rows: Tensor) -> Tensor:
    pixels = query.flatten(1).T  # [N, C]
    result = torch.full((len(rows), len(pixels)), _NONE, dtype=torch.float64, device=query.device)
    for index, row in enumerate(rows.tolist()):
        own = bank[labels == row]
        if row < 0 or not len(own):
            continue
        for start in range(0, len(pixels), 1024):
            part = pixels[start : start + 1024]
            distances = torch.cdist(part, own, compute_mode="donot_use_mm_for_euclid_dist").square()
            result[index, start : start + 1024] = distances.min(1).values
    return result.reshape(len(rows), *query.shape[1:])


def _local(
    query: Tensor, previous: Tensor, labels: Tensor, rows: Tensor, windows: list[int], dilation: int
) -> Tensor:
    height, width = labels.shape
    result = torch.full(
        (len(rows), len(windows), height, width), _NONE, dtype=torch.float64, device=query.device
    )
    reach = max(windows) // dilation * dilation
    for dy in range(-reach, reach + 1, dilation):
        for dx in range(-reach, reach + 1, dilation):
            here = (slice(max(0, -dy), height - max(0, dy)), slice(max(0, -dx), width - max(0, dx)))
            there = (slice(max(0, dy), height + min(0, dy)), slice(max(0, dx), width + min(0, dx)))
            if here[0].start >= height - max(0, dy) or here[1].start >= width - max(0, dx):
                continue
            distance = (query[:, here[0], here[1]] - previous[:, there[0], there[1]]).square().sum(0)
            own = (labels[there] == rows.reshape(-1, 1, 1)) & (rows.reshape(-1, 1, 1) >= 0)
            found = torch.where(own, distance, torch.full_like(distance, _NONE))
            for k, window in enumerate(windows):
                if max(abs(dy), abs(dx)) <= window:
                    target = result[:, k, here[0], here[1]]
                    target.copy_(torch.minimum(target, found))
    return result


def _memory(query: Tensor, keys: Tensor, values: Tensor, valid: Tensor) -> Tensor:
    result = values.new_zeros(values.shape[0], values.shape[2], values.shape[3])
    for index, slots in enumerate(valid > 0):
        if bool(slots.any()):
            memory = keys[index, slots].permute(1, 0, 2).flatten(1)  # [Ck, S*N]
            content = values[index, slots].permute(1, 0, 2).flatten(1)
            weights = torch.softmax(memory.T @ query / query.shape[0] ** 0.5, dim=0)
            result[index] = content @ weights
    return result


def _directional(query: Tensor, bank: Tensor, weights: Tensor, valid: Tensor) -> Tensor:
    result = weights.new_zeros(*weights.shape[:2], query.shape[1])
    for index, slots in enumerate(valid > 0):
        if bool(slots.any()):
            cosines = bank[slots].permute(0, 2, 1).flatten(0, 1) @ query  # [S*M, N]
            for kind, weight in enumerate(weights[index][:, slots].flatten(1)):
                result[index, kind] = (weight[:, None] * cosines).amax(0)
    return result
