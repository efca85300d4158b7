"""Commands that are programs of other rooms, which may not be installed or may lack what they need."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vosrt.errors import MissingDependencyError


@dataclass(frozen=True)
class Forwarded:
    """A command that is a program of another room.

    Attributes:
        module: whose `main` takes the command's arguments and returns its exit status.
        purpose: in words.
        extras: with which its packages are installed.
    """

    module: str
    purpose: str
    extras: str

    def program(self, arguments: Sequence[str]) -> int:
        """Run it.

        Raises:
            ImportError: it is not installed, or lacks what it needs.
        """
        return importlib.import_module(self.module).main(arguments)


FORWARDED: Mapping[str, Forwarded] = {
    "export": Forwarded("vosrt.export.to_onnx", "turn a checkpoint into a bundle", "export,cpu"),
    "train": Forwarded(
        "vosrt.models.training.train", "train a network on annotated sequences or generated scenes", "train"
    ),
    "adapt": Forwarded(
        "vosrt.models.training.adapt",
        "train location-sensitive embeddings on the objects of one video",
        "train",
    ),
    "bench": Forwarded("vosrt.benchmarks.bench", "measure speed beside PyTorch", "cpu"),
    "eval": Forwarded(
        "vosrt.benchmarks.eval", "measure accuracy on DAVIS, YouTube-VOS and others, or on own clips", "cpu"
    ),
    "demo": Forwarded(
        "vosrt.benchmarks.demo", "follow objects through a generated scene, say where to look", "cpu"
    ),
}


def add_forwarded_commands(commands: Any) -> None:
    """Add the commands to a parser's commands, for its help; they are run by `run_forwarded`."""
    for name, command in FORWARDED.items():
        commands.add_parser(name, help=command.purpose)


def run_forwarded(name: str, arguments: Sequence[str]) -> int:
    """Run the program of a command; returns its exit status.

    Raises:
        MissingDependencyError: it cannot be imported.
    """
    try:
        return FORWARDED[name].program(arguments)
    except ImportError as error:
        raise MissingDependencyError(
            f"this installation cannot {name} ({error})",
            cure=f"pip install '.[{FORWARDED[name].extras}]' in the folder that holds setup.py",
        ) from error
