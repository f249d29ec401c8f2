import re
from urllib.parse import urljoin

import pytest

from service.web.page import _folder

SCRIPTS = sorted(_folder().rglob("*.js"))


def test_the_first_address_shows_the_page_and_lets_no_script_in_but_its_own(client):
    page = client.get("/")
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    policy = dict(part.strip().split(" ", 1) for part in page.headers["Content-Security-Policy"].split(";"))
    assert (policy["default-src"], policy["script-src"], policy["style-src"]) == ("'none'", "'self'", "'self'")
    assert (policy["connect-src"], policy["frame-ancestors"]) == ("'self'", "'none'")
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert (page.headers["X-Content-Type-Options"], page.headers["Referrer-Policy"]) == ("nosniff", "no-referrer")


def test_all_that_it_loads_is_served_here_from_relative_addresses(client):
    text = client.get("/").text
    loaded = set(re.findall(r'(?:src|href)="([^"#]+)"', text)) - {"docs"}
    assert {"page/style.css", "page/main.js", "page/icon.svg"} <= loaded
    for address in loaded:
        assert not address.startswith(("/", "http"))
        assert client.get(f"/{address}").status_code == 200
    assert "style=" not in text
    assert not re.search(r"\son\w+=", text)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_each_script_imports_scripts_that_are_served_and_asks_relative_addresses_only(client, script):
    address = f"/page/{script.relative_to(_folder()).as_posix()}"
    answer = client.get(address)
    assert answer.headers["Content-Type"].startswith("text/javascript")
    for imported in re.findall(r'from "([^"]+)"', answer.text):
        assert client.get(urljoin(address, imported)).status_code == 200
    assert not re.search(r"""ask\([`"'](/|http)""", answer.text)
    assert not re.search(r"localStorage|sessionStorage|document\.cookie|innerHTML", answer.text)


@pytest.mark.parametrize("path", ["/page", "/page/", "/page/index.html", "/page/../page.py", "/page/%2e%2e/docs.py"])
def test_nothing_else_is_served(client, path):
    assert client.get(path).status_code == 404
