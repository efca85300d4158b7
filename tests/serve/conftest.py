"""A browser for all tests of the page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.serve.browser_page import BROWSER, SIZES


@pytest.fixture
def page(request) -> Iterator:
    """The page in a real browser; `problems` are errors that its console shows."""
    playwright = pytest.importorskip("playwright.sync_api")
    size = getattr(request, "param", "desk")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        is_phone = size == "phone"
        context = browser.new_context(viewport=SIZES[size], has_touch=is_phone, is_mobile=is_phone)
        page = context.new_page()
        page.problems = []
        page.on(
            "console", lambda message: page.problems.append(message.text) if message.type == "error" else None
        )
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.set_default_timeout(20_000)
        yield page
        browser.close()
