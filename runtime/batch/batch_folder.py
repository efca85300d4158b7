"""The folder that a batch leaves, and from which it goes on.

OUTPUT/batch.json             names of all videos of the batch
OUTPUT/results/<name>/…       what was wanted of a video: masks/, overlay.mp4, masks.jsonl, cutout/
OUTPUT/records/<name>.json    written last: with it the video is done, or failed
OUTPUT/parts/<name>/…         finished parts of a video that is shared out, until they are joined
OUTPUT/unfinished/…           what is being made; gone at the end
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vosrt.batch.address import is_remote
from vosrt.batch.input_facts import InputFacts, sha256_of, stamp_of
from vosrt.batch.job import BatchJob
from vosrt.batch.record import BatchRecord, Ending
from vosrt.batch.storage import Storage, open_storage
from vosrt.errors import Error, InputError, reason_of

PLAN = "batch.json"
_PROGRAM = "vosrt batch"
_log = logging.getLogger(__name__)


class BatchFolder:
    """A video that has a record of a good end has its results, whole and of what the record says.

    Args:
        storage: where it lies.
    """

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    @classmethod
    def open(cls, address: str) -> BatchFolder:
        """Open one that is there, or is to be made.

        Raises:
            InputError: the address cannot be used.
        """
        return cls(open_storage(address))

    def start(self, names: Sequence[str]) -> None:
        """Note the videos of the batch.

        Raises:
            InputError: something else lies there, or it cannot be written.
        """
        if self.storage.read(PLAN) is None and self.storage.names(""):
            raise InputError(
                f"output {self.storage.address} is not empty and holds no {PLAN} of a batch",
                cure="choose another --output",
            )
        self.planned(missing_is_empty=True)
        content = {"program": _PROGRAM, "names": sorted(names)}
        self._write(PLAN, (json.dumps(content, indent=1) + "\n").encode())

    def planned(self, *, missing_is_empty: bool = False) -> list[str]:
        """Names of all videos of the batch.

        Raises:
            InputError: there is no batch.
        """
        data = self.storage.read(PLAN)
        if data is None and missing_is_empty:
            return []
        try:
            content = json.loads(data or b"")
            if content["program"] != _PROGRAM:
                raise ValueError("of another program")
            return [str(name) for name in content["names"]]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{self.storage.address} holds no {PLAN} of a batch",
                cure="give the --output of `vosrt batch run`",
            ) from error

    def record(self, file: str) -> BatchRecord | None:
        """What is kept of a job; None where there is nothing, or something damaged.

        Args:
            file: `BatchJob.record`.
        """
        data = self.storage.read(file)
        if data is None:
            return None
        try:
            return BatchRecord.parse(data)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            _log.warning("%s is damaged and the video runs again (%r)", file, error)
            return None

    def is_current(self, job: BatchJob, needs: Mapping[str, Any]) -> bool:
        """Whether a job's results are there and would be made again exactly so.

        Args:
            job: a video or part of one.
            needs: what its results depend on beside the inputs.
        """
        record = self.record(job.record)
        if record is None or record.ending is not Ending.DONE or record.needs != needs:
            return False
        inputs = job.inputs()
        if set(inputs) != set(record.inputs):
            return False
        if not all(_is_as_before(address, record.inputs[role]) for role, address in inputs.items()):
            return False
        return bool(self.storage.names(job.results))

    def write(self, record: BatchRecord, file: str) -> None:
        """Keep a record.

        Raises:
            InputError: it cannot be written.
        """
        self._write(file, record.to_bytes())

    def _write(self, file: str, data: bytes) -> None:
        try:
            self.storage.write(file, data)
        except Exception as error:  # every file system has errors of its own
            raise InputError(
                f"output {self.storage.address} cannot be written ({reason_of(error)})",
                cure="choose a folder that can be written and has room",
            ) from error


def _is_as_before(address: str, before: InputFacts) -> bool:
    """Whether an input has not changed: same stamp, or same content under another stamp."""
    try:
        if stamp_of(address) == before.stamp:
            return True
        return not is_remote(address) and sha256_of(Path(address)) == before.sha256
    except (Error, OSError):
        return False  # running it says what is wrong
