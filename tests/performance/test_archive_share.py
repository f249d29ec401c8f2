"""The share of the roofline that an archive reaches, as told from CPU times."""

import pytest

pytest.importorskip("ray.data", reason="Ray is not installed: pip install 'smoke-bvm[ray]'")

from tests.performance.archive_share import Rate


def test_what_runs_beside_the_frames_and_what_a_frame_takes_longer_both_count():
    bare = Rate(20.0, 80.0)
    assert Rate(20.0, 80.0).share_of(bare) == 1.0
    assert Rate(20.0, 100.0).share_of(bare) == pytest.approx(0.8)
    assert Rate(20.0, 100.0, beside_ms=200.0).share_of(bare) == pytest.approx(0.72)
