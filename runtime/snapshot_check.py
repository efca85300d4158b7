"""Whether what a snapshot file holds can be a stream's state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from vosrt.errors import InputError
from vosrt.manifest import MOST_OBJECTS, Manifest
from vosrt.manifest_state import StateEntry, StateTensor

CURE = "save the stream again, or start a new one"


def check_ids(ids: Sequence[int], capacities: Sequence[int | None]) -> None:
    """Check a stream's object ids.

    Raises:
        InputError: an id out of range or twice, or more than a bundle takes.
    """
    most = min((capacity for capacity in capacities if capacity is not None), default=MOST_OBJECTS)
    in_range = all(1 <= value <= MOST_OBJECTS for value in ids)
    if not in_range or len(set(ids)) != len(ids) or len(ids) > most:
        raise _damaged("its object ids", list(ids))


def check_entries(
    manifest: Manifest,
    records: Mapping[str, Mapping[str, Any]],
    tensors: Mapping[str, Mapping[str, NDArray[Any]]],
    objects: int,
) -> None:
    """Check the state of one variant against the manifest of its bundle.

    Args:
        manifest: of the bundle.
        records: by entry, what it holds beside tensors.
        tensors: by entry and name.
        objects: how many there are.

    Raises:
        InputError: an entry or tensor is missing, unknown, or of another type or shape.
    """
    if set(records) != set(manifest.state) or set(tensors) != set(manifest.state):
        raise _damaged("its entries", sorted(records))
    for name, entry in manifest.state.items():
        if not set(tensors[name]) <= set(entry.tensors):
            raise _damaged(f"the tensors of {name}", sorted(tensors[name]))
        for key, array in tensors[name].items():
            _check_tensor(f"{name}.{key}", entry, entry.tensors[key], array, objects)
        _check_slots(name, entry, records[name])


def _check_tensor(
    place: str, entry: StateEntry, tensor: StateTensor, array: NDArray[Any], objects: int
) -> None:
    latest = 1 if entry.rule == "memory" else 0
    counts = {"object": objects, "row": objects + 1, "slot": (entry.capacity or 0) + latest}
    fits = str(array.dtype) == tensor.dtype and array.ndim == len(tensor.axes)
    for axis, declared, size in zip(tensor.axes, tensor.shape, array.shape, strict=False):
        expected = counts.get(axis, declared)
        fits = fits and (isinstance(expected, str) or size == expected)
    if not fits:
        raise _damaged(f"tensor {place}", f"{array.dtype} {list(array.shape)}")


def _check_slots(name: str, entry: StateEntry, record: Mapping[str, Any]) -> None:
    slots = record.get("slots", [])
    capacity = entry.capacity or 0
    is_memory = entry.rule == "memory"
    allowed = {0, capacity + 1} if is_memory else set(range(capacity + 1))
    is_right = isinstance(slots, list) and len(slots) in allowed
    if not is_right or not all(_is_slot(slot, is_memory=is_memory) for slot in slots):
        raise _damaged(f"the slots of {name}", slots)


def _is_slot(slot: object, *, is_memory: bool) -> bool:
    """Whether it is a frame's number with the ids of its objects, and of those of them that hold it fast."""
    if slot is None:
        return is_memory
    if not isinstance(slot, list) or len(slot) != 3:
        return False
    frame, *groups = slot
    is_frame = type(frame) is int and frame >= 0
    return is_frame and all(isinstance(ids, list) and all(type(one) is int for one in ids) for ids in groups)


def _damaged(what: str, value: object) -> InputError:
    text = str(value)
    shown = text if len(text) <= 80 else text[:80] + "…"
    return InputError(f"the snapshot does not fit the bundle: {what}", value=shown, cure=CURE)
