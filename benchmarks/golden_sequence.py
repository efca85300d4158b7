"""Runs golden sequences through `Stream`, with the network and with its exported graphs as executors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vosrt.benchmarks.golden_file import GoldenSequence
from vosrt.benchmarks.golden_record import GoldenRecord
from vosrt.benchmarks.watching_executor import WatchingExecutor, watched_stream
from vosrt.device import Array
from vosrt.executor import Executor
from vosrt.manifest import InputRule, Manifest
from vosrt.resize_rule import LongEdge
from vosrt.stream import Stream


class SequenceRun:
    """One implementation on one golden sequence.

    Args:
        sequence: the file.
        manifest: of the bundle.
        executor: runs the graphs.
        name: of the implementation, for the record.
    """

    def __init__(self, sequence: GoldenSequence, manifest: Manifest, executor: Executor, name: str) -> None:
        rule = manifest.input.resize
        assert isinstance(rule, LongEdge)
        resize = replace(rule, max_long_edge=sequence.max_long_edge)
        self.sequence = sequence
        self.manifest = replace(manifest, input=InputRule(manifest.input.color, resize))
        self.executor = executor
        self.name = name
        self.compared: set[str] = set()  # keys of the file

    def compare(self, record: GoldenRecord) -> None:
        """Compare every stored stage, with the stored masks fed back and then running freely."""
        self._run_fed(record)
        self._run_freely(record)
        left_out = sorted(self.sequence.stage_keys() - self.compared)
        if left_out:
            record.left_out.append(
                f"{self.name} {self.sequence.name}: stored and not compared: {left_out[:5]}"
            )

    @property
    def _first_attention(self) -> str:
        """What the files call the instance vectors of the first scale."""
        output = self.manifest.graphs["match"].outputs
        return "attention" if "maps" in output else "attention_s4"

    def _stream(self) -> tuple[Stream, list[WatchingExecutor]]:
        return watched_stream(self.manifest, self.executor, self.sequence.variants)

    def _run_fed(self, record: GoldenRecord) -> None:
        sequence = self.sequence
        stream, watching = self._stream()
        for step, frame in enumerate(sequence.frames):
            for executor in watching:
                executor.values.clear()
                executor.previous = sequence.previous_mask(step) if sequence.has_step(step) else None
            result = stream.step(frame, sequence.given.get(step), probabilities=True)
            if len(watching) == 1:
                self._compare_stages(record, watching[0].values, step)
            if step > 0:
                self._compare_results(record, watching, result.probabilities, result.labels, step)

    def _run_freely(self, record: GoldenRecord) -> None:
        """Only what the first prediction starts from is given: it may differ from the reference's mask."""
        sequence = self.sequence
        stream, watching = self._stream()
        for step, frame in enumerate(sequence.frames):
            for executor in watching:
                executor.previous = sequence.previous_mask(step) if step == 1 else None
            labels = stream.step(frame, sequence.given.get(step)).labels
            mask = sequence.stored(step, "mask")
            if step > 0 and mask is not None:
                record.add_free(self.name, labels, mask, f"{sequence.name} step {step}")

    def _compare_results(
        self,
        record: GoldenRecord,
        watching: list[WatchingExecutor],
        probabilities: NDArray[np.float32] | None,
        labels: NDArray[np.uint8],
        step: int,
    ) -> None:
        """Probabilities and labels before and after the masks that are given on this frame."""
        sequence, place = self.sequence, f"{self.sequence.name} step {step}"
        predicted = labels
        if len(watching) == 1:
            probabilities = watching[0].values["finish.probabilities"]
            predicted = watching[0].values["finish.labels"].astype(np.uint8)
        stored = sequence.stored(step, "prob")
        if stored is not None and probabilities is not None:
            self.compared.add(sequence.key(step, "prob"))
            record.add(self.name, "prob", probabilities, stored, place)
        for found, name in ((predicted, "argmax"), (labels, "mask")):
            expected = sequence.stored(step, name)
            if expected is not None:
                self.compared.add(sequence.key(step, name))
                record.add_labels(self.name, found, expected, stored, f"{place} {name}")

    def _compare_stages(self, record: GoldenRecord, values: Mapping[str, Array], step: int) -> None:
        for source, value in values.items():
            stage = source.rsplit(".", 1)[1]
            if stage == "vectors":
                stage = self._first_attention
            stored = self.sequence.stored(step, stage) if stage != "labels" else None
            if stored is not None:
                self.compared.add(self.sequence.key(step, stage))
                record.add(self.name, stage, value, stored, f"{self.sequence.name} step {step}")
