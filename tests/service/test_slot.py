import dataclasses
import threading

import pytest

from models.manifest import Input
from service.errors import ModelUnavailable, ModelUnusable, NothingToRollBack, ReleaseRefused, ReloadBusy
from service.runtime.recovery import FAILED, REBUILT, Pauses, Recovery
from service.runtime.reload import REFUSED, ROLLED_BACK, SWAPPED, Reloader
from service.runtime.slot import Loaded, Slot
from tests.pictures import plain
from tests.service.conftest import ObedientModel

FRAMES = [plain(204, 0, 0)]
AT_ONCE = Pauses(0.0, 0.0)


@pytest.fixture
def named(model):
    """Models told apart by their checksum: `named("a")`."""

    def build(sha256: str) -> ObedientModel:
        fake = ObedientModel(model.manifest)
        fake.identity = dataclasses.replace(fake.identity, sha256=sha256)
        return fake

    return build


def loaded(fake: ObedientModel) -> Loaded:
    return Loaded(fake, lambda: fake)


def who(slot: Slot) -> str:
    return slot.model.identity.sha256


def test_an_answer_says_which_model_gave_it(named):
    first, second = named("a"), named("b")
    slot = Slot(loaded(first))
    assert slot.answer(FRAMES)[0].model is first
    slot.install(loaded(second))
    assert slot.answer(FRAMES)[0].model is second


def test_a_batch_that_runs_while_the_model_is_swapped_is_answered_by_the_old_one(named):
    first = named("a")
    slot = Slot(loaded(first))
    first.free.clear()
    answers = []
    batch = threading.Thread(target=lambda: answers.extend(slot.answer(FRAMES)))
    batch.start()
    assert first.entered.acquire(timeout=5)
    slot.install(loaded(named("b")))
    assert slot.answer(FRAMES)[0].model.identity.sha256 == "b"
    first.free.set()
    batch.join()
    assert answers[0].model is first


def test_a_rollback_goes_back_and_forth(named):
    slot = Slot(loaded(named("a")))
    with pytest.raises(NothingToRollBack, match="found no earlier model"):
        slot.rollback()
    slot.install(loaded(named("b")))
    slot.rollback()
    assert who(slot) == "a"
    slot.rollback()
    assert who(slot) == "b"


def test_the_same_release_loaded_again_does_not_displace_the_one_kept_for_a_rollback(named):
    slot = Slot(loaded(named("a")))
    slot.install(loaded(named("b")))
    slot.install(loaded(named("b")))
    slot.rollback()
    assert who(slot) == "a"


def test_a_model_that_raised_is_rebuilt_and_the_next_batch_waits_for_it(named):
    ill, fresh, reports = named("a"), named("a"), []
    ill.failure = RuntimeError("CUDA error 700")
    slot = Slot(Loaded(ill, lambda: fresh))
    with Recovery(slot, reports.append, AT_ONCE):
        with pytest.raises(RuntimeError, match="CUDA error 700"):
            slot.answer(FRAMES)
        assert slot.answer(FRAMES)[0].model is fresh
    assert reports == [REBUILT]
    assert (slot.well, slot.failures) == (True, 0)


def test_a_rebuild_that_fails_is_tried_again(named):
    ill, fresh, reports = named("a"), named("a"), []
    ill.failure = RuntimeError()
    tries = iter([ModelUnusable("found nothing"), OSError("disk"), fresh])

    def reopen():
        found = next(tries)
        if isinstance(found, Exception):
            raise found
        return found

    slot = Slot(Loaded(ill, reopen))
    with Recovery(slot, reports.append, AT_ONCE):
        with pytest.raises(RuntimeError):
            slot.answer(FRAMES)
        assert slot.answer(FRAMES)[0].model is fresh
    assert reports == [FAILED, FAILED, REBUILT]


def test_after_so_many_failures_in_a_row_the_model_is_given_up_and_nobody_waits_for_it(named):
    ill, reports = named("a"), []
    ill.failure = RuntimeError()

    def reopen():
        raise ModelUnusable("found nothing")

    slot = Slot(Loaded(ill, reopen), failures_max=3)
    with Recovery(slot, reports.append, Pauses(0.001, 0.001)):
        with pytest.raises(RuntimeError):
            slot.answer(FRAMES)
        with pytest.raises(ModelUnavailable, match=r"after \d+ failures in a row"):
            slot.answer(FRAMES)
        assert (slot.well, slot.given_up) == (False, True)
    assert len(reports) >= 2


