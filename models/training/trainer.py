"""The training loop: deterministic from its settings, and able to go on after any interruption."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from vosrt.errors import Error
from vosrt.models.training.averaged_weights import AveragedWeights
from vosrt.models.training.families import training_of
from vosrt.models.training.footage import Footage
from vosrt.models.training.process_group import Rank
from vosrt.models.training.run_folder import STEPS, VALIDATION, RunFolder
from vosrt.models.training.schedule import ema_decay, hardest_share, learning_rate
from vosrt.models.training.settings import TrainingSettings
from vosrt.models.training.start_weights import starting_network
from vosrt.models.training.training_clip import ShareOfBatches, TrainingClip, TrainingClips
from vosrt.models.training.validation import validate

LOGGER = logging.getLogger(__name__)
MAX_BROKEN_STEPS = 20  # steps in a row whose gradient is no number


@dataclass(frozen=True)
class Rhythm:
    """How often a run stops to write: no part of its result.

    Attributes:
        log: steps between lines of the curve.
        save: steps between checkpoints.
        validate: steps between validations.
        workers: processes that draw clips for each training process.
        stop_after: end after this step although the schedule goes on; None for the whole run.
    """

    log: int = 50
    save: int = 250
    validate: int = 1000
    workers: int = 0
    stop_after: int | None = None


class Trainer:
    """One process of a run.

    The state of a run is weights, their averages, the optimiser and the number of the step. Everything else
    follows from settings and step, so a run that goes on from a checkpoint repeats the uninterrupted one bit
    by bit.

    Args:
        settings: of the run.
        clips: to learn from.
        held_out: sequences to validate on; may be empty.
        folder: where process 0 writes.
        rank: this process.
        rhythm: how often.
        device: `cpu` or `cuda`.
        notes: stored with the weights.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        clips: TrainingClips,
        held_out: Footage,
        folder: RunFolder,
        rank: Rank,
        rhythm: Rhythm,
        device: str,
        notes: Mapping[str, str],
    ) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.clips, self.held_out = settings, clips, held_out
        self.folder, self.rank, self.rhythm, self.notes = folder, rank, rhythm, notes
        self.network = starting_network(settings).to(device)
        self.averaged = AveragedWeights(self.network)
        self.family = training_of(self.network, settings)
        self.optimizer = _new_optimizer(self.network, settings)
        self.step = 0
        self._broken = 0
        self._unlogged: list[tuple[float, float]] = []  # loss and norm of the steps since the last line
        self._restore()

    def run(self) -> None:
        """Train to the end of the schedule, or to `stop_after`.

        Raises:
            Error: the losses are no numbers any more.
        """
        last = min(self.settings.steps, self.rhythm.stop_after or self.settings.steps)
        since, first = time.monotonic(), self.step
        for clips in self._batches():
            if self.step >= last:
                break
            self.rank.leave_if_orphaned()
            self._unlogged.append(self._train_step(clips))
            if self._is_due(self.rhythm.log, last):
                self._log((time.monotonic() - since) / (self.step - first))
                since, first = time.monotonic(), self.step
            if self._is_due(self.rhythm.validate, last):
                self._validate()
                since = time.monotonic()
            if self._is_due(self.rhythm.save, last):
                self._save()

    def _is_due(self, interval: int, last: int) -> bool:
        return self.step % interval == 0 or self.step == last

    def _batches(self) -> Iterator[list[TrainingClip]]:
        share = ShareOfBatches(self.settings, self.rank.number, self.rank.processes, self.step)
        return iter(
            DataLoader(
                self.clips,
                batch_sampler=share,
                num_workers=self.rhythm.workers,
                collate_fn=list,
                persistent_workers=self.rhythm.workers > 0,
            )
        )

    def _train_step(self, clips: list[TrainingClip]) -> tuple[float, float]:
        """One step of the optimiser; returns loss and norm of the gradient."""
        # What a family draws (crops, pairs) follows from the step, too, however often a run was stopped.
        drawn = np.random.SeedSequence((self.settings.seed, self.step, self.rank.number))
        torch.manual_seed(int(drawn.generate_state(1)[0]))
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.settings, self.step)
        self.network.train()
        if self.settings.frozen_batch_norm:
            _freeze_batch_norms(self.network)
        self.optimizer.zero_grad(set_to_none=True)
        before = [buffer.clone() for buffer in self.network.buffers()]
        loss = self.family.loss(clips, hardest_share(self.settings, self.step))
        loss.backward()
        parameters = [p for p in self.network.parameters() if p.requires_grad]
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        value = loss.detach()
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        self.rank.average([value, *gradients, *self.network.buffers()])
        limit = self.settings.clip_norm or math.inf
        norm = float(nn.utils.clip_grad_norm_(parameters, limit))
        if math.isfinite(norm):
            self._broken = 0
            self.optimizer.step()
            self.averaged.update(self.network, ema_decay(self.settings, self.step))
        else:
            self._leave_out(before)
        self.step += 1
        return float(value), norm

    def _leave_out(self, before: list[Tensor]) -> None:
        """A step whose gradient is no number changes nothing, buffers included; many in a row end the run."""
        for buffer, value in zip(self.network.buffers(), before, strict=True):
            buffer.copy_(value)
        self._broken += 1
        LOGGER.warning("step %d: the gradient is no finite number; left out", self.step)
        if self._broken >= MAX_BROKEN_STEPS:
            raise Error(
                f"training broke down at step {self.step}: {MAX_BROKEN_STEPS} gradients in a row "
                "are no finite numbers",
                cure="begin another run with a lower learning_rate, or with bfloat16 off",
            )

    def _log(self, seconds: float) -> None:
        losses, norms = zip(*self._unlogged, strict=True)
        self._unlogged = []
        if not self.rank.is_first:
            return
        loss = sum(losses) / len(losses)
        rate = learning_rate(self.settings, self.step - 1)
        self.folder.log(
            STEPS,
            {
                "step": self.step,
                "loss": loss,
                "learning_rate": rate,
                "gradient_norm": sum(norms) / len(norms),
                "seconds_per_step": seconds,
            },
        )
        LOGGER.info(
            "step %d of %d: loss %.4f, %.2f s per step", self.step, self.settings.steps, loss, seconds
        )

    def _validate(self) -> None:
        """Process 0 validates; the others wait for it in the next step."""
        if not self.rank.is_first:
            return
        self.folder.save_weights(self.averaged.values, self.notes)
        if not len(self.held_out):
            return
        network = starting_network(self.settings).to(next(self.network.parameters()).device)
        network.load_state_dict(self.averaged.values)
        results = validate(network.eval(), self.held_out)
        mean = sum(result.region_similarity for result in results) / len(results)
        values = {result.name: result.region_similarity for result in results}
        self.folder.log(VALIDATION, {"step": self.step, "mean": mean, **values})
        for result in results:
            self.folder.save_picture(result.name, self.step, result.picture)
        LOGGER.info(
            "step %d: held-out J %.1f (%s)",
            self.step,
            mean,
            ", ".join(f"{name} {value:.1f}" for name, value in values.items()),
        )

    def _save(self) -> None:
        if self.rank.is_first:
            self.folder.save_checkpoint(
                {
                    "step": self.step,
                    "network": self.network.state_dict(),
                    "averaged": self.averaged.values,
                    "optimizer": self.optimizer.state_dict(),
                    "broken": self._broken,
                    "unlogged": self._unlogged,
                }
            )

    def _restore(self) -> None:
        stored = self.folder.load_checkpoint()
        if stored is None:
            return
        self.network.load_state_dict(stored["network"])
        self.averaged.load(stored["averaged"])
        self.optimizer.load_state_dict(stored["optimizer"])
        self.step = int(stored["step"])
        self._broken = int(stored["broken"])
        self._unlogged = [(float(loss), float(norm)) for loss, norm in stored.get("unlogged", [])]


def _new_optimizer(network: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """Weights of one dimension (norms, biases) do not decay."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=settings.learning_rate, momentum=0.9)
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.99))


def _freeze_batch_norms(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
