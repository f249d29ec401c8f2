"""A loader's process that is still starting outlives a stop that all of its group hear."""

import os
import signal
import time

import pytest

from training.engine.signals import LoaderContext, prepare_worker


def work(prepared: bool) -> None:
    if prepared:
        prepare_worker(0)
    time.sleep(0.2)


@pytest.mark.parametrize("prepared", [False, True])
def test_ctrl_c_while_it_starts_does_not_end_it(prepared, capfd):
    process = LoaderContext().Process(target=work, args=(prepared,))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    process.start()
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
    os.kill(process.pid, signal.SIGINT)
    process.join(60)
    assert process.exitcode == 0
    assert capfd.readouterr().err == ""


def test_a_process_that_is_ready_ends_soon_after_sigterm():
    process = LoaderContext().Process(target=ready_for_a_minute, daemon=True)
    process.start()
    os.kill(process.pid, signal.SIGTERM)
    process.join(50)
    assert process.exitcode == 0


def ready_for_a_minute() -> None:
    prepare_worker(0)
    time.sleep(60)
