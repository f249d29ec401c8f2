"""Another model beside the one in service, and back."""

import dataclasses
import threading

import pytest

from models.manifest import Input
from service.errors import ModelUnusable, ReleaseRefused, ReloadBusy
from service.runtime.reload import REFUSED, ROLLED_BACK, SWAPPED, Reloader
from service.runtime.slot import ModelSlot
from tests.service.runtime.conftest import FRAMES, loaded, who


def test_a_reload_swaps_and_a_rollback_takes_it_back(named):
    slot, reports = ModelSlot(loaded(named("a"))), []
    changes = reloader(slot, lambda: loaded(named("b")), reports)
    assert changes.reload().identity.sha256 == who(slot) == "b"
    assert changes.rollback().identity.sha256 == who(slot) == "a"
    assert reports == [SWAPPED, ROLLED_BACK]


@pytest.mark.parametrize("failure", [ModelUnusable("golden frame: found 1"), RuntimeError("out of memory")])
def test_a_broken_release_is_refused_in_words_and_the_old_one_serves_on(named, failure):
    def load():
        raise failure

    slot, reports = ModelSlot(loaded(named("a"))), []
    with pytest.raises(ReleaseRefused, match=str(failure)):
        reloader(slot, load, reports).reload()
    assert slot.infer(FRAMES)[0].model.identity.sha256 == "a"
    assert reports == [REFUSED]


def test_a_release_of_another_size_is_refused_because_frames_that_wait_do_not_fit_it(named):
    other = named("b")
    other.manifest = dataclasses.replace(other.manifest, input=Input(size_px=64))
    slot = ModelSlot(loaded(named("a")))
    with pytest.raises(ReleaseRefused, match="found a model of size 64, expected 32 as in service"):
        reloader(slot, lambda: loaded(other), []).reload()
    assert who(slot) == "a"


def test_one_change_at_a_time(named):
    slot = ModelSlot(loaded(named("a")))

    def load():
        with pytest.raises(ReloadBusy):
            changes.rollback()
        return loaded(named("b"))

    changes = reloader(slot, load, [])
    changes.reload()
    assert who(slot) == "b"


def test_a_signal_reloads_in_a_thread_of_its_own_and_what_comes_of_it_is_logged(named, caplog):
    done = threading.Event()
    slot = ModelSlot(loaded(named("a")))
    slot.on_change = lambda _: done.set()
    reloader(slot, lambda: loaded(named("b")), []).start()
    assert done.wait(60)

    def load():
        raise ModelUnusable("found nothing there")

    reloader(slot, load, [])._quietly()
    assert "not reloaded" in caplog.text


def test_a_change_that_is_under_way_is_waited_for_as_long_as_is_wanted(named):
    loading, go_on = threading.Event(), threading.Event()

    def load():
        loading.set()
        assert go_on.wait(60)
        return loaded(named("b"))

    change = reloader(ModelSlot(loaded(named("a"))), load, [])
    assert change.ended(0.0)
    change.start()
    assert loading.wait(60)
    assert not change.ended(0.05)
    go_on.set()
    assert change.ended(10)


def reloader(slot: ModelSlot, load, reports: list[str]) -> Reloader:
    return Reloader(slot, load, reports.append)
