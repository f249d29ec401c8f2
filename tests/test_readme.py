"""The README names every setting with its default, and nothing that is not there."""

import json
import re
from pathlib import Path

import pytest

from models.manifest import newest_release
from service.api.metrics import Metrics
from service.api.schemas.segment import SegmentResponse
from service.runtime.model import ModelInfo
from service.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_stands_in_the_table_with_its_default(name: str):
    default = Settings.model_fields[name].default
    cell = "-" if default is None else f"`{str(default).lower() if isinstance(default, bool) else default}`"
    assert f"| `SMOKE_{name.upper()}` | {cell} |" in README


def test_the_table_names_no_setting_that_is_gone():
    named = set(re.findall(r"^\| `SMOKE_([A-Z_]+)` ", README, re.MULTILINE))
    assert named == {name.upper() for name in Settings.model_fields}


def test_the_table_of_metrics_is_what_the_service_exposes():
    metrics = Metrics(ModelInfo("smoke-test", "0.0.1", "0" * 64, "cuda", "fp32"))
    metrics.watch_gpu(lambda: 0.0)
    shown = re.findall(r"^\| `(smoke_\w+)` \| \w+ \| (.*) \| (.*) \|$", README, re.MULTILINE)
    exposed = metrics.render().decode()
    names = set(re.findall(r"^# TYPE (smoke_\w+) ", exposed, re.MULTILINE))
    assert {name for name, _, _ in shown} == {name for name in names if not name.endswith("_created")}
    instruments = {
        found._documentation: found for found in metrics._registry._collector_to_names if hasattr(found, "_type")
    }
    for name, labels, meaning in shown:
        assert f"# HELP {name} {meaning}\n" in exposed
        assert re.findall(r"`(\w+)`", labels) == list(instruments[meaning]._labelnames)


def test_the_reply_it_shows_has_the_fields_of_a_reply_and_no_others():
    (shown,) = re.findall(r"```json\n(.*?)```", README, re.DOTALL)
    reply = SegmentResponse.model_validate_json(shown, strict=True)
    assert reply.model_dump(mode="json", exclude_unset=True) == json.loads(shown)
    assert SegmentResponse.model_fields.keys() - reply.model_fields_set == {"overlay"}


def test_every_file_and_picture_that_it_links_to_is_there():
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_it_speaks_of_the_newest_release():
    assert f"models/released/{newest_release().name}/MODEL_CARD.md" in README
