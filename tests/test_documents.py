"""The documents say what is: every setting, metric, status and reply, every link, and where things lie."""

import asyncio
import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
import yaml

from models import golden
from models.manifest import OUTPUTS, Manifest, newest_release
from models.maps import SegmentationMaps
from service.api.metrics import Metrics
from service.api.problems import CLIENT_CLOSED_REQUEST, STATUS
from service.api.query import SegmentQuery
from service.api.routes import alarms, cameras, events, operations, segment
from service.api.schemas.segment import SegmentResponse
from service.cameras.alarm import AlarmState
from service.cameras.pictures.health import FLAGS
from service.pipeline.detections import detect_smoke
from service.pipeline.encode import Size
from service.runtime.model import ModelInfo
from service.settings import Settings
from service.sources.cameras_file import KEYS, read_sources
from service.sources.metrics import LABELS, SourceMetrics
from service.sources.spec import SourceSpec
from service.sources.watched import FrameOutcome, WatchedSource

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("service", "training", "models", "docker")
BELOW = ("service/cameras", "service/server", "service/cli", "tests/performance")
"""Folders whose document is for other readers than that of the folder above."""
DOCUMENTS = (
    *(
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "docker/SCALE.md",
        "training/PAPER.md",
        "training/EXPERIMENTS.md",
    ),
    *(f"{name}/README.md" for name in PACKAGES + BELOW),
)


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


README, API, DOCKER = read("README.md"), read("service/README.md"), read("docker/README.md")
CAMERAS, SERVER, CLI = (read(f"service/{name}/README.md") for name in ("cameras", "server", "cli"))
SERVICE = f"{API}\n{CAMERAS}\n{SERVER}\n{CLI}"
"""All that is said of the service: what stands in one of its tables stands in no other."""


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_stands_in_a_table_with_its_default(name: str):
    default = Settings.model_fields[name].default
    cell = "-" if default is None else f"`{str(default).lower() if isinstance(default, bool) else default}`"
    assert f"| `SMOKE_{name.upper()}` | {cell} |" in SERVER


def test_the_tables_name_each_setting_once_and_none_that_is_gone():
    named = re.findall(r"^\| `SMOKE_([A-Z_]+)` ", SERVICE, re.MULTILINE)
    assert sorted(named) == sorted(name.upper() for name in Settings.model_fields)


def test_the_tables_of_metrics_are_what_the_service_exposes():
    metrics = Metrics(ModelInfo("smoke-test", "0.0.1", "0" * 64, "cuda", "fp32"))
    metrics.watch_gpu(lambda: 0.0)
    shown = re.findall(r"^\| `(smoke_(?!source)\w+)` \| \w+ \| (.*) \| (.*) \|$", SERVER, re.MULTILINE)
    exposed = metrics.render().decode()
    names = set(re.findall(r"^# TYPE (smoke_\w+) ", exposed, re.MULTILINE))
    assert sorted(name for name, _, _ in shown) == sorted(name for name in names if not name.endswith("_created"))
    assert len(
        re.findall(r"^\| `smoke_(?!source)\w+` \| (?:counter|gauge|histogram|info) ", SERVICE, re.MULTILINE)
    ) == len(shown)
    instruments = {
        found._documentation: found for found in metrics._registry._collector_to_names if hasattr(found, "_type")
    }
    for name, labels, meaning in shown:
        assert f"# HELP {name} {meaning}\n" in exposed
        assert re.findall(r"`(\w+)`", labels) == list(instruments[meaning]._labelnames)


def test_the_table_of_the_sources_metrics_is_what_they_expose():
    spec = SourceSpec("ridge", "", "folder", "/", 1.0, 1.0)
    families = list(SourceMetrics([WatchedSource(spec, lambda _: asyncio.sleep(0, FrameOutcome()))]).collect())
    exposed = {
        (family.name + ("_total" if family.type == "counter" else ""), family.type, family.documentation)
        for family in families
    }
    shown = re.findall(r"^\| `(smoke_source_\w+)` \| (\w+) \| `camera`, `view` \| (.*) \|$", CLI, re.MULTILINE)
    assert sorted(shown) == sorted(exposed)
    assert len(re.findall(r"^\| `smoke_source_\w+` \|", SERVICE, re.MULTILINE)) == len(shown)
    assert all(family._labelnames == LABELS for family in families)


