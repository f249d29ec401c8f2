"""The service on a Ray cluster of two nodes: the API's own tests pass behind Ray's proxy; replicas and a node are killed under load.

What tests the API with an application of its own (`open_client`: other settings, a model that does as it is told) cannot run here: the
replicas have one set of settings. NOT_HERE names the others that cannot.
"""

import contextlib
import inspect
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.tools import missing

if not all(map(find_spec, ("ray", "redis"))):
    missing("no Ray or redis-py here: they come with the extra ray")
pytest.importorskip("ray.serve")  # what Pydantic warns of while it is imported is not ours

from tests.conftest import build_release
from tests.end_to_end import test_serve
from tests.end_to_end.monitoring import DOCKER, ROOT, prometheus_alone, wait_for
from tests.service import test_hostile_bodies, test_segment_forms, test_segment_route, test_tiles
from tests.service.api import test_openapi
from tests.service.api.routes import test_alarms, test_cameras, test_operations, test_reply_types
from tests.service.cluster.load import BODY, Load, Upload, check_lost, held, in_hands, metric, post, refusal
from tests.service.cluster.two_nodes import TwoNodes, two_nodes

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::Warning")]

OF_THE_API = (
    test_segment_route, test_segment_forms, test_hostile_bodies, test_tiles,
    test_cameras, test_alarms, test_operations, test_reply_types, test_openapi,
)  # fmt: skip
_ALL = "looks at all cameras or alarms that there are: those of the tests before are among them"
_METRICS = "reads /metrics beside the frames; here each replica has a port for them"
NOT_HERE = {
    "test_a_camera_whose_clock_is_fast_alarms_and_its_clock_is_flagged_and_counted": _METRICS,
    "test_the_metrics_of_a_camera_are_exposed_and_those_of_none_are_not": _METRICS,
    "test_the_cameras_are_listed_with_the_alarming_one_first": _ALL,
    "test_an_alarm_is_listed_from_its_first_frame_to_its_end_without_a_picture_unless_there_is_a_folder": _ALL,
    "test_alarms_are_paged_from_the_newest_on_and_told_by_camera": _ALL,
    "test_feedback_on_an_alarm_of_another_camera_is_refused": _ALL,
    "test_a_damaged_file_is_answered_and_said_to_be_damaged": _ALL,
    "test_a_probe_may_ask_for_the_status_alone": "drains the application, which is in another process",
    "test_a_corpus_leaves_no_memory_behind": "measures the memory of this process",
    "test_no_damage_to_a_file_makes_the_service_fail": "hundreds of generated requests",
    "test_no_query_makes_the_service_fail": "hundreds of generated requests",
}
OF_A_SERVER = (
    "test_a_lossless_frame_is_answered_to_the_last_level",
    "test_a_jpeg_frame_is_answered_too",
    "test_the_server_is_live_ready_and_started",
    "test_many_callers_at_once_each_get_their_own_answer",
)
"""Of tests/end_to_end/test_serve.py; the others are about sockets, limits on connections, the log and SIGTERM, which are Ray's here."""
REFUSED = 'smoke_reloads_total{result="refused"}'
SWAPPED = 'smoke_reloads_total{result="swapped"}'
_HAD_HERE = {"client", "model", "tmp_path", "release"}
_NUMBERS = itertools.count()


def _borrowed() -> Iterator[tuple[str, Callable[..., None]]]:
    """The API's own tests that need no more than a client."""
    for module in OF_THE_API:
        for name, test in vars(module).items():
            if name.startswith("test_") and name not in NOT_HERE and _runs_here(test):
                yield f"{name}_of_{module.__name__.rpartition('.test_')[2]}", test


def _runs_here(test: Callable[..., None]) -> bool:
    marks = [mark for mark in getattr(test, "pytestmark", ()) if mark.name == "parametrize"]
    given = {name.strip() for mark in marks for name in _names(mark.args[0])}
    needed = set(inspect.signature(test).parameters) - given
    return "client" in needed and needed <= _HAD_HERE


