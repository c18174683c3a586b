"""What the package `cairn_adk` does when things go wrong between it and the server."""

import asyncio
import importlib
import logging
import sys
import traceback
import warnings
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.adk.losing import Losing

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.filterwarnings("ignore")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("google.adk", reason="google-adk is installed by make setup-importers")
    sys.path[:0] = [str(ROOT / "clients/cairn_adk")]
    from google.adk.errors import StaleSessionError
    from google.adk.errors.already_exists_error import AlreadyExistsError
    from google.adk.events.event import Event
    from google.adk.events.event_actions import EventActions
    from google.genai import types

    cairn_adk: Any = importlib.import_module("cairn_adk")

USER, HUSH = "ada", "hush-hush"


@pytest.fixture
def here() -> dict[str, str]:
    return {"app_name": f"app-{uuid4().hex[:8]}", "user_id": USER, "session_id": "s"}


@pytest.fixture
async def losing(adk_server: str) -> AsyncIterator[tuple[Losing, Any]]:
    """What loses answers, and a service that talks to the server through it."""
    proxy = Losing(adk_server)
    async with proxy.serve() as where:
        service = cairn_adk.CairnSessionService(f"cairn://{where}", patience=60)
        yield proxy, service
        await service.close()


def said(text: str, **fields: Any) -> Event:
    content = types.Content(role="user", parts=[types.Part(text=text)])
    return Event(author="user", content=content, **fields)


# ── its URI ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("uri", "base"),
    [
        ("cairn://h", "http://h"),
        ("CAIRN://h:1/", "http://h:1"),
        ("cairns://h/a/b/", "https://h/a/b"),
        ("cairn://[::1]:7", "http://[::1]:7"),
        (f"cairns://adk:{HUSH}@h:1", "https://h:1"),
    ],
)
async def test_a_uri_says_where_the_server_is(uri: str, base: str):
    service = cairn_adk.CairnSessionService(uri, agents_dir="x")
    assert repr(service) == f"CairnSessionService('{base}')"


@pytest.mark.parametrize(
    "uri",
    [
        f"xcairn://adk:{HUSH}@h",
        f"cairn://adk:{HUSH}@",
        f"cairn://adk:{HUSH}/x@h:80",
        f"cairn://adk:{HUSH}@h:x",
        f"cairn://adk:{HUSH}@h:99999",
        f"cairn://adk:{HUSH}@[::1",
        f"cairn://{HUSH}@h",
        f"cairn://h?token={HUSH}",
        f"cairn://h#{HUSH}",
        f"cairn://adk:{HUSH}ü@h",
        f"cairn://adk:{HUSH}%0A@h",
    ],
)
def test_a_uri_that_is_none_is_refused_and_not_told(uri: str):
    with pytest.raises(ValueError, match="cairn://") as refused:
        cairn_adk.CairnSessionService(uri)
    assert HUSH not in "".join(traceback.format_exception(refused.value))


# ── a server that is away, busy, or another one ──────────────────────────────────────────────


async def answered_by(
    answer: Callable[[httpx.Request], httpx.Response],
    kind: str = "CairnSessionService",
    **more: Any,
) -> Any:
    """A service whose server is a function."""
    service = getattr(cairn_adk, kind)(f"cairn://adk:{HUSH}@h", **more)
    client = httpx.AsyncClient(
        base_url="http://h", headers=service._headers, transport=httpx.MockTransport(answer)
    )
    service._clients[asyncio.get_running_loop()] = client
    return service


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_a_busy_server_is_asked_again(
    status: int, here: dict[str, str], caplog: pytest.LogCaptureFixture
):
    answers = iter([httpx.ConnectError("away"), httpx.ReadError("lost"), status, 200])
    keys = set[str]()

    def answer(request: httpx.Request) -> httpx.Response:
        keys.add(request.headers["idempotency-key"])
        match next(answers):
            case 200:
                body = {"id": "s", "appName": here["app_name"], "userId": USER}
                return httpx.Response(200, json=body, headers={"ETag": '"1"'})
            case int(told):
                return httpx.Response(told, json={"detail": "busy"})
            case error:
                raise error

    service = await answered_by(answer, patience=60)
    with caplog.at_level(logging.DEBUG):
        assert (await service.create_session(**here)).id == "s"
    assert len(keys) == 1
    assert [one.levelname for one in caplog.records if one.name.startswith("cairn")] == ["WARNING"]
    assert HUSH not in caplog.text


