"""Making answers out of stored bytes, without decoding what is already JSON."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, quote_plus
from uuid import UUID

import msgspec
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from api.http.around.forwarded import public_base
from api.http.outgoing.giving import Giving, part
from application.commands.request import Outcome
from application.ports.log.events import StoredEvent
from application.ports.session.listing import ListedSession
from application.projections.listed_document import listed_document
from application.projections.session_document import activity_document
from application.projections.session_row import PROJECTION_VERSION
from application.reads.streams.wire import record_json as record_json
from domain.values import rfc3339

if TYPE_CHECKING:
    from api.http.incoming.requests import HttpRequest

JSON = "application/json"
_LARGE = 256 * 1024
"""Bytes above which an answer is sent in parts of so many, and counts until it was taken."""
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class _Kept(msgspec.Struct):
    id: str


_look_through = msgspec.json.Decoder(_Kept).decode


def to_json(value: Any) -> bytes:
    """Return a value as UTF-8 JSON."""
    return _encode(value)


def moment(at: datetime) -> datetime | str:
    """Return a time that `to_json` writes as `rfc3339` does: in UTC, always with microseconds.

    Args:
        at: With a time zone.
    """
    # The encoder writes it thirty times as fast, but leaves out microseconds that are zero.
    return at if at.tzinfo is UTC and at.microsecond else rfc3339(at)


def from_json(stored: bytes | str) -> Any:
    """Return the value of JSON that was stored, and so need not be judged again."""
    return _decode(stored)


def etag(sequence: int) -> str:
    """Return the ETag of a session at a sequence."""
    return f'"{sequence}"'


class Reply(ASGIResponse):
    """An answer whose body is there already, sent without the framework's work on headers.

    Args:
        body: All of it, or pieces of it in order.
        status: The HTTP status.
        media_type: Of the body.
        headers: Beside content-type and content-length; ASCII.
    """

    def __init__(
        self,
        body: bytes | tuple[bytes, ...],
        *,
        status: int = 200,
        media_type: str = JSON,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._pieces: tuple[bytes, ...] = body if isinstance(body, tuple) else (body,)
        self.size = len(body) if isinstance(body, bytes) else sum(map(len, body))
        self.is_large = self.size > _LARGE
        """Whether what its reader has not taken of it counts."""
        self.status_code = status
        self.head = head = [(b"content-length", b"%d" % self.size)]
        if self.size:
            head.append((b"content-type", media_type.encode()))
        if headers:
            head += [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    @property
    def whole(self) -> bytes:
        """The body in one piece."""
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)

    def encoded(self, body: bytes, coding: str) -> "Reply":
        """Return this answer in other bytes, of which its ETag is a weak one.

        Args:
            body: The same, encoded.
            coding: How.
        """
        other = Reply(body, status=self.status_code)
        changed = {b"content-length", b"etag"}
        other.head = [(b"content-length", b"%d" % len(body))]
        other.head += [one for one in self.head if one[0] not in changed]
        other.head += [
            (name, value if value.startswith(b"W/") else b"W/" + value)
            for name, value in self.head
            if name == b"etag"
        ]
        other.head.append((b"content-encoding", coding.encode()))
        return other

    async def __call__(
        self,
        scope: Scope,
        receive: Receive,  # noqa: ARG002 - ASGI
        send: Send,
    ) -> None:
        """Send it."""
        await send(
            {"type": "http.response.start", "status": self.status_code, "headers": self.head}
        )
        if not self.is_large:
            await send({"type": "http.response.body", "body": self.whole, "more_body": False})
        elif await self._send_in_parts(cast("dict[str, Any]", scope), send):
            await send(part(b"", more=False))

    async def _send_in_parts(self, scope: dict[str, Any], send: Send) -> bool:
        """Send the body, and return whether its reader was let take all of it."""
        scope["cairn_in_parts"] = True
        try:
            async with asyncio.timeout(None) as limit:
                giving = Giving(scope["cairn"].readers, lambda: limit.reschedule(0))
                with giving.holding(self.size):
                    # Views: copies of the parts were a third of what was copied for a page.
                    views = [memoryview(piece) for piece in self._pieces]
                    parts = [v[at : at + _LARGE] for v in views for at in range(0, len(v), _LARGE)]
                    del views
                    parts.reverse()
                    await giving.hand_over(parts, send)
        except TimeoutError:
            return False
        return True


def json_response(
    body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Reply:
    """Return an answer with a JSON body."""
    return Reply(body, status=status, headers=headers)


def location(session_id: UUID, *names: str) -> str:
    """Return the path of a session, or of something in it.

    Args:
        session_id: Which session.
        *names: The rest of the path; ids may hold any character.
    """
    return f"{_path_of_session(session_id)}{path_of(*names)}"


# Python makes the text of a UUID anew each time, in ten steps.
@lru_cache(4096)
def _path_of_session(session_id: UUID) -> str:
    return f"/v1/sessions/{session_id}"


def path_of(*names: str) -> str:
    """Return a path made of words and ids, which may hold any character."""
    path = ""
    for name in names:
        path += f"/{name if _is_plain(name) else quote(name, safe='')}"
    return path


def _is_plain(text: str) -> bool:
    """Return whether a text is one that no quoting changes: a word, a number or a UUID."""
    # That is looked at sooner than quoted.
    return text.isascii() and text.replace("-", "").isalnum()


def next_link(request: "HttpRequest", path: str, **changed: Any) -> dict[str, str]:
    """Return the header that leads to the next page, by its whole URL.

    Args:
        request: For this page; it says by which name the client reaches the server.
        path: Of this page.
        **changed: What is different in the query of the next one.
    """
    given = request.query_params.items()
    kept = [(name, value) for name, value in given if name not in changed]
    base = public_base(request.scope)
    query = "&".join(f"{_in_query(name)}={_in_query(v)}" for name, v in (*kept, *changed.items()))
    return {"Link": f'<{base}{path}?{query}>; rel="next"'}


def _in_query(value: Any) -> str:
    said = str(value)
    return said if _is_plain(said) else quote_plus(said)


def not_modified(sequence: int) -> Reply:
    """Return 304: the client has this sequence already."""
    return Reply(b"", status=304, headers={"ETag": etag(sequence)})


def outcome_response(
    outcome: Outcome,
    *,
    status: int = 200,
    made: str | None = None,
    first_sequence: bool = False,
) -> Reply:
    """Return the answer to an accepted command.

    Args:
        outcome: What became of it.
        status: 201 when it made something.
        made: Where that is.
        first_sequence: Say where its events begin too.
    """
    sequence = outcome.sequence
    body: dict[str, Any] = {**outcome.answer}
    if first_sequence:
        body["first_sequence"] = outcome.first_sequence
    body["sequence"], body["position"] = sequence, outcome.position
    headers = {"ETag": etag(sequence)}
    if made is not None:
        headers["Location"] = made
    if outcome.replayed:
        headers["Idempotent-Replayed"] = "true"
    return Reply(_encode(body), status=status, headers=headers)


def records_json(events: Iterable[StoredEvent]) -> bytes:
    """Return events as a JSON array."""
    return b"[%s]" % b",".join(map(record_json, events))


def array_json(items: Sequence[bytes]) -> bytes:
    """Return values that are JSON already as an array."""
    return b"[%s]" % b",".join(items)


def session_json(row: ListedSession, **more: Any) -> bytes:
    """Return a session as lists show it.

    Args:
        row: The session.
        **more: What else is shown of it, at the end.
    """
    moved = {
        **activity_document(row.activity, moment),
        "sequence": row.sequence,
        "position": row.position,
        "updated_at": moment(row.updated_at),
    }
    if row.held is not None:
        moved["held"] = row.held
    moved |= more
    document = row.doc.encode()
    if row.projected_with < PROJECTION_VERSION or not _is_document(document):
        document = _encode(listed_document(row, from_json))
    return document[:-1] + b"," + _encode(moved)[1:]


def _is_document(raw: bytes) -> bool:
    # A list is made of the documents of its rows as they are: one that is no JSON would break the
    # answer for all of them.
    try:
        _look_through(raw)
    except msgspec.DecodeError:
        return False
    return True