def _names(first: Any) -> list[str]:
    return first.split(",") if isinstance(first, str) else list(first)


globals().update(_borrowed())
globals().update({name: getattr(test_serve, name) for name in OF_A_SERVER})


def test_most_of_the_apis_tests_run_here_and_those_left_out_are_there():
    assert len(dict(_borrowed())) > 50
    there = {name for module in OF_THE_API for name in vars(module)}
    assert set(NOT_HERE) <= there


@pytest.fixture(scope="module")
def nodes(release, tmp_path_factory) -> Iterator[TwoNodes]:
    with two_nodes(release, tmp_path_factory.mktemp("nodes"), SMOKE_ADMIN_PORT="0") as nodes:
        nodes.deploy()
        yield nodes


@pytest.fixture
def server(nodes) -> TwoNodes:
    """Has an address and a client, as a server in a process of its own has."""
    nodes.deploy()
    return nodes


@pytest.fixture
def client(nodes) -> Iterator[httpx2.Client]:
    """Ray's proxy in the place of the application in this process."""
    nodes.deploy()
    with nodes.client(f"of-test-{next(_NUMBERS)}-") as client:
        yield client


def test_a_reader_of_events_hears_of_a_frame_through_rays_proxy_and_is_let_go(nodes):
    nodes.deploy()
    (address,) = nodes.replicas().values()
    with nodes.client() as reader, nodes.client() as sender, reader.stream("GET", "/events") as events:
        lines = events.iter_lines()
        assert next(lines) == "event: current"
        assert metric(address, "smoke_event_readers") == 1
        assert post(sender, "told", 0).status_code == 200
        assert any('"camera_id":"told"' in line for line in lines)
    wait_for(lambda: metric(address, "smoke_event_readers") == 0)


def test_metrics_are_at_the_ports_of_the_replicas_and_nothing_else_is(nodes):
    nodes.deploy()
    (address,) = nodes.replicas().values()
    with nodes.client() as client:
        assert client.get("/metrics").status_code == 404
    assert httpx2.post(f"http://{address}/segment", content=BODY, trust_env=False).status_code == 404
    assert metric(address, "smoke_ready") == 1


def test_the_service_logs_into_rays_files_of_its_replica(nodes):
    nodes.deploy()
    with nodes.client() as client:
        for minute in range(3):
            assert post(client, "logged", minute).status_code == 200
    folder = Path(nodes.cluster.head_node.get_logs_dir_path())

    def told() -> list[str]:
        text = "".join(file.read_text() for file in folder.glob("worker-*.err"))
        lines = [
            json.loads(line) for line in text.splitlines(keepends=True) if '"logged"' in line and line.endswith("\n")
        ]
        return [line["after"] for line in lines if line["message"] == "camera changed" and line["camera"] == "logged"]

    wait_for(lambda: told() == ["suspected", "alarm"])  # a replica writes its lines beside its answers


@pytest.fixture
def two(nodes) -> TwoNodes:
    """A replica on each node, both there."""
    nodes.deploy(replicas=2)
    return nodes


def alone(open_client, minutes: int) -> list[dict]:
    """The same frames as one process answers them."""
    client = open_client()
    return [post(client, "shared", minute).json() for minute in range(minutes)]


def test_two_replicas_answer_a_camera_as_one_process_does(two, open_client):
    with two.client() as client:
        together = [post(client, "shared", minute).json() for minute in range(8)]
    apart = alone(open_client, 8)
    for told in (*together, *apart):
        del told["request_id"], told["latency_ms"], told["alarm"]["id"]
    assert together == apart
    assert together[-1]["alarm"]["state"] == "alarm"
    assert all(metric(address, "smoke_requests_received_total") for address in two.replicas().values())


def test_prometheus_finds_every_replica_as_the_readme_says_and_the_fleets_rules_fit_them(two, tmp_path):
    with prometheus_alone(tmp_path, as_in_the_readme(two, tmp_path)) as prometheus, two.client() as client:
        wait_for(lambda: len(prometheus.query('up{job="smoke"} == 1')) == 2)

        def rates() -> list[dict]:
            for number in range(8):
                client.post(f"/segment?camera_id=camera-{number}", content=BODY)
            found = prometheus.query("fleet:smoke_camera_frames:rate5m > 0")
            return found if len(found) == 2 else []

        found = wait_for(rates)
    assert {sample["metric"]["replica"] for sample in found} == set(two.replicas())
    assert all("camera" not in sample["metric"] for sample in found)


