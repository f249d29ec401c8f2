"""A recording that somebody looked at."""

from pathlib import Path

import pytest

from tests.pictures import file_of, plain, plume


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
