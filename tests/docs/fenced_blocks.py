"""The code blocks of the documentation, and the comments above them that say whether they are run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("models/**/*.md")])
RUN = ("bash", "console", "python", "toml", "json")
SHOWN = ("text", "mermaid")  # pictures; nothing to run
_FENCE = re.compile(r"^( *)(`{3,})([^`]*)$")
_COMMENT = re.compile(r"^ *<!-- (not run|slow): (\S.*) -->$")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: the file, relative to the repository.
        line: of the opening fence, counted from 1.
        language: as written behind the fence; empty where nothing is.
        text: what is between the fences.
        mark: "not run", "slow" (the full tests alone run it), or empty.
        reason: of the mark.
    """

    page: str
    line: int
    language: str
    text: str
    mark: str = ""
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(text: str, page: str) -> Iterator[Block]:
    """The blocks of a page, in order."""
    lines = text.split("\n")
    start: int | None = None
    fence, indent = "", ""
    for index, line in enumerate(lines):
        match = _FENCE.match(line)
        if start is None and match:
            start, indent, fence = index, match[1], match[2]
        elif start is not None and line.strip() == fence:
            language = lines[start].strip().strip("`").strip()
            body = "\n".join(one.removeprefix(indent) for one in lines[start + 1 : index])
            comment = _COMMENT.match(lines[start - 1]) if start else None
            mark, reason = (comment[1], comment[2]) if comment else ("", "")
            yield Block(page, start + 1, language, body, mark, reason)
            start = None
    assert start is None, f"{page}:{(start or 0) + 1}: the block has no end"


def all_blocks() -> list[Block]:
    """Every block of every page."""
    found: list[Block] = []
    for path in PAGES:
        found += blocks_of(path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix())
    return found


def code_spans() -> Iterator[tuple[str, str]]:
    """Page and text of all code that stands in sentences and tables, line breaks as spaces."""
    for path in PAGES:
        text = re.sub(r"^ *(`{3,}).*?^ *\1$", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
        for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", text):
            yield path.relative_to(ROOT).as_posix(), " ".join(span.split())
