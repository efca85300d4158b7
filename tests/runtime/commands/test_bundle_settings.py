from __future__ import annotations

import argparse

import pytest

from tests.runtime.state_bundles import write_memory_bundle
from vosrt import Segmenter
from vosrt.commands.bundle_settings import NAMES, add_bundle_settings, bundle_settings


def read(line: str) -> dict[str, object]:
    parser = argparse.ArgumentParser()
    add_bundle_settings(parser.add_argument_group("settings"))
    return bundle_settings(parser.parse_args(line.split()))


def test_only_what_is_given_reaches_the_segmenter():
    assert read("") == {}
    assert read("--flip --memory-every 3") == {"flip": True, "memory_every": 3}


def test_every_option_is_an_argument_of_the_segmenter(tmp_path):
    line = (
        "--precision float32 --device cpu --executor onnxruntime --objects 3 --allow-drift --threads 1 "
        "--scales 1,2 --long-edge 64 --flip "
        "--memory-every 2 --memory-capacity 3 --memory-limit 1G"
    )
    settings = read(line)
    engines = settings.pop("engines")
    assert (engines.objects, engines.allow_drift) == (3, True)
    assert set(settings) == set(NAMES) - {"require"}
    segmenter = Segmenter(write_memory_bundle(tmp_path / "bundle", open_slots=True), **settings)
    assert len(segmenter.variants) == 4
    (memory,) = segmenter.variants[0].manifest.state.values()
    assert (memory.every, memory.capacity) == (2, 3)


@pytest.mark.parametrize("option", ["--memory-every 0", "--memory-capacity x"])
def test_a_memory_has_whole_numbers(option, capsys):
    with pytest.raises(SystemExit):
        read(option)
    assert "no whole number above 0" in capsys.readouterr().err
