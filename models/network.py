"""What every network says about itself, so that export and runtime need not know it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from vosrt.errors import InputError

Dimension = int | str  # a number, a name ("H") or a multiple of a name plus a number ("16*h+1")
Taps = dict[str, Tensor]  # named intermediate results, filled on request


@dataclass(frozen=True)
class TensorSpec:
    """Type of a graph's input or output.

    Attributes:
        dtype: as the bundle's manifest writes it.
        shape: dimensions; equal names mean equal sizes within a graph.
        source: for an input, where the runtime takes it from. Of an input with the source `size` or
            `size/16` only the shape is read: that of the network's input, or the same in steps of 16 pixels,
            rounded up.
    """

    dtype: str
    shape: tuple[Dimension, ...]
    source: str = ""

    @property
    def size_step(self) -> int | None:
        """Pixels for each 1 in the shape of a shape-only input; None for other inputs."""
        owner, _, step = self.source.partition("/")
        return int(step or 1) if owner == "size" else None


@dataclass(frozen=True)
class GraphSpec:
    """Inputs and outputs of one graph role, in calling order.

    Attributes:
        inputs: by name, as the role's method takes them.
        outputs: by name, as it returns them.
    """

    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]


@dataclass(frozen=True)
class NetworkInput:
    """How frames become network input.

    Attributes:
        color: order of the channels, "bgr" or "rgb".
        resize: the manifest's resize rule.
    """

    color: str = "bgr"
    resize: Mapping[str, Any] = field(default_factory=lambda: {"rule": "native"})


@dataclass(frozen=True)
class NetworkRecipe:
    """How a network was built: enough to build it again, weights aside.

    Attributes:
        model: its name in `MODELS`; of a network of your own any other.
        backbone: its trunk.
        options: of the constructor, those that were given.
    """

    model: str
    backbone: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """For the manifest's `options`."""
        return {"model": self.model, "backbone": self.backbone, **self.options}


class VosNetwork(nn.Module, ABC):
    """A video-object-segmentation network split into graph roles.

    Every role is a method of the same name that takes the tensors of its `GraphSpec` in order and
    returns its outputs in order. `taps`, when given, collects named intermediate results.
    """

    family: str
    name: str
    recipe: NetworkRecipe | None = None  # set by `build_network`
    has_half_keys = False  # whether keys of a memory lose nothing as halves: they come from convolutions

    @abstractmethod
    def graphs(self) -> dict[str, GraphSpec]:
        """Roles of this network with their typed inputs and outputs."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """State entries, as the manifest writes them."""

    @abstractmethod
    def grid_sizes(self, height: int, width: int) -> dict[str, int]:
        """Named dimensions that follow from the size of the network's input."""

    @abstractmethod
    def network_input(self) -> NetworkInput:
        """Colour order and resize rule."""

    @abstractmethod
    def options(self) -> dict[str, Any]:
        """Settings baked into the graphs, for the manifest."""

    def run_role(self, role: str, inputs: tuple[Tensor, ...], taps: Taps | None = None) -> tuple[Tensor, ...]:
        """Call one role by its name."""
        return getattr(self, role)(*inputs, taps=taps)


def parts_left_out(names: str, known: Collection[str]) -> frozenset[str]:
    """Parts of a network that are left out, from their names with commas between.

    Raises:
        InputError: there is no such part.
    """
    parts = frozenset(name for name in names.split(",") if name)
    if not parts <= {*known}:
        raise InputError("--without", value=names, allowed=", ".join(known))
    return parts
