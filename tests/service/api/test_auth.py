from pathlib import Path

import pytest

from service.__main__ import main
from service.api import auth as module
from service.api.auth import ApiKeys, Key, Scope, digest, make
from service.errors import KeyInsufficient, KeyMissing, RateExceeded, SettingsInvalid
from tests.service.api.conftest import BODY, status

INFER = frozenset({Scope.INFER})


def ring(*keys: Key) -> ApiKeys:
    return ApiKeys(list(keys))


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_known_key_of_the_right_scope_is_let_in_by_name():
    assert ring(Key("gateway", digest("secret"), INFER)).allow("secret", Scope.INFER) == "gateway"


@pytest.mark.parametrize("offered", [None, "", "Secret", "secret ", "\udcff", digest("secret")])
def test_no_other_key_is_let_in(offered):
    with pytest.raises(KeyMissing):
        ring(Key("gateway", digest("secret"), INFER)).allow(offered, Scope.INFER)


def test_a_key_reaches_as_far_as_its_scopes():
    with pytest.raises(KeyInsufficient, match="found a key for infer, expected one for admin"):
        ring(Key("gateway", digest("secret"), INFER)).allow("secret", Scope.ADMIN)


def test_every_entry_is_compared_in_constant_time_whatever_was_found_before(monkeypatch):
    compared = []

    def compare(first, second):
        compared.append(first)
        return first == second

    monkeypatch.setattr(module.hmac, "compare_digest", compare)
    entries = [Key(name, digest(name), INFER) for name in ("a", "b", "c")]
    assert ring(*entries).allow("a", Scope.INFER) == "a"
    assert compared == [digest("a"), digest("b"), digest("c")]


def test_a_key_that_is_used_too_often_is_told_when_to_come_back():
    now_s = 100.0
    entries = [Key("gateway", digest("secret"), INFER, requests_per_s=0.5), Key("other", digest("other"), INFER)]
    keys = ApiKeys(entries, clock=lambda: now_s)
    assert keys.allow("secret", Scope.INFER) == "gateway"
    with pytest.raises(RateExceeded) as refusal:
        keys.allow("secret", Scope.INFER)
    assert refusal.value.retry_after_s == 2
    assert keys.allow("other", Scope.INFER) == "other"
    now_s = 102.0
    assert keys.allow("secret", Scope.INFER) == "gateway"


def test_a_burst_of_two_seconds_worth_is_let_through():
    keys = ring(Key("gateway", digest("secret"), INFER, requests_per_s=0.001))
    fast = ring(Key("gateway", digest("secret"), INFER, requests_per_s=5))
    assert [fast.allow("secret", Scope.INFER) for _ in range(10)] == ["gateway"] * 10
    keys.allow("secret", Scope.INFER)
    with pytest.raises(RateExceeded):
        keys.allow("secret", Scope.INFER)


def test_the_command_makes_an_entry_that_lets_its_key_in(tmp_path, capsys):
    assert main(["key", "gateway", "--scopes", "infer", "metrics"]) == 0
    said = capsys.readouterr()
    key = said.err.splitlines()[0]
    assert key not in said.out
    keys = ApiKeys.read(written(tmp_path / "keys.toml", said.out))
    assert keys.allow(key, Scope.INFER) == keys.allow(key, Scope.METRICS) == "gateway"


