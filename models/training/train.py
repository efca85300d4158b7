"""`vosrt train`: a checkpoint from annotated sequences, from generated scenes, or from both."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable
from collections.abc import Sequence as Arguments
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import torch

from vosrt.commands import option_readers
from vosrt.errors import InputError
from vosrt.exit_status import exit_status
from vosrt.models.training.footage import Footage
from vosrt.models.training.process_group import Rank, run_in_processes
from vosrt.models.training.real_scenes import RealScenes
from vosrt.models.training.run_folder import RunFolder
from vosrt.models.training.sequence_folders import Sequence, check_sequences, find_sequences
from vosrt.models.training.settings import Stage, TrainingSettings
from vosrt.models.training.start_weights import starting_network
from vosrt.models.training.still_scenes import StillScenes
from vosrt.models.training.synthetic_scenes import Photographs, SyntheticScenes
from vosrt.models.training.trainer import Rhythm, Trainer
from vosrt.models.training.training_clip import Scenes, TrainingClips

RECIPES = Path(__file__).parent / "recipes"


@dataclass(frozen=True)
class Task:
    """What every process of a run is told."""

    settings: TrainingSettings
    training: list[Sequence]
    held_out: list[Sequence]
    photographs: Path | None
    output: Path
    rhythm: Rhythm
    device: str
    notes: dict[str, str]


def main(argv: Arguments[str] | None = None) -> int:
    """Train; returns the exit status: 0, 2 for a mistake of the user's, 130 after Ctrl-C."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    last = "the same command goes on from the last checkpoint"
    return exit_status(partial(_run, arguments), interrupted=last)


def _run(arguments: argparse.Namespace) -> int:
    task = read_task(arguments)
    RunFolder(task.output).begin(task.settings)
    run_in_processes(arguments.processes, partial(train, task))
    print(f"weights in {task.output / 'weights.safetensors'}")
    return 0


def train(task: Task, rank: Rank) -> None:
    """One process of a run."""
    cv2.setNumThreads(1)
    sources: list[tuple[Scenes, float]] = []
    share = task.settings.synthetic
    stills: Scenes | None = None
    if task.training and share < 1:
        footage = Footage(task.training)
        scenes = RealScenes(footage, pasted=task.settings.pasted, balanced=task.settings.balanced_crop)
        sources.append((scenes, 1 - share))
        stills = StillScenes(footage)
    if share > 0:
        photographs = Photographs(task.photographs) if task.photographs else None
        sources.append((SyntheticScenes(photographs), share))
    Trainer(
        task.settings,
        TrainingClips(task.settings, sources, stills),
        Footage(task.held_out),
        RunFolder(task.output),
        rank,
        task.rhythm,
        task.device,
        task.notes,
    ).run()


def read_task(arguments: argparse.Namespace) -> Task:
    """The run that a command line asks for; data is checked before anything is trained.

    Raises:
        InputError: a setting or a file cannot be used.
    """
    settings = _read_settings(arguments)
    if settings.batch % arguments.processes:
        raise InputError(
            "--processes", value=arguments.processes, allowed=f"a divisor of the batch of {settings.batch}"
        )
    if settings.synthetic < 1 and not arguments.data:
        raise InputError("no --data", cure="give folders of annotated sequences, or --synthetic 1")
    starting_network(settings)  # so that a mistake is named before anything is written
    if arguments.photographs is not None:
        Photographs(arguments.photographs)
    sequences = [sequence for folder in arguments.data for sequence in find_sequences(folder)]
    held_names = set(arguments.hold_out)
    unknown = sorted(held_names - {sequence.name for sequence in sequences})
    if unknown:
        raise InputError("--hold-out", value=", ".join(unknown), allowed="names of sequences of --data")
    check_sequences(sequences)
    training = [sequence for sequence in sequences if sequence.name not in held_names]
    if settings.synthetic < 1 and not training:
        raise InputError("--hold-out leaves no sequence to train on", cure="hold fewer out, or --synthetic 1")
    held_out = [sequence for sequence in sequences if sequence.name in held_names]
    rhythm = Rhythm(
        log=arguments.log_every,
        save=arguments.save_every,
        validate=arguments.validate_every,
        workers=arguments.workers,
        stop_after=arguments.stop_after,
    )
    notes = {
        "model": settings.model,
        "trained_on": arguments.data_notice or ("generated scenes" if settings.synthetic >= 1 else ""),
        "settings": settings.to_json(),
    }
    return Task(
        settings, training, held_out, arguments.photographs, arguments.output, rhythm, arguments.device, notes
    )


