"""The application in this process: on the closed-form release, or on a model that does as it is told."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from starlette.testclient import TestClient

from models.close_ups import CloseUps
from models.manifest import Manifest
from models.maps import SegmentationMaps
from service.errors import ModelUnusable
from service.runtime.model import Model, ModelInfo
from service.runtime.providers import RuntimeOptions
from service.runtime.session import OnnxModel, open_model
from service.runtime.slot import LoadedModel
from service.server.app import create_app
from service.settings import Settings
from tests.conftest import closed_form, closed_novelty

Open = Callable[..., TestClient]
PATIENT_MS = 600_000.0
EACH = CloseUps(smallest=0.0001, largest=0.02, cut=1.0)
"""Close-ups of every small region, whatever its window cuts."""


class ObedientModel:
    """The closed form in numpy; waits while it is held, fails or answers nonsense on demand."""

    runners = 1
    batch_sizes = (1,)
    batch_max = 1

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self.identity = ModelInfo("obedient", "0.0.1", manifest.sha256, "cpu", "fp32")
        self.free = threading.Event()
        self.free.set()
        self.entered = threading.Semaphore(0)
        self.failure: Exception | None = None
        self.forgiving = False
        self.broken_on_disk = False
        self.frames = 0

    def fail_once(self, failure: Exception) -> None:
        """Fail on the next batch only."""
        self.failure, self.forgiving = failure, True

    def reopen(self) -> "ObedientModel":
        if self.broken_on_disk:
            self.refuse_to_load()
        return self

    def refuse_to_load(self) -> NoReturn:
        raise ModelUnusable("found the release broken, expected it whole")

    def predict(self, frames: Any) -> list[SegmentationMaps]:
        self.entered.release()
        assert self.free.wait(60)
        self.frames += len(frames)
        if self.failure:
            failure = self.failure
            if self.forgiving:
                self.failure, self.forgiving = None, False
            raise failure
        told = self.manifest.novelty_limit is not None
        return [
            SegmentationMaps(**closed_form(frame), novelty=closed_novelty(frame) if told else None)
            for frame in map(np.asarray, frames)
        ]


@pytest.fixture(scope="session")
def model(release: Path) -> OnnxModel:
    return open_model(release, RuntimeOptions(provider="cpu"))


@pytest.fixture
def obedient(model: OnnxModel) -> ObedientModel:
    return ObedientModel(model.manifest)


@pytest.fixture
def closer(obedient: ObedientModel) -> ObedientModel:
    """Looks at small smoke once more."""
    obedient.manifest = replace(obedient.manifest, close_ups=EACH, minimum_region=0.0)
    return obedient


@pytest.fixture
def open_client(model: OnnxModel) -> Iterator[Open]:
    """Start an application: `open_client(port=1, model=fake)`; it is stopped after the test.

    It lets everybody in, however long the wait, unless `wait_max_ms` is given, and decodes in its threads unless `decode_max_s` is.
    """
    with ExitStack() as stack:

        def start(served: Model = model, **chosen: Any) -> TestClient:
            settings = Settings.load(**{"wait_max_ms": PATIENT_MS, "decode_max_s": 0, **chosen})
            app = create_app(settings, lambda: LoadedModel(served, getattr(served, "reopen", lambda: served)))
            return stack.enter_context(TestClient(app, raise_server_exceptions=False))

        yield start


@pytest.fixture
def client(open_client: Open) -> TestClient:
    return open_client()
