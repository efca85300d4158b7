"""Boxes where no finder is named: the bundle that comes along, or GrabCut."""

from __future__ import annotations

import argparse
import logging

import numpy as np
import pytest

from tests.runtime.test_box_prompt import box_around, ellipse_scene, overlap
from tests.runtime.toy_bundle import write_colour_bundle
from vosrt import Segmenter, shipped_finder
from vosrt.bundle_finder import BundleFinder
from vosrt.click_prompt import Click
from vosrt.commands.camera_options import add_finder, finder_of
from vosrt.errors import BundleError
from vosrt.marked_objects import grab_cut
from vosrt.shipped_bundles import FINDER
from vosrt.shipped_finder import ShippedFinder
from vosrt.sources.test_pattern import PatternSettings, TestPattern


@pytest.mark.parametrize("seed", range(3))
def test_objects_of_the_pattern_are_found(seed):
    frame = TestPattern(PatternSettings(objects=3, seed=seed)).frame(0)
    finder = ShippedFinder(threads=1)
    for object_id in (1, 2, 3):
        truth = frame.truth == object_id
        x0, y0, x1, y1 = box = box_around(truth)
        mask = finder(frame.image, box, ())
        assert overlap(mask, truth) > 0.7
        mask[y0:y1, x0:x1] = False
        assert not mask.any()


def test_the_bundle_is_opened_with_the_first_box_and_once(monkeypatch):
    opened = []
    plain = BundleFinder.open.__func__

    def noted(cls, folder, **options):
        opened.append((folder, options))
        return plain(cls, folder, **options)

    monkeypatch.setattr(BundleFinder, "open", classmethod(noted))
    frame, truth = ellipse_scene()
    finder = ShippedFinder(threads=1)
    finder(frame, None, [Click(150, 110)])
    assert opened == []
    for _ in range(2):
        assert finder(frame, box_around(truth), ()).any()
    assert opened == [(FINDER, {"threads": 1})]


def test_where_it_cannot_be_opened_grab_cut_finds_the_object(monkeypatch, caplog):
    def refuse(folder, **options):
        raise BundleError("it is damaged")

    monkeypatch.setattr(shipped_finder.BundleFinder, "open", refuse)
    frame, truth = ellipse_scene()
    with caplog.at_level(logging.WARNING):
        mask = ShippedFinder()(frame, box_around(truth), ())
    assert np.array_equal(mask, grab_cut(frame, box_around(truth), ()))
    assert "it is damaged" in caplog.text


def test_a_segmenter_of_any_bundle_takes_boxes_by_it(tmp_path):
    segmenter = Segmenter(write_colour_bundle(tmp_path / "colour"), threads=1)
    frame, truth = ellipse_scene()
    first = segmenter.stream().step(frame, boxes={1: box_around(truth)})
    assert np.array_equal(first.labels == 1, ShippedFinder(threads=1)(frame, box_around(truth), ()))


def test_grab_cut_can_be_asked_for():
    parser = argparse.ArgumentParser()
    add_finder(parser)
    assert finder_of(parser.parse_args(["--finder-bundle", "grabcut"])) is grab_cut
