"""What is kept of a video: enough to know whether its results are still those that are wanted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from vosrt import __version__
from vosrt.batch.input_facts import InputFacts

FORMAT = 1


class Ending(Enum):
    """How a video ended."""

    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class Failure:
    """An attempt that failed.

    Attributes:
        reason: in words.
        worker: where.
        at: when, in seconds since 1970.
    """

    reason: str
    worker: str
    at: float


@dataclass(frozen=True)
class BatchRecord:
    """A video that ended, well or badly. It is written after its results are in place.

    Attributes:
        key: of the job.
        ending: how it ended.
        needs: what the results depend on beside the inputs: networks, settings, what was wanted.
        inputs: video and mask as they were read; empty where they could not be.
        frames: how many were segmented.
        objects: how many there were on the last one.
        seconds: from the start of the attempt to its end.
        started: when, in seconds since 1970.
        worker: machine and process.
        placement: what the graphs ran on, in words.
        outputs: SHA-256 of every output, by kind.
        failures: attempts that failed before, or all of them.
        version: of vosrt.
    """

    key: str
    ending: Ending
    needs: Mapping[str, Any]
    inputs: Mapping[str, InputFacts] = field(default_factory=dict)
    frames: int = 0
    objects: int = 0
    seconds: float = 0.0
    started: float = 0.0
    worker: str = ""
    placement: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()
    version: str = __version__

    @property
    def frames_per_second(self) -> float:
        """From start to end; 0 where nothing ran."""
        return self.frames / self.seconds if self.seconds else 0.0

    @classmethod
    def of_failures(cls, key: str, needs: Mapping[str, Any], failures: Sequence[Failure]) -> BatchRecord:
        """A job that failed in every attempt."""
        return cls(
            key=key,
            ending=Ending.FAILED,
            needs=needs,
            worker=failures[-1].worker,
            started=failures[0].at,
            failures=tuple(failures),
        )

    def after(self, failures: Sequence[Failure]) -> BatchRecord:
        """This record with the attempts that failed before."""
        return replace(self, failures=tuple(failures))

    def to_bytes(self) -> bytes:
        """Write as JSON; `parse` of it gives an equal record."""
        content = {
            "format": FORMAT,
            "name": self.key,
            "state": self.ending.value,
            "needs": self.needs,
            "inputs": {role: facts.to_json() for role, facts in self.inputs.items()},
            "frames": self.frames,
            "objects": self.objects,
            "seconds": round(self.seconds, 3),
            "started": round(self.started, 3),
            "worker": self.worker,
            "placement": self.placement,
            "outputs": dict(self.outputs),
            "failures": [vars(failure) for failure in self.failures],
            "vosrt": self.version,
        }
        return (json.dumps(content, indent=1) + "\n").encode()

    @classmethod
    def parse(cls, data: bytes) -> BatchRecord:
        """Read from JSON.

        Raises:
            ValueError, KeyError, TypeError, AttributeError: it was not written by `to_bytes`.
        """
        content = json.loads(data)
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']}")
        return cls(
            key=str(content["name"]),
            ending=Ending(content["state"]),
            needs=dict(content["needs"]),
            inputs={role: InputFacts.parse(facts) for role, facts in content["inputs"].items()},
            frames=int(content["frames"]),
            objects=int(content["objects"]),
            seconds=float(content["seconds"]),
            started=float(content["started"]),
            worker=str(content["worker"]),
            placement=str(content["placement"]),
            outputs=dict(content["outputs"]),
            failures=tuple(
                Failure(str(one["reason"]), str(one["worker"]), float(one["at"]))
                for one in content["failures"]
            ),
            version=str(content["vosrt"]),
        )
