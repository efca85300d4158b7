"""PyTorch networks, their checkpoints and their stand-in weights. Needs torch."""

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
