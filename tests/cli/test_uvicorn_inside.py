"""What `server.py`, `connection.py` and `answer.py` of `api/cli/serving` rely on inside uvicorn.

A new minor version of uvicorn is let in by `pyproject.toml` after this and tests/cli have passed.
"""

import asyncio
import inspect

import pytest
import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.server import Server, ServerState

from api.cli.serving.answer import Answer
from api.cli.serving.connection import Connection
from api.cli.serving.server import _Server

RELIED_ON: dict[type, set[str]] = {
    HttpToolsProtocol: {
        "connection_made", "connection_lost", "data_received", "on_message_begin",
        "on_headers_complete", "on_body", "on_message_complete", "eof_received",
        "on_response_complete", "_start_asgi_task", "_unsupported_upgrade_warning",
        "send_400_response",
    },
    RequestResponseCycle: {"send"},
    Server: {"startup", "shutdown", "handle_exit", "run"},
    FlowControl: {"resume_reading"},
}  # fmt: skip


@pytest.mark.parametrize("cls", RELIED_ON)
def test_what_is_overridden_or_called_is_there(cls: type) -> None:
    for name in RELIED_ON[cls]:
        assert inspect.isfunction(getattr(cls, name, None)), f"{cls.__name__}.{name}"


@pytest.mark.parametrize("ours", [Connection, Answer, _Server])
def test_all_that_is_overridden_is_named_here(ours: type) -> None:
    cls = next(one for one in RELIED_ON if issubclass(ours, one))
    overridden = {name for name in vars(ours) if hasattr(cls, name) and name[:2] != "__"}

    assert overridden - RELIED_ON[cls] == set(), "add it to RELIED_ON"


def test_a_connection_has_the_state_that_limits_read() -> None:
    async def app(scope: object, receive: object, send: object) -> None: ...

    async def made() -> HttpToolsProtocol:
        config = uvicorn.Config(app, lifespan="off", log_config=None)
        config.load()
        return HttpToolsProtocol(config=config, server_state=ServerState(), app_state={})

    connection = asyncio.run(made())
    for name in (
        "loop", "parser", "transport", "client", "headers", "flow", "cycle", "pipeline",
        "timeout_keep_alive_task",
    ):  # fmt: skip
        assert hasattr(connection, name), name
    source = inspect.getsource(RequestResponseCycle.__init__)
    for name in (
        "response_started", "response_complete", "more_body", "disconnected", "keep_alive",
        "waiting_for_100_continue", "message_event", "on_response", "flow", "transport", "body",
    ):  # fmt: skip
        assert f"self.{name}" in source, name
    kept = inspect.getsource(FlowControl.__init__)
    assert "self.read_paused" in kept
    assert "self.write_paused" in kept
    assert STATUS_LINE[201] == b"HTTP/1.1 201 Created\r\n"


def test_a_server_has_the_state_that_its_end_reads() -> None:
    server = Server(uvicorn.Config(lambda: None, log_config=None))

    assert (server.started, server.should_exit, server.force_exit) == (False, False, False)
    assert server.server_state.connections == set()
    assert server.server_state.tasks == set()
    assert "self.lifespan" in inspect.getsource(Server)


def test_a_server_takes_what_stands_for_its_sockets() -> None:
    started, ended = inspect.getsource(Server.startup), inspect.getsource(Server.shutdown)
    for text in (
        "for sock in sockets:", "self.servers", "return config.http_protocol_class(",
        "config=config,", "server_state=self.server_state,", "app_state=self.lifespan.state,",
    ):  # fmt: skip
        assert text in started, text
    assert "for server in self.servers:\n            server.close()" in ended
    assert "await server.wait_closed()" in inspect.getsource(Server)


def test_uvicorn_words_what_it_cuts_as_it_did() -> None:
    words = inspect.getsource(Server) + inspect.getsource(RequestResponseCycle)
    assert "ASGI callable returned without" in words
