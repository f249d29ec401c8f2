"""The wheel carries what it must, and serves from an empty folder in an environment that has never seen this checkout."""

import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from models.manifest import MANIFEST_FILE, RELEASED, Manifest, newest_release

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without network from a copy of what git would hand on."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "models", "training", "service"):
        subprocess.run(["cp", "-r", str(ROOT / name), str(source)], check=True)
    out = tmp_path_factory.mktemp("wheel")
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--quiet",
        "-w",
        str(out),
        str(source),
    ]
    subprocess.run(build, check=True, capture_output=True, text=True)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean environment with the wheel; its dependencies come from this one's folder, its own packages from the wheel alone."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    interpreter = folder / "bin" / "python"
    (packages,) = (folder / "lib").glob("python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    # A path in a .pth file is added without reading the .pth files there, so that this checkout's editable install stays unseen.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return interpreter


def run(python: Path, code: str, folder: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SMOKE_", "PYTHON"))}
    done = subprocess.run(
        [str(python), "-c", code], cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_wheel_holds_the_default_release_and_no_other(wheel: Path):
    names = zipfile.ZipFile(wheel).namelist()
    released = {name.split("/")[2] for name in names if name.startswith("models/released/")}
    assert released == {newest_release().name}
    assert f"models/released/{newest_release().name}/{MANIFEST_FILE}" in names


def test_the_wheel_holds_neither_tests_nor_a_package_called_released(wheel: Path):
    names = zipfile.ZipFile(wheel).namelist()
    assert not [name for name in names if name.startswith("tests/")]
    assert "models/released/__init__.py" not in names


def test_the_page_and_all_that_it_loads_are_in_the_wheel(wheel: Path):
    names = zipfile.ZipFile(wheel).namelist()
    loaded = [file for file in (ROOT / "service/web/static").rglob("*") if file.is_file()]
    assert [file.name for file in loaded if file.relative_to(ROOT).as_posix() not in names] == []


def test_the_training_presets_are_in_the_wheel(wheel: Path):
    names = zipfile.ZipFile(wheel).namelist()
    presets = {f"training/configs/{path.name}" for path in (ROOT / "training/configs").glob("*.toml")}
    assert presets
    assert presets <= set(names)


def test_every_template_of_training_is_in_the_wheel(wheel: Path):
    names = zipfile.ZipFile(wheel).namelist()
    templates = {str(path.relative_to(ROOT)) for path in (ROOT / "training").rglob("*.jinja")}
    assert "training/release/model_card.md.jinja" in templates
    assert templates <= set(names)


def test_the_generic_package_names_come_from_the_wheel(python: Path, tmp_path: Path):
    code = "import models, service, training; print(*(m.__path__[0] for m in (models, service, training)))"
    assert all(str(python.parent.parent) in path for path in run(python, code, tmp_path).split())


def test_the_installed_wheel_segments_its_golden_frame_from_an_empty_folder(python: Path, tmp_path: Path):
    code = (
        "import sys, json, pathlib\n"
        "from models.manifest import newest_release, Manifest\n"
        "from service.__main__ import main\n"
        "folder = newest_release()\n"
        "golden = folder / Manifest.read(folder).golden.frame\n"
        "assert main(['segment', str(golden), '--out', 'out']) == 0\n"
        "assert 'torch' not in sys.modules\n"
        "print(json.loads(pathlib.Path('out/frame.json').read_text())['model']['sha256'])"
    )
    assert run(python, code, tmp_path).splitlines()[-1] == Manifest.read(newest_release()).sha256


def test_package_data_names_the_newest_release():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["tool"]["setuptools"]["package-data"]["models"] == [f"released/{newest_release().name}/**/*"]


def test_the_card_of_the_newest_release_names_its_data_with_their_licences():
    rows = (newest_release() / "MODEL_CARD.md").read_text(encoding="utf-8").splitlines()
    head = rows.index("| source | train frames | kind | licence |")
    assert rows[head + 2].startswith("| SMOKE5K")


def test_every_release_keeps_its_promise_and_weighs_at_most_thirty_megabytes_or_two_more_with_int8():
    folders = [path for path in RELEASED.iterdir() if (path / MANIFEST_FILE).is_file()]
    assert folders
    for folder in folders:
        manifest = Manifest.read(folder)
        manifest.verify(folder)
        assert folder.name == f"{manifest.name}-{manifest.version}"
        assert sum(file.bytes for file in manifest.files.values()) <= (32e6 if "int8" in manifest.models else 30e6)
