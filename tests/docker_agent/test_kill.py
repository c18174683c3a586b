"""A server that goes away in the middle of a run: the client goes on where it was.

To kill one takes two processes, and so it is left to the hunt; another one in the place of the
first is enough to show that nothing is remembered by a process alone.
"""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.docker_agent.driving import next_turn
from tests.docker_agent.remote_client import RemoteClient
from tests.docker_agent.test_sessions import ok
from tests.support.postgres import Server
from tests.support.processes import Cairn
from tests.support.server import running

Json = dict[str, Any]
Frame = tuple[int | None, Json]
HI = {"messages": [{"role": "user", "content": "hi"}]}
KEY = {"Idempotency-Key": "follow"}


def read(lines: Any, until: str) -> list[Frame]:
    """Return the frames of a stream until the first of a kind."""
    found: list[Frame] = []
    sequence: int | None = None
    for line in lines:
        if line.startswith("id: "):
            sequence = int(line[4:])
        elif line.startswith("data: "):
            found.append((sequence, json.loads(line[6:])))
            sequence = None
            if found[-1][1]["type"] == until:
                return found
    raise AssertionError(f"the stream ended without {until}: {found}")


@pytest.mark.hunt
def test_a_client_goes_on_where_it_was_when_the_server_is_killed(
    postgres_server: Server, tmp_path: Path
):
    with postgres_server.database() as url:
        server = Cairn(url, tmp_path / "log", doors="docker-agent", driver_seconds=60)
        try:
            _run_and_kill(server)
        finally:
            server.kill()


def test_sequences_and_keys_outlive_the_server(postgres_server: Server):
    with postgres_server.database() as url:
        with running(url, doors="docker-agent") as base, httpx.Client(base_url=base) as client:
            session = RemoteClient(base).create_session({"title": "t"})["id"]
            at = f"/api/sessions/{session}"
            body = {"turn_id": "t1", "input": {"parts": [{"type": "text", "text": "hi"}]}}
            ok(client.post(f"/v1/sessions/{session}/turns", json=body), 201)
            ok(client.post(f"{at}/followup", json=HI, headers=KEY), 202)
            with client.stream("GET", f"{at}/events") as stream:
                before = read(stream.iter_lines(), "stream_started")
        with running(url, doors="docker-agent") as base, httpx.Client(base_url=base) as client:
            again = ok(client.post(f"{at}/followup", json=HI, headers=KEY), 202)
            assert again == {"status": "duplicate", "duplicate": True}
            with client.stream("GET", f"{at}/events") as stream:
                assert read(stream.iter_lines(), "stream_started") == before


def base_of(server: Cairn) -> str:
    return f"http://127.0.0.1:{server.port}"


def _run_and_kill(server: Cairn) -> None:
    server.start()
    session = RemoteClient(base_of(server)).create_session({"title": "t"})["id"]
    at = f"/api/sessions/{session}"
    with httpx.Client(base_url=base_of(server), timeout=60) as client:
        held = {"holder": "runner", "ttl_seconds": 3600}
        ok(client.post(f"/v1/sessions/{session}/attach", json=held), 201)
        with client.stream("POST", f"{at}/agent/a", json=HI) as stream:
            lines = stream.iter_lines()
            turn, _ = next_turn(client, session, 0)
            turn.say("one")
            before = read(lines, "message_added")
            queued = ok(client.post(f"{at}/followup", json=HI, headers=KEY), 202)
            assert queued == {"status": "queued_streaming", "duplicate": False}
            server.kill()
            with pytest.raises(httpx.TransportError):
                read(lines, "stream_stopped")
    server.start()
    with httpx.Client(base_url=base_of(server), timeout=60) as client:
        again = ok(client.post(f"{at}/followup", json=HI, headers=KEY), 202)
        assert again == {"status": "duplicate", "duplicate": True}
        shown = ok(client.get(f"{at}/snapshot"))
        assert (shown["streaming"], shown["title"]) == (True, "t")
        turn.client = client
        turn.say("two")
        turn.complete()
        cursor = next(sequence for sequence, _ in reversed(before) if sequence is not None)
        with client.stream("GET", f"{at}/events", headers={"Last-Event-ID": str(cursor)}) as one:
            after = read(one.iter_lines(), "stream_stopped")
        with client.stream("GET", f"{at}/events") as one:
            whole = read(one.iter_lines(), "stream_stopped")
    said = [event["content"] for _, event in before + after if event["type"] == "agent_choice"]
    assert said == ["one", "two"]
    # The run began with the title, which the log has before it.
    assert before[1:] + after == [one for one in whole if one[1]["type"] != "session_title"]
