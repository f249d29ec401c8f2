"""A model that raised comes back."""

import pytest

from service.errors import ModelUnavailable, ModelUnusable
from service.runtime.backoff import Backoff
from service.runtime.recovery import FAILED, REBUILT, ModelRebuilder
from service.runtime.slot import LoadedModel, ModelSlot
from tests.service.runtime.conftest import FRAMES, loaded, who

AT_ONCE = Backoff(0.0, 0.0)
NEVER = Backoff(3600.0, 3600.0)


def test_a_model_that_raised_is_rebuilt_and_the_next_batch_waits_for_it(named):
    ill, fresh, reports = named("a"), named("a"), []
    ill.failure = RuntimeError("CUDA error 700")
    slot = ModelSlot(LoadedModel(ill, lambda: fresh))
    with ModelRebuilder(slot, reports.append, NEVER):  # the first attempt is made at once
        with pytest.raises(RuntimeError, match="CUDA error 700"):
            slot.infer(FRAMES)
        assert slot.infer(FRAMES)[0].model is fresh
    assert reports == [REBUILT]
    assert (slot.healthy, slot.failures) == (True, 0)


def test_a_rebuild_that_fails_is_tried_again(named):
    ill, fresh, reports = named("a"), named("a"), []
    ill.failure = RuntimeError()
    tries = iter([ModelUnusable("found nothing"), OSError("disk"), fresh])

    def reopen():
        found = next(tries)
        if isinstance(found, Exception):
            raise found
        return found

    slot = ModelSlot(LoadedModel(ill, reopen))
    with ModelRebuilder(slot, reports.append, AT_ONCE):
        with pytest.raises(RuntimeError):
            slot.infer(FRAMES)
        assert slot.infer(FRAMES)[0].model is fresh
    assert reports == [FAILED, FAILED, REBUILT]


def test_after_so_many_failures_in_a_row_the_model_is_given_up_and_nobody_waits_for_it(named):
    ill, reports = named("a"), []
    ill.failure = RuntimeError()

    def reopen():
        raise ModelUnusable("found nothing")

    slot = ModelSlot(LoadedModel(ill, reopen), failures_max=3)
    with ModelRebuilder(slot, reports.append, Backoff(0.001, 0.001)):
        with pytest.raises(RuntimeError):
            slot.infer(FRAMES)
        with pytest.raises(ModelUnavailable, match=r"after \d+ failures in a row"):
            slot.infer(FRAMES)
        assert (slot.healthy, slot.given_up) == (False, True)
    assert len(reports) >= 2


def test_a_model_that_passes_its_check_and_fails_on_frames_is_given_up_too(named):
    ill = named("a")
    ill.failure = RuntimeError()
    slot = ModelSlot(loaded(ill), failures_max=3)
    with ModelRebuilder(slot, lambda _: None, AT_ONCE):
        for _ in range(3):
            with pytest.raises(RuntimeError):
                slot.infer(FRAMES)
        assert slot.given_up


def test_a_reload_replaces_a_model_that_was_given_up(named):
    ill = named("a")
    ill.failure = RuntimeError()
    slot = ModelSlot(loaded(ill), failures_max=1)
    with pytest.raises(RuntimeError):
        slot.infer(FRAMES)
    assert (slot.healthy, slot.given_up) == (False, True)
    slot.install(loaded(named("b")))
    assert slot.infer(FRAMES)[0].model.identity.sha256 == "b"
    assert (slot.healthy, slot.given_up) == (True, False)


def test_a_rebuild_that_comes_after_a_reload_changes_nothing(named):
    ill = loaded(named("a"))
    slot = ModelSlot(ill)
    slot.install(loaded(named("b")))
    assert not slot.replace_failed(ill, loaded(named("a")))
    assert who(slot) == "b"
