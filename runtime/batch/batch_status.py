"""How far a batch is, by what lies in its folder."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from vosrt.batch.batch_folder import BatchFolder
from vosrt.batch.record import BatchRecord, Ending
from vosrt.counted import counted

_READERS = 16  # threads; most of it is waiting for a file system
_MOST_ROWS = 40


@dataclass(frozen=True)
class BatchStatus:
    """A batch as its folder tells it.

    Attributes:
        names: of all videos.
        records: of those that ended, by name.
        unfinished: what is being made now, or was when its worker died.
    """

    names: Sequence[str]
    records: dict[str, BatchRecord]
    unfinished: Sequence[str]

    @classmethod
    def of(cls, folder: BatchFolder) -> BatchStatus:
        """Read it.

        Raises:
            InputError: there is no batch.
        """
        names = folder.planned()
        with ThreadPoolExecutor(_READERS) as threads:
            records = threads.map(lambda name: folder.record(f"records/{name}.json"), names)
        found = {name: record for name, record in zip(names, records, strict=True) if record is not None}
        keys = {name.rsplit("~", 3)[0] for name in folder.storage.names("unfinished")}  # machine, process, …
        # A key that is no video's name is that of a part, which ends with a ~ and what it is.
        unfinished = {key if key in names else key.rpartition("~")[0] or key for key in keys}
        return cls(names, found, sorted(unfinished))

    @property
    def done(self) -> list[BatchRecord]:
        """Of videos that are done."""
        return [record for record in self.records.values() if record.ending is Ending.DONE]

    @property
    def failed(self) -> list[BatchRecord]:
        """Of videos that failed."""
        return [record for record in self.records.values() if record.ending is Ending.FAILED]

    def lines(self) -> list[str]:
        """For people."""
        videos = counted(len(self.names), "video")
        frames = counted(sum(record.frames for record in self.done), "frame")
        left = len(self.names) - len(self.records)
        lines = [
            f"{videos}: {len(self.done)} done, {len(self.failed)} failed, {left} left",
            f"{frames} in {sum(record.seconds for record in self.done):.0f} s of workers' time",
        ]
        if self.unfinished:
            lines.append(f"in work: {', '.join(self.unfinished)}")
        if self.done:
            last = max(record.started + record.seconds for record in self.done)
            lines.append(f"last one done {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(last))}")
        return lines

    def to_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "videos": len(self.names),
            "done": len(self.done),
            "failed": {record.key: record.failures[-1].reason for record in self.failed},
            "left": sorted(set(self.names) - set(self.records)),
            "unfinished": list(self.unfinished),
            "frames": sum(record.frames for record in self.done),
            "seconds": round(sum(record.seconds for record in self.done), 1),
        }


def result_table(records: Iterable[BatchRecord]) -> Any:
    """A table of videos: failed ones first, and no more rows than can be read."""
    from rich.table import Table

    ordered = sorted(records, key=lambda record: (record.ending is Ending.DONE, record.key))
    table = Table("video", "", "frames", "objects", "frames/s", "worker, or what was wrong", box=None)
    for record in ordered[:_MOST_ROWS]:
        is_done = record.ending is Ending.DONE
        speed = f"{record.frames_per_second:.1f}" if is_done else ""
        note = record.worker if is_done else record.failures[-1].reason
        counts = (str(record.frames), str(record.objects)) if is_done else ("", "")
        table.add_row(record.key, record.ending.value, *counts, speed, note)
    if len(ordered) > _MOST_ROWS:
        table.add_row(f"… and {len(ordered) - _MOST_ROWS} more")
    return table
