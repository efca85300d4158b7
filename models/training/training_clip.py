"""What a network is trained on, and how clips become batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from vosrt.models.training.losses import VOID
from vosrt.models.training.mask_damage import damage
from vosrt.models.training.photometric import degrade
from vosrt.models.training.randomness import one_in
from vosrt.models.training.settings import Stage, TrainingSettings

MIN_SHARE = 0.0025  # of the clip's pixels that an object needs in the reference
_TRIES = 12


@dataclass(frozen=True)
class TrainingClip:
    """A reference, the frame before, and the frames to be predicted.

    Attributes:
        frames: uint8 `[2 + following, H, W, 3]`, blue, green, red.
        labels: uint8 `[2 + following, H, W]`, the truth; 255 is no statement.
        given: uint8 `[H, W]`, the labels that the network is told of the frame before: the truth, or a
            damaged version of it.
        unrolled: how many of the frames to be predicted, the first ones, nothing is learnt from.
    """

    frames: Tensor
    labels: Tensor
    given: Tensor
    unrolled: int = 0

    def rows(self, device: torch.device) -> tuple[int, Tensor, Tensor]:
        """Labels as rows of the reference's objects, in the order of their ids.

        Returns:
            how many objects; `labels`, int64 `[2 + following, H, W]`, with 255 where nothing is stated;
            `given`, int64 `[H, W]`, where that is background.
        """
        labels = self.labels.to(device).long()
        ids = torch.unique(labels[0])
        ids = ids[(ids > 0) & (ids < VOID)]
        table = torch.zeros(256, dtype=torch.int64, device=device)
        table[ids] = torch.arange(1, len(ids) + 1, device=device)
        given = table[self.given.to(device).long()]
        table[VOID] = VOID
        return len(ids), table[labels], given


class Scenes(Protocol):
    """A source of clips."""

    def draw(
        self, rng: np.random.Generator, size: tuple[int, int], predicted: int, max_step: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Frames and labels, as `RealScenes.draw` gives them."""


class TrainingClips(Dataset[TrainingClip]):
    """Clip number i of a run: a function of the seed and of i alone, in whatever process it is drawn.

    Args:
        settings: of the run; number i belongs to step `i // batch`, whose stage gives its size.
        sources: scenes with their shares.
        stills: for stages that take clips of still images in place of the first source's.
    """

    def __init__(
        self, settings: TrainingSettings, sources: list[tuple[Scenes, float]], stills: Scenes | None = None
    ) -> None:
        self.settings = settings
        self.stills = stills
        self.sources = [scenes for scenes, _ in sources]
        shares = np.array([share for _, share in sources], np.float64)
        self.shares = shares / shares.sum()

    def __len__(self) -> int:
        return self.settings.steps * self.settings.batch

    def __getitem__(self, index: int) -> TrainingClip:
        rng = np.random.default_rng((self.settings.seed, index))
        stage = self.settings.stage(index // self.settings.batch)
        frames, labels = self._draw(rng, stage)
        given = damage(labels[1], rng) if one_in(rng, self.settings.damaged) else labels[1]
        given = np.where(given == 255, 0, given).astype(np.uint8)
        frames = degrade(frames, rng, reference_light=self.settings.reference_light)
        return TrainingClip(
            torch.from_numpy(frames), torch.from_numpy(labels), torch.from_numpy(given), stage.unrolled
        )

    def _draw(self, rng: np.random.Generator, stage: Stage) -> tuple[np.ndarray, np.ndarray]:
        """Draw until the reference holds enough of an object; what it does not hold becomes background."""
        for _ in range(_TRIES if self.settings.balanced_crop else 1):
            source = self.sources[int(rng.choice(len(self.sources), p=self.shares))]
            if source is self.sources[0] and self.stills is not None and stage.stills > 0:
                source = self.stills if one_in(rng, stage.stills) else source
            frames, labels = source.draw(rng, stage.size, stage.following, stage.max_step)
            labels = _only_in_reference(labels)
            if ((labels[0] > 0) & (labels[0] < 255)).any():
                break
        return frames, labels


def _only_in_reference(labels: np.ndarray) -> np.ndarray:
    """Renumber the objects that the reference holds enough of from 1; drop the others."""
    counts = np.bincount(labels[0].ravel(), minlength=256)
    table = np.zeros(256, np.uint8)
    table[255] = 255
    kept = [label for label in range(1, 255) if counts[label] >= MIN_SHARE * labels[0].size]
    for number, label in enumerate(kept, start=1):
        table[label] = number
    return table[labels]


class ShareOfBatches:
    """Clip numbers of one process, batch by batch, from a step on.

    Args:
        settings: of the run.
        rank: of the process.
        processes: in all; they share every batch.
        first: step to begin with.
    """

    def __init__(self, settings: TrainingSettings, rank: int, processes: int, first: int) -> None:
        self.settings, self.rank, self.processes, self.first = settings, rank, processes, first

    def __len__(self) -> int:
        return self.settings.steps - self.first

    def __iter__(self) -> Iterator[list[int]]:
        for step in range(self.first, self.settings.steps):
            start = step * self.settings.batch
            yield list(range(start + self.rank, start + self.settings.batch, self.processes))
