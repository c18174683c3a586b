"""`cairn tail` and the client behind it."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO

import httpx
import pytest

from api.cli.client import Client
from api.cli.reading.stream_items import CaughtUp, Event, Frame, Frames, Hole, Item, Lost, items_of
from api.cli.refused import Refused
from api.cli.screen import Screen
from tests.cli.conftest import PATIENCE, Serve, Served, environment, run
from tests.support.forking import Process, cairn, start


@contextmanager
def tailing(*arguments: str) -> Iterator[Process]:
    process = start(
        cairn("tail", *arguments),
        environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def next_sequence(tail: Process) -> int:
    assert tail.stdout is not None
    sequence: int = json.loads(tail.stdout.readline())["sequence"]
    return sequence


def test_goes_on_with_the_next_event_after_the_server_was_killed(serve_again: Serve) -> None:
    first = serve_again()
    session_id = first.session()
    with tailing(session_id, "--url", first.url, "--json") as tail:
        assert next_sequence(tail) == 1
        first.say(session_id, "before")
        assert next_sequence(tail) == 2
        first.process.kill()
        first.process.wait()

        second = serve_again()
        for number in range(3, 6):
            second.say(session_id, "after")
            assert next_sequence(tail) == number

        httpx.delete(f"{second.url}/v1/sessions/{session_id}").raise_for_status()
        assert next_sequence(tail) == 6
        assert tail.wait(PATIENCE) == 0
        assert tail.stderr is not None
        assert "trying again" in tail.stderr.read()


def test_shows_what_is_streamed_and_leaves_quietly(server: Served) -> None:
    session_id = server.session()
    body = {"input": {"parts": [{"type": "text", "text": "Say it slowly."}]}, "turn_id": "t"}
    server.post(f"/v1/sessions/{session_id}/turns", body)
    piece = {"type": "agent.message", "data": {"parts": [{"type": "text", "text": "Sl\x1b[2Jow."}]}}
    path = f"/v1/sessions/{session_id}/turns/t/events"
    with tailing(session_id, "--url", server.url, "--since", "1") as tail:
        assert tail.stdout is not None
        line = tail.stdout.readline()
        assert "turn.started" in line
        assert "Say it slowly." in line

        # The stream is there, but may not yet be live: a piece is for those who listen now.
        waiting = httpx.Client(base_url=server.url, timeout=PATIENCE)
        with waiting:
            shown = ""
            while "Sl" not in shown:
                waiting.post(path, json={"events": [piece], "partial": True}).raise_for_status()
                shown += tail.stdout.read(1)
            waiting.post(path, json={"events": [piece]}).raise_for_status()
            while "     3  agent.message" not in shown:
                shown += tail.stdout.read(1)
        assert "\x1b" not in shown

        tail.send_signal(signal.SIGINT)
        assert tail.wait(PATIENCE) == 130
        assert tail.stderr is not None
        assert tail.stderr.read() == ""


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("nonsense",), 2, "a UUID"),
        (("00000000-0000-7000-8000-000000000000",), 1, "(404)"),
        (("00000000-0000-7000-8000-000000000000", "--since", "-1"), 2, "--since"),
        (("00000000-0000-7000-8000-000000000000", "--url", "nowhere"), 2, "http://"),
        (("00000000-0000-7000-8000-000000000000", "--token-file", "/none"), 2, "--token-file"),
    ],
)
def test_says_what_is_wrong(
    server: Served, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = run("tail", *arguments, env={"CAIRN_URL": server.url})

    assert done.returncode == code
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_cursor_beyond_the_head_is_told(server: Served) -> None:
    done = run("tail", server.session(), "--url", server.url, "--since", "7")

    assert done.returncode == 1
    assert "(409)" in done.stderr


@pytest.mark.parametrize("since", [1, 2])
def test_a_session_that_is_over_ends_it(server: Served, since: int) -> None:
    session_id = server.session()
    httpx.delete(f"{server.url}/v1/sessions/{session_id}").raise_for_status()

    done = run("tail", session_id, "--url", server.url, "--since", str(since))

    assert (done.returncode, done.stderr) == (0, "")


async def test_a_restored_database_is_told_and_not_followed() -> None:
    asked = list[httpx.QueryParams]()

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/version":
            return httpx.Response(200, json={"store": "the first"})
        asked.append(request.url.params)
        if len(asked) == 1:
            return httpx.Response(200, content=STREAM)
        detail = "The database was restored."
        return httpx.Response(409, json={"code": "store_replaced", "detail": detail})

    client = Client("http://127.0.0.1:1")
    await client._http.aclose()
    transport = httpx.MockTransport(answer)
    client._http = httpx.AsyncClient(base_url="http://127.0.0.1:1", transport=transport)
    items = list[Item]()

    async def follow() -> None:
        async with client:
            async for item in client.follow("s", 0):
                items.append(item)

    with pytest.raises(Refused) as refused:
        await follow()

    assert refused.value.code == "store_replaced"
    assert [type(item) for item in items] == [Event, CaughtUp, Lost]
    assert [dict(one) for one in asked] == [
        {"since": "0", "store": "the first"},
        {"since": "1", "store": "the first"},
    ]


STREAM = (
    "retry: 2000\n\n"
    'id: 1\nevent: session.created\ndata: {"title":"one\u2028line \u0085 of text"}\n\n'
    'id: 1\nevent: caught-up\ndata: {"head":1}\n\n'
).encode()


@pytest.mark.parametrize("size", [1, 2, 7, len(STREAM)])
def test_frames_are_whole_wherever_the_network_cuts_them(size: int) -> None:
    frames = Frames()
    found = [
        frame
        for start in range(0, len(STREAM), size)
        for frame in frames.feed(STREAM[start : start + size])
    ]

    assert [(frame.name, frame.cursor) for frame in found] == [
        ("session.created", 1),
        ("caught-up", 1),
    ]
    assert found[0].data == '{"title":"one\u2028line \u0085 of text"}'.encode()


def test_an_event_that_is_known_is_dropped_and_a_missing_one_is_no_small_matter() -> None:
    event = Frame("message.added", b"{}", 5)

    assert items_of(event, 5) == []
    assert items_of(event, 4) == [Event(5, b"{}")]
    assert items_of(Frame("caught-up", b"{}", 5), 5) == [CaughtUp(5)]
    with pytest.raises(Hole):
        items_of(event, 3)


def test_a_text_cannot_steer_the_terminal() -> None:
    output = StringIO()

    Screen(output).event(
        json.dumps(
            {
                "sequence": 1,
                "type": "agent.message",
                "data": {"parts": [{"type": "text", "text": "a\x1b]0;x\x07b\r\nc\u202ed"}]},
            }
        ).encode()
    )

    assert output.getvalue() == "     1  agent.message         a]0;xb cd\n"
