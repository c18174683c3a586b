"""List cursors: opaque, good for the very list that gave them out, and refused when changed."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from datetime import datetime
from hashlib import sha256
from typing import TypeVar
from uuid import UUID

import msgspec

from application.errors import InvalidCursor
from application.ports.session.listing import After, ListedSession, SessionFilter, SessionOrder

_TAG = 16
_PlaceT = TypeVar("_PlaceT")


def list_key(store: str, where: SessionFilter, order: SessionOrder, *more: str) -> bytes:
    """Return what marks the cursors of one list: its store, filters and sort.

    Args:
        store: The identity of the log.
        where: The filters.
        order: The sort.
        *more: What else decides which sessions are in it.
    """
    described = msgspec.json.encode([store, where, order.by, order.descending, *more])
    return sha256(b"cairn list cursor" + described).digest()


def encode(last: ListedSession, order: SessionOrder, key: bytes) -> str:
    """Return the cursor that goes on after a row.

    Args:
        last: The last row of the page.
        order: How the list is sorted.
        key: What marks the list's cursors.
    """
    match order.by:
        case "last_activity_at":
            value = last.last_activity_at.isoformat()
        case "updated_at":
            value = last.updated_at.isoformat()
        case "created_at":
            value = last.created_at.isoformat()
        case "title":
            value = last.title or ""
    content = msgspec.json.encode([order.by, value, last.session_id])
    return _marked(content, key)


def decode(cursor: str, key: bytes) -> After:
    """Return where a cursor goes on.

    Args:
        cursor: What a client sent.
        key: What marks the list's cursors.

    Raises:
        InvalidCursor: It is not one of this list's, or was changed.
    """
    by, value, session_id = msgspec.json.decode(_content(cursor, key))
    return After(value if by == "title" else datetime.fromisoformat(value), UUID(session_id))


def transcript_key(store: str, session_id: UUID, epoch: int, *form: str) -> bytes:
    """Return what marks the cursors of one transcript: its session, its epoch and its form.

    Args:
        store: The identity of the log.
        session_id: Whose transcript.
        epoch: In which entries only follow: after a clear or a rewind they are others.
        *form: Its order and format.
    """
    described = msgspec.json.encode([store, session_id, epoch, *form])
    return sha256(b"cairn transcript cursor" + described).digest()


def page_key(store: str, *of: str) -> bytes:
    """Return what marks the cursors of a list that has one order and no filters.

    Args:
        store: The identity of the log.
        *of: What is listed.
    """
    return sha256(b"cairn page cursor" + msgspec.json.encode([store, *of])).digest()


def encode_place(place: object, key: bytes) -> str:
    """Return the cursor that goes on at a place.

    Args:
        place: An index, or whatever else says where in the list; those before it never move.
        key: What marks the list's cursors.
    """
    return _marked(msgspec.json.encode(place), key)


def decode_place(cursor: str, key: bytes, kind: type[_PlaceT]) -> _PlaceT:
    """Return the place at which a cursor goes on.

    Args:
        cursor: What a client sent.
        key: What marks the list's cursors.
        kind: Of the place.

    Raises:
        InvalidCursor: It is not one of this list's, or was changed.
    """
    return msgspec.json.decode(_content(cursor, key), type=kind)


def _marked(content: bytes, key: bytes) -> str:
    return urlsafe_b64encode(_tag(content, key) + content).decode().rstrip("=")


def _content(cursor: str, key: bytes) -> bytes:
    try:
        raw = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
    except (NotBase64, ValueError):
        raise InvalidCursor from None
    tag, content = raw[:_TAG], raw[_TAG:]
    if not hmac.compare_digest(tag, _tag(content, key)):
        raise InvalidCursor
    return content


def _tag(content: bytes, key: bytes) -> bytes:
    return hmac.digest(key, content, "sha256")[:_TAG]
