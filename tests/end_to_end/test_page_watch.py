"""«Cameras» and «Alarms» as a person uses them, in a browser, beside cameras that send."""

from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Page, Route, expect

from models.geometry import fit
from service.api.auth import digest
from tests.conftest import SIDE, build_release, closed_novelty
from tests.end_to_end.browser import DESK, PHONE, chromium, opened
from tests.end_to_end.conftest import Server
from tests.end_to_end.test_page_try import violations
from tests.end_to_end.test_serve import wait_until
from tests.pictures import file_of, plain, plume

PLUME = file_of(plume(640, 480))
DARK = file_of(plain(2, 2, 2, 640, 480))
ALARM_FRAMES = 3
LONG = "a-camera-with-a-name-that-is-as-long-as-a-name-can-be-or-nearly"


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def watched(release, tmp_path_factory):
    """A camera that alarms after five frames, and a dark one with a long name."""
    server = Server(release, SMOKE_ALARM_DIR=str(tmp_path_factory.mktemp("alarms")))
    send(server, "north", times=5)
    send(server, LONG, DARK, times=ALARM_FRAMES)
    yield server
    server.end()


def send(server: Server, camera: str, body: bytes = PLUME, times: int = 1, **headers: str) -> None:
    with server.client() as client:
        for _ in range(times):
            query = {"camera_id": camera, "outputs": ""}
            answer = client.post(
                "/segment", params=query, content=body, headers={"Content-Type": "image/png", **headers}
            )
            assert answer.status_code == 200


def alarms_of(server: Server, **headers: str) -> list[dict]:
    with server.client() as client:
        return client.get("/alarms", headers=headers).json()["alarms"]


def keys_in(folder: Path) -> Path:
    """Two keys, each its own name: `camera` may look, `person` may judge as well."""
    scopes = {"camera": '["infer"]', "person": '["infer", "operator"]'}
    keys = (
        f'[[key]]\nname = "{name}"\nsha256 = "{digest(name)}"\nscopes = {scope}\n' for name, scope in scopes.items()
    )
    (folder / "keys.toml").write_text("".join(keys))
    return folder / "keys.toml"


def cards(page: Page) -> list[str]:
    return page.locator("#camera-list h3").all_text_contents()


def points(page: Page, line: str) -> int:
    return len(page.locator(f".camera .{line} polyline").first.get_attribute("points").split())


def test_a_camera_comes_in_changes_and_moves_to_the_front_while_one_looks_on(browser, start, tmp_path):
    watched = start(SMOKE_ALARM_DIR=str(tmp_path))
    with opened(browser, f"{watched.url}/#cameras") as page:
        expect(page.locator("#no-cameras")).to_be_visible()
        expect(page.locator("#cameras .connection")).to_have_text("Live")
        send(watched, "east", DARK)
        east = page.locator(".camera").first
        expect(east.locator(".state")).to_have_text("No smoke")
        expect(east.locator(".flags li")).to_have_text(["It is too dark to see"])
        expect(east.locator(".seen")).to_have_text("Last picture now")
        assert page.locator("#no-cameras").is_hidden()
        send(watched, "north")
        north = page.locator(".camera", has_text="north")
        expect(north.locator(".state")).to_have_text("Perhaps smoke: wait and see")
        expect(north.locator(".area .latest-value")).to_have_text("25 %")
        send(watched, "north", times=2)
        expect(north.locator(".state")).to_have_text("Smoke")
        assert cards(page) == ["north", "east"]
        assert points(page, "area") == 3
        assert north.locator(".novelty").is_hidden()  # this release tells none
        send(watched, "north")
        expect(north.locator("img")).to_be_visible()
        assert page.eval_on_selector(".camera img", "image => image.naturalWidth") == 640


def test_how_new_pictures_are_to_the_model_is_drawn_where_the_release_tells_it(browser, tmp_path):
    server = Server(build_release(tmp_path, novelty_limit=3.0))
    try:
        send(server, "north", times=3)
        with opened(browser, f"{server.url}/#cameras") as page:
            told = page.locator(".camera .novelty .latest-value")
            expect(told).to_have_text(f"{closed_novelty(fit(plume(640, 480), SIDE)):.1f}")
            assert points(page, "novelty") == 3
    finally:
        server.end()


