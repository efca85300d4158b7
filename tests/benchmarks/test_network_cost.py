"""Operations of a frame: what is computed once for all objects, and what is published for each of them."""

from __future__ import annotations

import json

import pytest

from tests.benchmarks.test_published_network import manifest_of
from vosrt.benchmarks import network_cost
from vosrt.models import build_network, stand_in_source


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A manifest without graphs: PyTorch runs the network."""
    folder = tmp_path_factory.mktemp("cost")
    document = manifest_of(build_network("stm-lite")).to_json()
    document["source"]["file"] = stand_in_source("f")
    (folder / "bundle.json").write_text(json.dumps(document))
    return str(folder)


def counted(capsys, bundle, objects):
    arguments = [bundle, "--size", "96x128", "--objects", str(objects), "--json"]
    assert network_cost.main(arguments) == 0
    return json.loads(capsys.readouterr().out)


def test_what_depends_on_the_frame_alone_is_counted_once(capsys, bundle):
    one, three = (counted(capsys, bundle, objects) for objects in (1, 3))
    own, published = "vosrt", "as published"
    assert three[own]["encode"] == one[own]["encode"]
    assert three[own]["segment"] == pytest.approx(3 * one[own]["segment"], rel=1e-3)
    assert sum(one[own].values()) == pytest.approx(sum(one[published].values()), rel=0.02)
    assert sum(three[own].values()) < 0.85 * sum(three[published].values())


def test_a_table_for_people(capsys, bundle):
    assert network_cost.main([bundle, "--size", "96x128"]) == 0
    out = capsys.readouterr().out
    assert "as published" in out
    assert "a frame" in out


def test_a_folder_without_bundle_is_a_mistake(capsys, tmp_path):
    assert network_cost.main([str(tmp_path)]) == 2
    assert "bundle.json" in capsys.readouterr().err
