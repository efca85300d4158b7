"""Learning rate and difficulty over a run."""

from __future__ import annotations

import math

from vosrt.models.training.settings import TrainingSettings

_POWER = 0.9  # of the poly schedule (CFBI, section 4)


def learning_rate(settings: TrainingSettings, step: int) -> float:
    """Linear warm-up, constant, then down to nearly zero."""
    warm_up = max(1.0, settings.warm_up * settings.steps)
    if step < warm_up:
        return settings.learning_rate * (step + 1) / warm_up
    constant = settings.constant * settings.steps
    done = (step - warm_up - constant) / max(1.0, settings.steps - warm_up - constant)
    done = min(max(done, 0.0), 1.0)
    if settings.decay == "poly":
        return settings.learning_rate * (1 - done) ** _POWER
    return settings.learning_rate * (0.005 + 0.995 * 0.5 * (1 + math.cos(math.pi * done)))


def hardest_share(settings: TrainingSettings, step: int) -> float:
    """Share of the pixels that count: all at first, then ever fewer, down to `hardest`."""
    done = min(1.0, step / max(1.0, settings.hardest_from * settings.steps))
    return 1.0 - (1.0 - settings.hardest) * done


def ema_decay(settings: TrainingSettings, step: int) -> float:
    """Decay of the averaged weights: short at first, while the weights change fast."""
    return min(settings.ema, (1 + step) / (10 + step))
