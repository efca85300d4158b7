"""The networks as published, in eager PyTorch: the baseline of `vosrt bench`.

What differs from the networks in `vosrt.models`, whose weights and layers it shares:

* matching: every distance in memory, a masked copy of it per row, the query in 4 chunks, unfolded windows
  (`published_matching.py`);
* background maps: one minimum per row over the other rows;
* instance vectors: masked copies of the embeddings per row, summed. The outside is summed under its own mask,
  where the published code divides the difference of two sums, which is a little cheaper and explodes when a
  row covers the frame;
* resizing: `torch.nn.functional.interpolate`, bicubic in the decoder and bilinear elsewhere, aligned corners.

Batch norms stay layers of their own, and nothing is compiled. The same in both, because it is the same
arithmetic: trunk, ensembler, every gate and norm. Rows of unused capacity, which only bundles with a fixed
number of objects have, are computed like the others.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate, softmax

from vosrt.benchmarks.published_matching import (
    published_background_maps,
    published_global_matching,
    published_local_matching,
)
from vosrt.device import Array, Take
from vosrt.export.torch_executor import TorchExecutor
from vosrt.models import cfbi_lite, cfbi_plus, deeplab, ensembler, matching_maps, matching_network
from vosrt.models.instance_vectors import EPSILON, row_masks
from vosrt.models.matching_maps import NO_LABEL


class PublishedExecutor(TorchExecutor):
    """Runs the graph roles in the published formulation.

    While a role runs, functions of the model modules are exchanged: one thread at a time.
    """

    def run(self, role: str, inputs: Mapping[str, Array], take: Take | None = None) -> dict[str, Array]:
        """Run one role on named inputs; see `vosrt.executor.Executor`."""
        with _exchanged(_FUNCTIONS):
            return super().run(role, inputs, take)


def published_instance_vectors(
    bank: Tensor, bank_labels: Tensor, previous: Tensor, previous_labels: Tensor, rows: Tensor
) -> Tensor:
    """Same arguments and result as `vosrt.models.instance_vectors.instance_vectors`."""
    pixels = bank.flatten(0, 2)  # [S*h*w, C]
    averages = [*_averages(pixels, bank_labels.flatten(), rows)]
    averages += _averages(previous.flatten(1).T, previous_labels.flatten(), rows)
    return torch.cat(averages, dim=1)


def _averages(pixels: Tensor, labels: Tensor, rows: Tensor) -> Iterator[Tensor]:
    """Mean of `pixels [P, C]` inside and outside of every row, each `[R, C]`."""
    inside = row_masks(labels, rows)  # [R, P]
    for mask in (inside, (labels != NO_LABEL).float() - inside):
        masked = pixels * mask[:, :, None]  # [R, P, C]
        yield masked.sum(1) / (mask.sum(1, keepdim=True) + EPSILON)


def _resize_linear(maps: Tensor, height: int, width: int) -> Tensor:
    return _interpolate(maps, height, width, mode="bilinear", align_corners=True)


def _resize_cubic(maps: Tensor, height: int, width: int) -> Tensor:
    return _interpolate(maps, height, width, mode="bicubic", align_corners=True)


def _resize_nearest(labels: Tensor, height: int, width: int) -> Tensor:
    return _interpolate(labels.float(), height, width, mode="nearest").to(labels.dtype)


def _frame_image(frame: Tensor, canvas: Tensor, factor: Tensor, summand: Tensor) -> Tensor:
    planes = frame[0].permute(2, 0, 1).float()
    if planes.shape[1:] != canvas.shape:
        planes = _interpolate(planes, *canvas.shape, mode="bicubic", align_corners=False)
    return (planes * factor.reshape(3, 1, 1) + summand.reshape(3, 1, 1)).unsqueeze(0)


def _frame_probabilities(logits: Tensor, canvas: Tensor) -> Tensor:
    return softmax(_resize_linear(logits, *canvas.shape), 0)


def _frame_labels(logits: Tensor, canvas: Tensor, rows: Tensor) -> Tensor:
    return rows[_resize_linear(logits, *canvas.shape).argmax(0)]


def _interpolate(maps: Tensor, height: int, width: int, **options: Any) -> Tensor:
    """`interpolate` of the last two axes, however many there are before them."""
    batched = maps.reshape(1, -1, *maps.shape[-2:]) if maps.dim() != 4 else maps
    return interpolate(batched, (height, width), **options).reshape(*maps.shape[:-2], height, width)


# (module, name there) -> function that takes its place
_FUNCTIONS: dict[tuple[ModuleType, str], Callable[..., Tensor]] = {
    (matching_maps, "global_matching"): published_global_matching,
    (matching_maps, "local_matching"): published_local_matching,
    (matching_maps, "background_maps"): published_background_maps,
    (matching_maps, "resize_linear"): _resize_linear,
    (matching_maps, "resize_nearest"): _resize_nearest,
    (matching_network, "instance_vectors"): published_instance_vectors,
    (matching_network, "frame_image"): _frame_image,
    (matching_network, "frame_labels"): _frame_labels,
    (matching_network, "frame_probabilities"): _frame_probabilities,
    (matching_network, "resize_nearest"): _resize_nearest,
    (ensembler, "resize_cubic"): _resize_cubic,
    (deeplab, "resize_linear"): _resize_linear,
    (cfbi_plus, "resize_linear"): _resize_linear,
    (cfbi_lite, "resize_linear"): _resize_linear,
}


@contextlib.contextmanager
def _exchanged(functions: Mapping[tuple[ModuleType, str], Callable[..., Tensor]]) -> Iterator[None]:
    """Let functions take the place of others for a while."""
    own = {(module, name): getattr(module, name) for module, name in functions}
    try:
        for (module, name), function in functions.items():
            setattr(module, name, function)
        yield
    finally:
        for (module, name), function in own.items():
            setattr(module, name, function)
