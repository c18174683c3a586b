"""The requests of Cairn's HTTP contract that the measures use, and how to read the answers."""

import os
import random
import string
import time
import uuid
from collections.abc import Iterator, Sequence

import msgspec

from bench.load import send_all
from bench.servers import Server
from bench.wire import Client, Request, UnexpectedAnswer, get, post

APP = "bench"
_random = random.Random(7)
_WORDS = ["".join(_random.choices(string.ascii_lowercase, k=3 + n % 8)) for n in range(2_000)]
_TEXT_BYTES = 600


class Page(msgspec.Struct):
    """A page of events, its records left as they are."""

    events: list[msgspec.Raw]
    next: int
    up_to_date: bool


class SessionPage(msgspec.Struct):
    """A page of a list of sessions, its documents left as they are."""

    sessions: list[msgspec.Raw]


class Record(msgspec.Struct):
    """What the checks need of one event."""

    sequence: int
    type: str
    data: msgspec.Raw


_decode_page = msgspec.json.Decoder(Page).decode
_decode_list = msgspec.json.Decoder(SessionPage).decode
_decode_record = msgspec.json.Decoder(Record).decode


def session_id() -> str:
    """A UUIDv7, as the server itself would make."""
    stamp = int(time.time() * 1000).to_bytes(6, "big")
    raw = bytearray(stamp + os.urandom(10))
    raw[6] = 0x70 | raw[6] & 0x0F
    raw[8] = 0x80 | raw[8] & 0x3F
    return str(uuid.UUID(bytes=bytes(raw)))


def text(mark: int | None = None) -> str:
    """600 bytes of words; a mark stands at the end, where it is read last."""
    tail = "" if mark is None else f" mark-{mark}!"
    words = ""
    while len(words) < _TEXT_BYTES:
        words += _random.choice(_WORDS) + " "
    return words[: _TEXT_BYTES - len(tail)] + tail


def body(mark: int | None = None) -> dict[str, object]:
    """One message; the floors are given the same."""
    return {"role": "user", "parts": [{"type": "text", "text": text(mark)}]}


def create(session: str, user: str = "bench-user") -> Request:
    """Make a session."""
    return post("/v1/sessions", {"id": session, "app": APP, "user": user})


def append(session: str, mark: int | None = None) -> Request:
    """Add one message."""
    return post(f"/v1/sessions/{session}/messages", body(mark))


def start_turn(session: str, turn: str) -> Request:
    """Begin a turn with one message."""
    given = {"parts": [{"type": "text", "text": text()}]}
    return post(f"/v1/sessions/{session}/turns", {"turn_id": turn, "input": given})


def activity(session: str, turn: str, events: int) -> Request:
    """Record so many messages of the agent at once."""
    told = [
        {"type": "agent.message", "data": {"parts": [{"type": "text", "text": text()}]}}
        for _ in range(events)
    ]
    return post(f"/v1/sessions/{session}/turns/{turn}/events", {"events": told})


def snapshot(session: str) -> Request:
    """The whole state of a session."""
    return get(f"/v1/sessions/{session}/snapshot")


def list_of(user: str) -> Request:
    """One user's newest sessions."""
    return get(f"/v1/sessions?app={APP}&user={user}&limit=50")


def subscribe(session: str) -> Request:
    """The tail from here on."""
    return get(f"/v1/sessions/{session}/events?since=now", Accept="text/event-stream")


def page_of_session(session: str, since: int, limit: int) -> Request:
    """A page of one session's events."""
    return get(f"/v1/sessions/{session}/events?since={since}&limit={limit}")


def page_of_all(after: int, limit: int) -> Request:
    """A page of the global feed."""
    return get(f"/v1/events?after={after}&limit={limit}")


async def new_sessions(server: Server, count: int, user: str = "bench-user") -> list[str]:
    """Make so many sessions."""
    sessions = [session_id() for _ in range(count)]
    await send_all(server.port, (create(session, user) for session in sessions))
    return sessions


async def grow(server: Server, sessions: Sequence[str], messages: int) -> None:
    """Give each session so many messages more, many sessions at a time."""
    connections = min(64, max(16, len(sessions)))
    appends = (append(session) for _ in range(messages) for session in sessions)
    await send_all(server.port, appends, connections)


async def records(server: Server, session: str) -> list[Record]:
    """All events of a session, in the order in which the tail gives them."""
    client = await Client.connect(server.port)
    found: list[Record] = []
    try:
        while True:
            since = found[-1].sequence if found else 0
            answer = await client.send(page_of_session(session, since, 200))
            page = _decode_page(answer.expect(200).body)
            if not page.events:
                return found
            found += [_decode_record(event) for event in page.events]
    finally:
        client.close()


async def page_limit(client: Client, wanted: int) -> int:
    """The largest page that the server grants, `wanted` or less."""
    for limit in (wanted, 500, 200):
        if (await client.send(page_of_all(0, limit))).status == 200:
            return limit
    raise UnexpectedAnswer("GET /v1/events refuses even limit=200")


def read_page(data: bytes) -> Page:
    """Decode a page, not its records."""
    return _decode_page(data)


def read_list(data: bytes) -> SessionPage:
    """Decode a page of a list, not its documents."""
    return _decode_list(data)


def endless(sessions: Sequence[str]) -> Iterator[Request]:
    """Appends to the sessions in turn."""
    while True:
        for session in sessions:
            yield append(session)
