"""Losses, and how difficulty and learning rate change over a run."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from vosrt.errors import InputError  # noqa: E402
from vosrt.models.training.losses import bootstrapped_cross_entropy, soft_iou_loss  # noqa: E402
from vosrt.models.training.schedule import ema_decay, hardest_share, learning_rate  # noqa: E402
from vosrt.models.training.settings import Stage, TrainingSettings  # noqa: E402


def test_only_the_hardest_pixels_count():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 10, 10, generator=generator)
    target = torch.randint(0, 3, (10, 10), generator=generator)
    each = torch.nn.functional.cross_entropy(logits[None], target[None], reduction="none").flatten()
    hardest = each.sort(descending=True).values[:15].mean()
    assert bootstrapped_cross_entropy(logits, target, 0.15) == pytest.approx(float(hardest))
    assert bootstrapped_cross_entropy(logits, target, 1.0) == pytest.approx(float(each.mean()))


def test_pixels_without_a_statement_do_not_count():
    logits = torch.zeros(2, 4, 4)
    logits[0] = 5.0
    target = torch.zeros(4, 4, dtype=torch.int64)
    target[0] = 1
    with_statement = bootstrapped_cross_entropy(logits, target, 0.25)
    target[0] = 255
    assert float(with_statement) > 4
    assert float(bootstrapped_cross_entropy(logits, target, 0.25)) < 0.01
    target[:] = 255
    assert float(bootstrapped_cross_entropy(logits, target, 0.25)) == 0


def test_soft_iou_is_zero_for_the_truth_and_near_one_for_its_opposite():
    target = torch.zeros(20, 20, dtype=torch.int64)
    target[5:15, 5:15] = 1
    truth = torch.stack([(target == row).float() for row in range(2)])
    assert float(soft_iou_loss(truth, target)) == pytest.approx(0, abs=1e-6)
    assert float(soft_iou_loss(truth.flip(0), target)) > 0.99


def test_rate_and_difficulty_over_a_run():
    settings = TrainingSettings(steps=1000, warm_up=0.1, constant=0.4, learning_rate=1.0)
    assert learning_rate(settings, 0) == pytest.approx(0.01)
    assert learning_rate(settings, 99) == pytest.approx(1.0)
    assert learning_rate(settings, 499) == pytest.approx(1.0)
    assert learning_rate(settings, 750) == pytest.approx(0.5, abs=0.01)
    assert learning_rate(settings, 999) < 0.01
    poly = TrainingSettings(steps=1000, warm_up=0.1, constant=0.0, learning_rate=1.0, decay="poly")
    assert learning_rate(poly, 550) == pytest.approx(0.5**0.9)
    assert hardest_share(settings, 0) == 1.0
    assert hardest_share(settings, 400) == pytest.approx(0.15)
    assert ema_decay(settings, 0) == pytest.approx(0.1)
    assert ema_decay(settings, 100000) == settings.ema


def test_settings_travel_as_json_and_reject_what_they_do_not_know():
    settings = TrainingSettings(steps=7, stages=(Stage(1.0, 65, 81, 2),))
    assert TrainingSettings.from_json(settings.to_json()) == settings
    assert TrainingSettings.from_json(settings.to_json(), steps=9).steps == 9
    with pytest.raises(InputError, match="unknown settings: speed"):
        TrainingSettings.from_json('{"speed": 3}')
    with pytest.raises(InputError, match="settings cannot be read"):
        TrainingSettings.from_json("[")
    for change in ({"optimizer": "magic"}, {"steps": 0}, {"stages": (Stage(1.0, 64, 81, 2),)}):
        with pytest.raises(InputError, match=next(iter(change))):
            TrainingSettings(**change)


def test_a_run_passes_through_its_stages():
    settings = TrainingSettings(steps=10, stages=(Stage(0.5, 65, 65, 2), Stage(0.5, 81, 81, 3)))
    assert [settings.stage(step).height for step in (0, 4, 5, 9, 12)] == [65, 65, 81, 81, 81]
