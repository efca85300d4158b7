"""Manifests of four families are read and written; a file that cannot be read is a clear error."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
from pathlib import Path

import pytest

from tests.runtime.manifest_examples import (
    EXAMPLES,
    cfbi_manifest,
    running_appearance_manifest,
    zoom_in_manifest,
)
from tests.runtime.manifest_places import CFBI, parsed, place_in, refused, with_fixed_objects
from vosrt.errors import BundleError
from vosrt.manifest import Manifest, read_manifest, write_bundle_manifest
from vosrt.strict_json import MAX_BYTES, parse_json

# --- what is right ---


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_manifest_of_each_family_is_read_and_written_unchanged(example):
    document = example()
    manifest = parsed(document)
    assert manifest.to_json() == document
    assert parsed(manifest.to_json()) == manifest


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_written_manifest_is_read_back_equal_and_leaves_no_other_file(example, tmp_path):
    manifest = parsed(example())
    write_bundle_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path) == manifest
    assert [path.name for path in tmp_path.iterdir()] == ["bundle.json"]


def test_fixed_frame_size_and_number_of_objects_are_read():
    manifest = parsed(with_fixed_objects(running_appearance_manifest(), 3) | {"frame_size": [480, 854]})
    assert manifest.frame_size == (480, 854)
    assert manifest.objects == 3
    assert manifest.graphs["segment"].inputs["mu"].shape == (3, 4, 512)


def test_parity_carries_any_json():
    document = cfbi_manifest() | {"parity": {"measured": [1, {"x": [None, True, "ü"]}], "bundle": None}}
    assert parsed(document).to_json()["parity"] == document["parity"]


def test_manifest_that_would_not_be_read_is_not_written(tmp_path):
    manifest = parsed(cfbi_manifest())
    for broken in ({"options": {"scale": float("nan")}}, {"options": {"scale": {1}}}, {"name": "two words"}):
        with pytest.raises(BundleError):
            write_bundle_manifest(tmp_path, Manifest(**(vars(manifest) | broken)))
    assert list(tmp_path.iterdir()) == []


# --- the file ---


def write_text(folder: Path, text: str | bytes) -> Path:
    data = text if isinstance(text, bytes) else text.encode()
    (folder / "bundle.json").write_bytes(data)
    return folder


def read_error(folder: Path) -> BundleError:
    with pytest.raises(BundleError) as caught:
        read_manifest(folder)
    return caught.value


def test_repeated_key_is_named(tmp_path):
    text = json.dumps(CFBI).replace('"objects": null', '"objects": null, "objects": 3')
    assert "'objects' stands twice" in str(read_error(write_text(tmp_path, text)))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_number_that_is_not_finite_is_refused(tmp_path, number):
    text = json.dumps(CFBI).replace('"max_long_edge": 1040.0', f'"max_long_edge": {number}')
    error = read_error(write_text(tmp_path, text))
    assert "is not valid JSON" in error.what
    assert number in error.what


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_cut_off_file_is_refused(tmp_path, share):
    text = json.dumps(CFBI)
    error = read_error(write_text(tmp_path, text[: int(len(text) * share)]))
    assert "is not valid JSON" in error.what
    assert error.cure == "export again"


def test_every_cut_of_a_manifest_is_a_clear_error():
    text = json.dumps(zoom_in_manifest()).encode()
    for length in range(0, len(text), 7):
        with pytest.raises(BundleError):
            parse_json(text[:length], document="bundle.json")


@pytest.mark.parametrize("data", [b"\xff\xfe{\x00}\x00", b'{"name": "caf\xe9"}', b'{"name": "\\ud800"}'])
def test_file_that_is_not_utf8_is_refused(tmp_path, data):
    assert "is not UTF-8 text" in read_error(write_text(tmp_path, data)).what


def test_deeply_nested_file_is_refused(tmp_path):
    assert "nested too deeply" in read_error(write_text(tmp_path, "[" * 200_000)).what


def test_too_large_file_is_refused_and_says_how_large_it_may_be(tmp_path):
    text = json.dumps(CFBI)
    write_text(tmp_path, text + " " * (MAX_BYTES - len(text)))
    read_manifest(tmp_path)  # as large as allowed
    error = read_error(write_text(tmp_path, text + " " * (MAX_BYTES - len(text) + 1)))
    assert "is too large" in error.what
    assert str(MAX_BYTES) in error.allowed


def test_newer_format_is_named_before_its_new_fields():
    error = refused(CFBI | {"format": 2, "something_new": 1})
    assert place_in(error) == "format"
    assert error.value == 2
    assert "install the vosrt that wrote it" in error.cure


def test_long_values_are_shortened_in_messages():
    error = refused(CFBI | {"name": "x " * 5000})
    assert len(str(error)) < 300


@pytest.mark.parametrize(("place", "key"), [("source", "file"), ("producer", "torch")])
def test_text_that_a_terminal_would_obey_is_refused(place, key):
    document = copy.deepcopy(CFBI)
    document[place][key] = "\x1b[2J"
    error = refused(document)
    assert place_in(error) == f"{place}.{key}"
    assert error.allowed == "printable text"


def test_lone_surrogate_is_not_written(tmp_path):
    manifest = dataclasses.replace(parsed(CFBI), options={"name": "\ud800"})
    with pytest.raises(BundleError, match="cannot be written as UTF-8"):
        write_bundle_manifest(tmp_path, manifest)
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_that_a_full_disk_refuses_leaves_no_part(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: os.close(-1))
    with pytest.raises(OSError, match="Bad file descriptor"):
        write_bundle_manifest(tmp_path, parsed(CFBI))
    assert list(tmp_path.iterdir()) == []
