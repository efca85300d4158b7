"""The matching benchmark runs whole and compares results, not only times."""

import json

import pytest

from vosrt.benchmarks import matching


def test_every_variant_is_measured_and_gives_the_same_distances(tmp_path, capsys):
    file = tmp_path / "matching.json"
    line = ["--size", "65x97", "--objects", "2", "--repetitions", "2", "--warm-up", "1", "--json", str(file)]
    matching.main(line)
    text = capsys.readouterr().out
    measurements = json.loads(file.read_text())
    found = {(entry["operator"], entry["variant"]) for entry in measurements}
    assert found == {
        (operator, variant)
        for operator in ("GlobalMatching", "LocalMatching")
        for variant in matching.VARIANTS
    }
    for entry in measurements:
        assert entry["largest_difference"] < 1e-3
        assert entry["median_ms"] > 0
        assert entry["peak_mib"] >= 0
    assert "of the memory" in text


def test_a_size_that_is_none_is_refused(capsys):
    with pytest.raises(SystemExit) as stop:
        matching.main(["--size", "large"])
    assert stop.value.code == 2
    assert "large" in capsys.readouterr().err
