"""Debian's Chromium, driven by Playwright: a page that remembers what went wrong in it and whom it asked."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.tools import program

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)
_PATIENCE_MS = 90_000
"""For what takes a moment on a quiet machine."""
DESK = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser, without a network of its own; its webcam shows a test picture."""
    # A whole Chromium opens a window for each page, which takes longer: twice the CPU in one pair of runs.
    expect.set_options(timeout=_PATIENCE_MS)
    path = shutil.which("chromium-headless-shell") or program("chromium", "Debian's package chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, url: str, **context: Any) -> Iterator[Page]:
    """A page at an address; as it closes: no script failed, none was refused, nothing of it was missing, nobody else was asked."""
    with browser.new_context(**context) as made:
        made.set_default_timeout(_PATIENCE_MS)
        page = made.new_page()
        asked, wrong = _watch(page)
        page.goto(url)
        yield page
        assert wrong == []
        origin = url.split("/", 3)[:3]
        assert [address for address in asked if address.split("/", 3)[:3] != origin] == []


def _watch(page: Page) -> tuple[list[str], list[str]]:
    asked: list[str] = []
    wrong: list[str] = []
    page.on("request", lambda request: asked.append(request.url.removeprefix("blob:")))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("response", lambda answer: "/page/" in answer.url and answer.status != 200 and wrong.append(answer.url))
    # That a request was refused is told by the page itself, in words: the tests of those look for them.
    page.on(
        "console", lambda said: said.type == "error" and "Failed to load" not in said.text and wrong.append(said.text)
    )
    return asked, wrong
