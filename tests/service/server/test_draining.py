import asyncio
import signal
import subprocess
import sys

import uvicorn

from service.scheduling.admission import AdmissionControl, Phase
from service.scheduling.backlog import WaitPolicy
from service.scheduling.context import RequestContext
from service.scheduling.in_flight import InFlightLimits
from service.scheduling.service_time import ServiceTimeEstimator
from service.server.draining import DrainingServer


def draining(drain_s: float = 60.0) -> tuple[DrainingServer, AdmissionControl]:
    limits = InFlightLimits(requests=2, camera_requests=2, bytes=1, pixels=1)
    control = AdmissionControl(limits, WaitPolicy(2.0, 30.0), ServiceTimeEstimator())
    control.open()
    return DrainingServer(uvicorn.Config("nothing"), control, drain_s), control


def tick(server: DrainingServer) -> bool:
    return asyncio.run(server.on_tick(1))


def test_a_server_that_was_not_told_to_stop_goes_on():
    server, _ = draining()
    assert not tick(server)


def test_the_first_signal_closes_the_door_and_waits_for_those_inside():
    server, control = draining()
    with control.admit(RequestContext()):
        server.handle_exit(signal.SIGTERM, None)
        assert control.phase is Phase.DRAINING
        assert not tick(server)
    assert tick(server)


def test_the_second_signal_waits_for_nobody():
    server, control = draining()
    with control.admit(RequestContext()):
        server.handle_exit(signal.SIGTERM, None)
        server.handle_exit(signal.SIGTERM, None)
        assert tick(server)


def test_those_inside_are_not_waited_for_for_ever():
    server, control = draining(drain_s=0.0)
    with control.admit(RequestContext()):
        server.handle_exit(signal.SIGTERM, None)
        assert tick(server)


_HANGING = """
import logging, os, signal, threading, time, uvicorn
from service.scheduling.admission import AdmissionControl
from service.scheduling.backlog import WaitPolicy
from service.scheduling.in_flight import InFlightLimits
from service.scheduling.service_time import ServiceTimeEstimator
from service.server.draining import DrainingServer

logging.basicConfig()
threading.Thread(target=time.sleep, args=(600,), name="hanging").start()
control = AdmissionControl(InFlightLimits(2, 2, 1, 1), WaitPolicy(2.0, 30.0), ServiceTimeEstimator())
control.open()
server = DrainingServer(uvicorn.Config(lambda *_: None, port=0, lifespan="off", log_config=None), control, 0.0)
server.end_s = 0.5
def stop():
    while not server.started:
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=stop).start()
signal.signal(signal.SIGTERM, lambda *_: None)
server.run()
"""


def test_a_thread_that_hangs_does_not_keep_the_process():
    done = subprocess.run([sys.executable, "-c", _HANGING], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "ended with work unfinished: the time to drain is over" in done.stderr


def test_a_server_that_is_told_to_stop_as_it_starts_stops():
    server, control = draining()
    control.phase = Phase.STARTING
    server.handle_exit(signal.SIGTERM, None)
    control.open()
    assert tick(server)


_HUNG_UP = """
import signal, threading, uvicorn
from service.scheduling.admission import AdmissionControl
from service.scheduling.backlog import WaitPolicy
from service.scheduling.in_flight import InFlightLimits
from service.scheduling.service_time import ServiceTimeEstimator
from service.server.draining import DrainingServer

lock = threading.Lock()

class Server(DrainingServer):
    async def on_tick(self, counter):
        if counter == 1:
            with lock:
                signal.raise_signal(signal.SIGHUP)
        return await super().on_tick(counter)

def hang_up():
    print("free" if lock.acquire(timeout=1) else "held")
    server.should_exit = True

control = AdmissionControl(InFlightLimits(2, 2, 1, 1), WaitPolicy(2.0, 30.0), ServiceTimeEstimator())
server = Server(uvicorn.Config(lambda *_: None, port=0, lifespan="off", log_config=None), control, 0.0)
server.on_hangup = hang_up
server.run()
"""


def test_a_hangup_is_heeded_when_the_code_it_interrupts_holds_no_lock():
    command = [sys.executable, "-c", _HUNG_UP]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.split() == ["free"], done.stderr
