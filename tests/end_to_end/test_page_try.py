"""«Try it» as a person uses it, in a browser, on the release whose answer is known."""

import base64
import json
import math
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route, expect

from tests.conftest import build_release
from tests.end_to_end.browser import DESK, PHONE, chromium, opened
from tests.end_to_end.conftest import Server
from tests.pictures import file_of, noisy, plain, plume

BODY_MAX_BYTES = 300_000
WIDTH, HEIGHT = 640, 480
PLUME = file_of(plume(WIDTH, HEIGHT))
"""Its left quarter but one is smoke at .8, a total of .4 ln 2 nats, a fifth of it aleatoric."""
CLEAR = file_of(plain(26, 51, 128, WIDTH, HEIGHT))
IN_SMOKE, BESIDE = 3 / 8, 3 / 4
TOTAL = 102
EPISTEMIC = round(102 * (1 - 51 / 255))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """On a release to which a white picture is unfamiliar."""
    server = Server(
        build_release(tmp_path_factory.mktemp("told"), novelty_limit=3.0), SMOKE_BODY_MAX_BYTES=str(BODY_MAX_BYTES)
    )
    yield server
    server.end()


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser, server):
    with opened(browser, f"{server.url}/") as page:
        yield page


def choose(page: Page, *pictures: bytes, name: str = "ridge.png", kind: str = "image/png") -> None:
    page.set_input_files("#files", [{"name": name, "mimeType": kind, "buffer": picture} for picture in pictures])


def colour(page: Page, x: float, canvas: str = "#drawing", y: float = 0.5) -> list[int]:
    """Red, green, blue and opacity of a drawing, there in fractions of its width and height."""
    return page.eval_on_selector(
        canvas,
        "(canvas, [x, y]) => [...canvas.getContext('2d').getImageData(x * canvas.width, y * canvas.height, 1, 1).data]",
        [x, y],
    )


def moved(page: Page, slider: str, value: float, event: str) -> None:
    page.eval_on_selector(
        slider, "(s, [value, event]) => { s.value = value; s.dispatchEvent(new Event(event)); }", [value, event]
    )


def violations(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found if one["impact"] in ("serious", "critical")]


def test_smoke_in_a_chosen_picture_is_told_in_words_and_outlined(page):
    choose(page, PLUME)
    expect(page.locator("#headline")).to_have_text("Smoke")
    expect(page.locator("#detail")).to_have_text("25 % of the picture, in one place.")
    edges = [colour(page, x)[3] for x in (1 / 4, 1 / 2)]
    assert min(edges) > 100
    assert [colour(page, x)[3] for x in (IN_SMOKE, BESIDE)] == [0, 0]


def test_a_picture_without_smoke_is_said_to_have_none(page):
    choose(page, CLEAR)
    expect(page.locator("#headline")).to_have_text("No smoke found")
    expect(page.locator("#no-regions")).to_be_visible()
    assert [colour(page, x)[3] for x in (1 / 4, 1 / 2)] == [0, 0]


def test_a_picture_unlike_those_that_the_model_knows_is_said_to_be_one(page):
    choose(page, file_of(plain(255, 255, 255, WIDTH, HEIGHT)))
    expect(page.locator("#unfamiliar")).to_be_visible()
    choose(page, PLUME)
    expect(page.locator("#detail")).to_have_text("25 % of the picture, in one place.")
    expect(page.locator("#unfamiliar")).to_be_hidden()


@pytest.mark.parametrize(
    ("layer", "step", "most", "meaning"),
    [
        ("probability", 204, "1.00, smoke", "How likely each spot is smoke"),
        ("total", TOTAL, "0.69 nats, as unsure as can be", "The model is unsure here"),
        ("aleatoric", TOTAL - EPISTEMIC, "0.69 nats, could be either", "hard to tell"),
        ("epistemic", EPISTEMIC, "0.69 nats, they disagree", "Models trained alike would disagree"),
    ],
)
def test_each_map_has_the_colour_that_its_legend_gives_to_the_value(page, layer, step, most, meaning):
    choose(page, PLUME)
    page.check(f"input[value={layer}]")
    moved(page, "#opacity", 100, "input")
    expect(page.locator("#most")).to_have_text(most)
    expect(page.locator("#meaning")).to_contain_text(meaning)
    assert page.locator("#opacity-value").text_content() == "100 %"
    shown, promised = colour(page, IN_SMOKE), colour(page, (step + 0.5) / 256, "#legend", 0)
    assert shown == pytest.approx(promised, abs=4)


