"""The page by keys alone, in a real browser."""

from __future__ import annotations

import pytest

for package in ("fastapi", "uvicorn", "websockets", "prometheus_client", "playwright"):
    pytest.importorskip(package)

from tests.serve.browser_page import NEEDS_BROWSER, drag, on_screen  # noqa: E402
from tests.serve.running_site import running_site  # noqa: E402

pytestmark = NEEDS_BROWSER


def test_objects_are_marked_corrected_and_removed_by_keys_alone(page):
    """Whoever uses no pointer hears where the cross is, and the keys stay where they were."""

    def press(*keys: str) -> None:
        for key in keys:
            page.keyboard.press(key)

    def has_keys() -> str:
        return page.evaluate("document.activeElement.className")

    with running_site() as site:
        page.goto(site.address)
        page.wait_for_function("() => window.vosrt.door?.shown")
        press("Tab", "Tab", "Enter")  # the opacity, "Mark an object"
        page.wait_for_selector("text=Arrows move the cross")
        assert has_keys() == "drawing"
        press(*["ArrowLeft"] * 5, *["ArrowUp"] * 3, "Shift+ArrowUp", "Enter")
        press(*["ArrowRight"] * 8, *["ArrowDown"] * 6, "Shift+ArrowDown")
        assert page.inner_text(".told") == "149, 93; box of 56 × 43, not ended"
        page.mouse.move(*on_screen(page, 10, 10))  # does not move what keys have begun
        press("Enter", "ArrowDown")
        assert page.inner_text(".told") == "149, 100; box of 56 × 43"
        press(*["Tab"] * 4)
        page.keyboard.type("<b>the one</b>")
        press("Tab", "Enter")
        page.wait_for_selector("li[data-id='1']")
        assert has_keys() == "freeze"
        assert page.input_value("li input") == "<b>the one</b>"

        press(*["Tab"] * 3, "Enter")
        page.wait_for_selector(".is-marking")
        press("Enter", "ArrowLeft", "Enter", "Enter", "ArrowUp", "Escape")  # the second stroke is none
        assert page.inner_text(".told").endswith("; strokes: 1")
        press("Escape")
        page.wait_for_selector(".is-marking", state="detached")
        assert has_keys() == "correct"
        press("Tab", "Enter")
        page.wait_for_selector("li", state="detached")
        assert has_keys() == "freeze"
        assert page.problems == []


def test_an_answer_that_comes_late_ends_no_other_mark(page):
    with running_site() as site:
        page.goto(site.address)
        page.wait_for_function("() => window.vosrt.door?.shown")
        page.click(".freeze")
        page.wait_for_selector(".is-marking")
        page.focus(".done")
        page.keyboard.press("Enter")
        page.wait_for_selector("text=a box, clicks, a polygon or strokes")
        page.wait_for_function("() => document.activeElement.matches('.done')")  # whoever uses keys goes on

        asked = []
        page.route("**/objects", lambda route: asked.append(route))
        drag(page, [(20, 20), (90, 90)])
        page.click(".done")
        page.click(".cancel")
        page.click(".freeze")
        page.wait_for_selector(".is-marking")
        with page.expect_response("**/objects"):
            asked[0].continue_()
        page.wait_for_function("() => !document.querySelector('.done').disabled")
        assert page.is_visible(".tools.marking")
        page.click(".cancel")
        page.wait_for_selector("li[data-id='1']")