def _read_settings(arguments: argparse.Namespace) -> TrainingSettings:
    settings = TrainingSettings()
    if arguments.recipe is not None:
        path = Path(arguments.recipe)
        path = path if path.suffix == ".json" else RECIPES / f"{arguments.recipe}.json"
        if not path.is_file():
            known = ", ".join(sorted(recipe.stem for recipe in RECIPES.glob("*.json")))
            raise InputError("--recipe", value=arguments.recipe, allowed=f"{known}, or a settings.json")
        settings = TrainingSettings.from_json(path.read_bytes())
    names = (
        "model",
        "backbone",
        "start_from",
        "without",
        "steps",
        "batch",
        "seed",
        "synthetic",
        "learning_rate",
        "optimizer",
    )
    given = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    return TrainingSettings.from_json(settings.to_json(), **{**dict(arguments.settings), **given})


def _setting(text: str) -> tuple[str, Any]:
    """A name and its value in JSON, or as it stands, from `NAME=VALUE`."""
    name, _, value = text.partition("=")
    known = [field.name for field in fields(TrainingSettings)]
    if name not in known:
        raise argparse.ArgumentTypeError(
            f"{text!r}; allowed: NAME=VALUE, where NAME is of {', '.join(known)}"
        )
    try:
        read = json.loads(value)
    except ValueError:
        read = value
    return name, tuple(Stage(**stage) for stage in read) if name == "stages" else read


def _device(text: str) -> str:
    """A device that PyTorch can use here."""
    try:
        torch.empty(0, device=text)
    except (RuntimeError, AssertionError) as error:  # it asserts that it was compiled for a GPU
        raise argparse.ArgumentTypeError(
            f"{text!r} is no device that PyTorch has here; cpu is one"
        ) from error
    return text


def _add_folders(add: Callable[..., Any]) -> None:
    path, data = option_readers.path, "annotated sequences; may be repeated"
    add("--data", action="append", default=[], type=path, metavar="DIR", help=data)
    run = "folder of the run; an existing run goes on"
    add("--output", required=True, type=path, metavar="DIR", help=run)
    add("--photographs", type=path, metavar="DIR", help="images as textures of generated clips")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vosrt train", description=__doc__)
    add = parser.add_argument
    _add_folders(add)
    add("--recipe", metavar="NAME", help="settings that come with vosrt, or a settings.json of another run")
    add("--model", help="network to train (cfbi-lite)")
    add("--backbone", help="its trunk")
    add("--without", metavar="PART,PART", help="parts of it to leave out, for ablations")
    add(
        "--start-from",
        metavar="FILE",
        help="checkpoint whose fitting tensors are the start, or shipped weights",
    )
    add(
        "--set",
        dest="settings",
        action="append",
        default=[],
        type=_setting,
        metavar="NAME=VALUE",
        help="any other setting of settings.json, in JSON; may be repeated",
    )
    add("--steps", type=int, help="steps of the optimiser")
    add("--batch", type=int, help="clips per step, over all processes")
    add(
        "--learning-rate",
        type=option_readers.learning_rate,
        metavar="RATE",
        help="of the optimiser, after warm-up",
    )
    add("--optimizer", help="adamw or sgd")
    add("--synthetic", type=float, metavar="SHARE", help="of generated clips, 0 to 1")
    add("--seed", type=int, help="of everything that is drawn")
    add(
        "--hold-out",
        type=lambda text: [name for name in text.split(",") if name],
        default=[],
        metavar="NAME,NAME",
        help="sequences to validate on, which are not trained on",
    )
    positive, count = option_readers.positive, option_readers.count
    add("--processes", type=positive, default=1, help="that share every batch (1)")
    add("--workers", type=count, default=0, help="that draw clips, for each process (0: it draws its own)")
    add("--validate-every", type=positive, default=1000, metavar="STEPS", help="between validations (1000)")
    add("--log-every", type=positive, default=50, metavar="STEPS", help="between lines of the curve (50)")
    add("--save-every", type=positive, default=250, metavar="STEPS", help="between checkpoints (250)")
    add("--stop-after", type=positive, metavar="STEP", help="end early; the same command without it goes on")
    default = "cuda" if torch.cuda.is_available() else "cpu"
    add(
        "--device",
        type=_device,
        default=default,
        help="of PyTorch: cpu, cuda or cuda:1 (cuda where it works)",
    )
    add("--data-notice", metavar="TEXT", help="credit and terms of the data, stored with the weights")
    return parser


if __name__ == "__main__":
    sys.exit(main())
