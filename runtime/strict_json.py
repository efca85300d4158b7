"""Strict reading of JSON documents: every complaint names the place of the value that is wrong."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from vosrt.errors import BundleError
from vosrt.regular_file import require_regular_file

MAX_BYTES = 4 * 1024 * 1024
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")
_LONGEST_SHOWN = 80
_LARGEST = 1e38  # float32 holds it


def read_json_file(path: Path) -> Node:
    """Read a JSON file into the root node of its document.

    Raises:
        BundleError: the file is missing, too large, not UTF-8, not JSON, repeats a key or holds NaN.
    """
    try:
        require_regular_file(path)
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise BundleError(
            f"{path} cannot be read ({error.strerror})",
            cure="give the folder that `vosrt export` wrote; it holds a bundle.json",
        ) from error
    if len(data) > MAX_BYTES:
        raise BundleError(f"{path} is too large", allowed=f"at most {MAX_BYTES} bytes", cure="export again")
    return Node(parse_json(data, document=str(path)), document=str(path))


def parse_json(data: bytes, *, document: str) -> object:
    """Parse one JSON document, without Python's leniencies: no repeated keys, no NaN, no infinity."""
    try:
        text = data.decode("utf-8")
        value = json.loads(
            text,
            object_pairs_hook=_object_without_repeats,
            parse_constant=_refuse_constant,
            parse_float=_finite_float,
        )
        json.dumps(value, ensure_ascii=False).encode()  # refuses half surrogate pairs: nothing prints them
    except UnicodeError as error:
        raise BundleError(f"{document} is not UTF-8 text ({error})", cure="export again") from error
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise BundleError(f"{document} is not valid JSON ({reason})", cure="export again") from error
    return value


def nearest(name: str, known: Iterable[str]) -> str:
    """Suggest the known name that is most like `name`; an empty string when none is like it."""
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"did you mean {matches[0]!r}?" if matches else ""


@dataclass(frozen=True)
class Node:
    """One value of a JSON document and its place; each reader returns the value or names the place."""

    value: object
    path: str = ""  # "graphs.segment.inputs.rows.dtype", "input.size[0]"; empty for the whole document
    document: str = "bundle.json"

    def error(self, *, allowed: str = "", cure: str = "") -> BundleError:
        """Describe this value as wrong."""
        place = f"{self.document}: {self.path or 'the document'}"
        value = self.value
        for kind, name in ((dict, "an object"), (list, "a list"), (type(None), "null")):
            if isinstance(value, kind):
                return BundleError(f"{place} is {name}", allowed=allowed, cure=cure)
        if isinstance(value, str) and len(value) > _LONGEST_SHOWN:
            value = value[:_LONGEST_SHOWN] + "…"
        return BundleError(place, value=value, allowed=allowed, cure=cure)

    def child(self, key: str) -> Node:
        """The value of `key`; call only when it is there."""
        assert isinstance(self.value, dict)
        step = key if _PLAIN_KEY.fullmatch(key) else json.dumps(key, ensure_ascii=False)
        return Node(self.value[key], f"{self.path}.{step}" if self.path else step, self.document)

    def fields(self, required: Sequence[str], optional: Sequence[str] = ()) -> dict[str, Node]:
        """Read an object with known fields; a field that is unknown or missing is an error."""
        known = [*required, *optional]
        given = self._keys(f"an object with the fields {', '.join(known)}")
        for key in given:
            if key not in known:
                self._refuse_field(key, known)
        for key in required:
            if key not in given:
                place = f"{self.path}.{key}" if self.path else key
                raise BundleError(
                    f"{self.document}: {place} is missing",
                    allowed=f"an object with the fields {', '.join(known)}",
                    cure=f"add the field {key!r}",
                )
        return {key: self.child(key) for key in given}

    def mapping(self, *, names: Sequence[str] = (), pattern: str = "") -> dict[str, Node]:
        """Read an object with free keys, or keys among `names`, or keys that match `pattern`."""
        keys = self._keys("an object")
        for key in keys:
            if names and key not in names:
                self._refuse_field(key, names)
            if pattern and not re.fullmatch(pattern, key):
                raise BundleError(
                    f"{self.document}: {self.child(key).path} is not a usable name",
                    value=key,
                    allowed=f"names like {pattern}",
                    cure="rename it",
                )
        return {key: self.child(key) for key in keys}

    def items(self) -> list[Node]:
        """Read a list."""
        if not isinstance(self.value, list):
            raise self.error(allowed="a list")
        return [Node(item, f"{self.path}[{i}]", self.document) for i, item in enumerate(self.value)]

    def text(self, pattern: str = r"(?s).+", *, allowed: str = "a string that is not empty") -> str:
        """Read a string that matches a pattern as a whole."""
        if not isinstance(self.value, str) or not re.fullmatch(pattern, self.value):
            raise self.error(allowed=allowed)
        return self.value

    def choice(self, options: Sequence[str]) -> str:
        """Read one of a few strings."""
        if not isinstance(self.value, str) or self.value not in options:
            raise self.error(allowed=", ".join(options), cure=nearest(str(self.value), options))
        return self.value

    def integer(self, minimum: int, maximum: int = 2**31 - 1, *, allowed: str = "") -> int:
        """Read an integer in a range, ends included."""
        value = self.value
        if not isinstance(value, int) or isinstance(value, bool) or not minimum <= value <= maximum:
            raise self.error(allowed=allowed or f"an integer from {minimum} to {maximum}")
        return value

    def number(self, *, positive: bool = False, least: float | None = None) -> float:
        """Read a finite number; an integer stays an integer."""
        value = self.value
        if not isinstance(value, int | float) or isinstance(value, bool) or (positive and value <= 0):
            raise self.error(allowed="a number above 0" if positive else "a number")
        if least is not None and value < least:
            raise self.error(allowed=f"a number of at least {least:g}")
        if abs(value) > _LARGEST:
            raise self.error(allowed=f"a number of at most {_LARGEST:g}")
        return value

    def boolean(self) -> bool:
        """Read true or false."""
        if not isinstance(self.value, bool):
            raise self.error(allowed="true or false")
        return self.value

    def scalar(self) -> str | int | float | bool | None:
        """Read a string, a number, true, false or null."""
        if not isinstance(self.value, str | int | float | bool | None):
            raise self.error(allowed="a string, a number, true, false or null")
        return self.value

    def _keys(self, allowed: str) -> list[str]:
        if not isinstance(self.value, dict):
            raise self.error(allowed=allowed)
        return list(self.value)

    def _refuse_field(self, key: str, known: Sequence[str]) -> NoReturn:
        raise BundleError(
            f"{self.document}: {self.child(key).path} is not a known field",
            allowed=", ".join(known),
            cure=nearest(key, known) or "remove it",
        )


def _object_without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"the key {key!r} stands twice in one object")
        result[key] = value
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is too large for a number")
    return value
