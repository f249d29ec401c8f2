import asyncio
import signal

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
