"""Models that are told apart, in a slot or on their way into one."""

import dataclasses

import pytest

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
