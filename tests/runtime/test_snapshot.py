"""Streams that are saved and go on elsewhere."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from tests.runtime.scene_streams import GREEN, RED, frame_at, mask_at
from tests.runtime.state_bundles import write_box_bundle, write_memory_bundle
from tests.runtime.toy_bundle import write_colour_bundle, write_running_mean_bundle
from vosrt import InputError, Segmenter, Snapshot
from vosrt.bundle import Bundle
from vosrt.cpu_device import CpuDevice
from vosrt.onnxruntime_executor import OnnxRuntimeExecutor
from vosrt.sources.test_pattern import PatternSettings, TestPattern
from vosrt.stream import Stream
from vosrt.variant import Variant

WRITERS = {
    "colour": lambda folder: write_colour_bundle(folder, ids=True),
    "fixed": lambda folder: write_colour_bundle(folder, objects=3, frame_size=(24, 32)),
    "running mean": write_running_mean_bundle,
    "memory": write_memory_bundle,
    "box": write_box_bundle,
}


def run(stream, first: int, last: int):
    masks = {0: mask_at(0, RED), 3: mask_at(3, GREEN)}
    return [stream.step(frame_at(index), masks.get(index)) for index in range(first, last)]


def same(one, other) -> bool:
    return (
        np.array_equal(one.labels, other.labels)
        and one.ids == other.ids
        and one.frame_index == other.frame_index
        and one.confidence == other.confidence
        and one.lost == other.lost
    )


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("at", [0, 2, 5])
def test_restored_stream_continues_identically(tmp_path, kind, at):
    segmenter = Segmenter(WRITERS[kind](tmp_path / "bundle"), threads=1)
    whole = segmenter.stream()
    run(whole, 0, at)
    path = tmp_path / "stream.npz"
    snapshot = whole.save(path)
    expected = run(whole, at, 9)
    for source in (snapshot, path, str(path), Snapshot.read(path)):
        found = run(segmenter.stream(source), at, 9)
        assert all(same(one, other) for one, other in zip(found, expected, strict=True))
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["stream.npz"]


@pytest.mark.parametrize("kind", ["colour", "memory", "box"])  # whose graphs know unused rows
@pytest.mark.parametrize("rooms", [(None, 4), (4, None), (3, 5)], ids=str)
def test_stream_goes_on_with_room_for_other_objects(tmp_path, kind, rooms):
    """As engines have it, which are built for a number of objects."""
    bundle = Bundle.open(WRITERS[kind](tmp_path / "bundle"))
    executor = OnnxRuntimeExecutor(bundle, threads=1)

    def stream(room):
        manifest = bundle.manifest if room is None else bundle.manifest.for_objects(room)
        return Stream([Variant(manifest, executor)], CpuDevice())

    whole, other = stream(rooms[0]), stream(rooms[1])
    run(whole, 0, 2)
    whole.save(tmp_path / "stream.npz")
    other.restore(Snapshot.read(tmp_path / "stream.npz"))
    for one, two in zip(run(whole, 2, 9), run(other, 2, 9), strict=True):
        assert same(one, two)


def test_snapshot_is_not_changed_by_what_the_stream_does_afterwards(tmp_path):
    segmenter = Segmenter(write_colour_bundle(tmp_path / "bundle"), threads=1)
    stream = segmenter.stream()
    run(stream, 0, 2)
    snapshot = stream.save()
    expected = run(stream, 2, 8)
    for _ in range(2):
        found = run(segmenter.stream(snapshot), 2, 8)
        assert all(same(one, other) for one, other in zip(found, expected, strict=True))


def test_another_process_goes_on_with_all_variants(tmp_path):
    bundle = write_colour_bundle(tmp_path / "bundle", ids=True)
    stream = Segmenter(bundle, flip=True, threads=1).stream()
    run(stream, 0, 4)
    stream.save(tmp_path / "stream.npz")
    expected = stream.step(frame_at(4)).labels
    np.save(tmp_path / "frame.npy", frame_at(4))
    program = (
        "import sys, numpy; from vosrt import Segmenter\n"
        "folder = sys.argv[1]\n"
        "segmenter = Segmenter(folder + '/bundle', flip=True, threads=1)\n"
        "stream = segmenter.stream(folder + '/stream.npz')\n"
        "numpy.save(folder + '/labels.npy', stream.step(numpy.load(folder + '/frame.npy')).labels)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
    assert np.array_equal(np.load(tmp_path / "labels.npy"), expected)


def test_snapshot_of_other_bundles_or_options_is_refused(tmp_path):
    one = write_colour_bundle(tmp_path / "one", ids=True)
    two = write_colour_bundle(tmp_path / "two", capacity=4, ids=True)
    stream = Segmenter(one, threads=1).stream()
    run(stream, 0, 2)
    snapshot = stream.save()
    for segmenter in (
        Segmenter(two, threads=1),
        Segmenter(one, flip=True, threads=1),
        Segmenter(one, long_edge=64, threads=1),
        Segmenter([one, one], threads=1),
    ):
        with pytest.raises(InputError, match="taken with other bundles, sizes, scales or flips"):
            segmenter.stream(snapshot)


def damage_text(path):
    path.write_text("no archive")


def damage_half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def damage_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)


def damage_zip(where, value):
    """Write over the header of the archive's first entry in its directory."""

    def change(path):
        data = bytearray(path.read_bytes())
        entry = data.index(b"PK\x01\x02")
        data[entry + where : entry + where + len(value)] = value
        path.write_bytes(bytes(data))

    return change