def as_in_the_readme(nodes: TwoNodes, folder: Path) -> str:
    document = (ROOT / "service/server/README.md").read_text()
    (shown,) = re.findall(r"```yaml\n(.*?http_sd_configs.*?)```", document, re.DOTALL)
    (folder / "key").write_text("nobody asks for one here")
    changes = {"http://ray:8000": nodes.url, "/run/secrets/prometheus_key": str(folder / "key"), "15s": "1s"}
    for there, here in changes.items():
        assert there in shown
        shown = shown.replace(there, here)
    return f"{shown}\nrule_files: [{DOCKER / 'prometheus/fleet.yml'}]\n"


def test_what_finds_every_replica_busy_and_the_line_full_gets_429_in_the_services_own_form(two):
    replicas = two.replicas()
    two.deploy(replicas=2, max_ongoing_requests=1, max_queued_requests=1)
    busy = held(two, replicas, 2)
    waiting = Upload(two.url)
    with two.client() as client:
        refused = wait_for(lambda: refusal(client))
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    assert refused.headers["Content-Type"] == "application/problem+json"
    problem = refused.json()
    assert (problem["type"], problem["request_id"]) == ("urn:smoke-bvm:problem:service_full", "one-too-many")
    for upload in (*busy, waiting):
        upload.finish()
    assert [upload.answer()[0] for upload in (*busy, waiting)] == [200, 200, 200]


def test_a_replica_that_is_killed_under_load_loses_the_frames_in_its_hands_alone_and_no_alarm(two):
    with two.client() as client:
        alarm_id = [post(client, "killed", minute).json()["alarm"]["id"] for minute in range(3)][-1]
        assert alarm_id
        replicas = two.replicas()
        uploads = held(two, replicas, 3)
        with Load(two) as load:
            before = in_hands(replicas)
            victim = max(before, key=before.__getitem__)
            two.kill(victim)
            load.more(60)
        check_lost(load.answers, most=3)
        for upload in uploads:
            with contextlib.suppress(OSError):
                upload.finish()
        statuses = Counter(upload.answer()[0] for upload in uploads)
        assert set(statuses) == {200, 503}
        assert post(client, "killed", 3).json()["alarm"]["id"] == alarm_id


def test_another_release_takes_the_old_ones_place_under_load_and_a_broken_one_does_not(two, tmp_path):
    other, broken = (build_release(tmp_path / version, version=version) for version in ("9.9.9", "6.6.6"))
    (broken / "model.onnx").write_bytes(b"no model")
    before = two.replicas()
    with Load(two) as load:
        two.deploy(replicas=2, user_config={"model_dir": str(broken)})
        wait_for(lambda: all(metric(address, REFUSED) for address in before.values()))
        two.deploy(replicas=2, user_config={"model_dir": str(other)})
        wait_for(lambda: all(metric(address, SWAPPED) for address in before.values()))
        load.more()
    assert {answer.status_code for answer in load.answers} == {200}
    versions = [answer.json()["model"]["version"] for answer in load.answers]
    assert versions[0] == "0.0.1"
    assert set(versions) == {"0.0.1", "9.9.9"}
    assert set(versions[-10:]) == {"9.9.9"}
    assert two.replicas() == before


def test_a_node_that_dies_takes_no_alarm_with_it(two):
    with two.client() as client:
        alarm_id = [post(client, "lone", minute).json()["alarm"]["id"] for minute in range(3)][-1]
        assert alarm_id
        with Load(two) as load:
            two.cluster.remove_node(two.second, allow_graceful=False)
            load.more(60)
        check_lost(load.answers, most=3)
        assert post(client, "lone", 3).json()["alarm"]["id"] == alarm_id
