"""Weights made from parameter names alone, for checks that need no trained network.

Every tensor depends on its published name, its shape and a salt, so two programs that follow the
same rule hold the same network without exchanging a file. Masks made with such weights mean nothing.

The rule: `z` is standard normal from `PCG64(crc32(salt + "|" + name))`, in float64 and C order; the
first row of `RULES` whose pattern is found in the name turns it into the tensor.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Callable

import numpy as np
import torch

from vosrt.models.network import VosNetwork
from vosrt.models.published_keys import published_name
from vosrt.models.stm_encoders import DEVIATION, MEAN

DEFAULT_SALT = "f"
_SOURCE = "stand-in weights, salt "
Rule = Callable[[np.ndarray], np.ndarray]


def _normal(mean: float, deviation: float) -> Rule:
    return lambda z: mean + deviation * z


def _fan_in(gain: float) -> Rule:
    return lambda z: z * (gain / math.sqrt(math.prod(z.shape[1:])))


def _weight(z: np.ndarray) -> np.ndarray:
    """He scaling for convolutions and linears, close to one for norms."""
    return _fan_in(math.sqrt(2.0))(z) if z.ndim > 1 else 1.0 + 0.1 * z


def _away_from_zero(z: np.ndarray) -> np.ndarray:
    """Distance biases: far enough from zero for a dropped or swapped one to show."""
    return np.where(z < 0, -1.0, 1.0) * (0.1 + 0.15 * np.abs(z))


# Chosen so that activations stay of order one, distances are not saturated and logits vary.
RULES: tuple[tuple[str, Rule], ...] = (
    (r"running_mean$", _normal(0.0, 0.1)),
    (r"running_var$", lambda z: np.exp(0.1 * z)),
    (r"backbone\.layer\d+\.\d+\.bn3\.weight$", _normal(0.15, 0.02)),  # 33 residual sums stay small
    (r"^Encoder_[MQ]\.mean$", lambda z: np.reshape(MEAN, z.shape)),
    (r"^Encoder_[MQ]\.std$", lambda z: np.reshape(DEVIATION, z.shape)),
    (r"^Encoder_[MQ]\.res\d\.\d+\.bn3\.weight$", _normal(0.15, 0.02)),
    (r"^Encoder_M\.conv1_[mo]\.weight$", _fan_in(4.0)),
    (r"^KV_[MQ]_r4\.Key\.weight$", _fan_in(1.1)),
    (r"^Decoder\.pred2\.weight$", _fan_in(0.7)),
    (r"^key\.projection\.weight$", _fan_in(0.15)),
    (r"^key\.nearness$", _normal(6.0, 0.1)),
    (r"^light_decoder\.pred2\.weight$", _fan_in(0.3)),
    (r"^concentration$", _normal(10.0, 1.0)),
    (r"^embedding\.branches\.\d\.weight$", _fan_in(0.05)),
    (r"^offset\.branches\.\d\.weight$", _fan_in(0.05)),
    (r"^trunk\.layer\d+\.\d+\.bn3\.weight$", _normal(0.15, 0.02)),
    (r"^decoder\.scores\.weight$", _fan_in(0.3)),
    (r"^bn2\.weight$", _normal(0.22, 0.02)),
    (r"^bn2\.bias$", _normal(0.0, 0.03)),
    (r"^trunk\.embedding\.weight$", _fan_in(0.03)),
    (r"^fpn\.smooth2\.1\.weight$", _normal(0.30, 0.03)),
    (r"^fpn\.smooth1\.1\.weight$", _normal(0.21, 0.02)),
    (r"^fpn\.toplayer\.1\.weight$", _normal(0.15, 0.015)),
    (r"^fpn\.(smooth1|smooth2|toplayer)\.1\.bias$", _normal(0.0, 0.03)),
    (r"^(bg|fg)_bias$", _away_from_zero),
    (r"(^|\.)alpha$", _normal(1.0, 0.1)),
    (r"(^|\.)gamma$", _normal(0.0, 0.3)),
    (r"(^|\.)beta$", _normal(0.0, 0.1)),
    (r"\.IA\.weight$", _fan_in(4.0)),
    (r"\.IA_final_(fg|bg)\.weight$", _fan_in(2.5)),
    (r"\.weight$", _weight),
    (r"\.bias$", _normal(0.0, 0.1)),
)


def stand_in_tensor(name: str, shape: tuple[int, ...], salt: str = DEFAULT_SALT) -> np.ndarray:
    """The float32 tensor of one published name."""
    generator = np.random.Generator(np.random.PCG64(zlib.crc32(f"{salt}|{name}".encode())))
    z = generator.standard_normal(shape)
    rule = next((rule for pattern, rule in RULES if re.search(pattern, name)), None)
    if rule is None:
        raise KeyError(f"no stand-in rule for {name}")
    return np.asarray(rule(z), dtype=np.float32).reshape(shape)


def stand_in_state(network: VosNetwork, salt: str = DEFAULT_SALT) -> dict[str, torch.Tensor]:
    """A whole state dictionary under the names used here."""
    return {
        name: torch.from_numpy(stand_in_tensor(published_name(name), tuple(tensor.shape), salt))
        for name, tensor in network.state_dict().items()
    }


def load_stand_in_weights(network: VosNetwork, salt: str = DEFAULT_SALT) -> None:
    """Give `network` its stand-in weights."""
    network.load_state_dict(stand_in_state(network, salt))


def stand_in_source(salt: str) -> str:
    """What a manifest's `source.file` says about stand-in weights."""
    return f"{_SOURCE}{salt}"


def salt_of_source(file: str) -> str | None:
    """The salt that `stand_in_source` wrote; None for any other text."""
    return file.removeprefix(_SOURCE) if file.startswith(_SOURCE) else None
