"""The alert rules against promtool's unit tests, the dashboard against the metrics and rules that there are."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from service import errors
from service.api.metrics import Metrics
from service.runtime.model import ModelInfo
from service.sources.metrics import SourceMetrics
from tests.end_to_end.monitoring import alertmanager_copy, dead_mans_switch_copy, slack_copy
from tests.service.cameras.pictures.test_health import LIMIT as DRIFT_LIMIT
from tests.tools import program

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docker/prometheus"
RULES = [rule for group in yaml.safe_load((FOLDER / "rules.yml").read_text())["groups"] for rule in group["rules"]]
ALERTS = [rule for rule in RULES if "alert" in rule]
SIGN_OF_LIFE = "Watchdog"
UNIT_TEST_FILES = sorted(FOLDER.glob("*_test.yml"))
UNIT_TESTS = [test for file in UNIT_TEST_FILES for test in yaml.safe_load(file.read_text())["tests"]]
DASHBOARD = json.loads((ROOT / "docker/grafana/dashboards/smoke.json").read_text())


def run(*command: object) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def promtool() -> str:
    return program("promtool", "Debian's package prometheus")


def known_metrics() -> set[str]:
    """Names of the series that the service can have, histograms by their parts, and what the rules record."""
    identity = ModelInfo("name", "1.0.0", "0" * 64, "cpu", "fp32")
    names = re.findall(r"^# TYPE (\S+) (\S+)", Metrics(identity).render().decode(), re.MULTILINE)
    parts = {"histogram": ("_bucket", "_sum", "_count")}
    series = {name + part for name, kind in names for part in parts.get(kind, ("",))}
    series |= {family.name for family in SourceMetrics([]).collect() if family.type == "gauge"}
    return series | {rule["record"] for rule in RULES if "record" in rule} | {"smoke_process_gpu_memory_bytes"}


def mentioned(expression: str) -> set[str]:
    """Names of the service's metrics and of recorded ones in a PromQL expression."""
    without_labels = re.sub(r"\{[^}]*\}", "", expression)
    return set(re.findall(r"\b(?:[a-z_]+:)?smoke_\w+(?::\w+)?", without_labels))


def expressions() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]


def test_a_drift_is_told_from_the_limit_on_that_simulated_days_keep():
    drift = [rule["expr"] for rule in ALERTS if "drift_psi" in rule["expr"]]
    assert [float(expression.rpartition("> ")[2]) for expression in drift] == [DRIFT_LIMIT, DRIFT_LIMIT]


def test_promtool_accepts_the_rules():
    assert "SUCCESS" in run(promtool(), "check", "rules", FOLDER / "rules.yml")


@pytest.mark.slow
def test_every_alert_fires_when_it_should_and_says_what_it_should():
    assert "SUCCESS" in run(promtool(), "test", "rules", *UNIT_TEST_FILES)


def test_promtool_accepts_the_configuration(tmp_path):
    (tmp_path / "key").write_text("a key")
    text = (FOLDER / "prometheus.yml").read_text()
    text = text.replace("/etc/prometheus", str(FOLDER)).replace("/run/secrets/prometheus_key", str(tmp_path / "key"))
    (tmp_path / "prometheus.yml").write_text(text)
    assert "SUCCESS" in run(promtool(), "check", "config", tmp_path / "prometheus.yml")


@pytest.mark.parametrize(
    "configuration",
    [
        alertmanager_copy("http://127.0.0.1:9/"),
        slack_copy(Path("/run/secrets/alert_webhook_url")),
        dead_mans_switch_copy("http://127.0.0.1:9/", "http://127.0.0.1:9/"),
    ],
    ids=["as it is", "for slack", "with a dead man's switch"],
)
def test_amtool_accepts_the_routes(tmp_path, configuration):
    (tmp_path / "alertmanager.yml").write_text(configuration)
    amtool = program("amtool", "Debian's package prometheus-alertmanager")
    assert "SUCCESS" in run(amtool, "check-config", tmp_path / "alertmanager.yml")


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_is_tested_firing_and_silent(rule):
    cases = [case for test in UNIT_TESTS for case in test.get("alert_rule_test", [])]
    mine = [case["exp_alerts"] for case in cases if case["alertname"] == rule["alert"]]
    assert any(mine)
    assert all(mine) == (rule["alert"] == SIGN_OF_LIFE)


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_says_how_bad_it_is_what_it_is_about_and_what_happened(rule):
    assert rule["labels"]["severity"] in (("none",) if rule["alert"] == SIGN_OF_LIFE else ("critical", "warning"))
    assert rule["labels"]["about"] in ("smoke", "camera", "model", "service")
    assert set(rule["annotations"]) == {"summary", "description"}


def test_rules_and_dashboard_speak_of_metrics_that_exist():
    asked = set().union(*(mentioned(text) for text in [*(rule["expr"] for rule in RULES), *expressions()]))
    assert len(asked) > 20
    assert asked - known_metrics() == set()


def test_the_reasons_that_count_as_errors_are_reasons_that_the_service_gives():
    (expression,) = [rule["expr"] for rule in RULES if rule.get("record") == "instance:smoke_errors:ratio_rate5m"]
    matched = re.search(r'reason=~"([^"]+)"', expression)
    assert matched
    given = {error.reason for error in vars(errors).values() if isinstance(error, type) and hasattr(error, "reason")}
    assert set(matched[1].split("|")) <= given | {"internal"}


def test_the_address_that_stands_there_until_there_is_one_is_none_by_its_looks():
    script = (ROOT / "docker/make-secrets").read_text()
    (address,) = re.findall(r"printf '(.*)' > \"\$folder/alert_webhook_url\"", script)
    assert urlsplit(address).hostname == "no-address-for-alerts-yet.invalid"


def test_the_alerts_that_others_silence_exist():
    routes = yaml.safe_load((ROOT / "docker/alertmanager/alertmanager.yml").read_text())
    matchers = [
        text for rule in routes["inhibit_rules"] for text in (*rule["source_matchers"], *rule["target_matchers"])
    ]
    named = {name for text in matchers for name in re.findall(r"Smoke\w+", text)}
    assert named
    assert named <= {rule["alert"] for rule in ALERTS}


def test_the_panels_do_not_overlap_and_stay_on_the_grid():
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place: dict[str, Any] = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_panels_have_ids_of_their_own_and_ask_the_provisioned_source():
    (source,) = yaml.safe_load((ROOT / "docker/grafana/provisioning/datasources/prometheus.yml").read_text())[
        "datasources"
    ]
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    asked = [target["datasource"] for panel in panels for target in panel.get("targets", [])]
    assert {(entry["type"], entry["uid"]) for entry in asked} == {(source["type"], source["uid"])}
    for panel in panels:
        references = [target["refId"] for target in panel.get("targets", [])]
        assert len(set(references)) == len(references), panel["title"]
