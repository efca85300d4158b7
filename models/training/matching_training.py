"""Sequential training of the matching networks (CFBI, section 4.1).

The network predicts frame after frame, its own hard prediction being the previous mask of the next one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vosrt.models.ensembler import logits_of_rows
from vosrt.models.matching_network import MatchingNetwork
from vosrt.models.resize import resize_linear
from vosrt.models.training.losses import VOID
from vosrt.models.training.sequential_training import SequentialTraining
from vosrt.models.training.training_clip import TrainingClip


@dataclass
class _Track:
    """One clip on its way through the network.

    Attributes:
        rows: int32 `[R]`, 0 and the objects of the reference.
        bank: per scale `[1, h, w, C]` and its labels int32 `[1, h, w]`, alternating.
        previous_labels: int32 `[H, W]`.
        truth: int64 `[T, H, W]`, the row of every pixel or 255.
    """

    rows: Tensor
    bank: tuple[Tensor, ...]
    previous_labels: Tensor
    truth: Tensor


class MatchingTraining(SequentialTraining[MatchingNetwork]):
    """Losses of a `MatchingNetwork` on clips of one size."""

    def loss(self, clips: list[TrainingClip], hardest: float) -> Tensor:
        """Mean loss over clips and predicted frames, a scalar.

        Args:
            clips: of one size and length.
            hardest: share of the pixels that count in the cross-entropy.
        """
        device = self.network.mean.device
        frames = torch.stack([clip.frames for clip in clips]).to(device)
        first = 2 + clips[0].unrolled  # to learn from
        embeddings, low = self._embed_around(frames, slice(2, first))
        tracks = [
            self._start(clip, [embedding[index] for embedding in embeddings])
            for index, clip in enumerate(clips)
        ]
        with torch.no_grad():
            for time in range(2, first):
                scores = self._scores(tracks, embeddings, low, time)
                for track, of_clip in zip(tracks, scores, strict=True):
                    self._predicted(track, of_clip)
        total = frames.new_zeros((), dtype=torch.float32)
        count = frames.shape[1] - first
        for time in range(first, frames.shape[1]):
            scores = self._scores(tracks, embeddings, low, time)
            for track, of_clip in zip(tracks, scores, strict=True):
                total = total + self._loss_of_frame(track, of_clip, time, hardest)
        return total / (count * len(clips))

    def _embed_around(self, frames: Tensor, unrolled: slice) -> tuple[list[Tensor], Tensor]:
        """As `_embed`, with no gradient to the frames of a part of the clip."""
        before, after = slice(0, unrolled.start), slice(unrolled.stop, None)
        if unrolled.start == unrolled.stop:
            return self._embed(frames)
        learnt, low = self._embed(torch.cat([frames[:, before], frames[:, after]], dim=1))
        with torch.no_grad():
            others, other_low = self._embed(frames[:, unrolled])
        return [
            _inserted(one, other, unrolled.start) for one, other in zip(learnt, others, strict=True)
        ], _inserted(low, other_low, unrolled.start)

    def _embed(self, frames: Tensor) -> tuple[list[Tensor], Tensor]:
        """Per scale `[B, T, C, h, w]`, and low-level features alike, of uint8 `[B, T, H, W, 3]`."""
        batch, length = frames.shape[:2]
        images = self.network.normalized(frames.flatten(0, 1).float())
        with self.autocast(frames.device):
            embeddings, low = self.network.embed(images)
        return [e.float().unflatten(0, (batch, length)) for e in embeddings], low.unflatten(
            0, (batch, length)
        )

    def _start(self, clip: TrainingClip, embeddings: list[Tensor]) -> _Track:
        """The reference state of a clip; `embeddings` are `[T, C, h, w]` per scale."""
        device = embeddings[0].device
        labels = clip.labels.to(device).int()
        ids = torch.unique(labels[0])
        rows = torch.cat([ids.new_zeros(1), ids[(ids > 0) & (ids < VOID)]]).int()
        bank = self.network.reference(*(e[:1] for e in embeddings), labels[0], rows)
        table = torch.zeros(256, dtype=torch.int64, device=device)
        table[rows.long()] = torch.arange(len(rows), device=device)
        table[VOID] = VOID
        return _Track(rows, bank, clip.given.to(device).int(), table[labels.long()])

    def _scores(self, tracks: list[_Track], embeddings: list[Tensor], low: Tensor, time: int) -> list[Tensor]:
        """Per clip `[R, 2, h, w]`; the rows of all clips go through the ensembler together."""
        maps: list[list[Tensor]] = [[] for _ in self.network.scales]
        joined: list[list[Tensor]] = [[] for _ in self.network.scales]
        vectors, lows = [], []
        for index, track in enumerate(tracks):
            current = tuple(e[index, time : time + 1] for e in embeddings)
            previous = tuple(e[index, time - 1 : time] for e in embeddings)
            inputs: list[Tensor] = []
            for scale in range(len(self.network.scales)):
                inputs += [current[scale], *track.bank[2 * scale : 2 * scale + 2], previous[scale]]
            *of_scales, of_clip = self.network.match(*inputs, track.previous_labels, track.rows)
            at_rows = self.network.row_embeddings(current, previous, track.previous_labels, track.rows)
            for scale in range(len(self.network.scales)):
                maps[scale].append(of_scales[scale])
                joined[scale].append(at_rows[scale])
            vectors.append(of_clip)
            lows.append(low[index, time : time + 1].expand(len(track.rows), -1, -1, -1))
        with self.autocast(low.device):
            scores = self.network.assemble(
                [torch.cat(of_scale) for of_scale in maps],
                [torch.cat(of_scale) for of_scale in joined],
                torch.cat(lows),
                torch.cat(vectors),
            )
        return list(scores.float().split([len(track.rows) for track in tracks]))

    def _loss_of_frame(self, track: _Track, scores: Tensor, time: int, hardest: float) -> Tensor:
        """Loss of one frame; its prediction becomes the clip's previous labels."""
        return self.loss_of_rows(self._predicted(track, scores), track.truth[time], hardest)

    def _predicted(self, track: _Track, scores: Tensor) -> Tensor:
        """Logits of one frame, `[R, H, W]`; what they say becomes the clip's previous labels."""
        logits = resize_linear(logits_of_rows(scores, track.rows), *track.truth.shape[1:])
        with torch.no_grad():
            track.previous_labels = track.rows[logits.argmax(0)]
        return logits


