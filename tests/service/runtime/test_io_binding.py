"""The buffers on the CPU's memory."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime as ort
import pytest

from models.manifest import OUTPUTS, Manifest
from service.runtime.io_binding import BoundSession
from tests.conftest import closed_form
from tests.pictures import noisy


def test_fixed_buffers_give_what_the_session_gives_and_no_batch_overwrites_another(release):
    session = ort.InferenceSession(str(release / "model.onnx"), providers=["CPUExecutionProvider"])
    buffers = BoundSession(session, Manifest.read(release), (1, 2), "cpu")
    batches = [np.stack([noisy(seed), noisy(seed + 1)]) for seed in (0, 2)]
    answers = [buffers.run(OUTPUTS, {"frame": batch}) for batch in batches]
    answers.append(buffers.run(OUTPUTS, {"frame": batches[0][:1]}))
    for frames, maps in zip([*batches, batches[0][:1]], answers, strict=True):
        for name, values in zip(OUTPUTS, maps, strict=True):
            np.testing.assert_allclose(values, closed_form(frames)[name], atol=1e-6)


class Recording:
    """A session that notes, for each run, the thread and the graph."""

    def __init__(self, session) -> None:
        self._session = session
        self.runs: list[tuple[str, str]] = []

    def io_binding(self):
        return self._session.io_binding()

    def run_with_iobinding(self, binding, run_options):
        self.runs.append((threading.current_thread().name, run_options.get_run_config_entry("gpu_graph_id")))
        self._session.run_with_iobinding(binding, run_options)


def test_each_batch_size_has_a_graph_of_its_own_and_one_thread_runs_them_all(release):
    session = Recording(ort.InferenceSession(str(release / "model.onnx"), providers=["CPUExecutionProvider"]))
    buffers = BoundSession(session, Manifest.read(release), (1, 2, 4), "cpu")
    with ThreadPoolExecutor(3) as callers:
        batches = [np.stack([noisy(seed)] * size) for seed, size in enumerate((1, 2, 4, 2))]
        list(callers.map(lambda batch: buffers.run(OUTPUTS, {"frame": batch}), batches))
    assert sorted(graph for _, graph in session.runs) == ["1", "2", "2", "4"]
    assert len({thread for thread, _ in session.runs}) == 1
    assert session.runs[0][0].startswith("session")


def test_the_buffers_of_a_batch_size_stay_where_they_are(release):
    session = ort.InferenceSession(str(release / "model.onnx"), providers=["CPUExecutionProvider"])
    buffers = BoundSession(session, Manifest.read(release), (2,), "cpu")
    _, fed, filled = buffers._sets[2]
    places = [fed.data_ptr(), *(value.data_ptr() for value in filled.values())]
    for seed in range(3):
        buffers.run(OUTPUTS, {"frame": np.stack([noisy(seed)] * 2)})
    assert [fed.data_ptr(), *(value.data_ptr() for value in filled.values())] == places


def test_a_failure_on_the_device_reaches_its_caller(release):
    session = ort.InferenceSession(str(release / "model.onnx"), providers=["CPUExecutionProvider"])
    buffers = BoundSession(session, Manifest.read(release), (2,), "cpu")
    with pytest.raises(KeyError):
        buffers.run(OUTPUTS, {"frame": noisy(0)[np.newaxis]})
