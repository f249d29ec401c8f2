"""docker-compose.yml: valid by the Compose specification's schema, and hardened the same for every service. It cannot be run here."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.api.auth import ApiKeys, Scope
from service.cameras.evidence import AlarmPolicy
from service.cameras.rules import CameraFile
from service.cli.parsing.commands import command_line
from service.settings import Settings
from service.sources.cameras_file import read_sources
from tests.tools import program

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docker-compose.yml"
COMPOSE = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
EACH = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES.keys())
SMOKE = pytest.mark.parametrize("service", [SERVICES["smoke-gpu"], SERVICES["smoke-cpu"]], ids=["gpu", "cpu"])


def interpolated(text: str) -> str:
    """With nothing set: `${NAME:-default}` is the default."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def bind_mounts(service: dict[str, Any]) -> list[list[str]]:
    return [parts for volume in service.get("volumes", []) if (parts := volume.split(":"))[0].startswith(".")]


def test_it_is_valid_by_the_schema_of_the_compose_specification():
    command = [program("check-jsonschema", "check-jsonschema"), "--builtin-schema", "vendor.compose-spec", FILE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_schema_would_notice(tmp_path):
    broken = tmp_path / "compose.yml"
    broken.write_text(FILE.read_text().replace("cap_drop: [ALL]", "cap_drop: ALL"))
    command = [program("check-jsonschema", "check-jsonschema"), "--builtin-schema", "vendor.compose-spec", broken]
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


@EACH
def test_every_service_is_confined(service):
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert not {"privileged", "cap_add", "network_mode", "pid", "ipc"} & service.keys()
    assert service["restart"] == "unless-stopped"


@EACH
def test_every_service_starts_on_a_host_of_two_cores(service):
    """Docker refuses to start a container that is to have more processors than the host."""
    assert float(interpolated(service["deploy"]["resources"]["limits"]["cpus"])) <= 2


@EACH
def test_every_service_has_limits(service):
    limits = service["deploy"]["resources"]["limits"]
    assert float(interpolated(limits["cpus"])) > 0
    assert re.fullmatch(r"\d+[gm]", interpolated(limits["memory"]))
    assert limits["pids"] > 0


@EACH
def test_every_port_is_published_on_the_loopback_unless_told_otherwise(service):
    assert service["ports"]
    for port in service["ports"]:
        assert re.match(r"\$\{[A-Z]+_PUBLISH:-127\.0\.0\.1:\d+\}:\d+$", port)


@EACH
def test_every_image_is_pinned_or_built_here(service):
    if "build" in service:
        assert service["image"] == f"smoke-bvm:{service['build']['args']['RUNTIME']}"
    else:
        assert re.search(r":v?\d+\.\d+\.\d+$", service["image"])


@EACH
def test_whatever_is_not_the_service_has_a_health_check_of_its_own(service):
    assert service["image"] in ("smoke-bvm:cpu", "smoke-bvm:gpu") or service["healthcheck"]["test"][0] == "CMD"


@EACH
def test_every_file_that_is_mounted_exists_and_cannot_be_changed_from_inside(service):
    for source, _, mode in bind_mounts(service):
        assert (ROOT / source).exists(), source
        assert mode == "ro"


@EACH
def test_volumes_networks_and_secrets_are_declared(service):
    named = {volume.split(":")[0] for volume in service.get("volumes", [])} - {
        mount[0] for mount in bind_mounts(service)
    }
    assert named <= COMPOSE["volumes"].keys()
    assert set(service["networks"]) <= COMPOSE["networks"].keys()
    assert set(service["secrets"]) <= COMPOSE["secrets"].keys()


@EACH
def test_no_secret_stands_in_the_environment(service):
    for name, value in service.get("environment", {}).items():
        if re.search("KEY|PASSWORD|TOKEN|SECRET", name):
            assert value.startswith("/run/secrets/"), name


def test_every_volume_and_secret_is_used():
    used = "\n".join(str(service.get(kind)) for service in SERVICES.values() for kind in ("volumes", "secrets"))
    for name in (*COMPOSE["volumes"], *COMPOSE["secrets"]):
        assert f"'{name}" in used, name


def test_the_secrets_are_files_that_the_script_makes_and_git_ignores(tmp_path):
    folder = tmp_path / "secrets"
    environment = {"PATH": "/usr/bin:/bin", "SMOKE_SECRETS": str(folder), "PYTHONPATH": str(ROOT)}
    command = [ROOT / "docker/make-secrets", sys.executable, "-m", "service"]
    for _ in range(2):
        subprocess.run(command, env=environment, cwd=ROOT, check=True, capture_output=True)
    named = {Path(secret["file"]).name for secret in COMPOSE["secrets"].values()}
    assert named <= {path.name for path in folder.iterdir()}
    assert folder.stat().st_mode & 0o777 == 0o700
    keys = ApiKeys.read(folder / "api_keys.toml")
    assert keys.allow((folder / "prometheus_key").read_text(), Scope.METRICS) == "prometheus"
    assert keys.allow((folder / "camera_key").read_text(), Scope.INFER) == "camera"
    assert len(tomllib.loads((folder / "api_keys.toml").read_text())["key"]) == 3
    assert "docker/secrets/" in (ROOT / ".gitignore").read_text().splitlines()


def test_a_failure_to_make_a_key_is_said_and_leaves_no_key(tmp_path):
    environment = {"PATH": "/usr/bin:/bin", "SMOKE_SECRETS": str(tmp_path / "secrets")}
    done = subprocess.run(
        [ROOT / "docker/make-secrets", "bash", "-c", "echo no such image >&2; exit 3"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "no such image" in done.stderr
    assert not list((tmp_path / "secrets").glob("*_key"))


@SMOKE
def test_every_variable_is_a_setting_and_all_of_them_fit_together(service, monkeypatch, tmp_path):
    (tmp_path / "keys").write_text("")
    for name, value in service["environment"].items():
        assert name.removeprefix("SMOKE_").lower() in Settings.model_fields
        monkeypatch.setenv(name, interpolated(value))
    settings = Settings.load()
    assert settings.admin_port == 9000
    assert settings.threads == settings.workers == 2


@SMOKE
def test_what_the_service_writes_is_on_its_volume(service):
    (mount,) = [volume.split(":")[1] for volume in service["volumes"] if volume.startswith("state:")]
    for name in ("SMOKE_STATE_FILE", "SMOKE_FEEDBACK_FILE"):
        assert Path(service["environment"][name]).parent == Path(mount)


@SMOKE
def test_a_drain_ends_before_docker_loses_patience(service):
    assert int(service["stop_grace_period"].removesuffix("s")) > Settings.model_fields["drain_s"].default


def test_the_gpu_is_reserved_and_nothing_less_is_accepted():
    (device,) = SERVICES["smoke-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
    assert SERVICES["smoke-gpu"]["environment"]["SMOKE_REQUIRE_PROVIDER"] == "cuda"
    assert "reservations" not in SERVICES["smoke-cpu"]["deploy"]["resources"]


def test_the_two_ways_to_run_the_service_have_a_profile_each_and_one_name_for_prometheus():
    for kind in ("gpu", "cpu"):
        service = SERVICES[f"smoke-{kind}"]
        assert service["profiles"] == [kind]
        assert service["networks"]["monitoring"]["aliases"] == ["smoke"]
    scraped = (ROOT / "docker/prometheus/prometheus.yml").read_text()
    assert f'"smoke:{SERVICES["smoke-cpu"]["environment"]["SMOKE_ADMIN_PORT"]}"' in scraped


def test_what_prometheus_is_told_to_ask_is_in_compose():
    text = (ROOT / "docker/prometheus/prometheus.yml").read_text() + (
        ROOT / "docker/grafana/provisioning/datasources/prometheus.yml"
    ).read_text()
    hosts = set(re.findall(r"(?:\"|//)([a-z]+):\d+", text)) - {"localhost"}
    assert hosts == {"smoke", "watch", "alertmanager", "prometheus"}


def test_grafana_opens_on_the_dashboard_and_takes_its_password_from_a_secret():
    environment = SERVICES["grafana"]["environment"]
    home = Path(environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    mounts = {target: source for source, target, _ in bind_mounts(SERVICES["grafana"])}
    assert (ROOT / mounts[str(home.parent)] / home.name).is_file()
    assert Path(environment["GF_SECURITY_ADMIN_PASSWORD__FILE"]) == Path("/run/secrets/grafana_password")
    provider = yaml.safe_load((ROOT / "docker/grafana/provisioning/dashboards/smoke.yml").read_text())["providers"][0]
    assert provider["options"]["path"] in mounts


def test_the_cameras_file_that_is_mounted_is_one_that_the_service_takes():
    service = SERVICES["smoke-cpu"]
    mounts = {target: source for source, target, _ in bind_mounts(service)}
    path = Path(service["environment"]["SMOKE_CAMERAS_FILE"])
    file = CameraFile(ROOT / mounts[str(path.parent)] / path.name, AlarmPolicy())
    assert file.error is None


def test_what_reads_cameras_has_a_command_that_works_and_a_server_a_key_and_a_port_that_are_there(tmp_path):
    watch = SERVICES["watch"]
    assert watch["profiles"] == ["watch"]
    chosen = command_line().parse_args(watch["command"])
    assert chosen.server == "http://smoke:8000"
    assert chosen.key_file == Path("/run/secrets") / watch["secrets"][0]
    assert (chosen.metrics_host, f"127.0.0.1:{chosen.metrics_port}") == (
        "0.0.0.0",
        watch["healthcheck"]["test"][-1].split("/")[2],
    )
    assert interpolated(watch["ports"][0]) == f"127.0.0.1:9100:{chosen.metrics_port}"
    assert f'"watch:{chosen.metrics_port}"' in (ROOT / "docker/prometheus/prometheus.yml").read_text()
    mounts = {target: source for source, target, _ in bind_mounts(watch)}
    read = read_sources(ROOT / mounts[str(chosen.cameras.parent)] / chosen.cameras.name, {})
    assert [source.kind for source in read] == ["folder"]
    text = (ROOT / "docker/watch/cameras.toml").read_text().replace("/run/secrets/ridge", str(tmp_path / "ridge"))
    (tmp_path / "ridge").write_text("geheim")
    (tmp_path / "cameras.toml").write_text(re.sub(r"^# (\[camera|\w+ = )", r"\1", text, flags=re.MULTILINE))
    assert [source.camera_id for source in read_sources(tmp_path / "cameras.toml", {})] == ["example", "ridge"]
