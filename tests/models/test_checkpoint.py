"""Checkpoints: published layout in, every disagreement named."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from vosrt.errors import CheckpointError
from vosrt.models import build_network, load_checkpoint, load_stand_in_weights, save_published
from vosrt.models.published_keys import name_here, published_name
from vosrt.models.stand_in_weights import stand_in_tensor

LISTINGS = Path(__file__).parents[3] / "shared" / "golden"


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A published-layout file of a MobileNetV2 CFBI and the network whose weights it holds."""
    network = build_network("cfbi", "mobilenetv2")
    load_stand_in_weights(network)
    path = tmp_path_factory.mktemp("checkpoint") / "cfbi_mobilenetv2.pth"
    save_published(network, path)
    return network, path


def write(published, path, change):
    """A copy of the published file with a changed state dictionary."""
    content = torch.load(published[1], weights_only=True)
    change(content["state_dict"])
    torch.save(content, path)
    return path


def test_published_file_gives_the_same_weights_and_its_hash(published):
    network, path = published
    loaded = build_network("cfbi", "mobilenetv2")
    file = load_checkpoint(loaded, path)
    assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name


def test_bare_dictionaries_safetensors_and_own_names_load(published, tmp_path):
    network, path = published
    bare = {key.removeprefix("module."): value for key, value in torch.load(path)["state_dict"].items()}
    torch.save(bare, tmp_path / "bare.pt")
    save_file(bare, tmp_path / "bare.safetensors")
    save_file(network.state_dict(), tmp_path / "own.safetensors")
    for name in ("bare.pt", "bare.safetensors", "own.safetensors"):
        loaded = build_network("cfbi", "mobilenetv2")
        load_checkpoint(loaded, tmp_path / name)
        assert torch.equal(loaded.encoder.decoder.conv1.weight, network.encoder.decoder.conv1.weight)


def test_aliases_and_batch_counters_are_accepted(published, tmp_path):
    def change(state):
        for key in list(state):
            if ".features." in key:
                state[key.replace(".features.", ".low_level_features.")] = state[key]
                state[key.replace(".features.", ".feautre_8x.")] = state[key]
        state["module.semantic_embedding.0.weight"] = state["module.seperate_conv.weight"]
        state["module.feature_extracter.decoder.bn1.num_batches_tracked"] = torch.tensor(7)

    load_checkpoint(build_network("cfbi", "mobilenetv2"), write(published, tmp_path / "alias.pth", change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("module.bn2.weight"), r"1 missing: bn2\.weight"),
        (lambda s: s.update({"module.head.weight": torch.zeros(2)}), r"1 unknown: head\.weight"),
        (
            lambda s: s.update({"module.bg_bias": torch.zeros(3, 1, 1, 1)}),
            r"1 of another shape: bg_bias \[3, 1, 1, 1\] instead of \[1, 1, 1, 1\]",
        ),
        (
            lambda s: s.update({"module.semantic_embedding.4.bias": torch.ones(100)}),
            r"1 repeated with other values: semantic_embedding\.4\.bias",
        ),
        (
            lambda s: s.update({"module.fg_bias": torch.full((1, 1, 1, 1), float("nan"))}),
            r"1 not finite floating-point numbers: fg_bias",
        ),
        (
            lambda s: s.update({"module.bg_bias": torch.ones(1, 1, 1, 1).to_sparse()}),
            r"1 not finite floating-point numbers: bg_bias",
        ),
        (
            lambda s: s.update({"module.bg_bias": torch.ones(1, 1, 1, 1, dtype=torch.complex64)}),
            r"1 not finite floating-point numbers: bg_bias",
        ),
        (
            lambda s: s.update({"module.bg_bias": torch.full((1, 1, 1, 1), 1e300, dtype=torch.float64)}),
            r"1 not finite floating-point numbers: bg_bias",
        ),
        (
            lambda s: s.update(
                {"module.bg_bias": torch.full((1, 1, 1, 1), float("nan")).to(torch.float8_e5m2)}
            ),
            r"1 not finite floating-point numbers: bg_bias",
        ),
        (
            lambda s: s.update({"module.bg_bias": torch.ones(1).expand(10**13)}),
            r"1 of another shape: bg_bias \[10000000000000\]",
        ),
        (lambda s: s.update({"bg_bias": torch.ones(1, 1, 1, 1)}), r"holds bg_bias twice with other values"),
        (lambda s: s.update({"bg_bias": torch.ones(1).expand(10**13)}), r"holds bg_bias twice with other"),
        (lambda s: s.update({"module.epoch": 3}), r"holds entries that are no tensors: module\.epoch"),
    ],
)
def test_every_disagreement_is_listed(published, tmp_path, change, message):
    network = build_network("cfbi", "mobilenetv2")
    before = network.embedding[0].weight.clone()
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(network, write(published, tmp_path / "bad.pth", change))
    assert torch.equal(network.embedding[0].weight, before)


