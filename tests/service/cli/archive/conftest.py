"""Pictures of an archive."""

from pathlib import Path

import pytest

from tests.pictures import file_of, noisy, plain, plume

FRAMES = 24


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Smoke, none and noise, in folders; one picture is broken."""
    folder = tmp_path / "in"
    for number in range(FRAMES - 1):
        frame = (plume(), plain(26, 51, 128, 64, 48), noisy(number, 64, 48))[number % 3]
        path = folder / f"camera-{number % 2}/{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file_of(frame))
    (folder / "cut.webp").write_bytes(file_of(noisy(), "WEBP")[:-9])
    return folder
