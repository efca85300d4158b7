"""Runs of `vosrt eval`, and what they write."""

from __future__ import annotations

import json

from vosrt.benchmarks import eval as evaluation


def run(*arguments, status=0):
    assert evaluation.main([str(argument) for argument in arguments]) == status


def document_of(tmp_path, *arguments):
    """The document that a successful run writes."""
    file = tmp_path / "eval.json"
    run(*arguments, "--output", tmp_path / "out", "--json", file)
    return json.loads(file.read_text())


def error_of(capsys, *arguments):
    capsys.readouterr()
    run(*arguments, status=2)
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return error.splitlines()[-1]


def tree_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
