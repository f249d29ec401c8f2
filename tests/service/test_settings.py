from pathlib import Path

import pytest
from pydantic import ValidationError

from models.manifest import newest_release
from service import settings as module
from service.cameras.evidence import AlarmPolicy
from service.errors import ModelUnusable, SettingsInvalid
from service.settings import Settings
from service.validation import distance


def test_nobody_but_this_machine_is_served_unless_told_otherwise():
    assert Settings.load().host == "127.0.0.1"


def test_the_environment_is_read_with_the_prefix(monkeypatch):
    monkeypatch.setenv("SMOKE_PORT", "9000")
    monkeypatch.setenv("SMOKE_MODEL_DIR", "/srv/model")
    monkeypatch.setenv("PORT", "1")
    settings = Settings.load()
    assert (settings.port, settings.release()) == (9000, Path("/srv/model"))


def test_the_command_line_goes_before_the_environment(monkeypatch):
    monkeypatch.setenv("SMOKE_PORT", "9000")
    assert Settings.load(port=9001, host=None).port == 9001


@pytest.mark.parametrize(
    ("variable", "value"),
    [("SMOKE_PORT", "http"), ("SMOKE_PROVIDER", "tpu"), ("SMOKE_QUEUE_MAX", "0"), ("SMOKE_DRAIN_S", "-1")],
)
def test_an_impossible_value_is_refused_by_name(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsInvalid, match=f"{variable}: found '{value}', expected"):
        Settings.load()


def test_an_empty_variable_sets_nothing(monkeypatch):
    monkeypatch.setenv("SMOKE_MODEL_DIR", "")
    monkeypatch.setenv("SMOKE_REQUIRE_PROVIDER", "")
    settings = Settings.load()
    assert (settings.model_dir, settings.require_provider) == (None, None)


def test_a_setting_that_is_gone_is_refused_and_said_what_took_its_place(monkeypatch):
    monkeypatch.setenv("SMOKE_BURST_S", "10")
    with pytest.raises(SettingsInvalid, match=r"SMOKE_BURST_S: found '10', expected .*: SMOKE_CAMERA_WAIT_MAX_MS says"):
        Settings.load()
    monkeypatch.setenv("SMOKE_BURST_S", "")
    assert Settings.load()


def test_the_defaults_admit_what_the_bounds_promise():
    settings, frame_s = Settings.load(), 0.11 / 2
    waiting = settings.camera_wait_max_ms / 1000.0 / frame_s
    assert min(settings.requests_max, settings.queue_max) > waiting
    assert settings.inflight_bytes_max >= 100 * 5 * 2**20  # a hundred cameras at once, with five MiB each
    assert settings.drain_s > settings.camera_wait_max_ms / 1000.0
    assert settings.deadline_s > settings.camera_wait_max_ms / 1000.0


def test_settings_do_not_change():
    with pytest.raises(ValidationError):
        Settings.load().port = 1


def test_the_newest_release_is_the_default(monkeypatch, release):
    monkeypatch.setattr(module, "newest_release", lambda: release)
    assert Settings.load().release() == release


def test_no_release_at_all_is_said_in_words(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "newest_release", lambda: newest_release(tmp_path))
    with pytest.raises(ModelUnusable, match=r"no release found.*SMOKE_MODEL_DIR"):
        Settings.load().release()


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"inflight_bytes_max": 2048}, "SMOKE_INFLIGHT_BYTES_MAX of at least SMOKE_BODY_MAX_BYTES"),
        ({"inflight_pixels_max": 1000}, "SMOKE_INFLIGHT_PIXELS_MAX of at least SMOKE_PIXELS_MAX"),
        ({"admin": True}, "SMOKE_API_KEYS_FILE where SMOKE_ADMIN is on"),
        ({"port": 9000, "admin_port": 9000}, "SMOKE_ADMIN_PORT other than SMOKE_PORT"),
        ({"tls_cert_file": "cert.pem"}, "SMOKE_TLS_CERT_FILE and SMOKE_TLS_KEY_FILE, both or neither"),
    ],
)
def test_settings_that_contradict_each_other_are_refused_in_words(chosen, words):
    with pytest.raises(SettingsInvalid, match=words):
        Settings.load(**chosen)


@pytest.mark.parametrize("name", ["frames", "hits", "window_s", "cooldown_s"])
def test_what_the_alarm_takes_by_default_and_at_most_is_said_once(name):
    mine, policy = Settings.model_fields[f"alarm_{name}"], AlarmPolicy.model_fields[name]
    assert (mine.default, mine.metadata) == (policy.default, policy.metadata)
    assert Settings.load().alarm_policy == AlarmPolicy()


def test_an_alarm_that_could_never_be_raised_is_refused_in_words():
    with pytest.raises(SettingsInvalid, match=r"SMOKE_ALARM_\*: found hits 6 of frames 5, expected at most as many"):
        Settings.load(alarm_hits=6)


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("SMOKE_API_KEY_FILE", "SMOKE_API_KEYS_FILE"),
        ("SMOKE_APIKEYS_FILE", "SMOKE_API_KEYS_FILE"),
        ("SMOKE_STATEFILE", "SMOKE_STATE_FILE"),
        ("SMOKE_ALARM_HITZ", "SMOKE_ALARM_HITS"),
        ("smoke_webhok_url", "SMOKE_WEBHOOK_URL"),
        ("SMOKE_TLS_CERTS_FILE", "SMOKE_TLS_CERT_FILE"),
    ],
)
def test_a_misspelt_setting_stops_the_start_and_is_named_with_what_was_meant(monkeypatch, variable, meant):
    monkeypatch.setenv(variable, "x")
    with pytest.raises(SettingsInvalid, match=f"{variable}: found a setting that there is not, expected {meant}"):
        Settings.load()


def test_what_orchestrators_inject_stops_nothing_and_is_named(monkeypatch):
    injected = {
        "SMOKE_A_PORT": "tcp://10.0.0.7:8000",
        "SMOKE_BVM_PORT": "tcp://10.0.0.8:8000",
        "SMOKE_BVM_PORT_8000_TCP": "tcp://10.0.0.8:8000",
        "SMOKE_BVM_SERVICE_HOST": "10.0.0.8",
        "SMOKE_CPUS": "4",
    }
    for name, value in {**injected, "SMOKE_PORT": "9000", "SMOKE_HOSTT": ""}.items():
        monkeypatch.setenv(name, value)
    assert Settings.load().port == 9000
    assert module.unknown_variables() == sorted(injected)


@pytest.mark.parametrize(
    ("one", "other", "letters"),
    [
        ("", "abc", 3),
        ("host", "host", 0),
        ("api_key_file", "api_keys_file", 1),
        ("kitten", "sitting", 3),
        ("ab", "ba", 2),
    ],
)
def test_letters_between_two_names(one, other, letters):
    assert distance(one, other) == distance(other, one) == letters