def test_opacity_thins_the_colours(page):
    choose(page, PLUME)
    page.check("input[value=probability]")
    opacities = []
    for percent in (100, 50, 0):
        moved(page, "#opacity", percent, "input")
        opacities.append(colour(page, IN_SMOKE)[3])
    assert opacities == pytest.approx([255, 128, 0], abs=2)


def test_the_threshold_acts_at_once_and_the_service_is_asked_when_the_slider_rests(page):
    asked: list[str] = []
    page.on("request", lambda request: "/segment" in request.url and asked.append(request.url))
    choose(page, PLUME)
    expect(page.locator("#threshold-value")).to_have_text("0.50")
    moved(page, "#threshold", 0.85, "input")
    expect(page.locator("#detail")).to_have_text("0 % of the picture.")
    assert colour(page, 1 / 4)[3] == 0
    assert len(asked) == 1
    moved(page, "#threshold", 0.85, "change")
    expect(page.locator("#headline")).to_have_text("No smoke found")
    assert asked[1].endswith("&threshold=0.85")
    page.click("#released")
    expect(page.locator("#headline")).to_have_text("Smoke")
    assert "threshold" not in asked[2]


def test_a_region_says_its_uncertainty_and_is_framed_when_it_is_pointed_at(page):
    choose(page, PLUME)
    region = page.locator("#regions button")
    expect(region).to_contain_text("25 % of the picture")
    expect(region.locator(".probability")).to_have_text("80 %")
    total = math.log(2) * 102 / 255
    expect(region.locator(".total")).to_have_text(f"{total:.2f} nats")
    expect(region.locator(".aleatoric")).to_have_text(f"{total * 51 / 255:.2f} nats")
    expect(region.locator(".epistemic")).to_have_text(f"{total * 204 / 255:.2f} nats")
    sample = "canvas => canvas.toDataURL()"
    before = page.eval_on_selector("#drawing", sample)
    region.focus()
    assert page.eval_on_selector("#drawing", sample) != before


def test_the_times_and_the_answer_itself_are_shown_and_can_be_taken_along(page):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    choose(page, PLUME)
    page.click("summary")
    reply = json.loads(page.locator("#json").text_content())
    assert reply["smoke"] == {
        "detected": True,
        "area_fraction": 0.25,
        "max_probability": pytest.approx(0.8, abs=0.001),
        "region_count": 1,
    }
    assert re.fullmatch(r"\d+ letters of base64", reply["maps"]["total"]["data"])
    assert page.locator("#times span").count() == 5
    assert re.fullmatch(r"[\d.]+ m?s in all", page.locator("#times").get_attribute("aria-label"))
    with page.expect_download() as download:
        page.click("#download")
    assert json.loads(download.value.path().read_text()) == reply
    page.click("#copy")
    assert json.loads(page.evaluate("navigator.clipboard.readText()")) == reply


@pytest.mark.parametrize("how", ["drop", "paste"])
def test_a_picture_can_be_dropped_or_pasted(page, how):
    page.evaluate(
        """([how, text]) => {
          const data = new DataTransfer();
          const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
          data.items.add(new File([bytes], "a.png", { type: "image/png" }));
          const carried = how === "drop" ? { dataTransfer: data } : { clipboardData: data };
          const kind = how === "drop" ? DragEvent : ClipboardEvent;
          document.getElementById("drop").dispatchEvent(new kind(how, { ...carried, bubbles: true }));
        }""",
        [how, base64.b64encode(PLUME).decode()],
    )
    expect(page.locator("#headline")).to_have_text("Smoke")


def test_the_webcam_is_looked_at_still_after_still_until_it_is_stopped(page):
    asked: list[str] = []
    page.on("response", lambda answer: "/segment" in answer.url and asked.append(answer.url))
    page.click("#webcam")
    expect(page.locator("#webcam")).to_have_text("Stop the webcam")
    expect(page.locator("#headline")).to_be_visible()
    page.wait_for_event("response", lambda answer: "/segment" in answer.url)
    assert page.locator("#strip").is_hidden()
    page.click("#webcam")
    expect(page.locator("#webcam")).to_have_text("Use the webcam")
    assert len(asked) >= 2


def test_an_example_is_there_for_who_has_no_picture_at_hand(page):
    page.click("#example")
    expect(page.locator("#verdict")).to_be_visible()
    assert page.eval_on_selector("#photo", "photo => photo.naturalWidth") == 960


