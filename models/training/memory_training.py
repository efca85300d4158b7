"""Sequential training of the space-time memory networks (STM, section 3.5).

Reference and previous frame are in the memory from the start; every predicted frame joins it with the
network's own soft masks, and the gradient flows through them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from vosrt.models.memory_network import MemoryNetwork
from vosrt.models.resize import crop_maps, pad_maps
from vosrt.models.stm_decoder import enlarged, object_logit, row_log_odds
from vosrt.models.training.sequential_training import SequentialTraining
from vosrt.models.training.training_clip import TrainingClip
from vosrt.plugins import memory_read


@dataclass
class _Track:
    """One clip on its way through the network.

    Attributes:
        objects: how many.
        truth: int64 `[T, H, W]`, the row of every pixel or 255.
        given: rows of the frame before the first predicted one, int64 `[H, W]`.
        keys: of remembered frames, each `[n, keys, h, w]`.
        values: of remembered frames, each `[n, values, h, w]`.
    """

    objects: int
    truth: Tensor
    given: Tensor
    keys: list[Tensor] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)


class MemoryTraining(SequentialTraining[MemoryNetwork]):
    """Losses of a `MemoryNetwork` on clips of one size."""

    def loss(self, clips: list[TrainingClip], hardest: float) -> Tensor:
        """Mean loss over clips and predicted frames, a scalar.

        Args:
            clips: of one size and length.
            hardest: share of the pixels that count in the cross-entropy.
        """
        device = next(self.network.parameters()).device
        frames = torch.stack([clip.frames for clip in clips]).to(device)  # [B, T, H, W, 3]
        images = _padded_images(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
        tracks = [_Track(*clip.rows(device)) for clip in clips]
        seen, keys = self._see(images)
        for time, labels in ((0, [t.truth[0] for t in tracks]), (1, [t.given for t in tracks])):
            masks = [_one_hot(of_clip, track.objects) for of_clip, track in zip(labels, tracks, strict=True)]
            self._memorize(tracks, images[:, time], masks, keys[:, time])
        total = frames.new_zeros((), dtype=torch.float32)
        count = frames.shape[1] - 2
        for time in range(count):
            rows = self._predict(tracks, [maps[:, time] for maps in seen], frames.shape[2:4])
            for track, logits in zip(tracks, rows, strict=True):
                total = total + self.loss_of_rows(logits, track.truth[2 + time], hardest)
            if time + 1 < count:
                masks = [torch.softmax(logits, 0)[1:] for logits in rows]
                self._memorize(tracks, images[:, 2 + time], masks, keys[:, 2 + time])
        return total / (count * len(clips))

    def _see(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """Key, context and skip branches of the frames that are predicted, and the keys of all frames.

        Each is `[B, T, C, .., ..]`; where the memory has keys of its own, the first two frames' are zeros.
        """
        network, batch = self.network, images.shape[0]
        known = 0 if network.keys_from_frame else 2
        with self.autocast(images.device):
            pyramid = network.query_encoder(images[:, known:].flatten(0, 1))
            key, value = network.query_heads(pyramid.r4)
            decoder = network.decoder
            maps = [key, decoder.context(value), decoder.RF3.skip(pyramid.r3), decoder.RF2.skip(pyramid.r2)]
        seen = [each.unflatten(0, (batch, -1)) for each in maps]
        given = seen[0].new_zeros(batch, known, *seen[0].shape[2:])
        return [each[:, 2 - known :] for each in seen], torch.cat([given, seen[0]], dim=1)

    def _memorize(self, tracks: list[_Track], images: Tensor, masks: list[Tensor], keys: Tensor) -> None:
        """Remember a frame of every clip; `masks` are `[n, H, W]` each, `keys` those of the frames."""
        counts = [track.objects for track in tracks]
        if not sum(counts):
            return
        padded = [pad_maps(each, images.shape[-2], images.shape[-1]) for each in masks]
        others = [torch.clamp(each.sum(0, keepdim=True) - each, 0.0, 1.0) for each in padded]
        repeats = torch.tensor(counts, device=images.device)
        with self.autocast(images.device):
            maps = self.network.memory_encoder(
                images.repeat_interleave(repeats, dim=0),
                torch.cat(padded).unsqueeze(1),
                torch.cat(others).unsqueeze(1),
            )
            own, values = self.network.memory_heads(maps, keys.repeat_interleave(repeats, dim=0))
        for track, key, value in zip(
            tracks, own.float().split(counts), values.float().split(counts), strict=True
        ):
            track.keys.append(key)
            track.values.append(value)

    def _predict(self, tracks: list[_Track], seen: list[Tensor], size: torch.Size) -> list[Tensor]:
        """Logits of every clip's rows, `[n + 1, H, W]`."""
        key, *features = seen
        counts = [track.objects for track in tracks]
        read = [_read(track, key[index].float()) for index, track in enumerate(tracks) if track.objects]
        if not read:
            return [key.new_zeros(1, *size, dtype=torch.float32) for _ in tracks]
        repeats = torch.tensor(counts, device=key.device)
        with self.autocast(key.device):
            scores = self.network.decoder(
                torch.cat(read), *(maps.repeat_interleave(repeats, dim=0) for maps in features)
            )
        scores = crop_maps(enlarged(scores.float(), 4), size[0], size[1])
        return [row_log_odds(of_clip) for of_clip in object_logit(scores).split(counts)]


