import threading

import pytest

from service.runtime.providers import RuntimeOptions
from service.runtime.session import open_model
from service.runtime.session_pair import SessionPair
from tests.pictures import noisy


class Session:
    """Answers with its name, once it may."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.entered = threading.Event()
        self.may_answer = threading.Event()

    def run(self, _, feeds):
        self.entered.set()
        assert self.may_answer.wait(60)
        if feeds:
            raise ValueError(self.name)
        return [self.name]


@pytest.fixture
def alone() -> Session:
    return Session("alone")


@pytest.fixture
def beside() -> Session:
    session = Session("beside")
    session.may_answer.set()
    return session


def test_a_frame_that_comes_while_another_runs_is_put_beside_it(alone, beside):
    pair, answers = SessionPair(alone, beside), []
    first = threading.Thread(target=lambda: answers.append(pair.run((), {})))
    first.start()
    assert alone.entered.wait(60)
    assert pair.run((), {}) == ["beside"]
    alone.may_answer.set()
    first.join()
    assert answers == [["alone"]]
    assert pair.run((), {}) == ["alone"]


def test_one_that_fails_runs_no_longer(alone, beside):
    pair = SessionPair(alone, beside)
    alone.may_answer.set()
    with pytest.raises(ValueError, match="alone"):
        pair.run((), {"frame": None})
    assert pair.run((), {}) == ["alone"]


@pytest.mark.parametrize(
    ("options", "paired"),
    [
        (RuntimeOptions(provider="cpu", threads=2), True),
        (RuntimeOptions(provider="cpu", threads=2, runners=2), False),
        (RuntimeOptions(provider="cpu", threads=1), False),
        (RuntimeOptions(provider="cpu", threads=8), False),
    ],
)
def test_a_model_is_paired_where_each_of_its_runners_has_a_thread(release, options, paired):
    model = open_model(release, options)
    assert isinstance(model.session, SessionPair) == paired
    assert len(model.predict([noisy(3)])) == 1
