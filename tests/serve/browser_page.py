"""What is done to the page in a real browser by a pointer, and what it shows then."""

from __future__ import annotations

import shutil

import pytest

BROWSER = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
NEEDS_BROWSER = pytest.mark.skipif(BROWSER is None, reason="needs Chromium: apt install chromium")
SIZES = {"desk": {"width": 1100, "height": 900}, "phone": {"width": 390, "height": 844}}


def shown(page, name: str = "door") -> dict:
    """What the page holds: numbers and label map of the picture that it shows."""
    return page.evaluate(
        """name => {
            const { numbers, labels, width, height } = window.vosrt[name].shown;
            return { numbers, labels: [...labels], width, height };
        }""",
        name,
    )


def on_screen(page, x: float, y: float, name: str = "door") -> tuple[float, float]:
    box = page.locator(".drawing").bounding_box()
    state = shown(page, name)
    return box["x"] + x / state["width"] * box["width"], box["y"] + y / state["height"] * box["height"]


def drag(page, corners: list[tuple[float, float]], name: str = "door") -> None:
    page.mouse.move(*on_screen(page, *corners[0], name))
    page.mouse.down()
    for corner in corners[1:]:
        page.mouse.move(*on_screen(page, *corner, name), steps=4)
    page.mouse.up()
