"""Several cameras through one segmenter; scenes of the project's own in their place, at their own pace."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import repeat

import numpy as np
import pytest

from tests.waiting import wait_for
from vosrt import InputError, Segmenter
from vosrt.cameras import Cameras, OpenSource
from vosrt.sources.adjusted_source import AdjustedReader, Adjustment
from vosrt.sources.live_source import LiveSource
from vosrt.sources.open_source import open_source
from vosrt.sources.paced_reader import PacedReader
from vosrt.sources.reader import Reader, ReadError

WITHIN = 30.0  # seconds
SCENE = "test://96x160?objects=2&frames=3000&fps=20"


def paced(address: str) -> OpenSource:
    return lambda notify: LiveSource(
        address, lambda: PacedReader(open_source(address)), is_patient=True, notify=notify
    )


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter("cfbi-lite-davis")


def truth_of(image: np.ndarray) -> np.ndarray:
    """Labels of the scene's frame with this image."""
    with open_source(SCENE) as source:
        return next(frame.truth for frame in source if np.array_equal(frame.image, image))


def test_objects_are_marked_followed_and_removed(segmenter):
    with Cameras(segmenter, {"door": paced(SCENE)}) as cameras:
        wait_for(lambda: cameras.view("door"))
        shown = cameras.view("door").frame.image
        truth = truth_of(shown)
        result = cameras.mark("door", shown, mask=truth).result(WITHIN)
        assert result.ids == (1, 2)
        assert np.array_equal(result.labels, truth)
        before = cameras.status("door")["segmented"]
        wait_for(lambda: cameras.status("door")["segmented"] > before + 5)
        view = cameras.view("door")
        truth = truth_of(view.frame.image)
        for value in (1, 2):
            both = (view.result.labels == value) & (truth == value)
            either = (view.result.labels == value) | (truth == value)
            assert both.sum() / either.sum() > 0.7
        assert view.age < 5
        cameras.remove("door", [1]).result(WITHIN)
        before = cameras.status("door")["segmented"]
        wait_for(lambda: cameras.status("door")["segmented"] > before)
        assert cameras.status("door")["objects"] == [2]


def test_marks_that_cannot_be_used_go_to_who_made_them(segmenter):
    with Cameras(segmenter, {"door": paced(SCENE)}) as cameras:
        wait_for(lambda: cameras.view("door"))
        with pytest.raises(InputError, match="box: got"):
            cameras.mark("door", boxes={1: (0, 0, 9999, 5)}).result(WITHIN)
        with pytest.raises(InputError, match="remove: unknown object id"):
            cameras.remove("door", [7]).result(WITHIN)
        with pytest.raises(InputError, match="camera: got 'window'; allowed: door"):
            cameras.view("window")
        before = cameras.status("door")["segmented"]
        wait_for(lambda: cameras.status("door")["segmented"] > before)


def test_cameras_take_turns_and_a_missing_one_holds_up_nobody(segmenter):
    def away():
        raise ReadError("nobody is there")

    sources: dict[str, OpenSource] = {f"camera {index}": paced(f"{SCENE}&seed={index}") for index in range(3)}
    sources["away"] = lambda notify: LiveSource("away", away, is_patient=True, notify=notify)
    with Cameras(segmenter, sources) as cameras:
        for name in cameras.names[:3]:
            wait_for(lambda name=name: cameras.view(name))
            cameras.mark(name, boxes={1: (40, 20, 120, 80)}).result(WITHIN)
        before = {name: cameras.status(name)["segmented"] for name in cameras.names}
        wait_for(lambda: cameras.status("camera 0")["segmented"] >= before["camera 0"] + 30)
        counts = [cameras.status(name)["segmented"] - before[name] for name in cameras.names[:3]]
        assert max(counts) <= 1.2 * min(counts) + 1
        assert cameras.status("away")["error"] == "nobody is there"
        assert cameras.status("away")["is_stale"]
        with pytest.raises(InputError, match="camera away has shown nothing yet"):
            cameras.mark("away", boxes={1: (1, 1, 9, 9)}).result(WITHIN)