@pytest.mark.parametrize("name", ['a"b', "a b", "a\\b", "", "x" * 65, "Jürgen", 'a"]\n[[key]]'])
def test_a_name_that_the_file_could_not_hold_makes_no_key(capsys, name):
    assert main(["key", name]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert (
        said.err
        == f"smoke-bvm: found name {name!r}, expected at most 64 letters, digits, dots, hyphens and underscores\n"
    )


def test_keys_are_never_made_twice():
    assert make("a", [Scope.INFER])[0] != make("a", [Scope.INFER])[0]


SHA = digest("x")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected \\[\\[key\\]\\] entries"),
        ("key = 1", "key: found no list of entries, expected \\[\\[key\\]\\] entries"),
        ("[[key", "keys.toml: "),
        ("key = " + "[" * 3_000, "keys.toml: found brackets nested too deeply"),
        (
            f'[[key]]\nname = "a"\nsha256 = "{SHA}"\nrequests_per_s = nan',
            "found requests_per_s nan, expected more than 0",
        ),
        (f'[[key]]\nname = "a b"\nsha256 = "{SHA}"', "found name 'a b'"),
        ('[[key]]\nname = "a"\nsha256 = "secret"', "key a: found no sha256 of 64"),
        (
            f'[[key]]\nname = "a"\nsha256 = "{SHA}"\nscopes = ["root"]',
            "key a: found scopes 'root', expected some of infer, metrics, operator, admin",
        ),
        (f'[[key]]\nname = "a"\nsha256 = "{SHA}"\nrequests_per_s = 0', "found requests_per_s 0"),
        (f'[[key]]\nname = "a"\nsha256 = "{SHA}"\nrole = "root"', r"found \['role'\]"),
        (f'[[key]]\nname = "a"\nsha256 = "{SHA}"\n' * 2, "each with a name of its own"),
    ],
)
def test_a_file_that_is_no_list_of_keys_is_refused_in_words(tmp_path, text, words):
    with pytest.raises(SettingsInvalid, match=words):
        ApiKeys.read(written(tmp_path / "keys.toml", text))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SettingsInvalid, match=r"SMOKE_API_KEYS_FILE: .*nowhere\.toml"):
        ApiKeys.read(tmp_path / "nowhere.toml")


def entry(name: str, key: str, rate: float | None = None) -> str:
    limit = f"requests_per_s = {rate}\n" if rate else ""
    return f'[[key]]\nname = "{name}"\nsha256 = "{digest(key)}"\nscopes = ["infer"]\n{limit}'


def test_a_file_that_changed_takes_effect_without_a_restart(tmp_path):
    path = written(tmp_path / "keys.toml", entry("old", "a"))
    keys = ApiKeys.read(path)
    written(path, entry("new", "b"))
    keys.reload(path)
    assert keys.allow("b", Scope.INFER) == "new"
    with pytest.raises(KeyMissing):
        keys.allow("a", Scope.INFER)


def test_a_broken_file_changes_nothing(tmp_path):
    path = written(tmp_path / "keys.toml", entry("old", "a"))
    keys = ApiKeys.read(path)
    written(path, "[[key]")
    with pytest.raises(SettingsInvalid):
        keys.reload(path)
    assert keys.allow("a", Scope.INFER) == "old"


def test_reading_the_file_again_gives_nobody_a_new_allowance_unless_the_rate_changed(tmp_path):
    path = written(tmp_path / "keys.toml", entry("one", "a", 0.5))
    keys = ApiKeys.read(path)
    keys.allow("a", Scope.INFER)
    keys.reload(path)
    with pytest.raises(RateExceeded):
        keys.allow("a", Scope.INFER)
    written(path, entry("one", "a", 50.0))
    keys.reload(path)
    assert keys.allow("a", Scope.INFER) == "one"


@pytest.fixture
def guarded(open_client, keys_file):
    return open_client(api_keys_file=keys_file, admin=True)


ROUTES = {
    ("POST", "/segment"): Scope.INFER,
    ("GET", "/model"): Scope.INFER,
    ("GET", "/metrics"): Scope.METRICS,
    ("POST", "/admin/reload"): Scope.ADMIN,
}


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_each_route_asks_for_a_key_of_its_scope(guarded, method, path):
    assert status(guarded, method, path, None) == 401
    assert status(guarded, method, path, "wrong") == 401
    for scope in Scope:
        expected = 200 if scope is ROUTES[method, path] else 403
        assert status(guarded, method, path, scope) == expected, scope


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/health/startup", "/openapi.json", "/docs", "/"])
def test_probes_the_document_and_the_page_are_open(guarded, path):
    assert status(guarded, "GET", path, None) == 200


