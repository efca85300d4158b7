"""The page in a real browser: objects are picked, followed, removed and recorded."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

for package in ("fastapi", "uvicorn", "websockets", "prometheus_client"):
    pytest.importorskip(package)
pytest.importorskip("playwright.sync_api")

from tests.serve.browser_page import NEEDS_BROWSER, SIZES, drag, on_screen, shown  # noqa: E402
from tests.serve.running_site import STAYING, RunningSite, running_site  # noqa: E402
from vosrt.label_map import read_label_map  # noqa: E402
from vosrt.sources.test_pattern import PatternSettings, TestPattern  # noqa: E402

pytestmark = NEEDS_BROWSER


def overlap(page, site: RunningSite, value: int, truth_value: int) -> float | None:
    """Intersection over union of an object in the page and the truth of that frame; None out of sight."""
    state = shown(page)
    labels = np.array(state["labels"], np.uint8).reshape(state["height"], state["width"])
    truth = site.truth["door", state["numbers"]["frame"]]
    assert labels.shape == truth.shape
    both, either = (labels == value) & (truth == truth_value), (labels == value) | (truth == truth_value)
    return both.sum() / either.sum() if (truth == truth_value).sum() > 600 else None


def assert_followed(page, site: RunningSite, value: int, truth_value: int) -> None:
    """While the object is in sight its mask is there; it may take some frames after it has come back."""
    seen = []
    for _ in range(60):
        seen.append(overlap(page, site, value, truth_value))
        if [score for score in seen[-3:] if score is not None and score >= 0.8][2:]:
            return
        wait_frames(page, 1)
    raise AssertionError(f"object {value}: {seen}")


def frozen_truth(page, site: RunningSite) -> np.ndarray:
    return site.truth["door", shown(page)["numbers"]["frame"]]


def freeze_with(page, site: RunningSite, value: int) -> np.ndarray:
    """Freeze a frame on which an object of the scene is well in sight; returns where it is."""
    for _ in range(100):
        page.click("text=Mark an object")
        page.wait_for_selector(".is-marking")
        mask = frozen_truth(page, site) == value
        if mask.sum() > 1200:
            return mask
        page.click(".cancel")
        wait_frames(page, 3)
    raise AssertionError(f"object {value} is never in sight")


def middle(mask: np.ndarray) -> tuple[float, float]:
    rows, columns = np.nonzero(mask)
    nearest = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
    return float(columns[nearest]) + 0.5, float(rows[nearest]) + 0.5


def ids(page) -> list[int]:
    return [entry["id"] for entry in shown(page)["numbers"]["objects"]]


def wait_frames(page, count: int) -> None:
    before = int(shown(page)["numbers"]["frame"].replace("marked", "0"))
    page.wait_for_function(
        "target => Number(window.vosrt.door.shown.numbers.frame) >= target", arg=before + count
    )


@pytest.mark.parametrize("page", SIZES, indirect=True)
def test_objects_are_picked_followed_removed_and_recorded(page, request, tmp_path):
    first, second = STAYING
    with running_site() as site:
        page.goto(site.address)
        page.wait_for_function("() => window.vosrt.door?.shown")

        rows, columns = np.nonzero(freeze_with(page, site, first))  # by a box
        drag(page, [(columns.min() - 3, rows.min() - 3), (columns.max() + 4, rows.max() + 4)])
        page.fill(".name", "left one")
        page.click(".done")
        page.wait_for_selector("li[data-id='1']")
        wait_frames(page, 3)
        assert_followed(page, site, 1, first)
        assert page.input_value("li[data-id='1'] input") == "left one"

        place = middle(freeze_with(page, site, second))
        page.click("[data-tool='click']")
        page.mouse.click(*on_screen(page, *place))
        picture(page, request, "marking")
        page.click(".done")
        page.wait_for_selector("li[data-id='2']")
        wait_frames(page, 3)
        picture(page, request, "live")
        assert_followed(page, site, 1, first)
        assert_followed(page, site, 2, second)

        page.click(".record")
        wait_frames(page, 8)
        page.click(".record")
        with page.expect_download() as download:
            page.click(".download")
        assert download.value.suggested_filename == "door.mp4"
        download.value.save_as(tmp_path / "recorded.mp4")
        with av.open(str(tmp_path / "recorded.mp4")) as film:
            assert sum(1 for _ in film.decode(video=0)) >= 6

        page.click("li[data-id='1'] .remove")
        page.wait_for_selector("li[data-id='1']", state="detached")
        wait_frames(page, 3)
        assert ids(page) == [2]
        assert_followed(page, site, 2, second)
        assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
        assert page.problems == []


def test_strokes_correct_an_object_and_mistakes_are_told(page):
    with running_site() as site:
        page.goto(site.address)
        page.wait_for_function("() => window.vosrt.door?.shown")
        page.click("text=Mark an object")
        page.wait_for_selector(".is-marking")
        page.click(".done")
        page.wait_for_selector("text=a box, clicks, a polygon or strokes")
        page.click(".cancel")
        rows, columns = np.nonzero(freeze_with(page, site, STAYING[1]))
        page.click("[data-tool='paint']")
        for row in np.linspace(rows.min() + 2, rows.max() - 2, 7):
            line = columns[rows == round(row)]
            drag(page, [(line.min() + 2, row), (line.max() - 2, row)])
        page.click(".done")
        page.wait_for_selector("li[data-id='1']")
        wait_frames(page, 4)
        before = (np.array(shown(page)["labels"]) == 1).sum()

        page.click("li[data-id='1'] .correct")  # its lower half does not belong to it
        page.wait_for_selector(".is-marking")
        page.check(".outside input")
        rows, columns = np.nonzero(frozen_truth(page, site) == STAYING[1])
        for row in np.linspace(np.median(rows), rows.max(), 9):
            line = columns[rows == round(row)]
            drag(page, [(line.min() - 4, row), (line.max() + 4, row)])
        page.click(".done")
        page.wait_for_selector(".is-marking", state="detached")
        assert page.inner_text(".problem") == ""
        assert (site.marked[-1] == 1).sum() < 0.75 * before
        problems = [text for text in page.problems if "422" not in text]  # the mistake above
        assert problems == []


def test_cameras_stand_in_a_grid(page):
    names = ("door", "Tür 2", "constructor")  # one is a word of JavaScript's own
    with running_site(names) as site:
        page.goto(site.address)
        for name in names:
            page.wait_for_function("name => window.vosrt[name]?.shown", arg=name)
        assert page.locator(".camera").count() == 3
        assert page.problems == []
        assert site.cameras.names == names


def picture(page, request, name: str) -> None:
    """Keep a screenshot where the environment asks for it: VOSRT_SCREENSHOTS names a folder."""
    folder = os.environ.get("VOSRT_SCREENSHOTS")
    if folder:
        kind = request.node.callspec.params["page"]
        page.screenshot(path=Path(folder) / f"{name}-{kind}.png", full_page=True)


def test_the_page_says_how_cameras_are_that_give_no_frames(page, tmp_path):
    """One that was never there, and one that has ended: what is done to its objects is seen all the same."""
    cameras = tmp_path / "cameras.toml"
    cameras.write_text(
        f"""
        [camera.short]
        source = "test://64x96?frames=3&fps=4"
        [camera.away]
        source = "rtsp://user:word@127.0.0.1:{refusing_port()}/path"
        """
    )
    command = [sys.executable, "-m", "vosrt", "serve", "cfbi-lite-davis", "--port", "0"]
    with subprocess.Popen([*command, "--cameras", str(cameras)], stdout=subprocess.PIPE, text=True) as server:
        try:
            page.goto(server.stdout.readline().strip())
            away, short = "[data-camera=away]", "[data-camera=short]"
            page.wait_for_selector(f"{away} >> text=Connection refused; no picture yet")
            page.wait_for_selector(f"{short} >> text=masks are of the last frame")
            page.click(f"{short} .freeze")
            page.wait_for_selector(f"{short} .is-marking")
            box = page.locator(f"{short} .drawing").bounding_box()
            page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 4)
            page.mouse.down()
            page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=3)
            page.mouse.up()
            page.click(f"{short} .done")
            page.wait_for_selector(f"{short} li[data-id='1']")
            page.fill(f"{short} li input", "the one")
            page.keyboard.press("Tab")
            page.wait_for_function("() => window.vosrt.short.shown.numbers.objects[0].name === 'the one'")
            page.click(f"{short} .remove")
            page.wait_for_selector(f"{short} li", state="detached")
            page.click(f"{away} .record")
            page.wait_for_selector(f"{away} >> text=Stop recording")
            page.click(f"{away} .record")
            page.wait_for_selector(f"{away} >> text=nothing came while it was recorded")
            assert not page.is_visible(f"{away} .download")
        finally:
            server.terminate()
    page.wait_for_selector(f"{short} >> text=no connection to the server")


def refusing_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def test_a_picture_is_seen_whole_whatever_its_shape(page):
    """Otherwise no box could be drawn around what is in it."""
    with running_site(scene="test://320x96?objects=1&frames=100000&fps=4") as site:
        page.goto(site.address)
        page.wait_for_function("() => window.vosrt.door?.shown")
        box = page.locator(".drawing").bounding_box()
        assert box["height"] <= SIZES["desk"]["height"]
        assert box["width"] / box["height"] == pytest.approx(96 / 320, rel=0.02)


def test_every_page_knows_of_a_recording(page):
    with running_site() as site:
        page.goto(site.address)
        page.wait_for_function("() => window.vosrt.door?.shown")
        page.click(".record")
        page.wait_for_selector("text=Stop recording")
        wait_frames(page, 2)
        other = page.context.new_page()
        other.goto(site.address)
        other.click("text=Stop recording")
        other.wait_for_selector(".download")
        page.wait_for_selector(".download")
        assert page.inner_text(".record") == "Record"
        assert page.problems == []


def test_a_token_opens_the_page_and_stays_out_of_sight(page):
    with running_site(token="a-token-of-the-test-0123") as site:
        answer = page.goto(site.address)
        assert answer.status == 401
        page.goto(site.address + "/?token=a-token-of-the-test-0123")
        page.wait_for_function("() => window.vosrt.door?.shown")
        assert "token" not in page.url


def test_a_link_on_another_site_opens_the_page(page):
    """With the token, and without it where the browser knows it from then on."""
    token = "a-token-of-the-test-0123"
    with running_site(token=token) as site:
        links = f'<a href="{site.address}/?token={token}">first</a> <a href="{site.address}">again</a>'
        page.route(
            "http://elsewhere.example/**", lambda asked: asked.fulfill(body=links, content_type="text/html")
        )
        for text in ("first", "again"):
            page.goto("http://elsewhere.example/")
            page.click(f"text={text}")
            page.wait_for_function("() => window.vosrt?.door?.shown")
        assert page.problems == []


def test_objects_are_picked_on_one_frame_and_saved(page, tmp_path):
    mask = tmp_path / "new" / "mask.png"
    command = [sys.executable, "-m", "vosrt", "pick", "test://144x256?objects=2&seed=4", "-o", str(mask)]
    truth = TestPattern(PatternSettings(144, 256, objects=2, seed=4)).frame(0).truth
    with subprocess.Popen([*command, "--browser"], stdout=subprocess.PIPE, text=True) as picking:
        try:
            page.goto(picking.stdout.readline().strip())
            page.wait_for_function("() => window.vosrt.picture?.shown")
            assert not page.is_visible(".record")
            page.click(".save")
            page.wait_for_selector("text=no object is picked")
            for value in (1, 2):
                page.click("text=Mark an object")
                page.wait_for_selector(".is-marking")
                rows, columns = np.nonzero(truth == value)
                corners = [(columns.min() - 3, rows.min() - 3), (columns.max() + 4, rows.max() + 4)]
                drag(page, corners, "picture")
                page.click(".done")
                page.wait_for_selector(f"li[data-id='{value}']")
            page.click(".save")
            page.wait_for_selector("text=saved as mask.png")
            told, _ = picking.communicate(timeout=30)
        finally:
            picking.kill()
    assert "objects 1, 2 of frame 00000" in told
    labels = read_label_map(mask)
    for value in (1, 2):
        both, either = (labels == value) & (truth == value), (labels == value) | (truth == value)
        assert both.sum() / either.sum() > 0.8
