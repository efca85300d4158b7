"""The networks by name, with the options that change their results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vosrt.errors import Error
from vosrt.models.cfbi import BACKBONES, Cfbi
from vosrt.models.cfbi_lite import CfbiLite
from vosrt.models.cfbi_plus import CfbiPlus
from vosrt.models.network import VosNetwork

# model name -> (backbones, the first is the default; constructor given a backbone and options)
MODELS: dict[str, tuple[tuple[str, ...], Callable[..., VosNetwork]]] = {
    "cfbi": (tuple(BACKBONES), Cfbi),
    "elcp": (tuple(BACKBONES), lambda backbone, **options: Cfbi(backbone, elcp=True, **options)),
    "cfbi_plus": (("resnet101",), lambda backbone, **options: CfbiPlus(**options)),
    "cfbi-lite": (("unet",), lambda backbone, **options: CfbiLite(**options)),
}


def build_network(model: str, backbone: str | None = None, **options: Any) -> VosNetwork:
    """A network in evaluation mode, with the initial weights of its layers.

    Args:
        model: one of `MODELS`.
        backbone: one of the model's; the first when left out.
        options: settings of the constructor (`global_atrous`, `minimum_pixels`, `max_long_edge`, `scale`).

    Raises:
        Error: model or backbone is not known.
    """
    if model not in MODELS:
        raise Error("--model", value=model, allowed=", ".join(MODELS))
    backbones, construct = MODELS[model]
    backbone = backbones[0] if backbone is None else backbone
    if backbone not in backbones:
        raise Error(f"--backbone of {model}", value=backbone, allowed=", ".join(backbones))
    return construct(backbone, **options).eval()
