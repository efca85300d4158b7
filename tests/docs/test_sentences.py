"""Options that sentences and tables of the documentation name exist; links lead somewhere."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator

import pytest

from tests.docs.command_lines import options_of_program, parser_of
from tests.docs.fenced_blocks import PAGES, ROOT, code_spans
from vosrt.benchmarks.candidate import BASELINE_ORDER

COMMANDS_PAGE = ROOT / "docs/reference/commands.md"
SECTIONS = re.split(r"^## ", COMMANDS_PAGE.read_text(encoding="utf-8"), flags=re.M)[1:]
LINES = sorted(
    {span for _, span in code_spans() if re.match(r"(vosrt [a-z]+|python -m vosrt\.\S+) .*--", span)}
)


def options_of(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", text))


@pytest.mark.parametrize("line", LINES)
def test_command_in_a_sentence_has_its_options(line):
    words = line.split()
    known = options_of_program(words[2] if words[0] == "python" else " ".join(words[:2]))
    assert options_of(line) <= known


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.split("\n")[0])
def test_table_of_a_command_names_options_that_it_has(section):
    title, _, text = section.partition("\n")
    firsts = [line.split("|")[1] for line in text.split("\n") if line.startswith("| `")]
    known = set().union(*map(options_of_program, title.split(", ")))
    named = options_of(" ".join(firsts)) - {"--memory-"}
    assert named <= known


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.split("\n")[0])
def test_section_of_a_command_names_all_its_options(section):
    """There, on a page that it links to, or in the section of the command whose settings it shares."""
    title, _, text = section.partition("\n")
    for page in re.findall(r"\]\(\.\./(tasks/[\w-]+\.md)", text):
        text += (COMMANDS_PAGE.parents[1] / page).read_text(encoding="utf-8")
    if "as for `vosrt stream`" in " ".join(text.split()):
        text += next(one for one in SECTIONS if one.startswith("vosrt stream"))
    known = set().union(*map(options_of_program, title.split(", ")))
    known = {option for option in known if option.startswith("--")} - {"--help", "--finder", "--output"}
    assert known - options_of(text) == set()


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parser of a command and those of its own commands."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for one in action.choices.values():
                yield from parsers(one)


@pytest.mark.parametrize("title", [section.split("\n")[0] for section in SECTIONS])
def test_help_says_what_a_command_and_its_options_are_for(title):
    for parser in (one for program in title.split(", ") for one in parsers(parser_of(program))):
        assert parser.description, parser.prog
        assert [action.dest for action in parser._actions if not action.help] in ([], [argparse.SUPPRESS])


def test_executors_are_listed_with_the_baseline_last():
    (executors,) = (action for action in parser_of("vosrt bench")._actions if action.dest == "executors")
    page = (ROOT / "docs/tasks/performance.md").read_text(encoding="utf-8")
    listed = re.findall(
        r"torch-published|torch-compiled|torch(?= \()|onnxruntime|tensorrt", str(executors.help)
    )
    assert listed[:5] == re.findall(r"^\| `([\w-]+)` \|", page, re.M) == [*reversed(BASELINE_ORDER)]


def test_every_command_has_a_section():
    from vosrt.cli import _parser

    commands = next(action.choices for action in _parser()._actions if action.dest == "==SUPPRESS==")
    titles = ", ".join(section.split("\n")[0] for section in SECTIONS)
    assert {name for name in commands if f"vosrt {name}" not in titles} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_to_files_and_headings(page):
    text = re.sub(r"^(`{3,}).*?^\1", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if "://" in target:
            continue  # nothing is asked over the network
        name, _, heading = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), target
        if heading:
            titles = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.M)
            assert heading in {_anchor(title) for title in titles}, target


def _anchor(title: str) -> str:
    return re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", title.lower()).strip())


def test_spans_are_found():
    assert len(LINES) > 10
    assert shlex.split(LINES[0])
