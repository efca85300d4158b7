import math

import numpy as np
import pytest

from vosrt import InputError, LostRule
from vosrt.lasting_stream import LastingStream
from vosrt.latency_budget import LatencyBudget
from vosrt.number_check import check_above_zero, check_share, checked_whole
from vosrt.sinks.segmented_video import SegmentedVideo
from vosrt.sources.adjusted_source import Adjustment
from vosrt.sources.test_pattern import PatternSettings
from vosrt.stream_job import StreamJob
from vosrt.trt.checked_engines import EngineSettings

NO_NUMBERS = ["3", b"3", True, [1], math.nan]


@pytest.mark.parametrize("value", [*NO_NUMBERS, 1.0, 0, 8, -1, math.inf])
def test_what_is_no_whole_number_within_limits_is_refused(value):
    with pytest.raises(InputError, match=r"^size: got .*; allowed: a whole number from 1 to 7$"):
        checked_whole("size", value, 1, 7)


@pytest.mark.parametrize("value", [*NO_NUMBERS, 0, -1, -math.inf, 11])
def test_what_is_no_number_above_zero_is_refused(value):
    with pytest.raises(InputError, match=r"^rate: got .*; allowed: a number above 0, up to 10$"):
        check_above_zero("rate", value, 10)


@pytest.mark.parametrize("value", [*NO_NUMBERS, -0.1, 1.1])
def test_what_is_no_share_is_refused(value):
    with pytest.raises(InputError, match=r"^part: got .*; allowed: a number from 0 to 1$"):
        check_share("part", value)


def test_numbers_of_numpy_are_numbers():
    assert checked_whole("size", np.int64(7), 1) == 7
    check_above_zero("rate", np.float32(0.5))
    check_share("part", np.float64(1))


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: StreamJob("bundle", "video.mp4", first_frame=-1), "first_frame"),
        (lambda: StreamJob("bundle", "video.mp4", most_frames=-1), "most_frames"),
        (lambda: LatencyBudget(math.nan), "latency"),
        (lambda: LastingStream(None, gap=-1.0), "gap"),
        (lambda: SegmentedVideo("pieces", seconds=0), "segment_seconds"),
        (lambda: SegmentedVideo("pieces", keep=0), "keep_segments"),
        (lambda: PatternSettings(height=0), "height"),
        (lambda: PatternSettings(objects=255), "objects"),
        (lambda: PatternSettings(rate=0), "rate"),
        (lambda: Adjustment(rotate=45), "rotate"),
        (lambda: Adjustment(crop=(0, 0, 32)), "crop"),
        (lambda: Adjustment(crop=32), "crop"),
        (lambda: Adjustment(crop=np.array([0, 0, 32, 32])), "crop"),
        (lambda: Adjustment(rate=0), "rate"),
        (lambda: LostRule(below=50), "lost.below"),
        (lambda: LostRule(frames=0), "lost.frames"),
        (lambda: EngineSettings(objects=0), "objects"),
        (lambda: EngineSettings(workspace=0), "workspace"),
    ],
)
def test_numbers_are_refused_where_they_are_given(make, name):
    with pytest.raises(InputError, match=f"^{name}: got "):
        make()