def test_who_opens_the_page_later_sees_how_things_went_before(browser, watched):
    with opened(browser, f"{watched.url}/#cameras") as page:
        expect(page.locator("#camera-list h3")).to_have_text(["north", LONG])
        expect(page.locator(".camera .state").first).to_have_text("Smoke")
        assert points(page, "area") == 5
        expect(page.locator(".camera img").first).to_be_visible()


def test_a_lost_connection_is_told_and_taken_up_again(browser, watched):
    with opened(browser, f"{watched.url}/") as page:
        page.route("**/events", lambda route: route.abort(), times=1)
        page.click("nav a[href='#cameras']")
        expect(page.locator("#cameras .connection")).to_contain_text("The connection was lost")
        expect(page.locator("#cameras .connection")).to_have_text("Live")
        expect(page.locator(".camera")).to_have_count(2)


def test_a_camera_that_is_forgotten_goes(browser, start):
    server = start(SMOKE_CAMERAS_MAX="1")
    with opened(browser, f"{server.url}/#cameras") as page:
        expect(page.locator("#cameras .connection")).to_have_text("Live")
        send(server, "one")
        send(server, "two")
        expect(page.locator(".camera")).to_have_count(2)
        send(server, "three", DARK)
        expect(page.locator("#camera-list h3")).to_have_text(["one", "three"])


def test_alarms_are_shown_with_their_picture_and_can_be_judged(browser, watched):
    with opened(browser, f"{watched.url}/#alarms") as page:
        card = page.locator(".alarm")
        expect(card.locator("h3")).to_have_text("north")
        expect(card.locator(".ended")).to_have_text("Still going on")
        expect(card.locator(".strength")).to_have_text("At most 25 % of the picture is smoke")
        expect(card.locator("img")).to_be_visible()
        with page.expect_request("**/frame.jpg*"):
            page.uncheck("#outlines")
        card.get_by_text("False alarm").click()
        expect(card.get_by_text("False alarm")).to_have_attribute("aria-pressed", "true")
        assert alarms_of(watched)[0]["feedback"]["verdict"] == "false_alarm"
        page.reload()
        expect(card.get_by_text("False alarm")).to_have_attribute("aria-pressed", "true")
        card.get_by_text("It was smoke").focus()
        page.keyboard.press("Enter")
        expect(card.get_by_text("False alarm")).to_have_attribute("aria-pressed", "false")
        assert alarms_of(watched)[0]["feedback"]["verdict"] == "true_alarm"


def test_an_alarm_is_taken_on_with_the_keyboard_and_another_tab_says_by_whom(browser, start, tmp_path):
    server = start(SMOKE_API_KEYS_FILE=str(keys_in(tmp_path)))
    send(server, "north", times=ALARM_FRAMES, **{"X-API-Key": "camera"})
    with opened(browser, f"{server.url}/#alarms") as page, opened(browser, f"{server.url}/#alarms") as other:
        for tab, key in ((page, "person"), (other, "camera")):
            tab.fill("#key", key)
            tab.keyboard.press("Enter")
            expect(tab.locator(".alarm .taken")).to_have_text("")
        other.get_by_text("I take it on").click()
        expect(other.locator(".alarm .trouble")).to_contain_text("This key may not do that")
        button = page.get_by_text("I take it on")
        button.focus()
        page.keyboard.press("Enter")
        expect(button).to_have_attribute("aria-pressed", "true")
        expect(button).to_be_focused()
        expect(page.locator(".alarm .taken")).to_contain_text("Taken on by person, ")
        expect(other.locator(".alarm .taken")).to_contain_text("Taken on by person, ")
        assert violations(page) == []
    (alarm,) = alarms_of(server, **{"X-API-Key": "camera"})
    assert alarm["acknowledged"]["by"] == "person"


def test_who_has_taken_an_alarm_on_is_shown_as_text_whatever_the_name(browser, start):
    name = "<img src=x onerror=document.title='taken'>"
    server = start()
    send(server, "north", times=ALARM_FRAMES)
    with server.client() as client:
        assert client.post("/cameras/north/acknowledge", params={"by": name}).status_code == 200
    with opened(browser, f"{server.url}/#alarms") as page:
        expect(page.locator(".alarm .taken")).to_contain_text(f"Taken on by {name}, ")
        assert page.locator(".alarm .taken img").count() == 0
        assert page.title() == "smoke-bvm"


