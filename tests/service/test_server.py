import asyncio
import signal
import socket

import pytest
import uvicorn

from service.errors import AddressUnusable
from service.scheduling.admission import Lifecycle, Phase
from service.scheduling.backlog import Line, Patience
from service.scheduling.permits import Ceilings, Permits
from service.scheduling.service_time import Pace
from service.server.draining import DrainingServer
from service.server.serve import bind


def draining(drain_s: float = 60.0) -> tuple[DrainingServer, Lifecycle]:
    permits = Permits(Ceilings(requests=2, camera_requests=2, bytes=1, pixels=1))
    lifecycle = Lifecycle(permits, Line(Pace(), Patience()))
    lifecycle.open()
    return DrainingServer(uvicorn.Config("nothing"), lifecycle, drain_s), lifecycle


def tick(server: DrainingServer) -> bool:
    return asyncio.run(server.on_tick(1))


def test_a_server_that_was_not_told_to_stop_goes_on():
    server, _ = draining()
    assert not tick(server)


def test_the_first_signal_closes_the_door_and_waits_for_those_inside():
    server, lifecycle = draining()
    with lifecycle.admit():
        server.handle_exit(signal.SIGTERM, None)
        assert lifecycle.phase is Phase.DRAINING
        assert not tick(server)
    assert tick(server)


def test_the_second_signal_waits_for_nobody():
    server, lifecycle = draining()
    with lifecycle.admit():
        server.handle_exit(signal.SIGTERM, None)
        server.handle_exit(signal.SIGTERM, None)
        assert tick(server)


def test_those_inside_are_not_waited_for_for_ever():
    server, lifecycle = draining(drain_s=0.0)
    with lifecycle.admit():
        server.handle_exit(signal.SIGTERM, None)
        assert tick(server)


def test_a_free_port_is_taken_but_not_listened_on_yet():
    with bind("127.0.0.1", 0) as listener, socket.socket() as caller:
        assert caller.connect_ex(listener.getsockname()) != 0


@pytest.mark.parametrize(
    ("host", "words"),
    [("192.0.2.1", "cannot listen on 192.0.2.1:0"), ("no.such.host.invalid", "cannot listen on no.such")],
)
def test_an_address_that_is_not_this_machines_is_refused_in_words(host, words):
    with pytest.raises(AddressUnusable) as refusal:
        bind(host, 0)
    assert words in str(refusal.value)


def test_a_port_in_use_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AddressUnusable, match=rf"127\.0\.0\.1:{port}: Address already in use"):
            bind("127.0.0.1", port)
