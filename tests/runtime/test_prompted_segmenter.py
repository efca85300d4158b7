"""Promptable networks: small graphs with the interface of Segment Anything.

The encoder averages blocks of 8 pixels; the decoder takes blocks whose colour is near that of the points, or
of the middle of the box.
"""

from __future__ import annotations

import numpy as np
import pytest

from tests.runtime.test_box_prompt import overlap
from vosrt import BundleError, InputError, Segmenter
from vosrt.click_prompt import Click
from vosrt.prompted_segmenter import PromptedSegmenter

onnx = pytest.importorskip("onnx")

SIDE = 256
ENCODER = f"""<ir_version: 8, opset_import: ["" : 17]>
encoder (float[1, 3, {SIDE}, {SIDE}] image) => (float[1, 3, 32, 32] embeddings) {{
  embeddings = AveragePool <kernel_shape = [8, 8], strides = [8, 8]> (image)
}}"""
DECODER = """<ir_version: 8, opset_import: ["" : 17]>
decoder (float[1, 3, 32, 32] image_embeddings, float[1, n, 2] point_coords, float[1, n] point_labels,
         float[1, 1, 256, 256] mask_input, float[1] has_mask_input, float[2] orig_im_size)
  => (float[1, 2, a, b] masks, float[1, 2] iou_predictions) {
  zero = Constant <value = float {0.0}> ()
  is_corner = Constant <value = float {1.5}> ()
  corners = Greater (point_labels, is_corner)
  inside = Greater (point_labels, zero)
  some = Cast <to = 1> (inside)
  last = Constant <value_ints = [2]> ()
  weights = Unsqueeze (some, last)
  marked = Mul (point_coords, weights)
  one = Constant <value_ints = [1]> ()
  total = ReduceSum <keepdims = 0> (marked, one)
  number = ReduceSum <keepdims = 0> (weights, one)
  place = Div (total, number)
  block = Constant <value = float {8.0}> ()
  cell = Div (place, block)
  whole = Floor (cell)
  index = Cast <to = 7> (whole)
  x_at = Constant <value_ints = [0]> ()
  first = Constant <value_ints = [0]> ()
  axis = Constant <value_ints = [1]> ()
  two = Constant <value_ints = [2]> ()
  x = Slice (index, x_at, one, axis)
  y = Slice (index, one, two, axis)
  x1 = Squeeze (x, first)
  y1 = Squeeze (y, first)
  row = Gather <axis = 2> (image_embeddings, y1)
  colour = Gather <axis = 3> (row, x1)
  difference = Sub (image_embeddings, colour)
  square = Mul (difference, difference)
  distance = ReduceMean <axes = [1], keepdims = 1> (square)
  limit = Constant <value = float {0.3}> ()
  good = Sub (limit, distance)
  bad = Neg (good)
  masks = Concat <axis = 1> (bad, good)
  iou_predictions = Constant <value = float[1, 2] {0.2, 0.9}> ()
}"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prompted")
    for name, text in (("encoder", ENCODER), ("decoder", DECODER)):
        onnx.save(onnx.parser.parse_model(text), folder / f"{name}.onnx")
    return folder / "encoder.onnx", folder / "decoder.onnx"


@pytest.fixture(scope="module")
def scene():
    """A wide frame with a red and a green rectangle, and their masks."""
    frame = np.full((192, 384, 3), 40, np.uint8)
    red, green = np.zeros((2, 192, 384), np.bool_)
    red[48:144, 72:168] = True
    green[24:96, 240:312] = True
    frame[red] = (30, 30, 220)
    frame[green] = (30, 220, 30)
    return frame, red, green


def test_a_click_and_a_box_find_their_objects(files, scene):
    frame, red, green = scene
    find = PromptedSegmenter(*files)
    found = find(frame, None, [Click(100, 100)])
    assert (found.shape, found.dtype) == (red.shape, np.bool_)
    assert overlap(found, red) > 0.7
    assert overlap(find(frame, (240, 24, 312, 96), []), green) > 0.7


def test_frame_is_encoded_once(files, scene, monkeypatch):
    frame, _, _ = scene
    find = PromptedSegmenter(*files)
    runs = []
    encode = find._encoder.run
    monkeypatch.setattr(
        find, "_encoder", type("Encoder", (), {"run": lambda s, *a: runs.append(1) or encode(*a)})()
    )
    find(frame, None, [Click(100, 100)])
    find(frame.copy(), None, [Click(260, 50)])
    assert len(runs) == 1
    find(frame[::-1].copy(), None, [Click(100, 100)])
    assert len(runs) == 2


def test_a_frame_of_another_thread_that_comes_between_changes_nothing(files, scene):
    frame, red, _ = scene
    find = PromptedSegmenter(*files)
    find(frame, None, [Click(100, 100)])
    key, embedding = find._seen

    class Key(bytes):
        def __ne__(self, other):
            find._seen = b"another frame", np.zeros_like(embedding)
            return bytes(self) != other

    find._seen = Key(key), embedding
    assert overlap(find(frame, None, [Click(100, 100)]), red) > 0.7


def test_segmenter_uses_it_for_boxes_and_clicks(files, scene):
    frame, red, green = scene
    stream = Segmenter("cfbi-lite-davis", finder=PromptedSegmenter(*files)).stream()
    result = stream.step(frame, boxes={1: (72, 48, 168, 144)}, clicks={2: [(270, 60)]})
    assert overlap(result.labels == 1, red) > 0.7
    assert overlap(result.labels == 2, green) > 0.7


def test_files_that_are_no_such_network_are_named(files, tmp_path):
    encoder, decoder = files
    with pytest.raises(InputError, match=r"none\.onnx cannot be read"):
        PromptedSegmenter(tmp_path / "none.onnx", decoder)
    with pytest.raises(BundleError, match=r"is no decoder of prompts.*give the encoder first"):
        PromptedSegmenter(decoder, encoder)
    (tmp_path / "text.onnx").write_text("no graph")
    with pytest.raises(BundleError, match=r"text\.onnx does not load"):
        PromptedSegmenter(tmp_path / "text.onnx", decoder)
