"""What makes clips hard, as a file tells it: DAVIS' db_info.yml, JSON or CSV."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vosrt.errors import InputError

Attributes = Mapping[str, tuple[str, ...]]  # by clip
_ALLOWED = 'db_info.yml, JSON {"<clip>": ["OCC", …]} or CSV lines <clip>,OCC,…'
_FLAGS = ("", "0", "1")


def read_attributes(path: Path) -> Attributes:
    """Read the attributes of clips.

    Args:
        path: `.yml` or `.yaml` (a list of sequences with `name` and `attributes`), `.json` (clip to list of
            names), or `.csv` (a line per clip: its name, then attributes; or a table of 0 and 1 under a
            line of attribute names).

    Raises:
        InputError: it cannot be read, or tells no attribute of any clip.
    """
    readers = {".yml": _from_yaml, ".yaml": _from_yaml, ".json": _from_json, ".csv": _from_csv}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError("--attributes", value=str(path), allowed=_ALLOWED)
    try:
        found = reader(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"--attributes {path} cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError, csv.Error) as error:
        raise InputError(f"--attributes {path} cannot be read ({error})", allowed=_ALLOWED) from error
    if not any(found.values()):
        raise InputError(f"--attributes {path} tells no attributes of any clip", allowed=_ALLOWED)
    return found


def _from_json(text: str) -> Attributes:
    document: Any = json.loads(text)
    if not isinstance(document, dict) or not all(_is_names(names) for names in document.values()):
        raise ValueError("not an object of lists of names")
    return {clip: tuple(names) for clip, names in document.items()}


def _is_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _from_csv(text: str) -> Attributes:
    rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines()) if any(row)]
    head, *table = rows or [[]]
    if table and all(len(row) == len(head) and set(row[1:]) <= set(_FLAGS) for row in table):
        return {
            clip: tuple(name for name, flag in zip(head[1:], flags, strict=True) if flag == "1")
            for clip, *flags in table
        }
    return {clip: tuple(name for name in names if name) for clip, *names in rows}


def _from_yaml(text: str) -> Attributes:
    """The part of YAML that db_info.yml is written in: `name` and `attributes` of the items of a list.

    Attributes are a list in brackets, over one line or several, or a line each behind a dash.
    """
    found: dict[str, tuple[str, ...]] = {}
    for item in _yaml_items(text):
        name = re.search(r"(?m)^[ -]*name\s*:[ \t]*(\S.*?)[ \t]*$", item)
        if name is not None and re.search(r"(?m)^[ -]*attributes\s*:", item):
            found[_unquoted(name[1])] = _yaml_attributes(item)
    return found


def _yaml_items(text: str) -> list[str]:
    """The text of every item that is a mapping: from a dash with a key behind it to the next such dash."""
    plain = "\n".join(re.sub(r"(^|\s)#.*$", "", line).rstrip() for line in text.splitlines())
    starts = [match.start() for match in re.finditer(r"(?m)^[ \t]*-[ \t]+\w+[ \t]*:", plain)]
    stops = [*starts[1:], len(plain)]
    return [plain[start:stop] for start, stop in zip(starts, stops, strict=False)]


def _yaml_attributes(item: str) -> tuple[str, ...]:
    listed = re.search(r"(?m)^[ -]*attributes\s*:\s*\[([^\]]*)\]", item)
    if listed is not None:
        names = listed[1].split(",")
    else:
        block = re.search(r"(?m)^[ -]*attributes\s*:[ \t]*\n((?:[ \t]*-[ \t]+[^\n:]+(?:\n|\Z))*)", item)
        names = re.findall(r"(?m)^[ \t]*-[ \t]+(.+)$", block[1]) if block else []
    return tuple(_unquoted(name) for name in names if name.strip())


def _unquoted(text: str) -> str:
    return text.strip().strip("\"'")
