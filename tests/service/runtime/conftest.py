"""Models that are told apart, in a slot or on their way into one; a release to be broken."""

import dataclasses
import shutil
from pathlib import Path

import pytest

from models.manifest import Manifest, describe
from service.runtime.slot import LoadedModel, ModelSlot
from tests.pictures import plain
from tests.service.conftest import ObedientModel

FRAMES = [plain(204, 0, 0)]


@pytest.fixture
def named(model):
    """Models told apart by their checksum: `named("a")`."""

    def build(sha256: str) -> ObedientModel:
        fake = ObedientModel(model.manifest)
        fake.identity = dataclasses.replace(fake.identity, sha256=sha256)
        return fake

    return build


def loaded(fake: ObedientModel) -> LoadedModel:
    return LoadedModel(fake, lambda: fake)


def who(slot: ModelSlot) -> str:
    return slot.model.identity.sha256


@pytest.fixture
def broken(release: Path, tmp_path: Path) -> Path:
    """A copy of the release, to be broken."""
    return Path(shutil.copytree(release, tmp_path / release.name))


def promise(release: Path, **changes) -> None:
    """Change the manifest, and have its checksums fit again."""
    manifest = Manifest.read(release)
    files = {file: describe(release / file) for file in manifest.files}
    dataclasses.replace(manifest, files=files, **changes).write(release)
