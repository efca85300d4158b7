"""What an evaluation is asked for, checked before anything is written."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vosrt.benchmarks.datasets.clip import Dataset
from vosrt.benchmarks.datasets.open_dataset import KINDS, open_dataset
from vosrt.benchmarks.evaluation.attributes import Attributes, read_attributes
from vosrt.benchmarks.evaluation.scored_frames import check_length
from vosrt.benchmarks.evaluation.settings import BundleFacts, Settings
from vosrt.bundle import Bundle
from vosrt.commands.bundle_settings import bundle_settings
from vosrt.commands.camera_options import finder_of
from vosrt.errors import InputError
from vosrt.finder_files import GRAB_CUT
from vosrt.manifest import sha256_of_file
from vosrt.segmenter import Segmenter
from vosrt.shipped_bundles import DEFAULT, FINDER


@dataclass(frozen=True)
class EvaluationPlan:
    """A data set, and what runs it or where its results are.

    Attributes:
        dataset: clips, cut to the frames that are wanted.
        attributes: of clips, by name.
        segmenter: what runs the clips; None where results are given.
        settings: what the results depend on.
    """

    dataset: Dataset
    attributes: Attributes
    segmenter: Segmenter | None
    settings: Settings

    @property
    def bundles(self) -> Sequence[Bundle]:
        """What is run; nothing where results are given."""
        return () if self.segmenter is None else self.segmenter.bundles

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> EvaluationPlan:
        """Read the data set's folders, and load the bundles.

        Raises:
            Error: an option, a bundle or a data set cannot be used.
        """
        _check_options(arguments)
        dataset = _dataset(arguments)
        attributes: Attributes = {clip.name: clip.attributes for clip in dataset.clips}
        if arguments.attributes is not None:
            attributes = read_attributes(arguments.attributes)
            if not any(clip.name in attributes for clip in dataset.clips):
                raise InputError(
                    f"--attributes {arguments.attributes} names none of the clips",
                    allowed=", ".join(clip.name for clip in dataset.clips[:3]) + ", …",
                )
        segmenter = None if arguments.results is not None else _segmenter(arguments)
        return cls(dataset, attributes, segmenter, _settings(arguments, dataset, segmenter))


def _check_options(arguments: argparse.Namespace) -> None:
    if arguments.bundles and arguments.results is not None:
        raise InputError(
            "both bundles and --results are given",
            allowed="BUNDLE folders that `vosrt export` wrote, or --results with a folder of label maps",
        )
    if arguments.results is not None:
        for name in bundle_settings(arguments):
            raise InputError(f"--{name.replace('_', '-')} is for bundles", cure="leave it out")
        if not arguments.results.is_dir():
            raise InputError("--results", value=str(arguments.results), allowed="a folder")
    elif arguments.output is None:
        raise InputError("--output is missing", cure="give a folder for the results: --output out/eval")
    if arguments.boxes and arguments.results is not None:
        raise InputError("--boxes is for bundles", cure="leave it out")
    if not arguments.boxes and (arguments.finder or arguments.finder_bundle):
        raise InputError("a finder without --boxes", cure="add --boxes, or leave the finder out")
    if arguments.zip and arguments.output is None:
        raise InputError("--zip needs --output", cure="give a folder for the archive")
    if arguments.sheets and arguments.output is None:
        raise InputError("--sheets needs --output", cure="give a folder for the pictures")
    if arguments.zip and arguments.frames is not None:
        raise InputError("--zip and --frames", cure="run all frames: a server takes whole clips only")


def _dataset(arguments: argparse.Namespace) -> Dataset:
    (kind,) = [name for name in KINDS if getattr(arguments, name.replace("-", "_")) is not None]
    given: dict[str, Any] = {name: getattr(arguments, name) for name in ("split", "year", "dense")}
    options = {name: value for name, value in given.items() if value not in (None, False)}
    dataset = open_dataset(kind, getattr(arguments, kind.replace("-", "_")), options)
    clips = tuple(clip.shortened(arguments.frames) for clip in dataset.clips)
    if not clips:
        raise InputError(f"{dataset.name} has no clips", cure="check that the data set is complete")
    for clip in clips:
        check_length(clip)
    return replace(dataset, clips=clips)


def _segmenter(arguments: argparse.Namespace) -> Segmenter:
    finder = finder_of(arguments)
    segmenter = Segmenter(arguments.bundles or [DEFAULT], finder=finder, **bundle_settings(arguments))
    print(f"note: {segmenter.placement}", file=sys.stderr)
    return segmenter


def _settings(arguments: argparse.Namespace, dataset: Dataset, segmenter: Segmenter | None) -> Settings:
    settings = Settings(dataset.name, dataset.facts, frames=arguments.frames)
    if segmenter is None:
        return replace(settings, results=str(arguments.results))
    return replace(
        settings,
        bundles=tuple(BundleFacts.of(bundle) for bundle in segmenter.bundles),
        precision=segmenter.precision,
        device=segmenter.placement.device,
        scales=arguments.scales or (1.0,),
        flip=bool(arguments.flip),
        long_edge=arguments.long_edge,
        memory_every=arguments.memory_every,
        memory_capacity=arguments.memory_capacity,
        boxes=arguments.boxes,
        finder=_finder_name(arguments),
    )


def _finder_name(arguments: argparse.Namespace) -> str | None:
    """What a finder is, by content."""
    if arguments.finder_bundle == GRAB_CUT:
        return GRAB_CUT
    if arguments.boxes and not arguments.finder_bundle and arguments.finder is None:
        arguments = argparse.Namespace(finder_bundle=FINDER, finder=None)
    if arguments.finder_bundle is not None:
        bundle = BundleFacts.of(Bundle.open(arguments.finder_bundle))
        return f"{bundle.name} {bundle.sha256}"
    if arguments.finder is not None:
        return " ".join(sha256_of_file(Path(file)) for file in arguments.finder)
    return None