def test_an_alarm_that_is_over_can_no_longer_be_taken_on(browser, start):
    server = start()
    send(server, "north", times=ALARM_FRAMES)
    with opened(browser, f"{server.url}/#alarms") as page:
        expect(page.get_by_text("I take it on")).to_be_visible()
        send(server, "north", DARK, times=3)
        page.wait_for_timeout(2000)
        expect(page.locator(".alarm .ended")).to_have_text("Still going on")
        send(server, "north", DARK)
        expect(page.locator(".alarm .ended")).to_contain_text("Over since")
        expect(page.get_by_text("I take it on")).to_be_hidden()


def test_an_alarm_comes_in_while_one_looks_on_newest_first_and_older_ones_are_a_click_away(browser, start):
    server = start()
    for number in range(20):
        send(server, f"camera-{number}", times=ALARM_FRAMES)
    with opened(browser, f"{server.url}/#alarms") as page:
        expect(page.locator("#no-pictures")).to_contain_text("SMOKE_ALARM_DIR")
        expect(page.locator(".alarm")).to_have_count(20)
        assert page.locator("#older").is_hidden()
        send(server, "newest", times=ALARM_FRAMES)
        expect(page.locator(".alarm h3").first).to_have_text("newest")
        expect(page.locator(".alarm")).to_have_count(20)
        page.click("#older")
        expect(page.locator(".alarm")).to_have_count(21)
        expect(page.locator(".alarm h3").last).to_have_text("camera-0")


def test_what_goes_wrong_with_alarms_is_told_in_words(browser, watched):
    def refuse(route: Route) -> None:
        route.fulfill(status=503, json={"detail": "found no way to write the feedback down, expected one"})

    with opened(browser, f"{watched.url}/#alarms") as page:
        expect(page.locator(".alarm")).to_have_count(1)
        page.route("**/feedback", refuse)
        page.get_by_text("It was smoke").click()
        expect(page.locator(".alarm .trouble")).to_contain_text("found no way to write the feedback down")
        page.route("**/alarms?*", refuse)
        page.click("nav a[href='#try']")
        page.click("nav a[href='#alarms']")
        expect(page.locator("#alarms-trouble")).to_contain_text("The service is not ready")


def test_a_key_opens_cameras_and_alarms_and_another_one_judges(browser, start, tmp_path):
    server = start(SMOKE_API_KEYS_FILE=str(keys_in(tmp_path)))
    send(server, "north", times=ALARM_FRAMES, **{"X-API-Key": "camera"})
    with opened(browser, f"{server.url}/#cameras") as page:
        expect(page.locator("#cameras .connection")).to_contain_text("The service asks for an API key")
        page.fill("#key", "camera")
        page.keyboard.press("Enter")
        expect(page.locator(".camera .state")).to_have_text("Smoke")
        page.click("nav a[href='#alarms']")
        page.get_by_text("It was smoke").click()
        expect(page.locator(".alarm .trouble")).to_contain_text("This key may not do that")
        page.fill("#key", "person")
        page.keyboard.press("Enter")
        page.get_by_text("It was smoke").click()
        expect(page.get_by_text("It was smoke")).to_have_attribute("aria-pressed", "true")
        assert page.locator(".alarm .trouble").is_hidden()


@pytest.mark.parametrize(("theme", "viewport"), [("dark", DESK), ("light", PHONE)])
def test_both_are_accessible_and_fit(browser, watched, theme, viewport):
    with opened(browser, f"{watched.url}/#cameras", color_scheme=theme, viewport=viewport) as page:
        expect(page.locator(".camera")).to_have_count(2)
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        page.click("nav a[href='#alarms']")
        expect(page.locator(".alarm")).to_have_count(1)
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


def test_no_events_are_read_while_neither_is_looked_at(browser, watched):
    with opened(browser, f"{watched.url}/#cameras") as page, watched.client() as client:
        expect(page.locator("#cameras .connection")).to_have_text("Live")
        assert readers(client) == 1
        page.click("nav a[href='#try']")
        wait_until(lambda: readers(client) == 0)


def readers(client: httpx2.Client) -> float:
    (line,) = (line for line in client.get("/metrics").text.splitlines() if line.startswith("smoke_event_readers "))
    return float(line.split()[1])
