"""Everything that decides a training run's result, as one value that is stored with it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from vosrt.errors import InputError


@dataclass(frozen=True)
class Stage:
    """A part of a run.

    Attributes:
        share: of the run's steps.
        height: of the clips; `16 k + 1`, as the networks want it.
        width: likewise.
        predicted: frames that the network predicts from its own masks, and learns from.
        unrolled: frames that it predicts before those without learning from them: what it makes of its own
            mistakes shows after several frames only, and a frame without gradients costs a third.
        max_step: frames of the footage between two that follow each other in a clip.
        stills: share of the clips of footage that are made of a single frame, bent from frame to frame.
    """

    share: float
    height: int
    width: int
    predicted: int
    max_step: int = 4
    stills: float = 0.0
    unrolled: int = 0

    @property
    def size(self) -> tuple[int, int]:
        return self.height, self.width

    @property
    def following(self) -> int:
        """Frames after the reference and the previous one."""
        return self.unrolled + self.predicted


# Small crops first are by far the largest lever: most of what is learnt early does not need resolution.
DEFAULT_STAGES = (
    Stage(0.45, 129, 225, 2),
    Stage(0.15, 161, 289, 2),
    Stage(0.15, 193, 321, 3),
    Stage(0.15, 193, 321, 4),
    Stage(0.10, 257, 417, 4),
)


@dataclass(frozen=True)
class TrainingSettings:
    """One run.

    Attributes:
        model: name of the network.
        backbone: its trunk; None for the model's first.
        without: parts of it that are left out, with commas between, for ablations.
        start_from: a checkpoint whose tensors of the same names and shapes are the start, or the name of
            weights that come with vosrt; empty for random weights.
        steps: of the optimiser.
        batch: clips per step, over all processes.
        optimizer: `adamw` or `sgd` (momentum 0.9).
        learning_rate: after warm-up.
        decay: `cosine`, or `poly` with power 0.9.
        constant: share of the steps, after warm-up, before the rate falls.
        warm_up: share of the steps.
        weight_decay: of weights of two and more dimensions.
        clip_norm: largest norm of the gradient; 0 for none.
        ema: of the weights that are kept.
        hardest: share of the pixels that count in the cross-entropy from `hardest_from` on.
        hardest_from: share of the steps after which only the hardest pixels count.
        soft_iou: weight of the soft intersection over union.
        damaged: share of the clips whose given mask is damaged.
        reference_light: how much the reference's light and colours may differ from the other frames', the
            standard deviation of the logarithm of a channel's gain.
        pasted: share of the clips of footage that get objects pasted under and over their own.
        balanced_crop: whether a clip's window is laid around an object, and drawn again while it shows none;
            otherwise it lies anywhere.
        frozen_batch_norm: keep the running statistics of batch norms.
        bfloat16: convolutions in bfloat16 where the processor can (parameters stay float32).
        synthetic: share of generated clips beside annotated sequences.
        seed: of everything that is drawn.
        stages: sizes over the run.
    """

    model: str = "cfbi-lite"
    backbone: str | None = None
    without: str = ""
    start_from: str = ""
    steps: int = 20000
    batch: int = 8
    optimizer: str = "adamw"
    learning_rate: float = 1.5e-3
    decay: str = "cosine"
    constant: float = 0.3
    warm_up: float = 0.02
    weight_decay: float = 0.02
    clip_norm: float = 3.0
    ema: float = 0.998
    hardest: float = 0.15
    hardest_from: float = 0.4
    soft_iou: float = 0.5
    damaged: float = 0.5
    reference_light: float = 0.0
    pasted: float = 0.65
    balanced_crop: bool = True
    frozen_batch_norm: bool = False
    bfloat16: bool = True
    synthetic: float = 0.3
    seed: int = 0
    stages: tuple[Stage, ...] = DEFAULT_STAGES

    def __post_init__(self) -> None:
        for field in fields(self):
            _check_type(field.name, getattr(self, field.name), field.default)
        for name, allowed in (("optimizer", ("adamw", "sgd")), ("decay", ("cosine", "poly"))):
            if getattr(self, name) not in allowed:
                raise InputError(name, value=getattr(self, name), allowed=" or ".join(allowed))
        for name in ("steps", "batch", "learning_rate"):
            if not getattr(self, name) > 0:
                raise InputError(name, value=getattr(self, name), allowed="a number above 0")
        for name in ("damaged", "reference_light", "pasted", "synthetic"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(name, value=getattr(self, name), allowed="0 to 1")
        if self.seed < 0:
            raise InputError("seed", value=self.seed, allowed="0 and more")
        for stage in self.stages:
            for field in fields(stage):
                usual = 1.0 if field.name in ("share", "stills") else 1
                _check_type(f"stages: {field.name}", getattr(stage, field.name), usual)
            if not stage.share > 0:
                raise InputError("stages", value=stage, allowed="a share above 0")
            if stage.max_step < 1 or not 0 <= stage.stills <= 1:
                raise InputError("stages", value=stage, allowed="max_step from 1 on, stills from 0 to 1")
            if stage.unrolled < 0:
                raise InputError("stages", value=stage, allowed="unrolled from 0 on")
            sides = min(stage.size) > 16 and stage.height % 16 == stage.width % 16 == 1
            if not sides or stage.predicted < 1:
                raise InputError(
                    "stages", value=stage, allowed="sides of 16 k + 1 and at least one predicted frame"
                )
        if not self.stages:
            raise InputError("stages", value=(), allowed="at least one")

    def stage(self, step: int) -> Stage:
        """The stage that a step belongs to."""
        total = sum(stage.share for stage in self.stages)
        end = 0.0
        for stage in self.stages:
            end += stage.share / total * self.steps
            if step < end:
                return stage
        return self.stages[-1]

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2)

    @staticmethod
    def from_json(text: str | bytes, **changes: Any) -> TrainingSettings:
        """Settings from JSON; `changes` replace what it says.

        Raises:
            InputError: a name or value is not known.
        """
        try:
            content = json.loads(text)
            stages = content.pop("stages", None)
            known = {field.name for field in fields(TrainingSettings)}
            unknown = sorted(set(content) - known)
            if unknown:
                raise InputError(f"unknown settings: {', '.join(unknown)}", allowed=", ".join(sorted(known)))
            if stages is not None:
                content["stages"] = tuple(Stage(**stage) for stage in stages)
            return TrainingSettings(**{**content, **changes})
        except (ValueError, TypeError, AttributeError) as error:
            raise InputError(
                f"settings cannot be read ({error})", allowed="what `settings.json` of a run holds"
            ) from error


def _check_type(name: str, value: object, usual: object) -> None:
    """Refuse what is of another kind than a setting's usual value; a whole number is a number, too."""
    kinds: dict[type, tuple[type, ...]] = {float: (float, int), type(None): (str, type(None))}
    allowed = kinds.get(type(usual), (type(usual),))
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
        raise InputError(name, value=value, allowed=f"a value like {usual!r}")
