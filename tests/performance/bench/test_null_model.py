"""The null model is a release like any other, and answers the golden maps whatever it is shown."""

from pathlib import Path

import numpy as np

from models.geometry import fit
from models.manifest import OUTPUTS, Manifest, newest_release
from service.runtime.providers import RuntimeOptions
from service.runtime.session import open_model
from tests.performance.bench.null_model import build_null_release, camera_frame, jpeg_of
from tests.pictures import array_of


def test_the_null_model_passes_the_checks_of_a_release_and_answers_the_golden_maps_to_any_frame(tmp_path: Path) -> None:
    model = open_model(build_null_release(tmp_path), RuntimeOptions(provider="cpu", threads=1))
    answer = model.predict([fit(camera_frame(640, 360), model.manifest.input.size_px)])[0]
    with np.load(newest_release() / Manifest.read(newest_release()).golden.maps) as golden:
        assert all(np.array_equal(getattr(answer, name), golden[name]) for name in OUTPUTS)


def test_the_camera_frame_is_as_large_as_asked_and_has_the_bytes_of_a_photograph() -> None:
    body = jpeg_of(camera_frame(1280, 720))
    assert array_of(body).shape == (720, 1280, 3)
    assert 0.1 < len(body) / (1280 * 720) < 0.3
