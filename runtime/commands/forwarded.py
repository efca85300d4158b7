"""Commands that are programs of other rooms, which may not be installed or may lack what they need."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vosrt.errors import MissingDependencyError

Program = Callable[[Sequence[str]], int]


def _export(arguments: Sequence[str]) -> int:
    from vosrt.export.to_onnx import main

    return main(arguments)


def _bench(arguments: Sequence[str]) -> int:
    from vosrt.benchmarks.bench import main

    return main(arguments)


def _eval(arguments: Sequence[str]) -> int:
    from vosrt.benchmarks.eval import main

    return main(arguments)


def _demo(arguments: Sequence[str]) -> int:
    from vosrt.benchmarks.demo import main

    return main(arguments)


def _train(arguments: Sequence[str]) -> int:
    from vosrt.models.training.train import main

    return main(arguments)


def _adapt(arguments: Sequence[str]) -> int:
    from vosrt.models.training.adapt import main

    return main(arguments)


@dataclass(frozen=True)
class Forwarded:
    """A command that is a program of another room.

    Attributes:
        program: takes the command's arguments and returns its exit status.
        purpose: in words.
        extras: with which its packages are installed.
    """

    program: Program
    purpose: str
    extras: str


FORWARDED: Mapping[str, Forwarded] = {
    "export": Forwarded(_export, "turn a checkpoint into a bundle", "export,cpu"),
    "train": Forwarded(_train, "train a network on annotated sequences or generated scenes", "train"),
    "adapt": Forwarded(_adapt, "train location-sensitive embeddings on the objects of one video", "train"),
    "bench": Forwarded(_bench, "measure speed beside PyTorch", "cpu"),
    "eval": Forwarded(_eval, "measure accuracy on DAVIS, YouTube-VOS and others, or on own clips", "cpu"),
    "demo": Forwarded(_demo, "follow objects through a generated scene, say where to look", "cpu"),
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
