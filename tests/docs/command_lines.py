"""Command lines of the documentation: taken apart, checked against the programs' own parsers, and run."""

from __future__ import annotations

import argparse
import ast
import glob
import importlib
import re
import runpy
import shlex
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from tests.docs.fenced_blocks import ROOT
from vosrt import cli
from vosrt.commands.forwarded import FORWARDED
from vosrt.serve import server as serve_server

# What is appended to make a command short, or to name the weights of what stands in; a later option wins.
SHORTER = {
    "vosrt serve": ["--port", "0"],
    "vosrt bench": [
        *("--size", "96x160", "--frames", "1", "--warm-up", "1", "--rounds", "1"),
        *("--checkpoint", "models/weights/cfbi-lite-davis.safetensors"),
    ],
    "vosrt train": ["--steps", "2", "--batch", "1", "--processes", "1"],
    "vosrt.benchmarks.matching": ["--size", "65x97"],
    "vosrt.benchmarks.memory_read": ["--size", "64x96"],
}
KNOWN_FOLDERS = ("docker/", "packaging/", "examples/", "models/", "tests/", "export/")


@dataclass(frozen=True)
class Command:
    """A program and its arguments, with the variables that are set before it."""

    words: tuple[str, ...]
    variables: dict[str, str]

    @property
    def program(self) -> str:
        """What `SHORTER` calls it: `vosrt stream`, `vosrt.benchmarks.matching`, or the first word."""
        if self.words[0] == "vosrt":
            return " ".join(self.words[:2])
        if self.words[:2] == ("python", "-m"):
            return self.words[2]
        return self.words[0]

    @property
    def arguments(self) -> list[str]:
        """What follows the program."""
        return list(
            self.words[{"vosrt": 2, "python": 3 if self.words[1:2] == ("-m",) else 2}[self.words[0]] :]
        )


def commands_of(text: str) -> Iterator[Command]:
    """The commands of a block, in order; comments and a prompt are left out."""
    for line in text.replace("\\\n", " ").split("\n"):
        words = shlex.split(line.removeprefix("$ "), comments=True)
        while words:
            end = words.index("&&") if "&&" in words else len(words)
            part, words = words[:end], words[end + 1 :]
            count = next((i for i, word in enumerate(part) if not re.match(r"[A-Z_]+=", word)), 0)
            variables = dict(word.split("=", 1) for word in part[:count])
            yield Command(tuple(part[count:]), variables)


class _Caught(BaseException):
    """Carries a parser out of a program that would go on."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parser = parser


def parser_of(program: str) -> argparse.ArgumentParser:
    """The parser that a program uses, `vosrt stream` or `vosrt.benchmarks.matching`."""
    if program.startswith("vosrt "):
        name = program.split()[1]
        if name not in FORWARDED:
            return _subparser(_caught(lambda: cli.main([name])), name)
        return _caught(lambda: FORWARDED[name].program([]))
    return _caught(lambda: importlib.import_module(program).main([]))


def _caught(run: Callable[[], object]) -> argparse.ArgumentParser:
    def stop(self: argparse.ArgumentParser, *_: Any, **__: Any) -> None:
        raise _Caught(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", stop)
        try:
            run()
        except _Caught as caught:
            return caught.parser
    raise AssertionError("the program parses no arguments")


def _subparser(parser: argparse.ArgumentParser, name: str) -> argparse.ArgumentParser:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            assert name in action.choices, f"there is no command vosrt {name}"
            return action.choices[name]
    raise AssertionError("the program has no commands")


def options_of_program(program: str) -> set[str]:
    """All options that a program takes, those of its own commands too."""
    return _options(parser_of(program))


def _options(parser: argparse.ArgumentParser) -> set[str]:
    found = set(parser._option_string_actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found = found.union(*map(_options, action.choices.values()))
    return found


def check(command: Command) -> None:
    """Check what can be checked without running a command: options, targets, extras, files."""
    words = command.words
    is_export = words[:2] == ("python", "export/to_onnx.py")
    if words[0] == "vosrt" or is_export or words[:2] == ("python", "-m"):
        program = "vosrt export" if is_export else command.program
        if program.startswith("vosrt"):
            parser_of(program).parse_args(_expanded(command.arguments))
    if words[0] == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M)
        assert set(words[1:]) <= set(targets)
    for extras in re.findall(r"(?:^|\s)\S*\.(?:whl\))?\[([a-z,]+)\]", " ".join(words)):
        assert set(extras.split(",")) <= _extras(), f"unknown extra in {extras}"
    for word in words:
        if word.startswith(KNOWN_FOLDERS) and not word.startswith("models/own"):
            assert glob.glob(str(ROOT / word)), f"{word} is not there"


def _extras() -> set[str]:
    tree = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    (extras,) = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg == "extras_require"
    ]
    return set(ast.literal_eval(extras))


def run(command: Command, patch: pytest.MonkeyPatch) -> None:
    """Run a command in this process, in the current folder; its status has to be 0."""
    for name, value in command.variables.items():
        patch.setenv(name, value)
    arguments = _expanded(command.arguments) + SHORTER.get(command.program, [])
    if command.program == "vosrt serve":
        _serve(arguments, patch)
    elif command.words[0] == "vosrt":
        assert cli.main([command.words[1], *arguments]) == 0
    elif command.words[1] == "-m":
        assert importlib.import_module(command.program).main(arguments) in (0, None)
    else:
        patch.setattr(sys, "argv", [command.words[1], *arguments])
        runpy.run_path(command.words[1], run_name="__main__")


def _serve(arguments: Sequence[str], patch: pytest.MonkeyPatch) -> None:
    """Serve until the page has been asked for."""
    answers: list[int] = []
    opened = serve_server.open_server

    def open_server(app: Any, **address: Any) -> Any:
        server, listener, url = opened(app, **address)
        threading.Thread(target=_ask, args=(server, url, answers), daemon=True).start()
        return server, listener, url

    patch.setattr(serve_server, "open_server", open_server)
    assert cli.main(["serve", *arguments]) == 0
    patch.setattr(serve_server, "open_server", opened)
    assert len(answers) == 2
    assert answers[0] in (200, 503)  # of /healthz: the cameras of the documentation are not there
    assert answers[1] in (200, 401)  # of the page: 401 where a token is needed


def _ask(server: Any, url: str, answers: list[int]) -> None:
    try:
        while not server.started:
            time.sleep(0.02)
        for path in ("healthz", ""):
            try:
                with urllib.request.urlopen(url + path, timeout=30) as answer:
                    answers.append(answer.status)
            except urllib.error.HTTPError as error:
                answers.append(error.code)
    finally:
        server.should_exit = True


def _expanded(words: Sequence[str]) -> list[str]:
    """Names with a star replaced by the files they fit, as a shell does."""
    found: list[str] = []
    for word in words:
        found += (sorted(glob.glob(word)) or [word]) if "*" in word else [word]
    return found
