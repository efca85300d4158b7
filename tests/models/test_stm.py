"""Space-time memory networks: published keys, Refine-50, soft aggregation, and what is computed once."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from vosrt.errors import Error
from vosrt.models import (
    build_network,
    load_checkpoint,
    load_stand_in_weights,
    rebuild_network,
    save_published,
)
from vosrt.models.resize import crop_maps, half_pixel_matrix, pad_maps, resize_frame_linear, resize_maps
from vosrt.models.stm_decoder import row_odds

GOLDEN = Path(__file__).parents[3] / "shared" / "golden"


@pytest.fixture(scope="module")
def network():
    network = build_network("stm")
    load_stand_in_weights(network)
    return network


def frame_of(height, width, seed=0):
    random = np.random.default_rng(seed)
    return torch.from_numpy(random.integers(0, 256, (1, height, width, 3)).astype(np.uint8))


def probabilities_of(network, frames, labels, rows):
    """Of the second frame, after the first one's labels, int32 `[H, W]`."""
    height, width = labels.shape
    canvas, grid = torch.empty(height, width), torch.empty(-(-height // 16), -(-width // 16))
    with torch.no_grad():
        image, *_ = network.encode(frames[0], canvas, grid)
        given = torch.stack([(labels == row) & (row >= 0) for row in rows.tolist()]).float()
        keys, values = network.memorize(image, given, torch.arange(len(given) - 1))
        _, *seen = network.encode(frames[1], canvas, grid)
        valid = (rows[1:] >= 0).to(torch.int32).unsqueeze(1)
        (scores,) = network.segment(*seen, keys.unsqueeze(1), values.unsqueeze(1), valid)
        return network.finish(scores, canvas, rows)[0]


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="the list of published keys is not here")
def test_keys_and_shapes_are_those_of_the_published_file(network):
    entries = json.loads((GOLDEN / "stm_r50.json").read_text())["entries"]
    published = {entry["key"]: entry["shape"] for entry in entries if "num_batches" not in entry["key"]}
    assert {name: list(tensor.shape) for name, tensor in network.state_dict().items()} == published


@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_published_file_loads(network, tmp_path, prefix):
    state = {f"{prefix}{name}": tensor for name, tensor in network.state_dict().items()}
    state[f"{prefix}Encoder_M.bn1.num_batches_tracked"] = torch.tensor(0)
    torch.save(state, tmp_path / "stm.pth")
    loaded = build_network("stm")
    load_checkpoint(loaded, tmp_path / "stm.pth")
    for name, tensor in network.state_dict().items():
        assert loaded.state_dict()[name].equal(tensor)
    save_published(network, tmp_path / "own.pth")
    load_checkpoint(loaded, tmp_path / "own.pth")


def test_refine50_without_its_last_layer_is_resnet50(network):
    refined = build_network("stm", "refine50")
    load_stand_in_weights(refined)
    shared = {name: tensor for name, tensor in network.state_dict().items() if name in refined.state_dict()}
    refined.load_state_dict(shared, strict=False)
    frames, rows = (frame_of(50, 70), frame_of(50, 70, 1)), torch.arange(3, dtype=torch.int32)
    labels = torch.zeros(50, 70, dtype=torch.int32)
    labels[5:30, 8:40], labels[25:45, 45:60] = 1, 2
    plain = probabilities_of(network, frames, labels, rows)
    assert not probabilities_of(refined, frames, labels, rows).allclose(plain, atol=1e-2)
    for encoder in (refined.Encoder_M, refined.Encoder_Q):
        torch.nn.init.zeros_(encoder.refine.out.weight)
        torch.nn.init.zeros_(encoder.refine.out.bias)
    torch.testing.assert_close(probabilities_of(refined, frames, labels, rows), plain, atol=0, rtol=0)


def test_unused_rows_do_not_change_probabilities(network):
    frames, labels = (frame_of(48, 64), frame_of(48, 64, 1)), torch.zeros(48, 64, dtype=torch.int32)
    labels[5:30, 8:40], labels[25:45, 45:60] = 3, 7
    plain = probabilities_of(network, frames, labels, torch.tensor([0, 3, 7], dtype=torch.int32))
    unused = torch.tensor([0, 3, 7, -1, -1], dtype=torch.int32)
    padded = probabilities_of(network, frames, labels, unused)
    torch.testing.assert_close(padded[:3], plain, atol=1e-6, rtol=0)
    assert padded[3:].max() < 1e-6


def test_soft_aggregation_is_finite_where_probabilities_are_certain():
    certain = torch.tensor([[[0.0, 1.0, 1.0, 0.3]], [[0.0, 0.0, 1.0, 0.4]]])  # [2, 1, 4]
    odds = row_odds(certain)
    rows = odds / odds.sum(0)
    assert torch.isfinite(torch.log(odds)).all()
    torch.testing.assert_close(rows.sum(0), torch.ones(1, 4))
    assert rows[:, 0, :3].argmax(0).tolist() == [0, 1, 1]  # of equals the first
    expected = np.array([0.42 / 0.58, 0.3 / 0.7, 0.4 / 0.6])
    np.testing.assert_allclose(rows[:, 0, 3], expected / expected.sum(), rtol=1e-5)


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="golden numbers are not here")
def test_soft_aggregation_gives_the_golden_numbers():
    with np.load(GOLDEN / "stm_softagg.npz") as file:
        for case in range(3):
            found = row_odds(torch.from_numpy(file[f"case{case}_object_prob"]))
            rows, count = found / found.sum(0), len(found)
            stored = file[f"case{case}_prob"][:count]
            np.testing.assert_allclose(rows, stored, atol=2e-6)
            np.testing.assert_allclose(
                torch.log(found), file[f"case{case}_agg_logit"][:count], rtol=2e-2, atol=1e-4
            )
            assert np.array_equal(rows.argmax(0), file[f"case{case}_mask"])


