"""The end of a server whose machine stands still meanwhile: what has to be said is still said."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager

from tests.cli.conftest import PATIENCE, ROOT, STOP_WITHIN, environment, read_all, read_until

SERVER = """
import asyncio, signal, socket, sys
from api.cli.serving.server import run_server
from api.http.around.drain import on_shutdown_signal

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        app.stop = asyncio.Event()
        await receive()
        with on_shutdown_signal(app.stop.set):
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello", "more_body": True})
    await app.stop.wait()
    for doing in ("hearing of it", "stopping", "ending"):
        print(doing, flush=True)
        # The server looks ten times a second whether it was told to stop.
        await asyncio.sleep(0.2)
    if scope["path"] == "/never":
        await asyncio.Event().wait()
    await send({"type": "http.response.body", "body": b"goodbye"})

listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
run_server(app, listening, lambda: None)
"""
LONGER_THAN_A_STOP = 2.5


@contextmanager
def serving() -> Generator[tuple[subprocess.Popen[str], int]]:
    with subprocess.Popen(
        [sys.executable, "-c", SERVER],
        cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def asking(port: int, path: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), PATIENCE)
    connection.sendall(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode())
    read_until(connection, b"hello")
    return connection


def stand_still(process: subprocess.Popen[str]) -> None:
    """Have the process stand still, from the moment at which it has begun to stop."""
    assert process.stdout is not None
    while process.stdout.readline() != "stopping\n":
        assert process.poll() is None
    process.send_signal(signal.SIGSTOP)
    # No wait for anything: this is the fault.
    time.sleep(LONGER_THAN_A_STOP)
    process.send_signal(signal.SIGCONT)


def test_a_machine_that_stands_still_takes_nobodys_goodbye() -> None:
    with serving() as (process, port):
        connection = asking(port, "/")
        process.send_signal(signal.SIGTERM)
        stand_still(process)

        assert b"goodbye" in read_all(connection)
        assert process.wait(STOP_WITHIN) == 0


def test_an_answer_that_never_ends_is_cut_and_the_services_end_in_order() -> None:
    with serving() as (process, port):
        never, other = asking(port, "/never"), asking(port, "/")
        process.send_signal(signal.SIGTERM)

        assert b"goodbye" in read_all(other)
        assert read_all(never) == b""
        assert process.wait(STOP_WITHIN) == 0
