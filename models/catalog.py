"""The networks by name, with the options that change their results."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from vosrt.errors import Error
from vosrt.models.cfbi import BACKBONES, Cfbi
from vosrt.models.cfbi_lite import CfbiLite
from vosrt.models.cfbi_nano import CfbiNano
from vosrt.models.cfbi_plus import CfbiPlus
from vosrt.models.directional import Directional, DirectionalLite
from vosrt.models.location_sensitive import LocationSensitive, LocationSensitiveLite
from vosrt.models.network import NetworkRecipe, VosNetwork
from vosrt.models.stm import BACKBONES as STM_BACKBONES
from vosrt.models.stm import Stm
from vosrt.models.stm_lite import StmLite

# model name -> (backbones, the first is the default; constructor given a backbone and options)
MODELS: dict[str, tuple[tuple[str, ...], Callable[..., VosNetwork]]] = {
    "cfbi": (tuple(BACKBONES), Cfbi),
    "elcp": (tuple(BACKBONES), lambda backbone, **options: Cfbi(backbone, elcp=True, **options)),
    "cfbi_plus": (("resnet101",), lambda backbone, **options: CfbiPlus(**options)),
    "cfbi-lite": (("unet",), lambda backbone, **options: CfbiLite(**options)),
    "cfbi-nano": (("unet",), lambda backbone, **options: CfbiNano(**options)),
    "stm": (STM_BACKBONES, Stm),
    "stm-lite": (("light",), lambda backbone, **options: StmLite(**options)),
    "directional": (("resnet101",), lambda backbone, **options: Directional(**options)),
    "directional-lite": (("light",), lambda backbone, **options: DirectionalLite(**options)),
    "lse": (("resnet101",), lambda backbone, **options: LocationSensitive(**options)),
    "lse-lite": (("light",), lambda backbone, **options: LocationSensitiveLite(**options)),
}
CONSTRUCTOR_OPTIONS = (
    "global_atrous",
    "minimum_pixels",
    "max_long_edge",
    "scale",
    "memory_capacity",
    "memory_every",
    "update_rate",
    "adapt_steps",
    "adapt_rate",
    "without",
)


def build_network(model: str, backbone: str | None = None, **options: Any) -> VosNetwork:
    """A network in evaluation mode, with the initial weights of its layers.

    Args:
        model: one of `MODELS`.
        backbone: one of the model's; the first when left out.
        options: settings of the constructor, of `CONSTRUCTOR_OPTIONS`.

    Raises:
        Error: model or backbone is not known.
    """
    if model not in MODELS:
        raise Error("--model", value=model, allowed=", ".join(MODELS))
    backbones, construct = MODELS[model]
    backbone = backbones[0] if backbone is None else backbone
    if backbone not in backbones:
        raise Error(f"--backbone of {model}", value=backbone, allowed=", ".join(backbones))
    try:
        network = construct(backbone, **options).eval()
    except TypeError as error:
        unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        if unknown is None or unknown[1] not in options:
            raise
        raise Error(
            f"{model} has no option --{unknown[1].replace('_', '-')}",
            value=options[unknown[1]],
            cure="leave it out",
        ) from error
    network.recipe = NetworkRecipe(model, backbone, options)
    return network


def rebuild_network(options: Mapping[str, Any]) -> VosNetwork:
    """The network of an exported bundle, with the initial weights of its layers.

    Args:
        options: the manifest's.

    Raises:
        Error: they do not say how the network was built, or this version builds another one.
    """
    cure = "export the bundle again with this version"
    if not {"model", "backbone"} <= options.keys():
        raise Error("the bundle's options name no model and backbone", cure=cure)
    known = {name: options[name] for name in CONSTRUCTOR_OPTIONS if name in options}
    network = build_network(options["model"], options["backbone"], **known)
    built = network.options()
    changed = sorted(name for name in built if built[name] != options.get(name))
    if changed:
        raise Error(
            f"{network.name} has other options here than in the bundle: {', '.join(changed)}", cure=cure
        )
    return network
