"""Trained weights as the start of another network's training: a trunk that has seen footage before."""

from __future__ import annotations

from pathlib import Path

from vosrt.errors import CheckpointError
from vosrt.models.catalog import build_network
from vosrt.models.checkpoint import is_usable, read_tensors
from vosrt.models.network import VosNetwork
from vosrt.models.published_keys import name_here
from vosrt.models.training.settings import TrainingSettings

SHIPPED = Path(__file__).parents[1] / "weights"


def starting_network(settings: TrainingSettings) -> VosNetwork:
    """The network of a run before its first step.

    Raises:
        Error: there is no such network, or its weights cannot be read.
    """
    options = {"without": settings.without} if settings.without else {}
    network = build_network(settings.model, settings.backbone, **options)
    if settings.start_from:
        load_fitting(network, start_file(settings.start_from))
    return network


def start_file(name: str) -> Path:
    """The file that a setting names: weights that come with vosrt, by their name, or a path."""
    shipped = SHIPPED / f"{name}.safetensors"
    return shipped if shipped.is_file() else Path(name)


def load_fitting(network: VosNetwork, path: Path) -> int:
    """Load the tensors of a checkpoint whose names and shapes are the network's; the others stay as they are.

    Returns:
        how many they are.

    Raises:
        CheckpointError: the file is not readable, nothing in it fits, or what fits is not finite.
    """
    own = network.state_dict()
    fitting = {
        name: tensor
        for name, tensor in ((name_here(key), tensor) for key, tensor in read_tensors(path).items())
        if name in own and tensor.shape == own[name].shape and tensor.is_floating_point()
    }
    if not fitting:
        raise CheckpointError(
            f"nothing in {path} fits {network.name}", cure="choose a checkpoint with the same trunk, or none"
        )
    unusable = [name for name, tensor in fitting.items() if not is_usable(tensor)]
    if unusable:
        raise CheckpointError(f"{path} holds no finite numbers in {', '.join(unusable[:5])}")
    network.load_state_dict(fitting, strict=False)
    return len(fitting)
