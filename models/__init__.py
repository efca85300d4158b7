"""PyTorch networks, their checkpoints and their stand-in weights. Needs torch."""

from vosrt.models.catalog import MODELS, build_network
from vosrt.models.checkpoint import load_checkpoint, save_published
from vosrt.models.network import GraphSpec, NetworkInput, TensorSpec, VosNetwork
from vosrt.models.stand_in_weights import load_stand_in_weights

__all__ = [
    "MODELS",
    "GraphSpec",
    "NetworkInput",
    "TensorSpec",
    "VosNetwork",
    "build_network",
    "load_checkpoint",
    "load_stand_in_weights",
    "save_published",
]
