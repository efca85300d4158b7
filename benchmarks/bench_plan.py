"""What a command line of `vosrt bench` asks for, checked before anything is started."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vosrt.benchmarks.bench_clip import BenchClip, count_objects, generated_clip, read_clip, with_objects
from vosrt.benchmarks.bench_run import Turns
from vosrt.benchmarks.bundle_weights import find_weights
from vosrt.benchmarks.candidate import BASELINE_ORDER, DEPLOYED, TENSORRT, Candidate, Scene
from vosrt.benchmarks.confidence import LEAST_ROUNDS
from vosrt.benchmarks.environment import version_list
from vosrt.benchmarks.measurement import Measurement
from vosrt.benchmarks.required_packages import require_packages
from vosrt.benchmarks.tensorrt_python import versions_of
from vosrt.bundle import Bundle
from vosrt.errors import InputError
from vosrt.fastest_precision import resolved_precision
from vosrt.manifest import Manifest
from vosrt.usable_cores import usable_cores

DEFAULT_SIZE = (480, 854)


@dataclass(frozen=True)
class BenchPlan:
    """Candidates in the order in which they take turns, each scene's baseline first, and what they see."""

    candidates: tuple[Candidate, ...]
    clips: Mapping[Scene, BenchClip]
    turns: Turns
    size: tuple[int, int]
    threads: int
    stand_ins: tuple[str, ...]  # titles of the bundles whose weights are generated
    tensorrt_python: str  # versions in the Python that runs TensorRT; empty where it is this one

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> BenchPlan:
        """Read bundles, clip and checkpoints.

        Raises:
            Error: a bundle, an option or their combination cannot be measured.
        """
        executors = [name for name in BASELINE_ORDER if name in arguments.executors]
        needs_torch = bool(set(executors) - set(DEPLOYED))
        if needs_torch and not arguments.keep_going:
            require_packages("the PyTorch baseline")
        bundles = {name: Bundle.open(name) for name in dict.fromkeys(arguments.bundles)}
        manifests = {name: bundle.manifest for name, bundle in bundles.items()}
        turns = Turns(arguments.warm_up, arguments.frames, arguments.rounds, arguments.until)
        if turns.until is not None and len(turns.round_frames()) < LEAST_ROUNDS:
            raise InputError(
                "--until needs rounds", value=len(turns.round_frames()), allowed=f"at least {LEAST_ROUNDS}"
            )
        clips = _clips(arguments, list(manifests.values()), turns.length)
        size = next(iter(clips.values())).mask.shape
        threads = arguments.threads or usable_cores()
        titles = _titles(list(bundles))
        candidates: list[Candidate] = []
        for name, bundle in bundles.items():
            checkpoint = _checkpoint(bundle.manifest, arguments) if needs_torch else None
            inputs = {edge: _input_size(bundle.manifest, edge, size) for edge in arguments.long_edge}
            precisions = _precisions(bundle, arguments)
            for precision in precisions:
                bundle.graph_path("encode", precision=precision)  # says which there are
            candidates += [
                Candidate(
                    name,
                    titles[name],
                    executor,
                    precision,
                    objects,
                    threads,
                    edge,
                    inputs[edge],
                    checkpoint,
                    arguments.device,
                    arguments.tensorrt_python if executor == TENSORRT else sys.executable,
                )
                for edge in inputs
                for objects in clips
                for executor in executors
                for precision in (precisions if executor in DEPLOYED else ("float32",))
            ]
        scenes = {candidate.scene: clips[candidate.objects] for candidate in candidates}
        stand_ins = tuple(titles[name] for name, manifest in manifests.items() if manifest.source.stand_in)
        other = _versions(arguments.tensorrt_python) if TENSORRT in executors else ""
        return cls(tuple(candidates), scenes, turns, (size[0], size[1]), threads, stand_ins, other)

    def summary(self) -> str:
        """What is timed, for people."""
        height, width = self.size
        return (
            f"{len(self.candidates)} candidates, frames of {height}x{width}: "
            f"{self.turns.frames} timed frames after {self.turns.warm_up} warm-up frames, "
            f"in {len(self.turns.round_frames())} rounds.\n"
            "Timed: Stream.step, from a frame in memory to its label map, on a GPU until all work of the "
            "frame is done. Peak: of the whole process, start to end."
        )

    def remarks(self, measurements: Sequence[Measurement]) -> list[str]:
        """What to know when reading the figures."""
        return [*self._certainty(measurements), *self._weights()]

    def _certainty(self, measurements: Sequence[Measurement]) -> list[str]:
        until = self.turns.until
        if until is None or not measurements:
            return []
        vague = [one for one in measurements if not one.uncertainty <= until]
        if not vague:
            frames = len(measurements[0].frames)
            return [f"Every median is known to {until:.1%} after {frames} frames."]
        return [
            f"{one.candidate.name}: the median is known to {one.uncertainty:.1%} only after all "
            f"{len(one.frames)} frames, not to {until:.1%}; run more --frames, or find out what disturbs it"
            for one in vague
        ]

    def _weights(self) -> list[str]:
        if len(self.candidates) == len(self.clips) or not self.stand_ins:
            return []
        return [
            f"{', '.join(self.stand_ins)}: stand-in weights. Running freely, an untrained network may drift "
            "apart from itself after the change of a single bit; single steps tell whether labels are equal."
        ]