@pytest.mark.parametrize(
    ("size", "target"), [((75, 101), (75, 101)), ((61, 85), (46, 64)), ((20, 30), (41, 47))]
)
def test_a_frame_is_resized_as_pytorch_does_and_padded_with_zeros(size, target):
    frame = torch.rand(*size, 3)
    padded = tuple(-(-side // 16) * 16 for side in target)
    found = resize_frame_linear(frame, *target, padded)
    expected = torch.nn.functional.interpolate(
        frame.permute(2, 0, 1)[None], target, mode="bilinear", align_corners=False
    )[0]
    top, left = ((padded[axis] - target[axis]) // 2 for axis in (0, 1))
    inside = found[top : top + target[0], left : left + target[1]].permute(2, 0, 1)
    torch.testing.assert_close(inside, expected, atol=1e-5, rtol=0)
    assert found.sum() == pytest.approx(float(inside.sum()), rel=1e-5)


def test_padding_is_taken_back_by_cropping():
    maps = torch.rand(2, 35, 50) + 1
    padded = pad_maps(maps, 48, 64)
    assert padded.shape == (2, 48, 64)
    assert padded[:, 6, :].abs().max() > 0
    assert padded[:, 5, :].abs().max() == 0  # 13 rows more: 6 before, 7 behind
    assert crop_maps(padded, 35, 50).equal(maps)


@pytest.mark.parametrize("factor", [2, 4])
def test_enlarging_is_bilinear_with_half_pixel_centres(factor):
    maps = torch.rand(1, 3, 7, 5)
    rows = half_pixel_matrix(7, 7 * factor, maps, factor=factor)
    columns = half_pixel_matrix(5, 5 * factor - 1, maps, factor=factor)
    expected = torch.nn.functional.interpolate(
        maps, scale_factor=factor, mode="bilinear", align_corners=False
    )
    torch.testing.assert_close(resize_maps(maps, rows, columns), expected[..., :-1])


def test_options_of_other_networks_are_refused():
    with pytest.raises(Error, match=r"stm has no option --max-long-edge: got 800; leave it out"):
        build_network("stm", max_long_edge=800)
    with pytest.raises(Error, match=r"cfbi-lite has no option --memory-every"):
        build_network("cfbi-lite", memory_every=5)


def test_a_network_is_built_again_from_what_a_bundle_records():
    network = build_network("stm", "refine50", memory_capacity=7)
    again = rebuild_network(network.options() | network.recipe.to_json())
    assert (again.name, again.memory_capacity) == ("stm-refine50", 7)
