"""How fast training clips are drawn: the figures, and folders that cannot be used."""

from __future__ import annotations

import json

from tests.models.training.annotated_folders import write_sequences
from vosrt.benchmarks import training_clips


def test_every_kind_and_size_is_timed(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(training_clips, "SIZES", ((65, 81), (97, 129)))
    write_sequences(tmp_path)
    assert training_clips.main(["--data", str(tmp_path), "--clips", "2", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    kinds = {training_clips.GENERATED, training_clips.FOOTAGE}
    found = [(speed["kind"], tuple(speed["size"])) for speed in document["speeds"]]
    assert sorted(found) == sorted((kind, size) for kind in kinds for size in training_clips.SIZES)
    for speed in document["speeds"]:
        assert (speed["clips"], speed["frames_per_clip"]) == (2, 4)
        assert 0 < speed["median_ms"] < 1e4
        assert speed["frames_per_second"] > 0


def test_a_folder_without_sequences_is_a_mistake(tmp_path, capsys):
    assert training_clips.main(["--data", str(tmp_path / "none")]) == 2
    assert "none" in capsys.readouterr().err
