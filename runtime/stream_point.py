"""How far a stream is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vosrt.arithmetic import Arithmetic
from vosrt.presence import LostRule, Presence
from vosrt.rows import Rows
from vosrt.snapshot import Snapshot, VariantRecord
from vosrt.state import State
from vosrt.variant import Variant


@dataclass(frozen=True)
class StreamPoint:
    """All that a step changes, so that a step succeeds as a whole or not at all."""

    rows: tuple[Rows, ...]  # by variant
    states: tuple[State, ...]  # by variant
    presence: Presence
    ids: tuple[int, ...] = ()
    index: int = 0  # of the next frame
    size: tuple[int, int] | None = None  # height and width of the frames

    @classmethod
    def start(cls, variants: Sequence[Variant], rule: LostRule) -> StreamPoint:
        """Before the first frame."""
        return cls(
            tuple(Rows((), variant.manifest.objects) for variant in variants),
            tuple(State.empty(variant.manifest) for variant in variants),
            Presence(rule),
        )

    @classmethod
    def restored(
        cls, snapshot: Snapshot, variants: Sequence[Variant], rule: LostRule, arithmetic: Arithmetic
    ) -> StreamPoint:
        """Where a snapshot was taken; it fits the variants."""
        there = Rows(snapshot.ids)
        rows = tuple(Rows(snapshot.ids, variant.manifest.objects) for variant in variants)
        states = [
            record.restored(variant.manifest, arithmetic.upload, objects=len(snapshot.ids)).with_rows(
                there, own, arithmetic
            )
            for variant, record, own in zip(variants, snapshot.variants, rows, strict=True)
        ]
        return cls(
            rows=rows,
            states=tuple(states),
            presence=Presence(rule, dict(snapshot.sightings)),
            ids=snapshot.ids,
            index=snapshot.index,
            size=snapshot.size,
        )

    def snapshot(self, variants: Sequence[Variant], arithmetic: Arithmetic) -> Snapshot:
        """All of it on the host."""
        download = arithmetic.device.download
        states = [  # without unused capacity: another machine may have another one
            state.with_rows(rows, Rows(self.ids), arithmetic)
            for state, rows in zip(self.states, self.rows, strict=True)
        ]
        return Snapshot(
            index=self.index,
            size=self.size,
            ids=self.ids,
            sightings=dict(self.presence.sightings),
            variants=tuple(
                VariantRecord.of(variant, state, download)
                for variant, state in zip(variants, states, strict=True)
            ),
        )
