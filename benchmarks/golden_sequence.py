"""Runs golden sequences through the network and through its exported graphs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vosrt.benchmarks.golden_file import GoldenSequence
from vosrt.benchmarks.golden_record import GoldenRecord
from vosrt.executor import Executor, to_numpy
from vosrt.manifest import Manifest
from vosrt.resize_rule import LongEdge

Values = dict[str, NDArray]


@dataclass
class _Variant:
    """One pass over the sequence at one scale, plain or flipped; its state is in its own coordinates."""

    size: tuple[int, int]
    flipped: bool
    references: list[Values] = field(default_factory=list)
    previous: Values = field(default_factory=dict)

    def turn(self, image: NDArray) -> NDArray:
        """Mirror the columns of `[H, W, ...]` where this pass is flipped."""
        return np.ascontiguousarray(image[:, ::-1]) if self.flipped else image


class SequenceRun:
    """One implementation on one golden sequence.

    Args:
        sequence: the file.
        manifest: of the bundle; says what every graph takes.
        executor: runs the graphs.
        name: of the implementation, for the record.
    """

    def __init__(self, sequence: GoldenSequence, manifest: Manifest, executor: Executor, name: str) -> None:
        self.sequence = sequence
        self.manifest = manifest
        self.executor = executor
        self.name = name
        self.compared: set[str] = set()  # keys of the file

    def compare(self, record: GoldenRecord) -> None:
        """Compare every stored stage, with the stored masks fed back and then running freely."""
        self._run(record, freely=False)
        self._run(record, freely=True)
        left_out = sorted(self.sequence.stage_keys() - self.compared)
        if left_out:
            record.left_out.append(
                f"{self.name} {self.sequence.name}: stored and not compared: {left_out[:5]}"
            )

    def _run(self, record: GoldenRecord, *, freely: bool) -> None:
        sequence = self.sequence
        height, width = sequence.frames.shape[1:3]
        variants = [
            _Variant(LongEdge(sequence.max_long_edge, scale).network_size(height, width), flipped)
            for scale, flipped in sequence.variants
        ]
        labels = sequence.given[0]
        for step, frame in enumerate(sequence.frames):
            is_stored = step == 0 or sequence.has_step(step)
            encoded = [self._encode(variant, frame, step, record, freely) for variant in variants]
            if step > 0 and (freely or is_stored):
                previous = labels if freely and step > 1 else sequence.previous_mask(step)
                labels = self._predict(variants, encoded, previous, step, record, freely)
            for variant, values in zip(variants, encoded, strict=True):
                self._remember(variant, values, labels, step)

    def _encode(
        self, variant: _Variant, frame: NDArray, step: int, record: GoldenRecord, freely: bool
    ) -> Values:
        values = {"frame": variant.turn(frame)[None], "size": np.array(variant.size, np.int64)}
        encoded = self._call("encode", values)
        if not freely and len(self.sequence.variants) == 1:
            self._compare_stages(record, encoded, "encode.", step)
        return encoded

    def _predict(
        self,
        variants: list[_Variant],
        encoded: list[Values],
        previous: NDArray[np.uint8],
        step: int,
        record: GoldenRecord,
        freely: bool,
    ) -> NDArray[np.uint8]:
        """Labels of a step, after the labels given on its frame; compares what the file stores."""
        rows = np.arange(self.sequence.object_count(step) + 1, dtype=np.int32)
        probabilities = []
        for variant, values in zip(variants, encoded, strict=True):
            state = {f"state.previous.{name}": value for name, value in variant.previous.items()}
            state["state.previous.labels"] = variant.turn(previous).astype(np.int32)
            for name in variant.references[0]:
                slots = [reference[name] for reference in variant.references]
                state[f"state.reference.{name}"] = np.concatenate(slots, axis=0)
            segmented = self._call("segment", {**values, **state, "rows": rows})
            if not freely and len(variants) == 1:
                self._compare_stages(record, {**values, **segmented}, "segment.", step)
            turned = segmented["segment.probabilities"].transpose(1, 2, 0)
            probabilities.append(variant.turn(turned).transpose(2, 0, 1))
        mean = np.mean(probabilities, axis=0)
        predicted = mean.argmax(0).astype(np.uint8)
        given = self.sequence.given.get(step)
        merged = predicted if given is None else np.where(given > 0, given, predicted)
        self._compare_results(record, mean, predicted, merged, step, freely)
        return merged

    def _compare_results(
        self,
        record: GoldenRecord,
        probabilities: NDArray,
        predicted: NDArray[np.uint8],
        merged: NDArray[np.uint8],
        step: int,
        freely: bool,
    ) -> None:
        sequence, place = self.sequence, f"{self.sequence.name} step {step}"
        stored = sequence.stored(step, "prob")
        mask = sequence.stored(step, "mask")
        if freely:
            if mask is not None:
                record.add_free(self.name, merged, mask, place)
            return
        if stored is not None:
            self.compared.add(sequence.key(step, "prob"))
            record.add(self.name, "prob", probabilities, stored, place)
        for found, name in ((predicted, "argmax"), (merged, "mask")):
            expected = sequence.stored(step, name)
            if expected is not None:
                self.compared.add(sequence.key(step, name))
                record.add_labels(self.name, found, expected, stored, f"{place} {name}")

    def _compare_stages(self, record: GoldenRecord, values: Values, prefix: str, step: int) -> None:
        for source, value in values.items():
            stage = source.rsplit(".", 1)[1]
            is_stage = source.startswith(prefix) or stage == "low_level"
            stored = self.sequence.stored(step, stage) if is_stage and stage != "labels" else None
            if stored is not None:
                self.compared.add(self.sequence.key(step, stage))
                record.add(self.name, stage, value, stored, f"{self.sequence.name} step {step}")

    def _remember(self, variant: _Variant, encoded: Values, labels: NDArray[np.uint8], step: int) -> None:
        given = self.sequence.given.get(step)
        values = {**encoded, "step.labels": variant.turn(labels).astype(np.int32)}
        if given is not None:
            known = max(self.sequence.object_count(step) if step else 0, int(given.max()))
            rows = np.arange(known + 1, dtype=np.int32)
            values |= self._call("reference", {**values, "rows": rows})
            variant.references.append(self._state("reference", values))
        variant.previous = self._state("previous", values)

    def _state(self, entry: str, values: Mapping[str, NDArray]) -> Values:
        tensors = self.manifest.state[entry].tensors
        return {name: values[tensor.source] for name, tensor in tensors.items()}

    def _call(self, role: str, values: Mapping[str, NDArray]) -> Values:
        inputs = {name: values[entry.source] for name, entry in self.manifest.graphs[role].inputs.items()}
        outputs = self.executor.run(role, inputs)
        return {f"{role}.{name}": to_numpy(value) for name, value in outputs.items()}
