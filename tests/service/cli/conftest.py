"""Pictures and a recording that somebody looked at."""

from pathlib import Path

import pytest

from tests.pictures import file_of, noisy, plain, plume


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Three calm frames, then five with a plume that somebody marked."""
    folder = tmp_path / "ridge"
    folder.mkdir()
    lines = ["frame,original,smoke_labelled,boxes xmin ymin xmax ymax"]
    for number in range(8):
        smoke = number >= 3
        (folder / f"{number:03}.png").write_bytes(file_of(plume() if smoke else plain(26, 51, 128, 64, 48)))
        lines.append(f"{number:03}.png,x,{int(smoke)},{'16 0 32 48' if smoke else ''}")
    (folder / "frames.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def wide_terminal(monkeypatch) -> None:
    """So that no long path is cut into lines where words are looked for."""
    monkeypatch.setenv("COLUMNS", "1000")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures, one of them below, one broken, and something that is none."""
    (tmp_path / "in/below").mkdir(parents=True)
    (tmp_path / "in/plume.png").write_bytes(file_of(plume()))
    (tmp_path / "in/below/calm.JPG").write_bytes(file_of(plain(0, 0, 0), "JPEG"))
    (tmp_path / "in/cut.webp").write_bytes(file_of(noisy(), "WEBP")[:-9])
    (tmp_path / "in/notes.txt").write_text("no picture")
    return tmp_path / "in"
