"""A real server in a thread of the test process: real HTTP, without the cost of a process."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any

import uvicorn
from pydantic import SecretStr

from api.main import create_app
from api.settings import Settings

_START_WITHIN = 60.0
_STOP_WITHIN = 30.0


@contextmanager
def running(database_url: str, **settings: Any) -> Iterator[str]:
    """Run the program on a database, and give its base URL.

    Args:
        database_url: Migrated or empty.
        **settings: Any others of `Settings`.
    """
    # A connection takes the database 2 ms, and hundreds of tests start the program.
    settings = {"database_readers": 2, **settings}
    chosen = Settings(database_url=SecretStr(database_url), **settings)
    app = create_app(chosen)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    config = uvicorn.Config(app, log_config=None, lifespan="on", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        _wait_until_started(server, thread)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(_STOP_WITHIN)
        listener.close()
    assert not thread.is_alive(), "the server does not stop"


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = monotonic() + _START_WITHIN
    while not server.started:
        assert thread.is_alive(), "the server does not start"
        assert monotonic() < deadline, "the server takes too long to start"
        sleep(0.005)
