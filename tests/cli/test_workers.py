"""`cairn serve --workers`: replaced when they die, drained when asked, no orphans."""

import os
import signal
import socket
from collections import Counter
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.http.around.drain import SCHEMA_NEWER_STATUS
from tests.cli.conftest import (
    PATIENCE,
    ROOT,
    STOP_WITHIN,
    Serve,
    Served,
    eventually,
    read_all,
    read_until,
)
from tests.support.promtool import PROMTOOL, faults_of_metrics


def workers_of(server: Served, at_least: int = 2) -> set[int]:
    """The processes that answer."""
    found: set[int] = set()

    def heard_of_enough() -> bool:
        # A connection of its own each time: which worker gets it is up to the system.
        with suppress(httpx.TransportError):
            answer = httpx.get(f"{server.url}/health", timeout=PATIENCE)
            found.add(int(answer.headers["x-cairn-worker"]))
        return len(found) >= at_least

    assert eventually(heard_of_enough)
    return found


def test_connections_that_come_together_are_shared_by_the_workers(serve: Serve) -> None:
    server = serve("--workers", "2")

    def are_shared() -> bool:
        # All are open before the first is used, as those of a pool that has just been made.
        opened = [HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE) for _ in range(16)]
        workers = Counter[str]()
        for connection in opened:
            connection.connect()
        for connection in opened:
            connection.request("GET", "/health")
            with connection.getresponse() as answer:
                workers[answer.headers["x-cairn-worker"]] += 1
            connection.close()
        return len(workers) == 2 and min(workers.values()) >= 5

    # On a busy machine one of them may have had no turn meanwhile.
    assert eventually(are_shared)
    victim = min(workers_of(server))
    os.kill(victim, signal.SIGKILL)
    assert eventually(lambda: is_gone(victim))
    assert eventually(lambda: victim not in workers_of(server))
    assert eventually(are_shared)


def is_gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return False


