"""Whatever bytes the readers of files meet: a value of the kind they promise, or a `vosrt.Error`."""

from __future__ import annotations

import io
import json
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import strategies
from PIL import Image

from tests.reliability.bundle_copy import outcome_of
from tests.reliability.effort import effort, explore
from tests.reliability.file_faults import damaged
from tests.reliability.stream_machine import frame_of
from vosrt import Segmenter
from vosrt.engine_cache import EngineCache, EngineKey
from vosrt.label_map import label_map_size, read_label_map, read_palette, write_label_map
from vosrt.manifest import Manifest
from vosrt.sinks.rle import decode_mask, encode_mask
from vosrt.strict_json import Node, parse_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ("format", "name", "family", "source", "producer", "input", "frame_size", "objects", "options")
NEARLY_MANIFESTS = st.fixed_dictionaries(
    {"format": st.just(1) | JSON},
    optional={name: JSON for name in (*FIELDS[1:], "graphs", "state", "parity")},
)
MASKS = strategies.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1)).map(
    lambda size: np.random.default_rng(size[2]).integers(0, 256, size[:2]).astype(np.uint8)
)


def fails(found: str) -> bool:
    return found.startswith("RAISED")


@effort("examples", 80, 20_000)
def test_json_of_any_kind_is_no_manifest(examples, tally):
    def check(content: object) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        found = outcome_of(lambda: str(Manifest.parse(Node(parse_json(data, document="x"), document="x"))))
        tally.tried()
        assert found.startswith("error"), found

    explore(check, JSON | NEARLY_MANIFESTS | st.binary(max_size=200), examples)


@effort("examples", 40, 5000)
def test_masks_come_back_as_they_were_written(examples, tmp_path, tally):
    def check(mask: np.ndarray) -> None:
        write_label_map(tmp_path / "mask.png", mask)
        tally.tried()
        assert np.array_equal(read_label_map(tmp_path / "mask.png"), mask)
        assert label_map_size(tmp_path / "mask.png") == mask.shape

    explore(check, MASKS, examples)


def images() -> dict[str, bytes]:
    """PNGs of every mode that Pillow writes, and files of other formats under a mask's name."""
    mask = np.random.default_rng(8).integers(0, 9, (20, 30)).astype(np.uint8)
    found = {}
    for mode, kind in (("P", "PNG"), ("L", "PNG"), ("1", "PNG"), ("RGBA", "PNG"), ("I;16", "PNG")):
        image = Image.fromarray(mask).convert(mode) if mode != "I;16" else Image.new("I;16", (30, 20))
        found[f"{mode} {kind}"] = _encoded(image, kind)
    for kind in ("GIF", "TIFF", "BMP", "WEBP"):
        found[kind] = _encoded(Image.fromarray(mask), kind)
    return found