def test_a_model_that_passes_its_check_and_fails_on_frames_is_given_up_too(named):
    ill = named("a")
    ill.failure = RuntimeError()
    slot = Slot(loaded(ill), failures_max=3)
    with Recovery(slot, lambda _: None, AT_ONCE):
        for _ in range(3):
            with pytest.raises(RuntimeError):
                slot.answer(FRAMES)
        assert slot.given_up


def test_a_reload_cures_a_model_that_was_given_up(named):
    ill = named("a")
    ill.failure = RuntimeError()
    slot = Slot(loaded(ill), failures_max=1)
    with pytest.raises(RuntimeError):
        slot.answer(FRAMES)
    assert (slot.well, slot.given_up) == (False, True)
    slot.install(loaded(named("b")))
    assert slot.answer(FRAMES)[0].model.identity.sha256 == "b"
    assert (slot.well, slot.given_up) == (True, False)


def test_a_cure_that_comes_after_a_reload_changes_nothing(named):
    ill = loaded(named("a"))
    slot = Slot(ill)
    slot.install(loaded(named("b")))
    assert not slot.cure(ill, loaded(named("a")))
    assert who(slot) == "b"


def test_the_pauses_double_up_to_the_longest():
    pauses = Pauses(0.5, 30.0)
    assert [pauses.after(failures) for failures in (1, 2, 3, 4, 8, 9, 1000)] == [0.0, 0.5, 1.0, 2.0, 30.0, 30.0, 30.0]


def reloader(slot: Slot, load, reports: list[str]) -> Reloader:
    return Reloader(slot, load, reports.append)


def test_a_reload_swaps_and_a_rollback_takes_it_back(named):
    slot, reports = Slot(loaded(named("a"))), []
    changes = reloader(slot, lambda: loaded(named("b")), reports)
    assert changes.reload().identity.sha256 == who(slot) == "b"
    assert changes.rollback().identity.sha256 == who(slot) == "a"
    assert reports == [SWAPPED, ROLLED_BACK]


@pytest.mark.parametrize("failure", [ModelUnusable("golden frame: found 1"), RuntimeError("out of memory")])
def test_a_broken_release_is_refused_in_words_and_the_old_one_serves_on(named, failure):
    def load():
        raise failure

    slot, reports = Slot(loaded(named("a"))), []
    with pytest.raises(ReleaseRefused, match=str(failure)):
        reloader(slot, load, reports).reload()
    assert slot.answer(FRAMES)[0].model.identity.sha256 == "a"
    assert reports == [REFUSED]


def test_a_release_of_another_size_is_refused_because_frames_that_wait_do_not_fit_it(named):
    other = named("b")
    other.manifest = dataclasses.replace(other.manifest, input=Input(size_px=64))
    slot = Slot(loaded(named("a")))
    with pytest.raises(ReleaseRefused, match="found a model of size 64, expected 32 as in service"):
        reloader(slot, lambda: loaded(other), []).reload()
    assert who(slot) == "a"


def test_one_change_at_a_time(named):
    slot = Slot(loaded(named("a")))

    def load():
        with pytest.raises(ReloadBusy):
            changes.rollback()
        return loaded(named("b"))

    changes = reloader(slot, load, [])
    changes.reload()
    assert who(slot) == "b"


def test_a_signal_reloads_in_a_thread_of_its_own_and_what_comes_of_it_is_logged(named, caplog):
    done = threading.Event()
    slot = Slot(loaded(named("a")))
    slot.on_change = lambda _: done.set()
    reloader(slot, lambda: loaded(named("b")), []).start()
    assert done.wait(5)

    def load():
        raise ModelUnusable("found nothing there")

    reloader(slot, load, [])._quietly()
    assert "not reloaded" in caplog.text


def test_a_change_that_is_under_way_is_waited_for_as_long_as_is_wanted(named):
    loading, go_on = threading.Event(), threading.Event()

    def load():
        loading.set()
        assert go_on.wait(10)
        return loaded(named("b"))

    change = reloader(Slot(loaded(named("a"))), load, [])
    assert change.ended(0.0)
    change.start()
    assert loading.wait(5)
    assert not change.ended(0.05)
    go_on.set()
    assert change.ended(10)
