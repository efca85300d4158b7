"""Golden sequences of space-time memory networks, through `Stream`.

Every stage is compared within ten times the deviation that the stored numbers have from float64; where no
deviation is stored, probabilities within a limit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import numpy as np

from vosrt.arithmetic import Arithmetic
from vosrt.benchmarks.golden_file import MemorySequence
from vosrt.benchmarks.golden_record import MOST_DEVIATIONS, GoldenRecord
from vosrt.benchmarks.watching_executor import WatchingExecutor, watched_stream
from vosrt.buffer_pool import BufferPool
from vosrt.cpu_device import CpuDevice
from vosrt.device import Array
from vosrt.executor import Executor
from vosrt.manifest import Manifest
from vosrt.result import Result
from vosrt.stream import Stream

MOST_FED_BACK = 5e-3  # of probabilities after several frames that were fed back
_STORED_NAMES = {  # as the network calls them -> as the files do, where the names differ
    "encode.key": "query_key",
    "memorize.keys": "mem_key",
    "memorize.values": "mem_value",
    "finish.probabilities": "prob",
}


class MemorySequenceRun:
    """One implementation on one sequence.

    Args:
        sequence: the file.
        manifest: of the bundle.
        executor: runs the graphs.
        name: of the implementation, for the record.
    """

    def __init__(self, sequence: MemorySequence, manifest: Manifest, executor: Executor, name: str) -> None:
        self.sequence = sequence
        self.manifest = manifest.remembering(every=sequence.every)
        self.executor = executor
        self.name = name
        self.compared: set[str] = set()

    def compare(self, record: GoldenRecord) -> None:
        """Run from the mask of frame 0 and compare what is stored; nothing else is fed."""
        stream, watching = watched_stream(self.manifest, self.executor, self.sequence.variants)
        memorized: dict[str, Array] = {}
        for step, frame in enumerate(self.sequence.frames):
            if step > 0:
                self._compare_memory(record, stream, step)
            mask = self.sequence.given if step == 0 else None
            result = stream.step(frame, mask, probabilities=True)
            if step > 0:
                self._compare_stages(record, watching[0].values | memorized, step)
                self._compare_results(record, watching, result, step)
            memorized = {
                key: value for key, value in watching[0].values.items() if key.startswith("memorize.")
            }
        left_out = sorted(set(self._stored_keys()) - self.compared)
        if left_out:
            record.left_out.append(
                f"{self.name} {self.sequence.name}: stored and not compared: {left_out[:5]}"
            )

    def _stored_keys(self) -> Iterator[str]:
        return (key for key in self.sequence.arrays if re.search(r"step\d+_", key))

    def _compare_memory(self, record: GoldenRecord, stream: Stream, step: int) -> None:
        """Which frames are read on this step."""
        key = f"step{step}_memory_frames"
        if key not in self.sequence.arrays:
            return
        slots = stream.save().variants[0].entries["memory"]["slots"]
        frames = np.array([slot[0] for slot in slots if slot is not None])
        self.compared.add(key)
        place = f"{self.sequence.name} step {step}"
        record.add_labels(self.name, frames, self.sequence.arrays[key], None, f"{place} memory frames")

    def _compare_stages(self, record: GoldenRecord, values: Mapping[str, Array], step: int) -> None:
        if len(self.sequence.variants) > 1:
            return
        found = {_STORED_NAMES.get(name, name.rsplit(".", 1)[1]): value for name, value in values.items()}
        if "read" in found:
            value = np.broadcast_to(found["query_value"], found["read"].shape)
            found["read_out"] = np.concatenate([found["read"], value], axis=1)
            found["read_attention"] = self._of_valid_slots(found["read_attention"], step)
        for stage, value in found.items():
            key = f"step{step}_{stage}"
            if key in self.sequence.arrays:
                self._add(record, stage, value, key)

    def _of_valid_slots(self, attention: Array, step: int) -> Array:
        """`[n, slots * N, N]` without the slots that nothing reads, which have no weight."""
        objects, _, pixels = attention.shape
        by_slot = attention.reshape(objects, -1, pixels, pixels)
        read = by_slot.any(axis=(0, 2, 3))
        return by_slot[:, read].reshape(objects, -1, pixels)

    def _compare_results(
        self, record: GoldenRecord, watching: list[WatchingExecutor], result: Result, step: int
    ) -> None:
        for executor, (scale, flipped) in zip(watching, self.sequence.variants, strict=True):
            key = f"run_s{scale}_f{int(flipped)}_step{step}"
            if f"{key}_prob" in self.sequence.arrays:
                own = self._at_frame_size(executor.values["finish.probabilities"], flipped)
                self._add(record, "prob", own, f"{key}_prob")
                self._add_mask(record, own.argmax(0), f"{key}_mask", own)
        assert result.probabilities is not None
        if f"step{step}_prob" in self.sequence.arrays and f"step{step}_prob" not in self.compared:
            self._add(record, "prob", result.probabilities, f"step{step}_prob")
        self._add_mask(record, result.labels, f"step{step}_mask", result.probabilities)

    def _at_frame_size(self, maps: Array, flipped: bool) -> Array:
        maps = np.ascontiguousarray(maps[..., ::-1]) if flipped else maps
        device = CpuDevice()
        return Arithmetic(device, BufferPool(device)).resize(maps, *self.sequence.frames.shape[1:3]).copy()

    def _add_mask(self, record: GoldenRecord, labels: Array, key: str, probabilities: Array) -> None:
        if key in self.sequence.arrays:
            self.compared.add(key)
            record.add_labels(
                self.name, labels, self.sequence.arrays[key], probabilities, f"{self.sequence.name} {key}"
            )

    def _add(self, record: GoldenRecord, stage: str, found: Array, key: str) -> None:
        stored = self.sequence.arrays[key]
        if stage in ("prob", "agg_logit"):  # the files have rows for ten objects
            stored = stored[: len(found)]
        self.compared.add(key)
        place, deviation = f"{self.sequence.name} {key}", self.sequence.deviations.get(key)
        if deviation is None:
            record.add(self.name, f"memory {stage}", found, stored, place, limit=MOST_FED_BACK)
        else:
            record.add(
                self.name, f"{stage} / dev", found, stored, place, limit=MOST_DEVIATIONS, unit=deviation
            )
