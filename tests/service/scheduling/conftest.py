"""A door with one runner behind it."""

import pytest

from tests.service.scheduling.door import Door


@pytest.fixture
def door() -> Door:
    return Door()
