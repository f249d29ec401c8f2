"""What the tests of evaluation share."""

import pytest

from training.metrics import bootstrap


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough to draw either of two cameras alone, and quick."""
    monkeypatch.setattr(bootstrap, "RESAMPLES", 60)