def test_the_table_of_a_camera_file_names_every_key():
    (table,) = re.findall(r"^\| key \| of \|.*?\n\n", CLI, re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (.*?) \|", table, re.MULTILINE)))) == KEYS


def test_the_cameras_file_that_it_shows_is_one(tmp_path):
    (shown,) = re.findall(r"```toml\n(\[default\]\ninterval_s.*?)```", CLI, re.DOTALL)
    (tmp_path / "secret").write_text("geheim")
    (tmp_path / "cameras.toml").write_text(shown.replace("/run/secrets/valley", str(tmp_path / "secret")))
    sources = read_sources(tmp_path / "cameras.toml", {"RIDGE_PASSWORD": "geheim"})
    assert {source.kind for source in sources} == {"rtsp", "mjpeg", "snapshot", "folder"}


@pytest.mark.parametrize(
    ("document", "left_out"), [("README.md", set()), ("service/README.md", {"overlay", "polygons", "rle"})]
)
def test_the_reply_it_shows_has_the_fields_of_a_reply_and_no_others(document: str, left_out: set[str]):
    (shown,) = re.findall(r"```json\n(.*?)```", read(document), re.DOTALL)
    reply = SegmentResponse.model_validate_json(shown, strict=True)
    assert reply.model_dump(mode="json", exclude_unset=True) == json.loads(shown)
    assert SegmentResponse.model_fields.keys() - reply.model_fields_set == left_out
    parts = [reply.model, reply.frame, reply.smoke, reply.uncertainty, reply.latency_ms, *reply.regions]
    assert [type(part).model_fields.keys() - part.model_fields_set for part in parts] == [set()] * len(parts)


def test_the_answer_to_the_first_request_is_what_the_newest_release_says_of_its_golden_frame():
    """Golden maps are of the whole frame. Its close-ups change outlines a little, and it is the same smoke."""
    folder = newest_release()
    manifest = Manifest.read(folder)
    (shown,) = re.findall(r"```json\n(.*?)```", README, re.DOTALL)
    reply = SegmentResponse.model_validate_json(shown)
    shown_by = manifest.goldens.get(reply.model.precision, manifest.golden)
    _, maps = golden.read(folder, shown_by, manifest.input.size_px)
    prediction = SegmentationMaps(*(maps[name].astype(np.float32) for name in OUTPUTS))
    size = Size(reply.frame.width, reply.frame.height)
    found = detect_smoke(prediction, size, manifest.threshold, manifest.minimum_region, manifest.gate)
    assert f"--data-binary @models/released/{folder.name}/{manifest.golden.frame}" in README
    assert (reply.model.name, reply.model.version) == (manifest.name, manifest.version)
    assert reply.model.sha256 == manifest.sha256
    assert reply.assessment == found.assessment
    near = reply.close_ups is not None and reply.close_ups.looked > 0
    assert reply.smoke.region_count == len(reply.regions) == len(found.regions)
    for region, expected in zip(reply.regions, found.regions, strict=True):
        box = (region.bbox.x, region.bbox.y, region.bbox.width, region.bbox.height)
        assert box == pytest.approx(
            (expected.box.x, expected.box.y, expected.box.width, expected.box.height), abs=8 if near else 0
        )
        assert region.area_px == pytest.approx(expected.area_px, rel=0.01, abs=200 if near else 0)
        assert region.mean_probability == pytest.approx(
            expected.detection.mean_probability, abs=0.05 if near else 0.001
        )
        assert region.doubted == expected.doubted
    if not near:
        assert reply.uncertainty.frame.total == pytest.approx(found.frame_uncertainty.total, abs=0.001)
        assert reply.uncertainty.smoke.epistemic == pytest.approx(found.smoke_uncertainty.epistemic, abs=0.001)


def test_the_table_of_the_query_names_every_parameter():
    (table,) = re.findall(r"^\| query \|.*?\n\n", API, re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == SegmentQuery.model_fields.keys()


def test_the_table_of_errors_names_every_status_of_a_refusal():
    (table,) = re.findall(r"^\| status \|.*?\n\n", API, re.MULTILINE | re.DOTALL)
    shown = {int(status) for cell in re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE) for status in cell.split(",")}
    assert shown == {int(status) for status in STATUS.values() if status != CLIENT_CLOSED_REQUEST}


@pytest.mark.parametrize(
    "router",
    [
        segment.router,
        operations.health,
        operations.router,
        operations.admin,
        cameras.router,
        alarms.router,
        events.router,
    ],
)
def test_every_route_is_named(router):
    assert router.routes
    for route in router.routes:
        shown = route.path.replace("{camera_id}", "CAMERA").replace("{alarm_id}", "ALARM")
        assert f"{shown}`" in API


def test_no_section_stands_in_two_documents_of_the_service():
    texts = (API, CAMERAS, SERVER, CLI, read("tests/performance/README.md"))
    found = [heading for text in texts for heading in re.findall(r"^##+ (.*)$", without_code(text), re.MULTILINE)]
    assert sorted(found) == sorted(set(found))


def test_what_to_believe_fits_a_screen_and_names_every_state_and_flag_of_a_camera():
    screen = CAMERAS.split("\n## ")[1]
    assert screen.startswith("Which alarms to believe\n")
    assert len(screen.splitlines()) <= 30
    assert set(re.findall(r"^\| `(\w+)`", screen, re.MULTILINE)) == set(AlarmState)
    assert [flag for flag in FLAGS if f"`{flag}`" not in screen] == []


def test_the_table_of_alerts_is_that_of_the_rules():
    groups = yaml.safe_load(read("docker/prometheus/rules.yml"))["groups"]
    rules = {
        (rule["alert"], rule["labels"]["severity"]) for group in groups for rule in group["rules"] if "alert" in rule
    }
    shown = re.findall(r"^\| `(Smoke\w+|Watchdog)` \| .* \| (\w+) \|$", DOCKER, re.MULTILINE)
    assert len(shown) == len(rules)
    assert set(shown) == rules


def test_the_rows_of_the_dashboard_are_named():
    dashboard = json.loads(read("docker/grafana/dashboards/smoke.json"))
    assert f"«{dashboard['title']}»" in DOCKER
    rows = [panel["title"] for panel in dashboard["panels"] if panel["type"] == "row"]
    assert rows
    assert [row for row in rows if f"| {row} |" not in DOCKER] == []


@pytest.mark.parametrize("document", DOCUMENTS[3:])
def test_a_document_says_first_for_whom_it_is(document: str):
    assert re.search(r"\bfor those who\b", read(document).split("\n\n")[1], re.IGNORECASE)


@pytest.mark.parametrize("folder", PACKAGES)
def test_a_document_opens_with_the_tree_of_its_folder(folder: str):
    tree = read(f"{folder}/README.md").split("```")[1].splitlines()[1:]
    assert tree[0] == f"{folder}/"
    shown = [line.split()[0] for line in tree[1:]]
    assert all(len(line.split()) > 1 for line in tree[1:])
    assert sorted(shown) == sorted(entries(ROOT / folder))


def entries(folder: Path) -> list[str]:
    """What one sees in a folder; the secrets are made at the first deployment, and ignored by git."""
    made = ["secrets/"] if folder.name == "docker" else []
    hidden = ("__init__.py", "__pycache__", "README.md", "secrets")
    files = [path.name for path in folder.iterdir() if path.is_file() and path.name not in hidden]
    folders = [path.name + "/" for path in folder.iterdir() if path.name not in hidden and holds_files(path)]
    return files + folders + made


def holds_files(path: Path) -> bool:
    """Whether a folder is more than what is left of one that was moved away."""
    return path.is_dir() and any(file.is_file() and "__pycache__" not in file.parts for file in path.rglob("*"))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_picture_and_section_that_it_links_to_is_there(document: str):
    text = without_code(read(document))
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if not link.startswith(("https:", "http:"))]
    assert links
    for link in links:
        file, _, section = link.partition("#")
        target = (ROOT / document).parent / file if file else ROOT / document
        assert target.resolve().is_relative_to(ROOT), link
        assert target.exists(), link
        assert not section or section in sections(target.read_text(encoding="utf-8")), link


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def sections(text: str) -> set[str]:
    """The anchors that a code host gives to the headings."""
    headings = re.findall(r"^#+ (.*)$", without_code(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_commands_that_it_shows_exist(document: str):
    text = read(document)
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE)) <= targets
    for module in re.findall(r"python -m (tests\.[\w.]+)", text):
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file(), module


@pytest.mark.parametrize("package", ["service", "training"])
def test_the_levels_that_it_shows_are_those_of_the_import_contracts(package: str):
    contracts = tomllib.loads(read("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract.get("containers") == [package])
    there = [re.sub(r"\(\w+\)", "", layer).strip("| ") for layer in layers]
    first, *table = read("CONTRIBUTING.md").split("```")[1].splitlines()[1:]
    at = first.index(package)
    column = slice(at, at + 40 if at else first.index("training"))
    assert [line[column].strip() for line in table if line[column].strip()] == [layer for layer in there if layer]


@pytest.mark.parametrize("folder", ["service", "models", "docker", "tests"])
def test_the_files_to_touch_are_there(folder: str):
    named = set(re.findall(rf"`({folder}/[\w./-]+)`", read("CONTRIBUTING.md")))
    assert named
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("document", ["README.md", "models/README.md"])
def test_it_speaks_of_the_newest_release(document: str):
    card = newest_release() / "MODEL_CARD.md"
    assert card.relative_to((ROOT / document).parent).as_posix() in read(document)


def test_the_first_document_is_short():
    assert len(README.splitlines()) <= 150
