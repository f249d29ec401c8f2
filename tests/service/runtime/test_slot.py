import threading

import pytest

from service.errors import NothingToRollBack
from service.runtime.slot import ModelSlot
from tests.service.runtime.conftest import FRAMES, loaded, who


def test_an_answer_says_which_model_gave_it(named):
    first, second = named("a"), named("b")
    slot = ModelSlot(loaded(first))
    assert slot.infer(FRAMES)[0].model is first
    slot.install(loaded(second))
    assert slot.infer(FRAMES)[0].model is second


def test_a_batch_that_runs_while_the_model_is_swapped_is_answered_by_the_old_one(named):
    first = named("a")
    slot = ModelSlot(loaded(first))
    first.free.clear()
    answers = []
    batch = threading.Thread(target=lambda: answers.extend(slot.infer(FRAMES)))
    batch.start()
    assert first.entered.acquire(timeout=60)
    slot.install(loaded(named("b")))
    assert slot.infer(FRAMES)[0].model.identity.sha256 == "b"
    first.free.set()
    batch.join()
    assert answers[0].model is first


def test_a_rollback_goes_back_and_forth(named):
    slot = ModelSlot(loaded(named("a")))
    with pytest.raises(NothingToRollBack, match="found no earlier model"):
        slot.rollback()
    slot.install(loaded(named("b")))
    slot.rollback()
    assert who(slot) == "a"
    slot.rollback()
    assert who(slot) == "b"


def test_the_same_release_loaded_again_does_not_displace_the_one_kept_for_a_rollback(named):
    slot = ModelSlot(loaded(named("a")))
    slot.install(loaded(named("b")))
    slot.install(loaded(named("b")))
    slot.rollback()
    assert who(slot) == "a"
