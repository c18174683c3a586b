"""`cairn serve`: what it says, how it is set, and how it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from api.cli.migrate import migrate
from api.cli.options import Failure
from api.settings import Settings
from infrastructure.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError
from tests.cli.conftest import (
    PATIENCE,
    ROOT,
    STOP_WITHIN,
    Serve,
    curl,
    environment,
    read_all,
    read_until,
    run,
)

ENDINGS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


def test_says_where_it_is_and_the_command_that_it_proposes_works(
    serve: Serve, data_dir: Path
) -> None:
    server = serve()
    words = server.words()

    assert str(data_dir) in words
    assert curl(words)["session"]["app"] == "hello"
    assert server.errors() == ""


@pytest.mark.parametrize("number", ENDINGS)
def test_ends_cleanly_within_two_seconds_whatever_is_open(
    serve: Serve, number: signal.Signals
) -> None:
    server = serve()
    quiet, busy = server.session(), server.session()
    for _ in range(8):
        server.say(busy, "x" * 900_000)
    reading = server.stream(quiet)
    read_until(reading, b"event: caught-up")
    waiting = server.request(f"GET /v1/sessions/{quiet}/events?since=now&wait=30s")
    not_reading = server.stream(busy, receive_buffer=4096)
    assert not_reading.recv(1)
    sending = server.request("POST /v1/sessions", "Content-Length: 100")
    idle = server.request("GET /health")
    read_until(idle, b"database")

    code, seconds = server.end(number)

    assert code == 0
    assert seconds < STOP_WITHIN
    assert b"event: stream.closing" in read_all(reading)
    assert b'"events":[]' in read_all(waiting)
    for one in (not_reading, sending, idle):
        one.close()
    assert "Traceback" not in server.errors()


def test_goes_on_without_its_terminal_when_nohup_has_started_it(
    serve: Serve, data_dir: Path
) -> None:
    command = ["nohup", sys.executable, "-P", "-m", "api", "--data-dir", str(data_dir)]
    server = serve(command=command)

    server.process.send_signal(signal.SIGHUP)

    assert server.session()
    assert server.end()[0] == 0


def test_a_second_interrupt_does_not_wait_for_anybody(serve: Serve) -> None:
    server = serve()
    busy = server.session()
    for _ in range(8):
        server.say(busy, "x" * 900_000)
    with server.stream(busy, receive_buffer=4096) as not_reading:
        assert not_reading.recv(1)
        server.process.send_signal(signal.SIGINT)
        code, seconds = server.end(signal.SIGINT)

    assert code == 0
    assert seconds < STOP_WITHIN
    assert "Traceback" not in server.errors()


def test_what_was_answered_is_there_after_kill_9(serve_again: Serve) -> None:
    first = serve_again()
    session_id = first.session()
    first.say(session_id, "still here?")
    first.process.kill()
    first.process.wait()

    second = serve_again()

    page = httpx.get(f"{second.url}/v1/sessions/{session_id}/events").json()
    assert [event["type"] for event in page["events"]] == ["session.created", "message.added"]


def test_python_m_api_serves_too_and_warns_when_others_can_connect_without_a_token(
    serve: Serve, data_dir: Path
) -> None:
    command = [sys.executable, "-P", "-m", "api", "--data-dir", str(data_dir)]
    server = serve("--host", "0.0.0.0", command=command)

    assert server.url.startswith("http://127.0.0.1:")
    assert httpx.get(f"{server.url}/ready").json() == {"status": "ready"}
    assert "warning: 0.0.0.0 can be reached from other machines" in server.errors()
    assert "--auth-token-file" in server.errors()
    assert server.end()[0] == 0


def test_uvicorn_serves_too_and_ends_within_two_seconds(data_dir: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        command = [sys.executable, "-m", "uvicorn", "--factory", "api.main:create_app", "--fd"]
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(
                [*command, str(listening.fileno()), "--timeout-keep-alive", "60"],
                cwd=ROOT,
                env=environment(CAIRN_DATA_DIR=str(data_dir)),
                stdout=log,
                stderr=log,
                pass_fds=[listening.fileno()],
            )
        port = listening.getsockname()[1]
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
            made = client.post("/v1/sessions", json={"app": "a", "user": "u"}).json()
            path = f"/v1/sessions/{made['session']['id']}/events"
            with client.stream("GET", path, headers={"Accept": "text/event-stream"}) as stream:
                lines = stream.iter_lines()
                while next(lines) != "event: caught-up":
                    pass
                before = time.monotonic()
                process.send_signal(signal.SIGTERM)
                process.wait(PATIENCE)
                assert time.monotonic() - before < STOP_WITHIN
                assert "event: stream.closing" in list(lines)
    finally:
        process.kill()
        process.wait()
    assert b"Traceback" not in (tmp_path / "log").read_bytes()


def test_options_beat_the_environment_and_the_environment_counts(serve: Serve) -> None:
    server = serve(
        "--log-format",
        "json",
        CAIRN_PORT="1",
        CAIRN_LOG_FORMAT="text",
        CAIRN_ACCESS_LOG="true",
        CAIRN_WORKERS="",
    )

    httpx.get(f"{server.url}/version", headers={"X-Request-Id": "asked-by-test"})

    assert server.end()[0] == 0
    lines = [json.loads(line) for line in server.errors().splitlines()]
    assert [line["path"] for line in lines if line.get("request_id") == "asked-by-test"] == [
        "/version"
    ]


def test_what_it_says_in_json_is_json_alone(serve: Serve) -> None:
    server = serve("--host", "0.0.0.0", "--log-format", "json", CAIRN_PROT="1")

    assert server.end()[0] == 0
    said = [json.loads(line)["message"] for line in server.errors().splitlines()]
    assert any(words.startswith("CAIRN_PROT is no setting") for words in said)
    assert any("can be reached from other machines" in words for words in said)


def test_why_it_does_not_start_is_json_too() -> None:
    done = run("serve", "--log-format", "json", "--host", "192.0.2.1")
    assert done.returncode == 1
    assert json.loads(done.stderr)["level"] == "error"
    wrong = run("serve", "--port", "x", env={"CAIRN_LOG_FORMAT": "json"})
    assert wrong.returncode == 2
    assert "--port" in json.loads(wrong.stderr)["message"]


def test_a_misspelt_setting_is_named_with_the_one_that_was_meant(serve: Serve) -> None:
    server = serve(
        CAIRN_MAX_BODYBYTES="1", CAIRN_COLOUR="red", CAIRN_SERVICE_HOST="10.0.0.1", CAIRN_URL="x"
    )
    warnings = [line for line in server.errors().splitlines() if " is no setting" in line]
    first, second = warnings
    assert first == "cairn: warning: CAIRN_COLOUR is no setting, and counts for nothing."
    assert second.startswith("cairn: warning: CAIRN_MAX_BODYBYTES is no setting")
    assert second.endswith("; did you mean CAIRN_MAX_BODY_BYTES?")


def test_asks_for_the_token_and_never_shows_it(serve: Serve, tmp_path: Path) -> None:
    token = "a-token-that-is-long-enough"
    file = tmp_path / "the token"
    file.write_text(f"{token}\n")
    file.chmod(0o600)
    server = serve("--host", "0.0.0.0", "--access-log", CAIRN_AUTH_TOKEN_FILE=str(file))
    words = server.words()

    sessions = f"{server.url}/v1/sessions"
    assert httpx.get(sessions).status_code == 401
    assert httpx.get(sessions, headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert httpx.get(sessions, headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert curl(words)["session"]["app"] == "hello"

    assert server.end()[0] == 0
    assert token not in words + server.errors()
    assert "warning" not in server.errors()


def test_a_token_file_that_others_may_read_is_remarked_on(serve: Serve, tmp_path: Path) -> None:
    token_file = tmp_path / "token"
    token_file.write_text("0123456789abcdef")
    token_file.chmod(0o644)
    assert f"chmod 600 {token_file}" in serve("--auth-token-file", str(token_file)).errors()
    token_file.chmod(0o600)
    assert "chmod" not in serve("--auth-token-file", str(token_file)).errors()


def test_what_a_killed_server_has_left_is_removed(serve: Serve, tmp_path: Path) -> None:
    left = tmp_path / "cairn-metrics-999999999-x"
    left.mkdir()
    mine = tmp_path / f"cairn-metrics-{os.getpid()}-x"
    mine.mkdir()
    serve("--workers", "2")
    assert not left.exists()
    assert mine.exists()


def test_making_a_database_is_said_once(serve: Serve, home: Path) -> None:
    data = home / "new"
    first = serve("--data-dir", str(data))
    assert first.errors() == f"cairn: Making a database cluster in {data}, once.\n"
    assert first.end()[0] == 0
    assert serve("--data-dir", str(data)).errors() == ""


def test_migrating_says_so_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    class NoRoom(EmbeddedPostgres):
        def start(self, making: Callable[[], None] = lambda: None) -> str:
            making()
            raise EmbeddedPostgresError("the disk is full")

    monkeypatch.setattr("api.composition.database.EmbeddedPostgres", NoRoom)
    with pytest.raises(Failure, match="the disk is full"):
        migrate(Settings(data_dir=tmp_path / "new"), dry_run=False)
    assert capsys.readouterr().err == (
        f"cairn: Making a database cluster in {tmp_path / 'new'}, once.\n"
    )