async def test_an_artifact_is_not_saved_twice(here: dict[str, str]):
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        if len(asked) == 1:
            raise httpx.ConnectError("away")
        raise httpx.ReadError("lost")

    service = await answered_by(answer, "CairnArtifactService", patience=60)
    with pytest.raises(httpx.ReadError):
        await service.save_artifact(**here, filename="a", artifact=types.Part(text="x"))
    assert asked == ["POST", "POST"]


async def test_patience_has_an_end(here: dict[str, str]):
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(503, json={"detail": "full"}, headers={"Retry-After": "3600"})

    service = await answered_by(answer, patience=60)
    with pytest.raises(httpx.HTTPStatusError, match="503: full") as refused:
        await service.get_session(**here)
    assert HUSH not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (401, {"detail": "send the header"}, "401: send the header"),
        (404, {"detail": "Not Found"}, "ADK door .* token for this app"),
        (404, "<html>", "ADK door .* token for this app"),
        (500, {"detail": "Internal Server Error"}, "500"),
        (302, "", "302"),
    ],
)
async def test_what_another_server_answers_is_no_session_that_is_not_there(
    status: int, body: Any, told: str, here: dict[str, str]
):
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json=body)

    service = await answered_by(answer)
    session = cairn_adk.service.Session(id="s", app_name=here["app_name"], user_id=USER)
    for asking in (
        service.get_session(**here),
        service.create_session(**here),
        service.delete_session(**here),
        service.list_sessions(app_name=here["app_name"]),
        service.append_event(session, said("x")),
    ):
        with pytest.raises(httpx.HTTPStatusError, match=told):
            await asking


# ── answers that are lost ────────────────────────────────────────────────────────────────────


async def test_what_was_done_when_its_answer_was_lost_is_done_once(
    losing: tuple[Losing, Any], here: dict[str, str]
):
    proxy, service = losing
    proxy.left = 2
    session = await service.create_session(**here, state={"a": 1})
    assert (session.state, proxy.lost) == ({"a": 1}, 2)
    with pytest.raises(AlreadyExistsError):
        await service.create_session(**here, state={"a": 1})
    unnamed = {"app_name": here["app_name"], "user_id": USER}
    proxy.left = 1
    await service.create_session(**unnamed)
    assert len((await service.list_sessions(**unnamed)).sessions) == 2
    for n in range(3):
        proxy.left = n
        delta = EventActions(state_delta={"n": n})
        await service.append_event(session, said(str(n), id=f"e{n}", actions=delta))
    found = await service.get_session(**here)
    assert [one.id for one in found.events] == [one.id for one in session.events]
    assert [one.id for one in found.events] == ["e0", "e1", "e2"]
    assert (found.state, proxy.lost) == ({"a": 1, "n": 2}, 6)


async def test_an_event_whose_answer_was_lost_is_not_stale_to_itself(
    losing: tuple[Losing, Any], adk_server: str, here: dict[str, str]
):
    proxy, service = losing
    session = await service.create_session(**here)
    other = cairn_adk.CairnSessionService(adk_server.replace("http://", "cairn://"))
    proxy.left = 1
    between = asyncio.Event()
    ask = service._client().request

    async def asking(*args: Any, **rest: Any) -> Any:
        try:
            return await ask(*args, **rest)
        except httpx.TransportError:
            # Somebody else writes before it is sent again.
            await other.append_event(await other.get_session(**here), said("other", id="e2"))
            between.set()
            raise

    service._client().request = asking
    await service.append_event(session, said("mine", id="e1"))
    assert between.is_set()
    found = await service.get_session(**here)
    assert [one.id for one in found.events] == ["e1", "e2"]
    with pytest.raises(StaleSessionError):
        await service.append_event(session, said("late", id="e3"))
    await other.close()


# ── writers at once ──────────────────────────────────────────────────────────────────────────


async def test_events_appended_to_one_session_object_at_once_come_one_after_the_other(
    adk_server: str, here: dict[str, str]
):
    service = cairn_adk.CairnSessionService(adk_server.replace("http://", "cairn://"))
    session = await service.create_session(**here)
    events = [said(str(n), id=f"e{n}") for n in range(16)]
    await asyncio.gather(*(service.append_event(session, one) for one in events))
    assert [one.id for one in session.events] == [one.id for one in events]
    assert (await service.get_session(**here)).events == session.events
    assert service._turns == {}
    await service.close()


