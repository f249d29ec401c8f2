"""Cameras that there is room for two of by name."""

import pytest

from tests.service.cameras.fleet import Fleet


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()
