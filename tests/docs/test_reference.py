"""What the page of the Python interface names is described, and is all that examples need."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import json
import re

import numpy as np
import pytest

from tests.docs.fenced_blocks import ROOT, all_blocks
from vosrt import Result
from vosrt.sinks.rle_file import frame_record
from vosrt.sources.source_frame import SourceFrame

pytest.importorskip("torch", reason="networks and export are part of the interface")

PAGE = (ROOT / "docs/reference/api.md").read_text(encoding="utf-8")
NAMES = re.findall(r"^::: (\S+)$", PAGE, re.M)
HIDDEN = ("vosrt.Snapshot",)  # fields that nobody sets or reads


def object_of(name: str) -> object:
    module, _, last = name.rpartition(".")
    found = getattr(importlib.import_module(module), last, None)
    return importlib.import_module(name) if found is None else found


OBJECTS = {name: object_of(name) for name in NAMES}
RECORDS = [name for name, one in OBJECTS.items() if dataclasses.is_dataclass(one) and name not in HIDDEN]


@pytest.mark.parametrize("name", RECORDS)
def test_fields_are_described(name):
    described = set(re.findall(r"^ +(\w+): ", inspect.getdoc(OBJECTS[name]) or "", re.M))
    assert {field.name for field in dataclasses.fields(OBJECTS[name])} - described == set()


def constant_defaults() -> list[tuple[str, str]]:
    """Parameters that a constant is the default of: the line that describes each, and the value."""
    found = []
    for name, one in OBJECTS.items():
        parameters = inspect.signature(one).parameters if callable(one) else {}
        source = inspect.getsource(one) if parameters else ""
        for parameter in re.findall(r"^ .*?\b(\w+): [\w |]+ = [A-Z_]{3,}\b", source, re.M):
            default = parameters[parameter].default if parameter in parameters else None
            if isinstance(default, int | float):
                line = re.search(rf"^ +{parameter}: .*", inspect.getdoc(one) or "", re.M)
                found.append((f"{name}: {line and line[0].strip()}", f"({default:g})"))
    return found


def test_defaults_that_are_constants_are_described_by_their_values():
    found = constant_defaults()
    assert len(found) > 5
    assert [line for line, value in found if value not in line] == []


def test_examples_import_what_the_page_names():
    texts = [path.read_text(encoding="utf-8") for path in ROOT.glob("examples/*.py")]
    texts += [block.text for block in all_blocks() if block.language == "python"]
    imported = {
        f"{node.module}.{alias.name}"
        for text in texts
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] == "vosrt"
        for alias in node.names
    }
    assert "vosrt.Segmenter" in imported
    unknown = {name for name in imported if name not in NAMES and name.rpartition(".")[0] not in NAMES}
    assert {name for name in unknown if f"`{name}`" not in PAGE} == set()


def test_sections_are_those_that_the_site_knows():
    """`Example:` would be shown as a quotation."""
    for name in NAMES:
        assert "Example:" not in (inspect.getdoc(OBJECTS[name]) or ""), name


def test_shown_line_of_run_lengths_is_what_is_written():
    (block,) = (one for one in all_blocks() if one.page.endswith("commands.md") and one.language == "json")
    labels = np.zeros((96, 160), np.uint8)
    labels[19:22, 12:15] = 1
    image = np.zeros((96, 160, 3), np.uint8)
    result = Result(labels=labels, ids=(1,), frame_index=1, timings={}, confidence={1: 0.9822})
    record = frame_record(SourceFrame(image, "00001", 1 / 24), result, index=1)
    assert list(json.loads(block.text).items()) == list(record.items())