def test_frames_that_cannot_be_segmented_are_told(segmenter, caplog):
    tiny = "test://96x160?objects=1&frames=3000&fps=50"

    class Cut(PacedReader):
        def read(self):
            picture = super().read()
            return lambda: picture()[:8, :8]

    sources: dict[str, OpenSource] = {
        "tiny": lambda notify: LiveSource(
            "tiny", lambda: Cut(open_source(tiny)), is_patient=True, notify=notify
        ),
        "door": paced(SCENE),
    }
    with Cameras(segmenter, sources) as cameras:
        wait_for(lambda: cameras.status("tiny")["error"] and cameras.view("door"))
        assert "frame size" in cameras.status("tiny")["error"]
        before = cameras.status("door")["segmented"]
        wait_for(lambda: cameras.status("door")["segmented"] > before + 3)
    assert len([message for message in caplog.messages if message.startswith("camera tiny: ")]) == 1


def test_frames_that_cannot_be_taken_stop_no_other_camera(segmenter):
    """One does not hold what is to be cut out of it; of another the decoder fails when it is asked."""
    crop = Adjustment(crop=(0, 0, 5000, 5000))

    class Broken(PacedReader):
        def read(self):
            super().read()
            return lambda: np.empty(-1)

    def source(reader: Callable[[], Reader]) -> OpenSource:
        return lambda notify: LiveSource("a camera", reader, is_patient=True, notify=notify)

    sources = {
        "cut": source(lambda: AdjustedReader(PacedReader(open_source(SCENE)), crop)),
        "broken": source(lambda: Broken(open_source(SCENE))),
        "door": paced(SCENE),
    }
    with Cameras(segmenter, sources) as cameras:
        wait_for(lambda: all(cameras.status(name)["error"] for name in ("cut", "broken")))
        before = cameras.status("door")["segmented"]
        wait_for(lambda: cameras.status("door")["segmented"] > before + 3)
        assert "allowed: x0,y0,x1,y1 within 160x96" in cameras.status("cut")["error"]
        assert cameras.status("broken")["error"].startswith("ValueError: ")


def test_closing_cancels_what_waits(segmenter):
    cameras = Cameras(segmenter, {"door": paced(SCENE)})
    wait_for(lambda: cameras.view("door"))
    cameras.close()
    assert cameras.mark("door", boxes={1: (8, 8, 40, 40)}).cancelled()
    assert cameras.remove("door", [1]).cancelled()
    assert cameras.status("door")["state"] == "ended"


def test_a_source_that_is_refused_leaves_no_other_open(segmenter):
    opened: list[LiveSource] = []

    def first(notify):
        opened.append(paced(SCENE)(notify))
        return opened[0]

    def refused(notify):
        raise InputError("there is no such camera")

    with pytest.raises(InputError, match="no such camera"):
        Cameras(segmenter, {"door": first, "yard": refused})
    assert opened[0].status.state.value == "ended"


def test_who_looks_on_may_close_the_cameras_or_exit(segmenter):
    views: list[str] = []

    def seen(name, view):
        views.append(name)
        if len(views) == 1:
            raise SystemExit
        cameras.close()

    cameras = Cameras(segmenter, {"door": paced(SCENE)}, seen=seen)
    wait_for(lambda: cameras.status("door")["state"] == "ended", within=WITHIN)
    cameras.close()
    assert len(views) == 2


def test_all_sources_end_at_once(segmenter):
    """While one that is silent still waits, no other tries again."""
    tries: list[int] = []
    is_over = threading.Event()

    def silent():
        is_over.wait(WITHIN)
        raise ReadError("it said nothing")

    def away():
        tries.append(len(tries))
        raise ReadError("nobody is there")

    def source(connect: Callable[[], Reader]) -> OpenSource:
        return lambda notify: LiveSource(
            "a camera", connect, is_patient=True, delays=lambda: repeat(0.001), notify=notify
        )

    cameras = Cameras(segmenter, {"silent": source(silent), "away": source(away)})
    wait_for(lambda: tries)
    closing = threading.Thread(target=cameras.close)
    closing.start()
    wait_for(lambda: cameras.status("away")["state"] == "ended", within=WITHIN / 2)
    is_over.set()
    closing.join(WITHIN)
    assert not closing.is_alive()