def _encoded(image: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


@effort("count", 24, 4000)
@pytest.mark.parametrize("kind", images())
@pytest.mark.filterwarnings("ignore")  # of Pillow, about what it skips
def test_a_damaged_mask_is_an_error_or_a_label_map(kind, count, tmp_path, tally):
    path = tmp_path / "mask.png"
    for what, content in damaged(images()[kind], count, seed=9):
        path.write_bytes(content)
        tally.tried()
        for read in (read_label_map, label_map_size, read_palette):
            found = outcome_of(lambda read=read: _described(read(path)))
            if fails(found):
                tally.failure(f"{what}, {read.__name__}: {found}")
    tally.check()


def _described(value: object) -> str:
    if isinstance(value, np.ndarray):
        assert value.dtype == np.uint8
        assert value.ndim == 2
    return type(value).__name__


@effort("count", 40, 6000)
@pytest.mark.parametrize("compressed", [False, True])
def test_a_damaged_snapshot_is_an_error_or_goes_on(colour_bundle, compressed, count, tmp_path, tally):
    segmenter = Segmenter(colour_bundle, threads=1)
    stream, path = segmenter.stream(), tmp_path / "stream.npz"
    mask = np.zeros((17, 23), np.uint8)
    mask[:4, :5], mask[9:, 9:] = 3, 8
    stream.step(frame_of(0, mask.shape), mask)
    stream.save(path)
    if compressed:
        with np.load(path) as arrays:
            np.savez_compressed(path, **dict(arrays))
    for what, content in damaged(path.read_bytes(), count, seed=10):
        path.write_bytes(content)
        found = outcome_of(lambda: _goes_on(segmenter, path))
        tally.tried()
        if fails(found):
            tally.failure(f"{what}: {found}")
    tally.check()


def _goes_on(segmenter: Segmenter, path: Path) -> str:
    result = segmenter.stream(path).step(frame_of(1, (17, 23)))
    assert {*np.unique(result.labels).tolist()} <= {0, *result.ids}
    return "goes on"


@effort("examples", 30, 4000)
def test_a_snapshot_with_another_record_is_an_error_or_goes_on(colour_bundle, examples, tmp_path, tally):
    segmenter = Segmenter(colour_bundle, threads=1)
    stream, path = segmenter.stream(), tmp_path / "stream.npz"
    mask = np.full((17, 23), 3, np.uint8)
    stream.step(frame_of(0, mask.shape), mask)
    stream.save(path)
    with np.load(path) as file:
        arrays = dict(file)
    record = json.loads(str(arrays["record"]))

    def check(change: tuple[str, object]) -> None:
        name, value = change
        document = {**record, name: value} if name in record else _with_variant(record, name, value)
        with path.open("wb") as target:
            np.savez(target, **{**arrays, "record": np.array(json.dumps(document))})
        found = outcome_of(lambda: _goes_on(segmenter, path))
        tally.tried()
        assert not fails(found), (name, value, found)

    names = [*record, *record["variants"][0], "slots"]
    explore(check, st.tuples(st.sampled_from(names), JSON), examples)


def _with_variant(record: dict[str, object], name: str, value: object) -> dict[str, object]:
    variant = json.loads(json.dumps(record["variants"]))[0]
    if name == "slots":
        variant["entries"]["reference"]["slots"] = value
    else:
        variant[name] = value
    return {**record, "variants": [variant]}


@effort("examples", 200, 50_000)
def test_run_lengths_of_any_text_are_an_error_or_a_mask(examples, tally):
    def check(given: tuple[str, int, int]) -> None:
        text, height, width = given
        found = outcome_of(lambda: str(decode_mask(text, (height, width)).shape))
        tally.tried()
        assert found in (str((height, width)),) or found.startswith("error"), found

    codes = st.text(st.characters(min_codepoint=48, max_codepoint=111), max_size=30)
    sides = st.integers(0, 9)
    explore(check, st.tuples(codes | st.text(max_size=30), sides, sides), examples)


@effort("examples", 60, 10_000)
def test_run_lengths_give_back_their_mask_and_nothing_else(examples, tally):
    def check(mask: np.ndarray) -> None:
        line = json.dumps({"size": mask.shape, "counts": encode_mask(mask > 127)})
        read = json.loads(line)
        tally.tried()
        assert np.array_equal(decode_mask(read["counts"], tuple(read["size"])), mask > 127)

    explore(check, MASKS, examples)


@effort("count", 40, 4000)
def test_a_damaged_engine_is_built_again(count, tmp_path, tally):
    cache, key = EngineCache(tmp_path), EngineKey("toy.segment", {"graph": "1", "gpu": "none"})
    engine = bytes(range(256)) * 4
    assert cache.get(key, lambda: engine) == engine
    path = tmp_path / key.file_name
    whole, built = path.read_bytes(), []
    for what, content in damaged(whole, count, seed=11):
        path.write_bytes(content)
        found = outcome_of(lambda: cache.get(key, lambda: built.append(1) or engine).hex())
        tally.tried()
        if found != engine.hex():
            tally.failure(f"{what}: {found[:100]}")
    assert path.read_bytes() == whole
    assert built
    tally.check()