def is_free(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return True
    return False


def appends(server: Served) -> float:
    text = httpx.get(f"{server.url}/metrics", timeout=PATIENCE).text
    lines = [line for line in text.splitlines() if line.startswith("cairn_events_appended_total")]
    return sum(float(line.split()[-1]) for line in lines)


def test_a_worker_that_is_killed_is_replaced_and_with_the_parent_all_of_them_go(
    serve: Serve,
) -> None:
    server = serve("--workers", "2")
    before = workers_of(server)
    session_id = server.session()
    counted = appends(server)
    assert counted >= 1
    for number in range(20):
        server.say(session_id, f"message {number}")
    # A worker counts a moment after it has answered.
    assert eventually(lambda: appends(server) == counted + 20)

    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    assert eventually(lambda: is_gone(victim))

    assert eventually(lambda: len(workers_of(server) - before) > 0)
    assert "starting another" in server.errors()
    page = httpx.get(f"{server.url}/v1/sessions/{session_id}/events", timeout=PATIENCE).json()
    assert [event["sequence"] for event in page["events"]] == list(range(1, 22))
    # What the dead one had counted still counts.
    assert appends(server) == counted + 20

    leave_no_orphans(server)


def leave_no_orphans(server: Served) -> None:
    workers = workers_of(server)

    server.process.kill()
    server.process.wait()

    assert eventually(lambda: is_free(server.port), STOP_WITHIN)
    assert eventually(lambda: all(map(is_gone, workers)))


def test_a_worker_that_stands_still_is_killed_and_replaced(serve: Serve) -> None:
    server = serve("--workers", "2", CAIRN_WORKER_SILENCE_SECONDS="6")
    before = workers_of(server)
    victim = min(before)

    os.kill(victim, signal.SIGSTOP)

    assert eventually(lambda: is_gone(victim))
    assert f"worker {victim} has not moved for" in server.errors()
    assert eventually(lambda: len(workers_of(server) - {victim}) == 2)
    assert f"worker {max(before)} " not in server.errors()


def test_a_worker_that_dies_while_it_starts_is_replaced(serve: Serve, tmp_path: Path) -> None:
    """The first two are killed as soon as they are there, the second as Ctrl-C would do it."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if 'api.cli.serving.worker' in sys.orig_argv:\n"
        "    for request in (9, 2):\n"
        f"        at = os.path.join({str(tmp_path)!r}, f'had-{{request}}')\n"
        "        try: os.close(os.open(at, os.O_CREAT | os.O_EXCL))\n"
        "        except FileExistsError: continue\n"
        "        os.kill(os.getpid(), request)\n"
        "        break\n"
    )
    server = serve("--workers", "2", PYTHONPATH=f"{ROOT}{os.pathsep}{tmp_path}")
    assert (tmp_path / "had-2").exists()
    assert len(workers_of(server)) == 2
    assert server.errors().count("starting another") == 2
    # One that does not listen to Ctrl-C yet keeps it until it may end without a word.
    assert "ended with status -2; starting another" in server.errors()
    assert "Traceback" not in server.errors()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_what_a_terminal_sends_reaches_the_whole_group_and_ends_it_once(
    serve: Serve, number: signal.Signals
) -> None:
    server = serve("--workers", "2")
    session_id = server.session()
    stream = server.stream(session_id)
    read_until(stream, b"event: caught-up")

    os.killpg(server.process.pid, number)

    assert server.process.wait(STOP_WITHIN) == 0
    assert b"event: stream.closing" in read_all(stream)
    assert "Traceback" not in server.errors()


def test_a_worker_whose_database_is_newer_is_not_replaced_and_the_server_ends(
    serve: Serve, tmp_path: Path
) -> None:
    newer = tmp_path / "newer"
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys, threading, time\n"
        "def end_when_newer():\n"
        f"    while not os.path.exists({str(newer)!r}): time.sleep(0.05)\n"
        f"    os._exit({SCHEMA_NEWER_STATUS})\n"
        "if 'api.cli.serving.worker' in sys.orig_argv:\n"
        "    threading.Thread(target=end_when_newer, daemon=True).start()\n"
    )
    server = serve("--workers", "2", PYTHONPATH=f"{ROOT}{os.pathsep}{tmp_path}")

    newer.touch()

    assert server.process.wait(STOP_WITHIN + PATIENCE) == 0
    assert "starting another" not in server.errors()
    assert is_free(server.port)


def test_figures_are_those_of_all_workers_and_sigterm_drains_all_of_them(serve: Serve) -> None:
    server = serve("--workers", "2")
    workers_of(server)

    def versions() -> float:
        text = httpx.get(f"{server.url}/metrics", timeout=PATIENCE).text
        families = text_string_to_metric_families(text)
        requests = next(one for one in families if one.name == "cairn_http_requests")
        return sum(one.value for one in requests.samples if one.labels["route"] == "/version")

    answered: list[str] = []

    def both_have_answered() -> bool:
        answered.append(
            httpx.get(f"{server.url}/version", timeout=PATIENCE).headers["x-cairn-worker"]
        )
        return len(answered) >= 4 and len(set(answered)) == 2

    assert eventually(both_have_answered)
    # A worker counts a moment after it has answered.
    assert eventually(lambda: versions() == len(answered))
    assert {versions() for _ in range(6)} == {len(answered)}
    if PROMTOOL is not None:  # else the other test that asks it is skipped, with the reason
        assert faults_of_metrics(httpx.get(f"{server.url}/metrics").text) == ""

    sigterm_drains_all_workers(server)


def sigterm_drains_all_workers(server: Served) -> None:
    workers = workers_of(server)
    session_id = server.session()
    streams = [server.stream(session_id) for _ in range(8)]
    for stream in streams:
        read_until(stream, b"event: caught-up")

    code, seconds = server.end(signal.SIGTERM)

    assert code == 0
    assert seconds < STOP_WITHIN
    assert eventually(lambda: all(map(is_gone, workers)))
    assert all(b"event: stream.closing" in read_all(stream) for stream in streams)
    assert "Traceback" not in server.errors()
