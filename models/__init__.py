"""PyTorch networks, their checkpoints and their stand-in weights. What is named here needs torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vosrt.models.catalog import MODELS, build_network, rebuild_network
    from vosrt.models.checkpoint import load_checkpoint, save_published
    from vosrt.models.network import GraphSpec, NetworkInput, NetworkRecipe, TensorSpec, VosNetwork
    from vosrt.models.stand_in_weights import load_stand_in_weights, salt_of_source, stand_in_source

__all__ = [
    "MODELS",
    "GraphSpec",
    "NetworkInput",
    "NetworkRecipe",
    "TensorSpec",
    "VosNetwork",
    "build_network",
    "load_checkpoint",
    "load_stand_in_weights",
    "rebuild_network",
    "salt_of_source",
    "save_published",
    "stand_in_source",
]

_NAMES = {
    "catalog": ("MODELS", "build_network", "rebuild_network"),
    "checkpoint": ("load_checkpoint", "save_published"),
    "network": ("GraphSpec", "NetworkInput", "NetworkRecipe", "TensorSpec", "VosNetwork"),
    "stand_in_weights": ("load_stand_in_weights", "salt_of_source", "stand_in_source"),
}
_MODULES = {name: f"vosrt.models.{module}" for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> object:
    """Import networks on first use: the generated scenes of `vosrt.models.training` need no torch."""
    if name not in _MODULES:
        raise AttributeError(f"module 'vosrt.models' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_MODULES[name]), name)
