"""What results depend on: the networks, how they are used, and the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from vosrt.bundle import Bundle
from vosrt.manifest import FILE_NAME, sha256_of_file


@dataclass(frozen=True)
class BundleFacts:
    """A bundle by its content; the manifest holds the digests of all graphs."""

    name: str
    folder: str
    sha256: str  # of the manifest
    stand_in: bool  # whether its weights are generated

    @classmethod
    def of(cls, bundle: Bundle) -> BundleFacts:
        """Of an opened bundle."""
        manifest = bundle.manifest
        digest = sha256_of_file(bundle.folder / FILE_NAME)
        return cls(manifest.name, str(bundle.folder), digest, manifest.source.stand_in)

    def to_json(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self)


@dataclass(frozen=True)
class Settings:
    """Two runs with equal settings give equal results.

    Attributes:
        dataset: name of the data set and split.
        facts: of the data set.
        bundles: averaged, with equal weights.
        results: folder of results that are scored instead of bundles.
        frames: of each clip, from its start; None for all.
        boxes: whether objects are given by the boxes around their masks.
        finder: what finds objects in them; None for a bundle's own or GrabCut.
    """

    dataset: str
    facts: Mapping[str, str]
    bundles: tuple[BundleFacts, ...] = ()
    precision: str | None = None
    device: str | None = None
    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    long_edge: int | None = None
    memory_every: int | None = None
    memory_capacity: int | None = None
    results: str | None = None
    frames: int | None = None
    boxes: bool = False
    finder: str | None = None

    def to_json(self) -> dict[str, Any]:
        """For machines and for comparing; a bundle counts by its content, wherever it lies."""
        return {
            "dataset": self.dataset,
            **dict(self.facts),
            "bundles": [f"{bundle.name} {bundle.sha256}" for bundle in self.bundles],
            "precision": self.precision,
            "device": self.device,
            "scales": list(self.scales),
            "flip": self.flip,
            "long_edge": self.long_edge,
            "memory_every": self.memory_every,
            "memory_capacity": self.memory_capacity,
            "results": self.results,
            "frames": self.frames,
            **({"boxes": True, "finder": self.finder} if self.boxes else {}),
        }