def _clips(arguments: argparse.Namespace, manifests: Sequence[Manifest], length: int) -> dict[int, BenchClip]:
    """The clip by number of objects, all of one size that every bundle takes."""
    if (arguments.source is None) != (arguments.mask is None):
        raise InputError(
            "--source and --mask belong together", cure="give both, or none for generated frames"
        )
    if arguments.source is None:
        fixed = [manifest.frame_size for manifest in manifests if manifest.frame_size]
        size = arguments.size or (fixed[0] if fixed else DEFAULT_SIZE)
        counts = arguments.objects or (1,)
        _check_fit(manifests, size, counts)
        return {count: generated_clip(size, count, frames=length) for count in counts}
    if arguments.size is not None:
        raise InputError("--size is of generated frames", cure="leave it out beside --source")
    clip = read_clip(arguments.source, arguments.mask, frames=length)
    chosen = [with_objects(clip, count) for count in arguments.objects or (None,)]
    clips = {count_objects(one): one for one in chosen}
    height, width = clip.mask.shape
    _check_fit(manifests, (height, width), tuple(clips))
    return clips


def _checkpoint(manifest: Manifest, arguments: argparse.Namespace) -> str | None:
    """The file with a bundle's weights; None where there is none, or a candidate shall say so."""
    try:
        return find_weights(manifest, arguments.checkpoint)
    except InputError:
        if not arguments.keep_going:
            raise
        return None


def _versions(python: str) -> str:
    """Of what is in a Python; empty for this one."""
    return "" if python == sys.executable else version_list(versions_of(python))


def _input_size(manifest: Manifest, long_edge: int | None, frame: Sequence[int]) -> tuple[int, int]:
    return manifest.limited(long_edge).input.resize.network_size(frame[0], frame[1])


def _check_fit(manifests: Sequence[Manifest], size: tuple[int, int], counts: Sequence[int]) -> None:
    for manifest in manifests:
        manifest.input.resize.network_size(*size)  # refuses what is too small or too large
        fixed = manifest.frame_size
        if fixed is not None and fixed != size:
            raise InputError(
                f"bundle {manifest.name} takes frames of {fixed[0]}x{fixed[1]} only",
                value=f"{size[0]}x{size[1]}",
                cure="choose that size, or export without --frame",
            )
        if manifest.objects is not None and max(counts) > manifest.objects:
            raise InputError(
                "--objects", value=max(counts), allowed=f"at most {manifest.objects}, as {manifest.name}"
            )


def _precisions(bundle: Bundle, arguments: argparse.Namespace) -> tuple[str, ...]:
    """Those that are asked for, each once; the first there is if none is."""
    asked = arguments.precision or (None,)
    held, device = bundle.precisions, arguments.device
    return tuple(dict.fromkeys(resolved_precision(name, held, device) for name in asked))


def _titles(folders: Sequence[str]) -> dict[str, str]:
    """The folders' own names, or their paths where two names are alike."""
    names = {folder: Path(folder).resolve().name for folder in folders}
    unique = len(set(names.values())) == len(names)
    return names if unique else {folder: folder for folder in folders}
