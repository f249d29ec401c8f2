"""A file that a setting names is of use, or refused at the start."""

import pytest

from service.errors import SettingsInvalid
from service.server.app import create_app
from service.server.named_files import check_files
from service.settings import Settings


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
