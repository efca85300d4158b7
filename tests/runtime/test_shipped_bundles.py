"""Bundles that come with the package: found by name, whole, and made from the weights in the repository."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from vosrt.bundle import Bundle
from vosrt.errors import BundleError
from vosrt.shipped_bundles import FOLDER, TERMS, find_bundle, terms_of

WEIGHTS = Path(__file__).parents[2] / "models" / "weights"


@pytest.mark.parametrize("name", TERMS)
def test_a_shipped_bundle_is_whole_and_of_the_weights_in_the_repository(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = Bundle.open(name).manifest.source
    assert not source.stand_in
    assert hashlib.sha256((WEIGHTS / source.file).read_bytes()).hexdigest() == source.sha256
    assert terms_of(name) == TERMS[name]


def test_terms_follow_from_what_weights_were_trained_on():
    assert "non-commercial" in TERMS["cfbi-lite-davis"]
    assert "Apache-2.0" in TERMS["cfbi-lite-synthetic"]


def test_a_folder_of_the_same_name_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cfbi-lite-davis").mkdir()
    assert find_bundle("cfbi-lite-davis") == Path("cfbi-lite-davis")
    assert terms_of("cfbi-lite-davis") is None
    with pytest.raises(BundleError):
        Bundle.open("cfbi-lite-davis")


def test_other_names_are_paths():
    assert find_bundle("elsewhere/bundle") == Path("elsewhere/bundle")
    assert terms_of("elsewhere/bundle") is None
    assert terms_of(FOLDER / "cfbi-lite-davis") is not None
