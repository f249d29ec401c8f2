"""A loader's process that is still starting outlives a stop that all of its group hear; no follower outlives its leader."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from multiprocessing import active_children
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from training.engine import processes
from training.engine.processes import DeafContext, FollowerError, followers, prepare_worker

ROOT = Path(__file__).resolve().parents[3]
LOST = RuntimeError("[gloo/transport/tcp/pair.cc:561] Connection closed by peer")


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Followers that would wait for ever are not waited for."""
    monkeypatch.setattr(processes, "_GRACE_S", 0.1)


def work(prepared: bool) -> None:
    if prepared:
        prepare_worker(0)
    time.sleep(0.2)


@pytest.mark.parametrize("prepared", [False, True])
def test_ctrl_c_while_it_starts_does_not_end_it(prepared, capfd):
    process = DeafContext().Process(target=work, args=(prepared,))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    process.start()
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
    os.kill(process.pid, signal.SIGINT)
    process.join(60)
    assert process.exitcode == 0
    assert capfd.readouterr().err == ""


def test_a_process_that_is_ready_ends_soon_after_sigterm():
    process = DeafContext().Process(target=ready_for_a_minute, daemon=True)
    process.start()
    os.kill(process.pid, signal.SIGTERM)
    process.join(50)
    assert process.exitcode == 0


def ready_for_a_minute() -> None:
    prepare_worker(0)
    time.sleep(60)


class BrokenPictureError(ValueError):
    """What a follower may meet."""


def wait(_: int, __: Path) -> None:
    time.sleep(600)


def meet(number: int, meeting: Path) -> None:
    Path(f"{meeting}-{number}").write_text("here")


def meet_a_broken_picture(number: int, _: Path) -> None:
    if number == 2:
        raise BrokenPictureError("frame-7.png: no picture")
    raise LOST


def lose_the_connection(to: Sequence[BaseProcess] = ()) -> None:
    """As gloo tells it when another process is gone, which has told why before."""
    for process in to:
        process.kill()
    raise LOST


class EndsWhereItIsRead:
    """What a process dies of that has not begun: the memory is gone while it imports."""

    def __reduce__(self):
        return os._exit, (9,)


def test_followers_run_beside_their_leader_and_are_gone_after_it():
    with followers(2, meet) as meeting:
        while not all(Path(f"{meeting}-{number}").is_file() for number in (1, 2)):
            time.sleep(0.02)
    assert active_children() == []


def test_what_a_follower_met_is_told_by_the_leader_and_not_that_others_lost_their_connection():
    with (
        pytest.raises(BrokenPictureError, match=r"^frame-7\.png: no picture$") as told,
        followers(2, meet_a_broken_picture),
    ):
        lose_the_connection()
    assert isinstance(told.value.__cause__, RuntimeError)
    assert active_children() == []


@pytest.mark.usefixtures("_at_once")
def test_what_the_leader_met_ends_its_followers_and_stays_what_it_is():
    with pytest.raises(BrokenPictureError, match=r"frame-3\.png"), followers(1, wait):
        raise BrokenPictureError("frame-3.png: no picture")
    assert active_children() == []


def test_what_the_leader_met_is_told_though_its_followers_lost_their_connection_then():
    with pytest.raises(BrokenPictureError, match=r"frame-3\.png"), followers(1, meet_a_broken_picture):
        raise BrokenPictureError("frame-3.png: no picture")


def test_a_second_ctrl_c_ends_the_followers():
    with pytest.raises(KeyboardInterrupt), followers(1, wait):
        raise KeyboardInterrupt
    assert active_children() == []


def test_a_follower_that_was_killed_is_told_by_number_and_signal():
    with (
        pytest.raises(FollowerError, match=r"^process 2: killed by signal 9, as for want of memory"),
        followers(1, wait),
    ):
        lose_the_connection(to=active_children())


def test_a_follower_that_never_begins_is_not_waited_for():
    with pytest.raises(FollowerError, match=r"^process 2: ended with 9"), followers(1, EndsWhereItIsRead()):
        pytest.fail("nobody is there to meet")


LEADER = """
import sys, time
from multiprocessing import active_children
from tests.training.engine.test_processes import wait
from training.engine import processes
if __name__ == "__main__":
    processes._GRACE_S = 0.1
    with processes.followers(1, wait):
        print(active_children()[0].pid, flush=True)
        {then}
        time.sleep(600)
"""


@pytest.fixture
def led(tmp_path: Path):
    """Starts a process that leads one other and does something then."""
    begun = []

    def start(then: str) -> tuple[subprocess.Popen[str], int]:
        (tmp_path / "leader.py").write_text(LEADER.format(then=then))
        leader = subprocess.Popen(
            [sys.executable, str(tmp_path / "leader.py")],
            env=os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        begun.append(leader)
        return leader, int(leader.stdout.readline())

    yield start
    for leader in begun:
        leader.kill()
        leader.communicate()


def test_a_leader_that_does_not_notice_ends_in_words_when_a_follower_is_killed(led):
    leader, _ = led("active_children()[0].kill()")
    told = leader.communicate(timeout=60)[1]
    assert leader.returncode == 2
    assert told.startswith("process 2: killed by signal 9")
    assert told.count("\n") == 1


def test_a_follower_does_not_outlive_a_leader_that_was_killed(led):
    leader, follower = led("pass")
    leader.kill()
    until = time.monotonic() + 60
    while running(follower) and time.monotonic() < until:
        time.sleep(0.05)
    assert not running(follower)


def running(pid: int) -> bool:
    """Neither gone nor a zombie that nobody has asked for."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def test_how_a_follower_ended_is_left_for_the_leader_to_ask():
    """Who asks first is told by the system; the other would believe that it lives."""

    class Ended:
        def __init__(self) -> None:
            self.sentinel, written = os.pipe()
            os.close(written)

        @property
        def exitcode(self) -> int:
            pytest.fail("asked beside the leader")

    ended, over = Ended(), threading.Event()
    over.set()
    processes._end_without([processes._Follower(1, ended, None)], over)  # type: ignore[arg-type]
    os.close(ended.sentinel)
