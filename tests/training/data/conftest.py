"""Data folders whose pictures nobody opens."""

from pathlib import Path

import pytest

from tests.training.rendered import COLUMNS


def write(folder: Path, rows: list[str], columns: str = ",".join(COLUMNS)) -> None:
    (folder / "manifest.csv").write_text("\n".join([columns, *rows]) + "\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A manifest of two rows, whose pictures nobody opens."""
    write(tmp_path, ["a.png,a-mask.png,real_smoke,cam-a,train", "b.png,,clear,cam-b,val"])
    return tmp_path


@pytest.fixture
def another(tmp_path: Path) -> Path:
    """A second folder."""
    other = tmp_path / "another"
    other.mkdir()
    write(other, ["a.png,c-mask.png,real_smoke,cam-c,train", "b.png,d-mask.png,real_smoke,cam-d,train"])
    return other
