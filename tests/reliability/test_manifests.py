"""A manifest with anything wrong in it is refused with a reason, or the bundle works as before."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.reliability.bundle_copy import OTHER, Comparison, copy_of, outcome_of
from tests.reliability.effort import effort
from tests.reliability.json_faults import Fault, places, shown, some
from tests.runtime.manifest_examples import EXAMPLES
from tests.runtime.state_bundles import write_box_bundle, write_memory_bundle
from tests.runtime.toy_bundle import write_colour_bundle, write_running_mean_bundle
from vosrt.manifest import Manifest
from vosrt.shipped_bundles import find_bundle
from vosrt.strict_json import Node, parse_json

SHIPPED = ("cfbi-lite-davis", "cfbi-lite-synthetic", "cfbi-nano-davis", "lse-lite-davis")
WRITERS = {
    "colour": lambda folder: write_colour_bundle(folder, ids=True),
    "running mean": write_running_mean_bundle,
    "memory": write_memory_bundle,
    "box": write_box_bundle,
}
# What another valid value of makes another valid bundle, with results of its own.
SETTINGS = r"input\.resize(\..+)?|state\.\w+\.(capacity|every|pin_first|tensors\.\w+\.(fill|ids|initial))"


def read(text: bytes) -> str:
    Manifest.parse(Node(parse_json(text, document="bundle.json"), document="bundle.json"))
    return "accepted"


def manifests() -> dict[str, object]:
    shipped = {name: json.loads((find_bundle(name) / "bundle.json").read_text()) for name in SHIPPED}
    return shipped | {name: make() for name, make in EXAMPLES.items()}


@effort("count", 60, 100_000)
@pytest.mark.parametrize("name", manifests())
def test_every_field_of_a_manifest_may_be_wrong(name, count, tally):
    document = manifests()[name]
    refused = 0
    for fault in some(document, count, seed=1):
        found = outcome_of(lambda fault=fault: read(fault.text(document)))
        tally.tried()
        refused += found.startswith("error")
        if found.startswith("RAISED") or (
            fault.name == "twice" and isinstance(fault.place[-1], str) and "stands twice" not in found
        ):
            tally.failure(f"{name}, {fault}: {found}")
    tally.check()
    assert refused > count / 4 or refused > 1000


@effort("count", 40, 100_000)
@pytest.mark.parametrize("kind", WRITERS)
def test_a_bundle_with_a_wrong_manifest_works_as_before_or_not_at_all(kind, count, tmp_path, tally):
    bundle = WRITERS[kind](tmp_path / "whole")
    document = json.loads((bundle / "bundle.json").read_text())
    check_faults(bundle, some(document, count, seed=2), tmp_path, tally)


@pytest.mark.full
def test_a_shipped_bundle_with_a_wrong_manifest_works_as_before_or_not_at_all(tmp_path, tally):
    bundle = find_bundle("cfbi-lite-davis")
    document = json.loads((bundle / "bundle.json").read_text())
    check_faults(bundle, some(document, 500, seed=3), tmp_path, tally)


def check_faults(bundle: Path, chosen: list[Fault], folder: Path, tally) -> None:
    comparison, copy = Comparison(bundle), copy_of(bundle, folder)
    document = json.loads((bundle / "bundle.json").read_text())
    for fault in chosen:
        (copy / "bundle.json").write_bytes(fault.text(document))
        found = comparison.outcome(copy)
        tally.tried()
        is_setting = re.fullmatch(SETTINGS, shown(fault.place)) is not None
        if found.startswith("RAISED") or (found == OTHER and not is_setting):
            tally.failure(f"{fault}: {found}")
    tally.check()


@effort("step", 97, 1)
def test_a_manifest_that_is_cut_off_is_refused(colour_bundle, step, tally):
    text = (colour_bundle / "bundle.json").read_bytes().rstrip()
    for length in range(0, len(text), step):
        found = outcome_of(lambda length=length: read(text[:length]))
        tally.tried()
        if not found.startswith("error"):
            tally.failure(f"{length} bytes: {found}")
    tally.check()


@effort("step", 211, 3)
def test_a_manifest_with_a_flipped_bit_is_refused_or_says_the_same(colour_bundle, step, tmp_path, tally):
    """Or says another setting: a digit of a capacity, which nothing else in the bundle tells."""
    text = (colour_bundle / "bundle.json").read_bytes()
    document = json.loads(text)
    comparison, copy = Comparison(colour_bundle), copy_of(colour_bundle, tmp_path)
    for bit in range(0, len(text) * 8, step):
        damaged = bytearray(text)
        damaged[bit // 8] ^= 1 << bit % 8
        (copy / "bundle.json").write_bytes(damaged)
        found = comparison.outcome(copy)
        tally.tried()
        if found.startswith("RAISED") or (found == OTHER and not _differs_in_settings(document, damaged)):
            tally.failure(f"bit {bit}: {found}")
    tally.check()


def _differs_in_settings(document: object, damaged: bytes) -> bool:
    before, after = (
        {shown(place): value for place, value in places(one) if not isinstance(value, dict | list)}
        for one in (document, json.loads(damaged))
    )
    differing = {place for place in before.keys() | after.keys() if before.get(place) != after.get(place)}
    return all(re.fullmatch(SETTINGS, place) for place in differing)
