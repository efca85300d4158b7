"""Commands that are programs of other rooms, which may not be installed or may lack what they need."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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


FORWARDED: Mapping[str, tuple[Program, str]] = {
    "export": (_export, "turn a checkpoint into a bundle"),
    "train": (_train, "train a network on annotated sequences or generated scenes"),
    "bench": (_bench, "measure speed beside PyTorch"),
    "eval": (_eval, "measure accuracy on DAVIS, YouTube-VOS and others, or on own clips"),
    "demo": (_demo, "follow objects through a generated scene, say where to look"),
}


def add_forwarded_commands(commands: Any) -> None:
    """Add the commands to a parser's commands, for its help; they are run by `run_forwarded`."""
    for name, (_, purpose) in FORWARDED.items():
        commands.add_parser(name, help=f"{purpose} (see `vosrt {name} --help`)")


def run_forwarded(name: str, arguments: Sequence[str]) -> int:
    """Run the program of a command; returns its exit status.

    Raises:
        MissingDependencyError: it cannot be imported.
    """
    try:
        return FORWARDED[name][0](arguments)
    except ImportError as error:
        raise MissingDependencyError(
            f"this installation cannot {name} ({error})",
            cure="pip install '.[export,cpu]' in the folder that holds setup.py",
        ) from error