@torch.no_grad()
def predict_from_memory(
    network: MemoryNetwork, images: list[np.ndarray], labels: np.ndarray
) -> list[np.ndarray]:
    """Label maps of a clip, frame after frame from the first mask.

    Args:
        network: in evaluation mode.
        images: uint8 `[H, W, 3]` each.
        labels: uint8 `[H, W]` of the first frame.

    Returns:
        uint8 `[H, W]` each; the first is the given one.
    """
    device = next(network.parameters()).device
    ids = np.union1d(np.unique(labels), [0]).astype(np.int32)
    rows = torch.from_numpy(ids).to(device)
    height, width = labels.shape
    canvas = torch.zeros(height, width, device=device)
    grid = torch.zeros(-(-height // 16), -(-width // 16), device=device)
    probabilities = torch.stack([torch.from_numpy(labels == row) for row in ids]).float().to(device)
    part = torch.arange(len(rows) - 1, device=device)
    kept: list[tuple[Tensor, Tensor]] = []
    latest: tuple[Tensor, Tensor] | None = None
    results = [labels]
    for index, image in enumerate(images):
        encoded, key, context, skip8, skip4 = network.encode(
            torch.from_numpy(np.ascontiguousarray(image))[None].to(device), canvas, grid
        )
        if index:
            memory = [*kept, latest] if latest is not None else kept
            keys, values = (torch.stack([slot[part] for slot in memory], dim=1) for part in (0, 1))
            valid = torch.ones(keys.shape[:2], dtype=torch.int32, device=device)
            (scores,) = network.segment(key, context, skip8, skip4, keys, values, valid)
            (probabilities,) = network.finish(scores, canvas, rows)
            results.append(ids[probabilities.argmax(0).cpu().numpy()].astype(np.uint8))
        latest = network.memorize(encoded, probabilities, part, key)
        if index % network.memory_every == 0:
            kept, latest = [*kept, latest], None
    return results


def _padded_images(frames: Tensor) -> Tensor:
    """uint8 `[B, H, W, 3]`, blue, green, red, to `[B, 3, 16h, 16w]`, red, green, blue, 0 to 1."""
    maps = frames.flip(-1).permute(0, 3, 1, 2).float() / 255.0
    return pad_maps(maps, -(-maps.shape[-2] // 16) * 16, -(-maps.shape[-1] // 16) * 16)


def _one_hot(rows: Tensor, objects: int) -> Tensor:
    """Rows int64 `[H, W]` to the objects' masks, float32 `[n, H, W]`; void belongs to none."""
    numbers = torch.arange(1, objects + 1, device=rows.device)
    return (rows == numbers.reshape(-1, 1, 1)).float()


def _read(track: _Track, key: Tensor) -> Tensor:
    """What the objects of a clip read with a key `[keys, h, w]`: `[n, values, h, w]`."""
    keys, values = torch.stack(track.keys, dim=1), torch.stack(track.values, dim=1)
    valid = torch.ones(keys.shape[:2], dtype=torch.int32, device=key.device)
    read = memory_read(key.flatten(1), keys.flatten(3), values.flatten(3), valid)
    return read.reshape(*read.shape[:2], *key.shape[1:])