def _inserted(maps: Tensor, others: Tensor, place: int) -> Tensor:
    """`others` between the frames of `maps`, both `[B, T, ...]`."""
    return torch.cat([maps[:, :place], others, maps[:, place:]], dim=1)


@torch.no_grad()
def predict_by_matching(
    network: MatchingNetwork, images: list[np.ndarray], labels: np.ndarray
) -> list[np.ndarray]:
    """Label maps of a clip, frame after frame from the first mask.

    Args:
        network: in evaluation mode.
        images: uint8 `[H, W, 3]` each; sides of 16 k + 1.
        labels: uint8 `[H, W]` of the first frame.

    Returns:
        uint8 `[H, W]` each; the first is the given one.
    """
    device = network.mean.device
    rows = torch.from_numpy(np.union1d(np.unique(labels), [0]).astype(np.int32)).to(device)
    current = torch.from_numpy(labels.astype(np.int32)).to(device)
    canvas = torch.zeros(labels.shape, device=device)
    results = [labels]
    bank: tuple[Tensor, ...] = ()
    previous: tuple[Tensor, ...] = ()
    for image in images:
        frame = torch.from_numpy(np.ascontiguousarray(image))[None].to(device)
        *embeddings, low = network.encode(frame, canvas)
        if not bank:
            bank = network.reference(*embeddings, current, rows)
        else:
            inputs, parts = [], []
            for scale, embedding in enumerate(embeddings):
                inputs += [embedding, *bank[2 * scale : 2 * scale + 2], previous[scale]]
            *maps, vectors = network.match(*inputs, current, rows)
            for scale, embedding in enumerate(embeddings):
                parts += [embedding, previous[scale], maps[scale]]
            (scores,) = network.segment(*parts, low, current, vectors, rows)
            _, current = network.finish(scores, current, rows)
            results.append(current.cpu().numpy().astype(np.uint8))
        previous = tuple(embeddings)
    return results
