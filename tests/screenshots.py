"""The pictures of the page in the documents: `make screenshots`. A served release, rendered frames, and Debian's Chromium.

Frames of four cameras are sent; then each part of the page is opened, looked at in one light, and written to `service/web/pictures`.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import httpx2
import numpy as np
from playwright.sync_api import Browser, Page, expect

from models.geometry import RGB
from models.manifest import newest_release
from tests.end_to_end.browser import PHONE, chromium, opened
from tests.end_to_end.conftest import Server
from tests.pictures import file_of
from training.data.synthetic import add_smoke, render_landscape, render_plume

OUT = Path(__file__).resolve().parent.parent / "service/web/pictures"
HEIGHT, WIDTH = 640, 960
_QUALITY = 90


def scene(seed: int, length: float) -> tuple[RGB, RGB]:
    """A landscape without and with its plume."""
    rng = np.random.default_rng(seed)
    clear = render_landscape(rng, HEIGHT, WIDTH)
    smoke, _ = add_smoke(clear, render_plume(rng, HEIGHT, WIDTH, length), rng)
    return clear, smoke


def frames() -> Iterator[tuple[str, RGB]]:
    """Whose frame it is, and the frame, in the order in which they come; the light changes a little from one to the next."""
    scenes = {
        "north-ridge": (14, 0.78),
        "harbour": (11, 0.72),
        "quarry": (17, 0.84),
        "mill-road": (21, 0.92),
    }
    for number in range(10):
        for camera, (seed, length) in scenes.items():
            clear, smoke = scene(seed, length)
            smoking = (camera == "north-ridge" and number >= 5) or (camera == "mill-road" and number == 9)
            frame = shifted(smoke if smoking else clear, number)
            yield camera, cv2.GaussianBlur(frame, (0, 0), 12) if camera == "quarry" else frame


def shifted(frame: RGB, number: int) -> RGB:
    noise = np.random.default_rng(number).normal(0, 2, frame.shape)
    return np.asarray((frame * (0.96 + 0.008 * (number % 6)) + noise).clip(0, 255), np.uint8)


def send_all(client: httpx2.Client) -> None:
    for camera, frame in frames():
        query = {"camera_id": camera, "outputs": ""}
        body = file_of(frame, "JPEG", quality=92)
        client.post("/segment", params=query, content=body, headers={"Content-Type": "image/jpeg"}).raise_for_status()


def keep(page: Page, name: str) -> None:
    page.screenshot(path=OUT / f"{name}.jpg", type="jpeg", quality=_QUALITY)


def shoot(browser: Browser, url: str) -> None:
    with opened(browser, f"{url}/", viewport={"width": 1180, "height": 830}) as page:
        page.click("#example")
        expect(page.locator("#headline")).to_have_text("Smoke")
        page.check("input[value=total]")
        keep(page, "try")
    with opened(browser, f"{url}/#cameras", viewport={"width": 1360, "height": 640}, color_scheme="dark") as page:
        expect(page.locator(".camera")).to_have_count(4)
        expect(page.locator(".camera img").first).to_be_visible()
        keep(page, "cameras")
    with opened(browser, f"{url}/#alarms", viewport=PHONE) as page:
        expect(page.locator(".alarm img").first).to_be_visible()
        keep(page, "alarms")


def main() -> int:
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        server = Server(newest_release(), SMOKE_ALARM_DIR=folder)
        try:
            with server.client() as client:
                send_all(client)
            with chromium() as browser:
                shoot(browser, server.url)
        finally:
            server.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
