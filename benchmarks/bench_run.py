"""Runs candidates against each other: every one in its process, all of them taking turns."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vosrt.benchmarks.bench_clip import BenchClip
from vosrt.benchmarks.candidate import Candidate, Scene
from vosrt.benchmarks.candidate_process import CandidateProcess
from vosrt.benchmarks.candidate_server import Step
from vosrt.benchmarks.confidence import LEAST_ROUNDS
from vosrt.benchmarks.end_to_end import write_video
from vosrt.benchmarks.energy import Meter, open_meter
from vosrt.benchmarks.measurement import Measurement
from vosrt.benchmarks.yardstick import Yardstick
from vosrt.errors import Error

MOST_FED_FRAMES = 4
LONGEST_TURN = 50  # frames: the baseline's labels of a turn are kept until the others have had theirs

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Turns:
    """Which frames are timed when: frame 0 takes the mask, the warm-up follows, then the rounds.

    The first frame of a round is not timed: it finds the caches full of what another candidate left there.

    Attributes:
        warm_up: frames that are predicted, but not timed.
        frames: timed ones.
        rounds: in which candidates take turns.
        until: end as soon as every candidate's median is known to this share; None for all rounds.
    """

    warm_up: int
    frames: int
    rounds: int
    until: float | None = None

    @property
    def length(self) -> int:
        """Frames of the whole clip."""
        return 1 + self.warm_up + self.frames + self._count

    @property
    def _count(self) -> int:
        """Rounds; more than asked for where turns would be too long."""
        return max(min(self.rounds, self.frames), math.ceil(self.frames / LONGEST_TURN))

    def warm_up_frames(self) -> range:
        """Predicted, but not timed."""
        return range(1, 1 + self.warm_up)

    def round_frames(self) -> list[list[int]]:
        """The frames of every round; all but its first are timed."""
        sizes = [1 + len(part) for part in np.array_split(np.arange(self.frames), self._count)]
        starts = 1 + self.warm_up + np.cumsum([0, *sizes[:-1]])
        return [list(range(start, start + size)) for start, size in zip(starts.tolist(), sizes, strict=True)]

    def fed_frames(self) -> list[int]:
        """Frames predicted once more from the baseline's labels of the frame before, evenly spread.

        They lie in the rounds that are run in any case.
        """
        parts = self.round_frames()
        sure = sum(map(len, parts if self.until is None else parts[:LEAST_ROUNDS]))
        count = min(MOST_FED_FRAMES, sure)
        return np.unique(np.linspace(1 + self.warm_up, self.warm_up + sure, count).astype(int)).tolist()


@dataclass
class BenchRun:
    """One comparison. In each turn the baseline of a scene goes first, so that the others find its labels.

    Attributes:
        candidates: scene by scene, each scene's baseline first.
        clips: what the candidates of a scene see.
        turns: order of the frames.
        progress: told what happens, in words.
        end_to_end: frames of a video that each candidate runs over in the end; 0 for none.
        keep_going: leave out a candidate that cannot run, from then on, and measure the others.
        failures: why candidates were left out; they have no measurement.
    """

    candidates: Sequence[Candidate]
    clips: Mapping[Scene, BenchClip]
    turns: Turns
    progress: Progress
    end_to_end: int = 0
    keep_going: bool = False
    failures: dict[Candidate, Error] = field(default_factory=dict, init=False)
    _processes: list[CandidateProcess] = field(default_factory=list, init=False)  # of those that run
    _measurements: dict[Candidate, Measurement] = field(default_factory=dict, init=False)
    _labels: dict[tuple[Scene, int], NDArray[np.uint8]] = field(default_factory=dict, init=False)
    _fed_from: frozenset[int] = field(default=frozenset(), init=False)  # frames before those fed later
    _kept: frozenset[int] = field(default=frozenset(), init=False)  # frames whose labels are kept for now
    _yardstick: Yardstick = field(default_factory=Yardstick, init=False)
    _meter: Meter | None = field(default=None, init=False)

    def run(self) -> list[Measurement]:
        """Measure all candidates that can run.

        Raises:
            Error: a candidate cannot run, and others shall not go on; then no process is left.
        """
        self._meter = open_meter(self.candidates[0].device)
        self._kept = self._fed_from = frozenset(frame - 1 for frame in self.turns.fed_frames())
        with ExitStack() as stack:
            if self._meter is not None:
                stack.callback(self._meter.close)
            for candidate in self.candidates:
                with self._attempt(candidate):
                    self._start(candidate, stack)
            for process in tuple(self._processes):
                with self._attempt(process.candidate):
                    self._warm_up(process)
            parts = self.turns.round_frames()
            for number, part in enumerate(parts, start=1):
                self._kept = frozenset(part) | self._fed_from
                for process in tuple(self._processes):
                    with self._attempt(process.candidate):
                        self._time(process, part, f"round {number} of {len(parts)}: {process.candidate.name}")
                if self._is_sure():
                    break
            for process in tuple(self._processes):
                with self._attempt(process.candidate):
                    self._measurements[process.candidate].memory = process.call("memory")
            if len(self._processes) > len({one.candidate.scene for one in self._processes}):
                self._feed()
            if self.end_to_end:
                self._run_end_to_end()
        return [self._measurements[one] for one in self.candidates if one in self._measurements]

    @contextmanager
    def _attempt(self, candidate: Candidate) -> Iterator[None]:
        """For what a candidate does; one that cannot run ends the comparison or is left out."""
        try:
            yield
        except Error as error:
            if not self.keep_going:
                raise
            self.failures[candidate] = error
            self._leave_out(candidate)

    def _leave_out(self, candidate: Candidate) -> None:
        """End its process, so that it takes no memory from the others; if need be there is a new baseline."""
        for process in self._processes:
            if process.candidate == candidate:
                process.close()
        self._processes = [process for process in self._processes if process.candidate != candidate]
        measurement = self._measurements.pop(candidate, None)
        if measurement is None or not measurement.is_baseline:
            return
        others = [one for one in self._measurements.values() if one.candidate.scene == candidate.scene]
        for other in others:
            other.is_baseline = other is others[0]
            other.free, other.fed = [], []

    def _start(self, candidate: Candidate, stack: ExitStack) -> None:
        self.progress(f"starting {candidate.name}")
        process = stack.enter_context(CandidateProcess(candidate))
        self._processes.append(process)
        is_first = all(candidate.scene != started.scene for started in self._measurements)
        measurement = Measurement(candidate, process.startup, is_baseline=is_first)
        self._measurements[candidate] = measurement
        clip = self.clips[candidate.scene]
        measurement.first_mask_ms = process.call("step", clip.frame(0), clip.mask).milliseconds

    def _warm_up(self, process: CandidateProcess) -> None:
        self.progress(f"warming up {process.candidate.name}")
        for index in self.turns.warm_up_frames():
            self._step(process, index)

    def _time(self, process: CandidateProcess, frames: Sequence[int], title: str) -> None:
        """Time some frames of a candidate and compare their labels with the baseline's."""
        measurement = self._measurements[process.candidate]
        measurement.rounds.append([])
        before, joules = self._yardstick.milliseconds(), self._joules()
        for index in frames:
            self.progress(f"{title}, frame {index} of {self.turns.length - 1}")
            step = self._step(process, index)
            if index != frames[0]:
                measurement.add(step)
            if not measurement.is_baseline:
                measurement.free.append(_agreement(step, self._labels[process.candidate.scene, index]))
        if self._meter is not None:
            measurement.joules.append(self._joules() - joules)
        measurement.yardstick.append((before + self._yardstick.milliseconds()) / 2)

    def _joules(self) -> float:
        return 0.0 if self._meter is None else self._meter.joules()

    def _is_sure(self) -> bool:
        """Whether every median is known well enough; NaN is not."""
        until = self.turns.until
        return until is not None and all(one.uncertainty <= until for one in self._measurements.values())

    def _run_end_to_end(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            videos: dict[Scene, Path] = {}
            for process in tuple(self._processes):
                self.progress(f"end to end: {process.candidate.name}")
                scene = process.candidate.scene
                if scene not in videos:
                    videos[scene] = Path(folder) / f"{len(videos)}.mp4"
                    write_video(videos[scene], self.clips[scene], self.end_to_end)
                with self._attempt(process.candidate):
                    found = process.call("end_to_end", str(videos[scene]), self.clips[scene].mask)
                    self._measurements[process.candidate].end_to_end = found

    def _step(self, process: CandidateProcess, index: int) -> Step:
        step: Step = process.call("step", self.clips[process.candidate.scene].frame(index), None)
        if self._measurements[process.candidate].is_baseline:
            self._remember(process.candidate.scene, index, step.labels)
        return step

    def _remember(self, scene: Scene, index: int, labels: NDArray[np.uint8]) -> None:
        """Keep the baseline's labels for this round and for the frames that are fed later."""
        for key in [key for key in self._labels if key[0] == scene and key[1] not in self._kept]:
            del self._labels[key]
        self._labels[scene, index] = labels

    def _feed(self) -> None:
        """Predict single frames anew, each from the frame before it with the baseline's labels as mask."""
        expected: dict[tuple[Scene, int], NDArray[np.uint8]] = {}
        for process in tuple(self._processes):
            self.progress(f"comparing single frames: {process.candidate.name}")
            with self._attempt(process.candidate):
                self._feed_one(process, expected)

    def _feed_one(
        self, process: CandidateProcess, expected: dict[tuple[Scene, int], NDArray[np.uint8]]
    ) -> None:
        """Take the baseline's labels as those that are expected, or compare with them."""
        scene, measurement = process.candidate.scene, self._measurements[process.candidate]
        for index in self.turns.fed_frames():
            mask = self._labels.get((scene, index - 1), self.clips[scene].mask)
            if not mask.any():  # the baseline has lost every object
                continue
            process.call("reset")
            process.call("step", self.clips[scene].frame(index - 1), mask)
            step = process.call("step", self.clips[scene].frame(index), None)
            if measurement.is_baseline:
                expected[scene, index] = step.labels
            else:
                measurement.fed.append(_agreement(step, expected[scene, index]))


def _agreement(step: Step, expected: NDArray[np.uint8]) -> float:
    return float((step.labels == expected).mean())