def test_of_several_pictures_each_can_be_looked_at_again_with_the_keyboard_alone(page):
    choose(page, PLUME, CLEAR)
    labels = page.locator("#strip span")
    expect(labels).to_have_text(["Smoke", "No smoke found"])
    page.locator("#strip button").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#headline")).to_have_text("Smoke")
    page.locator("input[value='']").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#most")).to_have_text("1.00, smoke")


REFUSED = [
    (b"not a picture", "image/png", "This is no picture that can be read here", "expected"),
    (b"GIF89a", "image/gif", "This is no picture that can be read here", "image/gif"),
    (PLUME[:200], "image/png", "The picture cannot be used", "expected"),
    (file_of(noisy(1, 2000, 10)), "image/png", "The picture cannot be used", "2000"),
    (bytes(BODY_MAX_BYTES + 1), "image/png", "The picture is too large", str(BODY_MAX_BYTES)),
]


@pytest.mark.parametrize(("body", "kind", "title", "found"), REFUSED, ids=[f"{case[2]}-{case[3]}" for case in REFUSED])
def test_a_picture_that_is_refused_is_refused_in_words(page, body, kind, title, found):
    choose(page, body, kind=kind)
    expect(page.locator("#trouble-title")).to_have_text(title)
    expect(page.locator("#trouble-detail")).to_contain_text(found)
    assert page.locator("#panel").is_hidden()


@pytest.mark.parametrize(
    ("status", "title"),
    [(429, "The service is busy"), (503, "The service is not ready"), (504, "It took too long"), (0, "The service cannot be reached")],
)  # fmt: skip
def test_a_service_that_cannot_answer_now_says_so_and_is_asked_again_on_a_click(page, status, title):
    def refuse(route: Route) -> None:
        if status == 0:
            route.abort()
        else:
            headers = {"Retry-After": "7"}
            route.fulfill(status=status, headers=headers, json={"detail": "found 9 frames, expected fewer"})

    page.route("**/segment?*", refuse, times=1)
    choose(page, PLUME)
    expect(page.locator("#trouble-title")).to_have_text(title)
    if status:
        expect(page.locator("#trouble-detail")).to_have_text("found 9 frames, expected fewer. Try again in 7 s.")
    page.click("#again")
    expect(page.locator("#headline")).to_have_text("Smoke")


@pytest.mark.parametrize(("theme", "viewport"), [("light", DESK), ("dark", PHONE)])
def test_it_is_accessible_and_fits_in_both_lights_and_on_a_phone(browser, server, theme, viewport):
    with opened(browser, f"{server.url}/", color_scheme=theme, viewport=viewport) as page:
        assert violations(page) == []
        choose(page, PLUME, CLEAR, b"no picture")
        expect(page.locator("#trouble")).to_be_visible()
        page.locator("#strip button").first.click()
        page.check("input[value=total]")
        page.click("summary")
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


def without_prefix(route: Route) -> None:
    route.fulfill(response=route.fetch(url=route.request.url.replace("/below/", "/")))


def test_it_works_below_a_path_of_a_proxy(browser, server):
    with opened(browser, f"{server.url}/") as page:
        page.route("**/below/**", without_prefix)
        page.goto(f"{server.url}/below/")
        choose(page, PLUME)
        expect(page.locator("#headline")).to_have_text("Smoke")
        expect(page.locator("#model")).to_contain_text("smoke-test 0.0.1")


def test_a_key_is_asked_for_kept_in_memory_and_used(browser, release, tmp_path):
    from service.api.auth import digest

    keys = tmp_path / "keys.toml"
    keys.write_text(f'[[key]]\nname = "person"\nsha256 = "{digest("secret")}"\nscopes = ["infer"]\n')
    guarded = Server(release, SMOKE_API_KEYS_FILE=str(keys))
    try:
        with opened(browser, f"{guarded.url}/") as page:
            expect(page.locator("#key")).to_be_focused()
            choose(page, PLUME)
            expect(page.locator("#trouble-title")).to_have_text("The service asks for an API key")
            assert violations(page) == []
            page.fill("#key", "secret")
            page.keyboard.press("Enter")
            expect(page.locator("#headline")).to_have_text("Smoke")
            expect(page.locator("#key-form")).to_be_hidden()
            assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
            page.reload()
            expect(page.locator("#key-form")).to_be_visible()
    finally:
        guarded.end()