def damage_array_header(path):
    data = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content.replace(b"'fortran_order'", b"'fortran_order("))
    assert path.read_bytes() != data


def damage_record(change):
    def damage(path):
        with np.load(path) as file:
            arrays = dict(file)
        document = json.loads(str(arrays["record"]))
        change(document, arrays)
        arrays["record"] = np.array(json.dumps(document))
        with path.open("wb") as stream:
            np.savez(stream, **arrays)

    return damage


DAMAGE = {
    "text": damage_text,
    "empty": lambda path: path.write_bytes(b""),
    "half": damage_half,
    "bit": damage_bit,
    "zip of another version": damage_zip(6, b"\xff"),
    "encrypted zip": damage_zip(8, b"\x01"),
    "header of an array": damage_array_header,
    "missing": lambda path: path.unlink(),
    "folder": lambda path: (path.unlink(), path.mkdir()),
    "object array": lambda path: np.save(path.open("wb"), np.array([{}], object), allow_pickle=True),
    "format": damage_record(lambda document, arrays: document.update(format=99)),
    "no ids": damage_record(lambda document, arrays: document.pop("ids")),
    "ids that are no ids": damage_record(lambda document, arrays: document.update(ids=[5, 5])),
    "id out of range": damage_record(lambda document, arrays: document.update(ids=[700])),
    "tensor missing": damage_record(lambda document, arrays: arrays.pop("0/previous/labels")),
    "tensor of another type": damage_record(
        lambda document, arrays: arrays.update({"0/previous/labels": np.zeros((24, 32), np.float32)})
    ),
    "tensor of another shape": damage_record(
        lambda document, arrays: arrays.update({"0/previous/labels": np.zeros((2, 24, 32), np.int32)})
    ),
    "entry missing": damage_record(
        lambda document, arrays: document["variants"][0]["entries"].pop("reference")
    ),
    "negative frame": damage_record(lambda document, arrays: document.update(index=-4)),
    "slots of another kind": damage_record(
        lambda document, arrays: document["variants"][0]["entries"]["reference"].update(slots=[None])
    ),
    "too many slots": damage_record(
        lambda document, arrays: document["variants"][0]["entries"]["reference"].update(slots=[[0, [5]]] * 99)
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_snapshot_is_an_error_with_a_cure(tmp_path, kind):
    segmenter = Segmenter(write_colour_bundle(tmp_path / "bundle"), threads=1)
    stream = segmenter.stream()
    run(stream, 0, 2)
    path = tmp_path / "stream.npz"
    stream.save(path)
    DAMAGE[kind](path)
    with pytest.raises(InputError) as caught:
        segmenter.stream(path)
    assert "stream.npz" in caught.value.what or "snapshot" in caught.value.what
    assert caught.value.cure


@pytest.mark.parametrize("name", ["", "no/such/folder.npz", "x" * 300, "null\0"])
def test_snapshot_that_cannot_be_written_is_an_error_and_harms_nothing(tmp_path, name):
    stream = Segmenter(write_colour_bundle(tmp_path / "bundle"), threads=1).stream()
    run(stream, 0, 2)
    with pytest.raises(InputError, match="cannot be written"):
        stream.save(name and tmp_path / name)
    assert stream.step(frame_at(2)).ids == (RED,)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_only_a_snapshot_is_a_copy_of_a_stream(tmp_path, duplicate):
    segmenter = Segmenter(write_colour_bundle(tmp_path / "bundle"), threads=1)
    with pytest.raises(InputError, match="segmenter cannot be copied or pickled; share it between threads"):
        duplicate(segmenter)
    stream = segmenter.stream()
    run(stream, 0, 2)
    with pytest.raises(InputError, match=r"cannot be copied or pickled; segmenter\.stream\(stream\.save"):
        duplicate(stream)


def test_results_frames_and_snapshots_can_be_looked_for(tmp_path):
    stream = Segmenter(write_colour_bundle(tmp_path / "bundle"), threads=1).stream()
    results = [
        stream.step(frame_at(index), mask_at(index, RED) if index == 0 else None) for index in range(3)
    ]
    frames = list(TestPattern(PatternSettings(32, 32, frames=3)))
    for found in (results, frames, [stream.save() for _ in range(3)]):
        assert found.index(found[2]) == 2
        assert len(set(found)) == 3