def test_long_lists_are_cut(published):
    with pytest.raises(CheckpointError, match=r"missing: .* and \d+ more; \d+ unknown: .* and \d+ more"):
        load_checkpoint(build_network("cfbi", "resnet101"), published[1])


def test_a_file_whose_bytes_were_damaged_is_refused(tmp_path):
    network = build_network("cfbi-lite")
    path = tmp_path / "weights.pth"
    torch.save(network.state_dict(), path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="check sum"):
        load_checkpoint(network, path)


def test_a_file_that_was_written_without_check_sums_is_taken(tmp_path):
    network = build_network("cfbi-lite")
    path = tmp_path / "weights.pth"
    usual = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"state_dict": network.state_dict(), "nothing": torch.empty(0)}, path)
    finally:
        torch.serialization.set_crc32_options(usual)
    load_checkpoint(network, path)


def test_tensors_of_small_types_are_taken(tmp_path):
    network = build_network("cfbi-lite")
    small = {name: tensor.to(torch.float8_e4m3fn) for name, tensor in network.state_dict().items()}
    save_file(small, tmp_path / "small.SAFETENSORS")
    load_checkpoint(network, tmp_path / "small.SAFETENSORS")
    assert torch.equal(network.bg_bias, small["bg_bias"].float())


class Harmful:
    def __reduce__(self):
        return (print, ("code ran",))


def test_files_that_are_no_checkpoints_are_refused(tmp_path, capsys):
    network = build_network("cfbi-lite")
    torch.save({"state_dict": Harmful()}, tmp_path / "code.pth")
    (tmp_path / "text.pth").write_text("no weights")
    (tmp_path / "empty.pth").write_bytes(b"")
    (tmp_path / "text.safetensors").write_text("no weights")
    torch.save({}, tmp_path / "nothing.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    for name in (
        "code.pth",
        "text.pth",
        "empty.pth",
        "text.safetensors",
        "nothing.pth",
        "list.pth",
        "absent.pth",
        "n" * 300,
    ):
        with pytest.raises(CheckpointError, match=name):
            load_checkpoint(network, tmp_path / name)
    assert "code ran" not in capsys.readouterr().out


@pytest.mark.parametrize("new_format", [True, False])
def test_a_refusal_says_what_a_file_asks_for_and_not_how_to_let_it_run_code(tmp_path, new_format):
    path = tmp_path / "code.pth"
    torch.save({"state_dict": {}, "best": Harmful()}, path, _use_new_zipfile_serialization=new_format)
    with pytest.raises(CheckpointError, match=r"\(it asks for print\)") as code:
        load_checkpoint(build_network("cfbi-lite"), path)
    path.write_text("<html>too many downloads</html>")
    with pytest.raises(CheckpointError, match="no file of PyTorch's") as page:
        load_checkpoint(build_network("cfbi-lite"), path)
    torch.save({}, path, _use_new_zipfile_serialization=new_format, pickle_protocol=4)
    with pytest.raises(CheckpointError, match="or its pickle protocol is not 2") as newer:
        load_checkpoint(build_network("cfbi-lite"), path)
    for error in (code, page, newer):
        assert "weights_only" not in str(error.value)


def test_stand_in_rule_gives_the_documented_numbers():
    assert stand_in_tensor("bg_bias", (1, 1, 1, 1)).item() == pytest.approx(-0.52252096, abs=1e-7)
    assert stand_in_tensor("fg_bias", (1, 1, 1, 1)).item() == pytest.approx(0.14815457, abs=1e-7)


@pytest.mark.parametrize("model", ["cfbi", "cfbi_plus", "elcp", "cfbi-lite"])
def test_names_translate_both_ways(model):
    for name in build_network(model).state_dict():
        assert name_here(published_name(name)) == name
        assert name_here(name) == name


@pytest.mark.skipif(not LISTINGS.is_dir(), reason="the published key listings are not here")
@pytest.mark.parametrize(
    ("listing", "model", "backbone"),
    [
        ("cfbi_r101", "cfbi", "resnet101"),
        ("cfbi_mobilenetv2", "cfbi", "mobilenetv2"),
        ("cfbip_r101", "cfbi_plus", "resnet101"),
    ],
)
def test_published_listings_are_covered_key_by_key(listing, model, backbone):
    entries = json.loads((LISTINGS / f"{listing}.json").read_text())["entries"]
    expected = build_network(model, backbone).state_dict()
    found = {name_here(entry["key"]): entry["shape"] for entry in entries}
    assert found == {name: list(tensor.shape) for name, tensor in expected.items()}
    for entry in entries:
        assert published_name(name_here(entry["key"])) == (entry["alias_of"] or entry["key"])
