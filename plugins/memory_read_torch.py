"""The PyTorch implementation of MemoryRead: streaming softmax forwards, weights computed again backwards."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_QUERY_TILE = 2048  # query pixels that meet a slot in one product; bounds memory for large frames


class MemoryReadFunction(torch.autograd.Function):
    """`memory_read` with a gradient; of the weights it keeps the log of their sum per row and query pixel.

    Ports as positional tensors; computes in float32, or in float64 for a float64 query, autocast or not.
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, keys: Tensor, values: Tensor, valid: Tensor) -> Tensor:
        scaled = _scaled(query)  # [Ck, N]
        read = scaled.new_zeros(len(keys), values.shape[2], query.shape[1])  # [n, Cv, N]
        log_sum = scaled.new_zeros(len(keys), query.shape[1])  # [n, N]
        with torch.autocast(query.device.type, enabled=False):
            for row, slots in enumerate(_valid_slots(valid)):
                for tile in _tiles(query.shape[1]) if slots else ():
                    pixels = scaled[:, tile].T  # [N', Ck]
                    read[row, :, tile], log_sum[row, tile] = _read_slots(
                        pixels, keys[row], values[row], slots
                    )
        ctx.save_for_backward(query, keys, values, valid, read, log_sum)
        return read

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        query, keys, values, valid, read, log_sum = ctx.saved_tensors
        scaled = _scaled(query)
        of_scaled, of_keys, of_values = (torch.zeros_like(t) for t in (scaled, keys, values))
        mean = (gradient * read).sum(1)  # [n, N], the gradient's mean over the memory
        with torch.autocast(query.device.type, enabled=False):
            for row, slots in enumerate(_valid_slots(valid)):
                for slot in slots:
                    key, value = keys[row, slot].to(scaled.dtype), values[row, slot].to(scaled.dtype)
                    of_key, of_value = torch.zeros_like(key), torch.zeros_like(value)
                    for tile in _tiles(query.shape[1]):
                        outer = gradient[row, :, tile]  # [Cv, N']
                        weights = (scaled[:, tile].T @ key).sub_(log_sum[row, tile, None]).exp_()  # [N', N]
                        of_value.addmm_(outer, weights)
                        of_logits = (outer.T @ value).sub_(mean[row, tile, None]).mul_(weights)  # [N', N]
                        of_key.addmm_(scaled[:, tile], of_logits)
                        of_scaled[:, tile].addmm_(key, of_logits.T)
                    of_keys[row, slot], of_values[row, slot] = of_key, of_value
        return (of_scaled / math.sqrt(len(query))).to(query.dtype), of_keys, of_values, None


def _read_slots(pixels: Tensor, keys: Tensor, values: Tensor, slots: list[int]) -> tuple[Tensor, Tensor]:
    """What query pixels `[N', Ck]` read in some slots of a row `[Cv, N']`; log of the weights' sum `[N']`."""
    maximum = pixels.new_full((len(pixels),), -math.inf)  # running maximum of the logits
    total = torch.zeros_like(maximum)  # running sum of exp(logit - maximum)
    read = pixels.new_zeros(values.shape[1], len(pixels))  # [Cv, N'], running sum of values times that
    weights = pixels.new_empty(len(pixels), keys.shape[2])  # [N', N], reused: fresh pages cost time
    for slot in slots:
        torch.mm(pixels, keys[slot].to(pixels.dtype), out=weights)  # logits for now
        higher = torch.maximum(maximum, weights.amax(1))
        factor = (maximum - higher).exp()
        weights.sub_(higher[:, None]).exp_()
        total = total * factor + weights.sum(1)
        read.mul_(factor).addmm_(values[slot].to(pixels.dtype), weights.T)
        maximum = higher
    return read / total, maximum + total.log()


def _scaled(query: Tensor) -> Tensor:
    dtype = torch.float64 if query.dtype == torch.float64 else torch.float32
    return query.to(dtype) / math.sqrt(len(query))


def _valid_slots(valid: Tensor) -> list[list[int]]:
    return [[slot for slot, is_valid in enumerate(row) if is_valid] for row in valid.tolist()]


def _tiles(pixels: int) -> list[slice]:
    return [slice(start, start + _QUERY_TILE) for start in range(0, pixels, _QUERY_TILE)]
