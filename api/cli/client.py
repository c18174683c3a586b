"""A client that loses nothing: it follows a session across whatever happens to the connection."""

import asyncio
import random
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Self

import httpx
import msgspec

from api.cli.client_options import client_options
from api.cli.options import Failure
from api.cli.reading.stream_items import Closed, Frame, Frames, Item, Lost, items_of
from api.cli.refused import Refused, problem_of, refusal_of

_SILENCE = 45.0
"""Seconds without a word, not even a ping, after which a stream is dead."""

_ANSWER = 15.0
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
_PAGE = 200
_AGAIN = frozenset({408, 429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a command.

    Args:
        sequence: Of the session after it, 0 for what leaves no event.
        replayed: It had been done already, and this is the answer of then.
        attempts: How often it was sent.
    """

    sequence: int
    replayed: bool
    attempts: int


class Client:
    """Speaks to one server.

    Args:
        url: Where it is.
        token: Its bearer token.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        self._http = httpx.AsyncClient(timeout=_ANSWER, **client_options(url, token))
        self._store: str | None = None
        """The store that sequences are of, once it is known: a restored one is another."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def send(
        self, method: str, path: str, body: Mapping[str, Any], *, key: str, patience: float = 30.0
    ) -> Answer:
        """Send a command until it is answered; its key makes that safe.

        Args:
            method: Of the request.
            path: Of the request.
            body: A JSON object.
            key: Idempotency key, one for each command.
            patience: Seconds to go on trying.

        Raises:
            Refused: The answer is no.
            Failure: There was none in time.
        """
        content = msgspec.json.encode(body)
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        attempts = 0
        while True:
            attempts += 1
            try:
                answer = await self._http.request(method, path, content=content, headers=headers)
                refusal = refusal_of(answer.status_code, answer.content)
            except httpx.TransportError as error:
                why = _words(error)
            else:
                if refusal is None:
                    replayed = answer.headers.get("idempotent-replayed") == "true"
                    return Answer(answer.json().get("sequence", 0), replayed, attempts)
                if refusal.status not in _AGAIN and refusal.code != "idempotency_key_in_flight":
                    raise refusal
                why = str(refusal)
            if loop.time() > deadline:
                raise Failure(f"The server does not answer: {why}.")
            await asyncio.sleep(_pause(attempts))

    async def show(self, path: str, body: Mapping[str, Any]) -> None:
        """Send pieces, which are for live readers: what is lost is in the event that follows.

        Args:
            path: Of the request.
            body: A JSON object.

        Raises:
            Refused: The answer is no.
        """
        try:
            answer = await self._http.post(path, json=body)
        except httpx.TransportError:
            return
        refusal = refusal_of(answer.status_code, answer.content)
        if refusal is None or refusal.status in _AGAIN or refusal.code == "piece_misplaced":
            return
        raise refusal

    async def records(self, session_id: str) -> list[bytes]:
        """Return the log of a session, each record exactly as it was sent.

        Args:
            session_id: Whose.

        Raises:
            Refused: The server does not give it.
        """
        found: list[bytes] = []
        since = 0
        while True:
            parameters = {"since": str(since), "limit": str(_PAGE)}
            answer = await self._http.get(_events(session_id), params=parameters)
            refusal = refusal_of(answer.status_code, answer.content)
            if refusal is not None:
                raise refusal
            page = msgspec.json.decode(answer.content, type=_Page)
            found += [bytes(record) for record in page.events]
            if page.up_to_date:
                return found
            since = page.next

    async def follow(self, session_id: str, since: int | None = 0) -> AsyncGenerator[Item]:
        """Yield what follows a sequence, each event once and none left out, until the session ends.

        Args:
            session_id: Whose.
            since: Exclusive; None begins with what is new.

        Raises:
            Refused: There is no such session, `since` is beyond its head, or the server's database
                was restored meanwhile, so that the sequences are those of another store.
            Hole: An event is missing.
        """
        cursor, failures = since, 0
        while True:
            try:
                async with aclosing(self._stream(session_id, cursor)) as frames:
                    why = "the stream ended"
                    async for frame in frames:
                        if frame.name == "stream.closing":
                            why = "the server ended the stream"
                            continue
                        if frame.name == "error":
                            why = str(problem_of(0, frame.data))
                            continue
                        for item in items_of(frame, cursor):
                            yield item
                            if isinstance(item, Closed):
                                return
                        if frame.name not in {"partial", "ping"}:
                            failures = 0
                        cursor = frame.cursor if frame.cursor is not None else cursor
            except httpx.TransportError as error:
                why = _words(error)
            except Refused as refusal:
                if refusal.status not in _AGAIN:
                    raise
                why = str(refusal)
            failures += 1
            pause = _pause(failures)
            yield Lost(why, pause)
            await asyncio.sleep(pause)

    async def _stream(self, session_id: str, since: int | None) -> AsyncGenerator[Frame]:
        since_when = "now" if since is None else str(since)
        parameters = {"since": since_when, "store": await self._identity()}
        timeout = httpx.Timeout(_ANSWER, read=_SILENCE)
        request = self._http.stream(
            "GET",
            _events(session_id),
            params=parameters,
            headers={"Accept": "text/event-stream"},
            timeout=timeout,
        )
        async with request as answer:
            if answer.status_code == 204:
                # The session is deleted, and all of it is known here.
                yield Frame("session.closed", b"{}", since)
                return
            if answer.status_code != 200:
                raise problem_of(answer.status_code, await answer.aread())
            frames = Frames()
            # Leaving the request closes them, and this generator is itself closed by `follow`.
            async for chunk in answer.aiter_bytes():
                for frame in frames.feed(chunk):
                    yield frame

    async def _identity(self) -> str:
        if self._store is None:
            answer = await self._http.get("/version")
            refusal = refusal_of(answer.status_code, answer.content)
            if refusal is not None:
                raise refusal
            self._store = str(answer.json()["store"])
        return self._store


class _Page(msgspec.Struct):
    events: list[msgspec.Raw]
    next: int
    up_to_date: bool


def _events(session_id: str) -> str:
    return f"/v1/sessions/{session_id}/events"


def _pause(failures: int) -> float:
    longest = min(_FIRST_PAUSE * 2 ** min(failures, 10), _LONGEST_PAUSE)
    # Spread out, so that all the clients of a server that starts again do not come at once.
    return random.uniform(longest / 2, longest)  # noqa: S311 - nothing is kept secret by it


def _words(error: httpx.TransportError) -> str:
    match error:
        case httpx.ConnectError() | httpx.ConnectTimeout():
            return "nobody answers there"
        case httpx.ReadTimeout():
            return "nothing was heard for too long"
        case _:
            return "the connection broke"
