"""The table of networks that work, on those that are quick to export, and the README's copy of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from vosrt.benchmarks import support_table
from vosrt.errors import ExportError
from vosrt.models.catalog import MODELS

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


@pytest.mark.full  # half a minute
def test_a_small_network_is_exported_and_run(capsys):
    assert support_table.main(["--models", "lse-lite", "--size", "64x96"]) == 0
    printed = capsys.readouterr().out.strip().splitlines()
    assert printed[2] in README
    assert printed[2].count(support_table.WORKS) == 2


def test_what_does_not_work_is_said(capsys, monkeypatch):
    def refuse(*_):
        raise ExportError("no such luck")

    monkeypatch.setattr("vosrt.export.bundle_writer.export_bundle", refuse)
    assert support_table.main(["--models", "cfbi-lite"]) == 1
    printed = capsys.readouterr().out
    assert "| no | no | `cfbi-lite-davis`, `cfbi-lite-synthetic` |" in printed
    assert "cfbi-lite unet: float16: no such luck" in printed
    assert support_table.main(["--models", "other"]) == 2


@pytest.mark.parametrize("model", MODELS)
def test_the_readme_has_a_row_for_every_network(model):
    for trunk in MODELS[model][0]:
        assert f"| `{model}` | `{trunk}` |" in README