async def test_an_append_that_is_cancelled_is_known_to_the_session(
    adk_server: str, here: dict[str, str]
):
    service = cairn_adk.CairnSessionService(adk_server.replace("http://", "cairn://"))
    session = await service.create_session(**here)
    sent, going_on = asyncio.Event(), asyncio.Event()
    ask = service._client().request

    async def asking(*args: Any, **rest: Any) -> Any:
        answer = await ask(*args, **rest)
        sent.set()
        await going_on.wait()
        return answer

    service._client().request = asking
    run = asyncio.create_task(service.append_event(session, said("a", id="e1")))
    await asyncio.wait_for(sent.wait(), 60)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    sealing = asyncio.create_task(service.append_event(session, said("b", id="e2")))
    going_on.set()
    await sealing
    assert [one.id for one in session.events] == ["e1", "e2"]
    assert (await service.get_session(**here)).events == session.events
    await service.close()


async def test_whoever_refuses_no_stale_session_records_behind_what_came(
    adk_server: str, here: dict[str, str]
):
    uri = adk_server.replace("http://", "cairn://")
    services = [cairn_adk.CairnSessionService(uri, refuse_stale=False) for _ in range(4)]
    await services[0].create_session(**here)
    sessions = [await one.get_session(**here) for one in services]
    for n in range(4):
        appending = [
            one.append_event(session, said("x", id=f"e{n}-{number}"))
            for number, (one, session) in enumerate(zip(services, sessions, strict=True))
        ]
        await asyncio.gather(*appending)
    found = await services[0].get_session(**here)
    assert len(found.events) == 16
    assert {one.id for one in found.events} == {f"e{n}-{m}" for n in range(4) for m in range(4)}
    for one in services:
        await one.close()


def test_one_service_serves_an_event_loop_in_each_of_many_threads(
    adk_server: str, here: dict[str, str]
):
    service = cairn_adk.CairnSessionService(adk_server.replace("http://", "cairn://"))

    async def work(name: str) -> None:
        async def create(n: int) -> None:
            await service.create_session(**{**here, "session_id": f"{name}{n}"})
            # Others ask in their loops meanwhile.
            await asyncio.to_thread(lambda: None)
            assert await service.get_session(**{**here, "session_id": f"{name}{n}"})

        await asyncio.gather(*(create(n) for n in range(5)))
        await service.close()

    async def all_of_them() -> None:
        await asyncio.gather(*(asyncio.to_thread(asyncio.run, work(name)) for name in "abcd"))

    asyncio.run(all_of_them())


# ── what JSON has no word for ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (float("nan"), None),
        (float("inf"), None),
        ("a\ud800b", "a\ufffdb"),
        ({"\udfff": ["\ud800"]}, {"\ufffd": ["\ufffd"]}),
        ({1: {2}, (3, 4): (5,)}, {"1": [2], "3,4": [5]}),
        (b"\xff\xfe", "__4="),
        (10**30, 10**30),
        (object, "<class 'object'>"),
    ],
)
async def test_no_value_loses_an_event(
    value: Any, kept: Any, adk_server: str, here: dict[str, str]
):
    service = cairn_adk.CairnSessionService(adk_server.replace("http://", "cairn://"))
    session = await service.create_session(**here, state={"a": value})
    assert session.state == {"a": kept}
    text = value if isinstance(value, str) else "x"
    await service.append_event(session, said(text, actions=EventActions(state_delta={"b": value})))
    found = await service.get_session(**here)
    assert found.state == {"a": kept, "b": kept}
    assert found.events[0].content.parts[0].text == (kept if isinstance(value, str) else "x")
    await service.close()


async def test_a_handshake_that_fails_says_at_once_where_and_what_names_a_private_authority(
    here: dict[str, str],
):
    async def speaks_plainly(_: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        to.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await to.drain()
        to.close()

    async with await asyncio.start_server(speaks_plainly, "127.0.0.1", 0) as server:
        where = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        service = cairn_adk.CairnSessionService(f"cairns://adk:{HUSH}@{where}", patience=3600)
        with pytest.raises(httpx.ConnectError) as failed:
            await service.get_session(**here)
        await service.close()
    told = str(failed.value)
    assert told.startswith(f"https://{where}: [SSL")
    assert "SSL_CERT_FILE" in told
    assert HUSH not in told