def test_a_refusal_says_what_to_offer(guarded):
    refused = guarded.post("/segment", content=BODY)
    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="smoke-bvm"'
    assert refused.json()["type"] == "urn:smoke-bvm:problem:key_missing"
    assert "X-API-Key" in refused.json()["detail"]


def test_a_key_may_come_in_a_header_of_its_own(guarded):
    assert guarded.post("/segment", content=BODY, headers={"X-API-Key": "infer"}).status_code == 200


@pytest.mark.parametrize("user", ["", "camera-7"])
def test_a_key_may_come_as_the_password_of_a_client_that_knows_nothing_else(guarded, user):
    assert guarded.post("/segment", content=BODY, auth=(user, "infer")).status_code == 200
    assert guarded.post("/segment", content=BODY, auth=(user, "wrong")).status_code == 401


@pytest.mark.parametrize("credentials", ["", "infer", "?", "aW5mZXI=", "/////w=="])
def test_what_is_no_name_and_password_is_no_key(guarded, credentials):
    headers = {"Authorization": f"Basic {credentials}"}
    assert guarded.post("/segment", content=BODY, headers=headers).status_code == 401
    # A proxy may ask for a password of its own.
    assert guarded.post("/segment", content=BODY, headers={**headers, "X-API-Key": "infer"}).status_code == 200


@pytest.mark.parametrize(("key", "expected"), [("operator", 404), ("admin", 404), ("infer", 403), ("metrics", 403)])
def test_an_operator_judges_alarms_and_changes_no_model(guarded, key, expected):
    assert status(guarded, "POST", "/cameras/ridge/acknowledge", key) == expected
    assert status(guarded, "POST", "/admin/reload", "operator") == 403


def test_a_key_used_too_often_is_refused_alone(guarded):
    assert [status(guarded, "POST", "/segment", "slow") for _ in range(2)] == [200, 429]
    assert status(guarded, "POST", "/segment", "infer") == 200


def test_a_bad_key_is_refused_before_the_query_is_looked_at(guarded):
    assert guarded.post("/segment?outputs=nonsense", content=BODY).status_code == 401


def test_the_log_names_the_callers_address_and_the_camera_even_of_a_refusal(guarded, caplog):
    caplog.set_level("INFO", "service.requests")
    allowed = {"Authorization": "Bearer infer"}
    guarded.post("/segment?camera_id=north-3", content=BODY, headers=allowed)
    guarded.post("/segment?camera_id=north-3", content=BODY)
    guarded.post("/segment?camera_id=a%0Ab", content=BODY, headers=allowed)
    guarded.post("/segment", content=BODY, headers=allowed)
    records = [vars(record) for record in caplog.records if record.message == "request"]
    assert [record["status"] for record in records] == [200, 401, 422, 200]
    assert [record.get("camera_id") for record in records] == ["north-3", "north-3", None, None]
    assert {record["client"] for record in records} == {"testclient"}


def test_the_log_names_the_key_and_never_shows_it(guarded, caplog):
    caplog.set_level("INFO", "service.requests")
    guarded.post("/segment", content=BODY, headers={"Authorization": "Bearer infer"})
    guarded.post("/segment", content=BODY, headers={"Authorization": "Bearer tell-tale"})
    records = [vars(record) for record in caplog.records if record.message == "request"]
    assert records[0]["key"] == "infer-key"
    assert "key" not in records[1]
    assert "tell-tale" not in str(records)


def test_the_document_says_which_routes_ask_for_a_key(guarded, client):
    document = guarded.get("/openapi.json").json()
    assert document["paths"]["/segment"]["post"]["security"] == [{"HTTPBearer": []}]
    assert "security" not in document["paths"]["/health/live"]["get"]
    assert "security" not in client.get("/openapi.json").json()["paths"]["/segment"]["post"]
