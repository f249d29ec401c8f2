import json
import shutil
import socket

import pytest

from service.__main__ import main
from service.cameras.alarm import new_alarm_id
from tests.conftest import build_release


@pytest.fixture(autouse=True)
def _free_port(monkeypatch) -> None:
    monkeypatch.setenv("SMOKE_PORT", "0")


def examined(capsys, *arguments: str) -> tuple[int, dict[str, dict]]:
    code = main(["doctor", "--json", *arguments])
    report = json.loads(capsys.readouterr().out)
    assert report["well"] == (code == 0)
    return code, {finding["subject"]: finding for finding in report["findings"]}


def test_a_sound_installation_is_well_and_says_what_runs_where(release, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("SMOKE_STATE_FILE", str(tmp_path / "state.json"))
    code, found = examined(capsys, "--model-dir", str(release))
    assert code == 0
    assert list(found) == ["versions", "settings", "model", "speed", "files", "address"]
    assert "onnxruntime" in found["versions"]["found"]
    assert "smoke-test-0.0.1 (fp32) on cpu" in found["model"]["found"]
    assert "SMOKE_STATE_FILE" in found["settings"]["found"]
    assert "SMOKE_STATE_FILE" in found["files"]["found"]
    assert not any(finding["remedy"] for finding in found.values())


def test_an_impossible_setting_is_named_with_what_to_do(capsys, monkeypatch):
    monkeypatch.setenv("SMOKE_THREADS", "many")
    code, found = examined(capsys)
    assert (code, list(found)) == (2, ["versions", "settings"])
    assert "SMOKE_THREADS: found 'many'" in found["settings"]["found"]
    assert found["settings"]["remedy"]


def test_an_altered_model_is_told_and_the_rest_looked_at_all_the_same(capsys, tmp_path):
    broken = build_release(tmp_path)
    (broken / "model.onnx").write_bytes(b"altered")
    code, found = examined(capsys, "--model-dir", str(broken))
    assert code == 3
    assert not found["model"]["well"]
    assert "models verify" in found["model"]["remedy"]
    assert found["address"]["well"]


def test_a_file_that_cannot_be_written_is_told(release, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("SMOKE_FEEDBACK_FILE", str(tmp_path / "nowhere/feedback.jsonl"))
    code, found = examined(capsys, "--model-dir", str(release))
    assert code == 2
    assert "SMOKE_FEEDBACK_FILE" in found["files"]["found"]


def test_what_a_service_beside_it_has_written_is_left_as_it_is(release, capsys, monkeypatch, tmp_path):
    """A broken state file, and a frame of an alarm that is not written down yet."""
    state = tmp_path / "state.json"
    frame = tmp_path / "alarms" / new_alarm_id(60.0) / "0.frame.jpg"
    frame.parent.mkdir(parents=True)
    for file in (state, frame):
        file.write_text("{")
    monkeypatch.setenv("SMOKE_STATE_FILE", str(state))
    monkeypatch.setenv("SMOKE_ALARM_DIR", str(tmp_path / "alarms"))
    assert examined(capsys, "--model-dir", str(release))[0] == 0
    assert (state.read_text(), frame.read_text()) == ("{", "{")


def test_a_certificate_that_cannot_be_used_is_told(release, capsys, monkeypatch, tmp_path):
    for name in ("CERT", "KEY"):
        monkeypatch.setenv(f"SMOKE_TLS_{name}_FILE", str(tmp_path / "tls.pem"))
    (tmp_path / "tls.pem").write_text("no certificate")
    code, found = examined(capsys, "--model-dir", str(release))
    assert code == 2
    assert "SMOKE_TLS_CERT_FILE" in found["files"]["found"]


@pytest.mark.parametrize("name", ["SMOKE_PORT", "SMOKE_ADMIN_PORT"])
def test_a_port_in_use_is_told_with_another(release, capsys, monkeypatch, name):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv(name, str(taken.getsockname()[1]))
        assert main(["doctor", "--model-dir", str(release)]) == 5
    said = capsys.readouterr().out
    assert "FAULT  address" in said
    assert "--port 0" in said


def test_a_missing_provider_is_told(release, capsys, monkeypatch):
    monkeypatch.setenv("SMOKE_REQUIRE_PROVIDER", "cuda")
    code, found = examined(capsys, "--model-dir", str(release))
    assert code == 4
    assert "smoke-bvm[gpu]" in found["model"]["remedy"]


def test_releases_are_listed_shown_and_verified(capsys, tmp_path, monkeypatch, release):
    installed = tmp_path / "released"
    shutil.copytree(release, installed / "smoke-test-0.0.1")
    altered = shutil.copytree(release, installed / "smoke-test-0.0.2")
    (altered / "model.onnx").write_bytes(b"altered")
    monkeypatch.setattr("service.cli.installation.releases.RELEASED", installed)
    monkeypatch.setattr("service.cli.installation.releases.newest_release", lambda: installed / "smoke-test-0.0.1")
    assert main(["models", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(row["release"], row["newest"]) for row in listed] == [
        ("smoke-test-0.0.1", True),
        ("smoke-test-0.0.2", False),
    ]
    assert main(["models", "show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["threshold"] == 0.5
    assert main(["models", "verify", "--json"]) == 3
    assert [row["whole"] for row in json.loads(capsys.readouterr().out)] == [True, False]
    assert main(["models", "verify", str(release)]) == 0
    assert capsys.readouterr().out.startswith("whole   smoke-test-0.0.1")


def test_a_release_that_is_not_there_is_said_with_those_that_are(capsys):
    assert main(["models", "show", "smoke-embedded-9.9.9"]) == 3
    assert "one of those installed: smoke-embedded-1.3.0" in capsys.readouterr().err
