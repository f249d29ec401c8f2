"""What the settings say reaches the parts."""

from pathlib import Path

import pytest

from service.errors import SettingsInvalid
from service.runtime.providers import RuntimeOptions
from service.server.app import create_app
from service.server.components import check_files, runtime_options
from service.settings import Settings


def test_the_runtime_options_are_what_the_settings_say():
    chosen = {"provider": "tensorrt", "require_provider": "cuda", "threads": 3, "runners": 2, "batch_max": 4}
    memory = {"cuda_arena": "doubling", "cuda_memory_max_bytes": 2**30, "tensorrt_cache_dir": Path("/cache")}
    expected = RuntimeOptions("tensorrt", "cuda", 3, 2, 4, **memory)
    assert runtime_options(Settings.load(**chosen, **memory)) == expected


@pytest.mark.parametrize("setting", ["state_file", "feedback_file"])
@pytest.mark.parametrize("name", ["missing/file", "file.txt/file", "."])
def test_a_file_that_could_not_be_written_is_refused_at_the_start_in_words(tmp_path, setting, name):
    (tmp_path / "file.txt").touch()
    settings = Settings.load(**{setting: tmp_path / name})
    words = f"SMOKE_{setting.upper()}: found {tmp_path / name}: .*, expected a file in a folder that is there"
    with pytest.raises(SettingsInvalid, match=words):
        check_files(settings)
    with pytest.raises(SettingsInvalid, match=words):
        create_app(settings, lambda: pytest.fail("the model was loaded before the settings were looked at"))


def test_looking_at_the_files_leaves_them_as_they_are(tmp_path):
    state, feedback = tmp_path / "state.json", tmp_path / "feedback.jsonl"
    check_files(Settings.load(state_file=state, feedback_file=feedback))
    assert list(tmp_path.iterdir()) == []
    feedback.write_text("said\n")
    check_files(Settings.load(state_file=state, feedback_file=feedback))
    assert feedback.read_text() == "said\n"
