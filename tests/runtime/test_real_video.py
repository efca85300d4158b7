"""Exported networks on real video: objects that join and leave, and a stream that goes on elsewhere.

The clips are not part of the project; without them these tests are left out. Weights are stand-ins, so masks
mean nothing here: what is checked is that ids, rows and state are handled as on generated scenes.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from vosrt import Segmenter
from vosrt.label_map import read_label_map
from vosrt.sources.open_source import open_source

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(not DATA.is_dir(), reason="the clips are not here"),
    pytest.mark.xdist_group("real video"),
]


@pytest.fixture(scope="module", params=["mobilenetv2", "resnet101"])
def segmenter(request, tmp_path_factory):
    """A bundle made from a checkpoint in the published layout."""
    import torch

    from vosrt.export.to_onnx import main
    from vosrt.models import build_network, load_stand_in_weights
    from vosrt.models.published_keys import published_name

    folder = tmp_path_factory.mktemp("real")
    network = build_network("cfbi", request.param)
    load_stand_in_weights(network)
    state = {f"module.{published_name(name)}": value for name, value in network.state_dict().items()}
    torch.save({"state_dict": state, "optimizer": {}}, folder / "published.pth")
    options = ["--model", "cfbi", "--backbone", request.param, "--checkpoint", str(folder / "published.pth")]
    assert main([*options, "--output", str(folder / "bundle")]) == 0
    return Segmenter(folder / "bundle")


def frames_of(source: Path, count: int) -> list[np.ndarray]:
    with open_source(source) as opened:
        return [frame.image for frame in islice(opened, count)]


def mask_of(clip: str, index: int = 0) -> np.ndarray:
    return read_label_map(DATA / "clips" / clip / "masks" / f"{index:05d}.png")


def test_removed_object_and_restored_stream_on_a_video(segmenter, tmp_path):
    frames = frames_of(DATA / "videos" / "dogs-jump.mp4", 8)
    stream = segmenter.stream()
    assert stream.step(frames[0], mask_of("dogs-jump")).ids == (1, 2, 3)
    for frame in frames[1:3]:
        stream.step(frame)
    stream.remove([2])
    result = stream.step(frames[3])
    assert result.ids == (1, 3)
    assert 2 not in result.labels
    stream.save(tmp_path / "stream.npz")
    other = segmenter.stream(tmp_path / "stream.npz")
    for frame in frames[4:]:
        one, two = stream.step(frame), other.step(frame)
        assert np.array_equal(one.labels, two.labels)
        assert one.confidence == two.confidence
        assert one.frame_index == two.frame_index


def test_objects_join_on_later_frames(segmenter):
    frames = frames_of(DATA / "clips" / "judo" / "frames", 10)
    stream = segmenter.stream()
    for index, frame in enumerate(frames):
        mask = mask_of("judo", index) if index in (0, 5, 8) else None
        result = stream.step(frame, mask)
        if mask is not None:
            assert np.array_equal(result.labels[mask > 0], mask[mask > 0])
    assert result.ids == (1, 2, 3)


def test_forty_four_objects_run_in_parts(segmenter):
    frames = frames_of(DATA / "clips" / "market" / "frames", 2)
    small = [frame[::2, ::2] for frame in frames]
    stream = segmenter.stream()
    ids = stream.step(small[0], np.ascontiguousarray(mask_of("market")[::2, ::2])).ids
    assert len(ids) > 35
    result = stream.step(small[1])
    assert set(np.unique(result.labels)) <= {0, *ids}
