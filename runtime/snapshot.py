"""All that a stream remembers, as a value or a file that another process can open."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.array_archive import read_arrays
from vosrt.device import Array
from vosrt.errors import InputError, reason_of, unwritable
from vosrt.manifest import Manifest
from vosrt.presence import Sighting
from vosrt.regular_file import require_regular_file
from vosrt.snapshot_check import CURE, check_entries, check_ids
from vosrt.state import RULES, State
from vosrt.variant import Variant, variant_name
from vosrt.whole_file import whole_file

FORMAT = 1
_RECORD = "record"


@dataclass(frozen=True, eq=False)
class VariantRecord:
    """The state of one variant."""

    bundle: str  # name, for messages
    digest: str  # of the bundle: state fits no other
    scale: float
    flipped: bool
    entries: Mapping[str, Mapping[str, Any]]  # what entries hold beside tensors
    tensors: Mapping[str, Mapping[str, NDArray[Any]]]

    @classmethod
    def of(cls, variant: Variant, state: State, download: Callable[[Array], NDArray[Any]]) -> VariantRecord:
        """Take the state of a variant, with rows for the objects that are there, to the host."""
        tensors = {
            entry_name: {name: np.array(download(array)) for name, array in entry.tensors.items()}
            for entry_name, entry in state.entries.items()
        }
        entries = {name: entry.record() for name, entry in state.entries.items()}
        digest = bundle_digest(variant.manifest)
        return cls(variant.manifest.name, digest, variant.scale, variant.flipped, entries, tensors)

    def restored(self, manifest: Manifest, upload: Callable[[NDArray[Any]], Array], *, objects: int) -> State:
        """The state as it was, with rows for the objects that are there.

        Raises:
            InputError: it cannot be the state of such a bundle.
        """
        check_entries(manifest, self.entries, self.tensors, objects)
        return State(
            {
                name: RULES[spec.rule](spec).restored(
                    self.entries[name],
                    {key: upload(np.array(array)) for key, array in self.tensors[name].items()},
                )
                for name, spec in manifest.state.items()
            }
        )


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A stream at the end of a frame. `Segmenter.stream(snapshot)` goes on from there."""

    index: int  # of the next frame
    size: tuple[int, int] | None
    ids: tuple[int, ...]
    sightings: Mapping[int, Sighting]
    variants: tuple[VariantRecord, ...]

    def check_fits(self, variants: Sequence[Variant]) -> None:
        """Check that the snapshot was taken with the same bundles, sizes, scales and flips.

        Raises:
            InputError: says what differs.
        """
        own = [(record.digest, record.scale, record.flipped) for record in self.variants]
        other = [(bundle_digest(v.manifest), v.scale, v.flipped) for v in variants]
        if own != other:
            taken = ", ".join(variant_name(v.bundle, v.scale, v.flipped) for v in self.variants)
            wanted = ", ".join(variant.name for variant in variants)
            raise InputError(
                "the snapshot was taken with other bundles, sizes, scales or flips",
                value=taken,
                allowed=f"{wanted}, with the very same graphs",
                cure="open it with the bundles and options it was taken with",
            )
        check_ids(self.ids, [variant.manifest.objects for variant in variants])

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the snapshot as one file; a killed process leaves the whole file or none.

        Raises:
            InputError: the file cannot be written.
        """
        try:
            with whole_file(path) as file:
                np.savez(file, allow_pickle=False, **self._arrays())
        except (OSError, ValueError) as error:
            raise unwritable(f"snapshot {os.fspath(path)}", error) from error

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Snapshot:
        """Read a snapshot file. Nothing in it is executed.

        Raises:
            InputError: the file is missing, damaged or no snapshot.
        """
        try:
            require_regular_file(path)
            arrays = read_arrays(path)
        except OSError as error:
            what = f"snapshot {os.fspath(path)} cannot be read ({reason_of(error)})"
            raise InputError(what, cure=CURE) from error
        except ValueError as error:
            raise InputError(f"{os.fspath(path)} is no snapshot, or damaged ({error})", cure=CURE) from error
        try:
            return cls._parse(json.loads(str(arrays[_RECORD])), arrays)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            what = f"{os.fspath(path)} is no snapshot of this vosrt ({error!r})"
            raise InputError(what, cure=CURE) from error

    def _arrays(self) -> dict[str, NDArray[Any]]:
        arrays: dict[str, NDArray[Any]] = {}
        variants = []
        for index, record in enumerate(self.variants):
            fields = {
                name: getattr(record, name) for name in ("bundle", "digest", "scale", "flipped", "entries")
            }
            variants.append(
                {**fields, "tensors": {name: list(group) for name, group in record.tensors.items()}}
            )
            for entry, group in record.tensors.items():
                arrays |= {f"{index}/{entry}/{name}": array for name, array in group.items()}
        document = {
            "format": FORMAT,
            "index": self.index,
            "size": self.size,
            "ids": self.ids,
            "sightings": {str(key): asdict(value) for key, value in self.sightings.items()},
            "variants": variants,
        }
        return {_RECORD: np.array(json.dumps(document)), **arrays}

    @classmethod
    def _parse(cls, document: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Snapshot:
        if document["format"] != FORMAT:
            raise ValueError(f"format {document['format']!r}")
        variants = tuple(
            VariantRecord(
                bundle=str(record["bundle"]),
                digest=str(record["digest"]),
                scale=float(record["scale"]),
                flipped=bool(record["flipped"]),
                entries=dict(record["entries"]),
                tensors={
                    entry: {name: arrays[f"{index}/{entry}/{name}"] for name in names}
                    for entry, names in record["tensors"].items()
                },
            )
            for index, record in enumerate(document["variants"])
        )
        size = document["size"]
        if int(document["index"]) < 0 or (size is not None and min(size) < 1):
            raise ValueError("a negative number")
        return cls(
            index=int(document["index"]),
            size=None if size is None else (int(size[0]), int(size[1])),
            ids=tuple(int(value) for value in document["ids"]),
            sightings={int(key): Sighting(**value) for key, value in document["sightings"].items()},
            variants=variants,
        )


def bundle_digest(manifest: Manifest) -> str:
    """SHA-256 of everything in a manifest that a state depends on.

    Precision, parity and room for objects that are not there are no part of it.
    """
    document = (manifest.exported or manifest).to_json()
    kept = {name: document[name] for name in ("name", "source", "input", "frame_size", "objects", "state")}
    kept["graphs"] = {
        role: {name: graph[name] for name in ("inputs", "outputs")}
        for role, graph in document["graphs"].items()
    }
    kept["options"] = document["options"]
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()
