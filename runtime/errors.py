"""Errors that a user can act on."""

from __future__ import annotations

from typing import Any


def reason_of(error: BaseException) -> str:
    """What went wrong, in one line: the system's own words, else what the error says first, or its kind."""
    said = getattr(error, "strerror", None) or str(error).strip()
    return (said.splitlines() or [type(error).__name__])[0]


class Error(Exception):
    """A mistake the user can mend: says what was given, what is allowed and what to do next.

    The command line prints the message without a traceback and exits with status 2.

    Args:
        what: the field, option or file that is wrong, and how.
        value: what was given, when there is something to show.
        allowed: what would have been accepted.
        cure: what to do next, as an instruction.
    """

    def __init__(self, what: str, *, value: object = None, allowed: str = "", cure: str = "") -> None:
        self.what = what
        self.value = value
        self.allowed = allowed
        self.cure = cure
        parts = [what if value is None else f"{what}: got {value!r}"]
        if allowed:
            parts.append(f"allowed: {allowed}")
        if cure:
            parts.append(cure)
        super().__init__("; ".join(parts))

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process gets it as it is: its text is not made again."""
        return type(self).__new__, (type(self), *self.args), self.__dict__


class BundleError(Error):
    """A bundle folder or its manifest is not usable."""


class CheckpointError(Error):
    """A checkpoint file does not fit the network."""


class ExportError(Error):
    """A network could not be exported, or the export does not reproduce it."""


class GpuMemoryError(Error):
    """There is no room on the GPU; another time there may be."""

    def __init__(self, what: str) -> None:
        cure = "end other programs on the GPU, or use fewer objects or streams, or smaller frames (long_edge)"
        super().__init__(what, cure=cure)


class InputError(Error):
    """A frame, mask, video or option cannot be used."""


class MissingDependencyError(Error):
    """An optional package is needed for what was asked."""


def unwritable(what: str, error: Exception) -> InputError:
    """The error of an output that cannot be written, named with its path."""
    cure = "choose a folder that exists, has room and can be written"
    return InputError(f"{what} cannot be written ({reason_of(error)})", cure=cure)
