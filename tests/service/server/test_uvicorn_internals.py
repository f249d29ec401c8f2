"""What of uvicorn is used that it does not promise, each by its name: an update that moves one fails here, and says which."""

import asyncio
import inspect

import pytest
import uvicorn
from httptools import HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

OVERRIDDEN = {
    HttpToolsProtocol: {
        "connection_made": ["transport"],
        "connection_lost": ["exc"],
        "data_received": ["data"],
        "on_headers_complete": [],
        "on_body": ["body"],
        "on_message_complete": [],
        "on_response_complete": [],
        "timeout_keep_alive_handler": [],
        "pause_writing": [],
        "resume_writing": [],
        "send_400_response": ["msg"],
    },
    uvicorn.Server: {"startup": ["sockets"], "handle_exit": ["sig", "frame"], "on_tick": ["counter"]},
}
"""Methods that a subclass of ours takes the place of, and their parameters."""


async def application(scope, receive, send) -> None:
    """Never called."""


def config() -> uvicorn.Config:
    return uvicorn.Config(application, log_config=None, lifespan="off")


@pytest.mark.parametrize(
    ("owner", "name", "parameters"),
    [(owner, name, parameters) for owner, methods in OVERRIDDEN.items() for name, parameters in methods.items()],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_method_that_is_overridden_is_called_so(owner, name, parameters):
    assert list(inspect.signature(getattr(owner, name)).parameters)[1:] == parameters


def test_a_connection_has_the_attributes_that_its_limits_read():
    async def scenario() -> None:
        state = ServerState()
        protocol = HttpToolsProtocol(config(), state, {})
        assert protocol.connections is state.connections
        assert protocol.loop is asyncio.get_running_loop()
        assert not protocol.pipeline
        for name in ("transport", "cycle", "headers"):
            assert getattr(protocol, name) is None
        protocol.on_message_begin()
        assert (protocol.url, protocol.headers) == (b"", [])

    asyncio.run(scenario())


def test_a_connection_counts_itself_and_an_answer_says_when_it_is_complete():
    assert "self.connections.add(self)" in inspect.getsource(HttpToolsProtocol.connection_made)
    cycle = inspect.getsource(RequestResponseCycle.__init__)
    for name, value in {"more_body": True, "response_started": False, "response_complete": False}.items():
        assert f"self.{name} = {value}" in cycle


def test_a_connection_hands_everything_to_its_parser():
    assert "self.parser.feed_data(data)" in inspect.getsource(HttpToolsProtocol.data_received)
    assert not HttpRequestParser(object()).should_upgrade()


def test_a_server_has_the_attributes_that_the_draining_reads_and_sets():
    server = uvicorn.Server(config())
    assert (server.started, server.should_exit, server.config.is_ssl) == (False, False, False)
