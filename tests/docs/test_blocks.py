"""Everything that the documentation shows is run, or says above the block why it is not."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.docs.command_lines import Command, check, commands_of, parser_of, run
from tests.docs.fenced_blocks import RUN, SHOWN, Block, all_blocks, blocks_of
from tests.docs.sample_files import lay_out, names_in_sentences, write_sample_files
from vosrt.serve.camera_list import cameras_of_file

if find_spec("torch") is None:
    pytest.skip("what the documentation exports, trains and compares needs torch", allow_module_level=True)

BLOCKS = all_blocks()
RUNNABLE = [
    pytest.param(block, id=str(block), marks=[pytest.mark.full] if block.mark == "slow" else [])
    for block in BLOCKS
    if block.language in RUN and block.mark != "not run"
]
COMMANDS = [
    pytest.param(command, id=f"{block}-{' '.join(command.words[:2])}")
    for block in BLOCKS
    if block.language in ("bash", "console")
    for command in commands_of(block.text)
]


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    return write_sample_files(tmp_path_factory.mktemp("samples"))


@pytest.fixture
def folder(samples, tmp_path, monkeypatch, request) -> Path:
    """A folder with the files that the documentation names; it is the current one."""
    lay_out(samples, tmp_path, request.node.callspec.params["block"].text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("block", RUNNABLE)
def test_block_runs(block, folder, monkeypatch, capsys):
    if block.language == "python":
        program = compile(block.text, str(block), "exec")
        exec(program, {"__name__": "__main__", **names_in_sentences()})
    elif block.language == "toml":
        (folder / "file.toml").write_text(block.text)
        assert cameras_of_file("file.toml")
    elif block.language == "json":
        _read_json(block.text)
    else:
        if "cameras.toml" in block.text:
            _write_cameras(block, folder)
        for command in commands_of(block.text):
            run(command, monkeypatch)


def _read_json(text: str) -> None:
    """A document, or one on each line."""
    try:
        json.loads(text)
    except ValueError:
        for line in text.splitlines():
            json.loads(line)


def _write_cameras(block: Block, folder: Path) -> None:
    """The file of cameras that the block's page shows."""
    shown = [other.text for other in BLOCKS if other.page == block.page and other.language == "toml"]
    (folder / "cameras.toml").write_text(shown[0])


@pytest.mark.parametrize("command", COMMANDS)
def test_command_line_is_one_that_the_program_takes(command):
    check(command)


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_block_says_what_it_is(block):
    assert block.language in (*RUN, *SHOWN), f"{block}: say the language: {', '.join((*RUN, *SHOWN))}"
    assert not block.mark or block.language in RUN, f"{block} would not be run anyway"


def test_marks_are_read():
    page = "<!-- not run: why -->\n```bash\nvosrt x\n```\n\n- a\n\n  ```python\n  y\n  ```\n"
    page += "<!-- note -->\n```\nz\n```\n"
    first, second, third = blocks_of(page, "p.md")
    assert (first.mark, first.reason, first.language, first.line) == ("not run", "why", "bash", 2)
    assert (second.mark, second.language, second.text) == ("", "python", "y")
    assert (third.mark, third.language, third.text) == ("", "", "z")


def test_blocks_that_are_neither_run_nor_marked_are_found():
    (block,) = blocks_of("```sh\nls\n```\n", "p.md")
    with pytest.raises(AssertionError, match=r"p\.md:1: say the language"):
        test_block_says_what_it_is(block)
    (unmarked,) = commands_of("nvcc --version")
    with pytest.raises(KeyError):
        run(unmarked, pytest.MonkeyPatch())


def test_an_option_that_is_gone_is_found(capsys):
    check(Command(("vosrt", "stream", "b", "--source", "0", "--box", "1,2,3,4"), {}))
    for words in (
        ("vosrt", "stream", "b", "--source", "0", "--boxen", "1"),
        ("vosrt", "bench", "b", "--fast"),
    ):
        with pytest.raises(SystemExit):
            check(Command(words, {}))
    with pytest.raises(AssertionError, match="no command vosrt fly"):
        parser_of("vosrt fly")
    with pytest.raises(AssertionError, match="unknown extra"):
        check(Command(("pip", "install", ".[cpu,gqu]"), {}))
    with pytest.raises(AssertionError, match="is not there"):
        check(Command(("docker", "build", "-f", "docker/Dockerfile.none", "."), {}))
