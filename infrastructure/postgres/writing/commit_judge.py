"""Whose fault it is that a batch was refused, and which of its appends are stored already.

The answer is read from the database: an append is stored when the log has, at its place, an event
with the digest of its last one.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import AsyncCursor

from application.errors import (
    KeysTaken,
    SessionHeld,
    SignaturesSeen,
    StaleScope,
    VersionConflict,
)
from application.ports.log.append import Append
from application.ports.session.session_row import Hold
from domain.errors import CairnError, Erased
from infrastructure.postgres import sql
from infrastructure.postgres.writing.arrays import BigintArray, ByteaArray, TextArray, UuidArray

_STATEMENTS = sql.load("log")
_NOBODY = UUID(int=0)


@dataclass(slots=True)
class PendingAppend:
    """An append with its companions, the promise of its position, and what they come to.

    Args:
        streams: The append first.
        done: Gets the position.
        since: When it came, by the monotonic clock.
        size: The bytes of all records.
        events: How many there are.
        logs: The ids of the logs, as the numbers that they are.
        expects: The shared scopes whose versions it asks for.
        app: Behind whose appends it waits.
    """

    streams: Sequence[Append]
    done: asyncio.Future[int]
    since: float
    size: int
    events: int
    logs: Sequence[int]
    expects: Sequence[UUID]
    app: str = ""


def refuse(appends: Iterable[PendingAppend], why: Exception) -> None:
    """Tell the callers that have no answer yet why theirs is not known to be written.

    Args:
        appends: What was asked.
        why: The answer.
    """
    for one in appends:
        if not one.done.done():
            one.done.set_exception(why)


class Judgement(NamedTuple):
    """What the database says of appends whose fate was open.

    Args:
        innocent: Neither stored nor in conflict with what is stored: to be written again.
        newest: The newest position of one that is stored; 0 when none is.
    """

    innocent: list[PendingAppend]
    newest: int


class _End(NamedTuple):
    """Where a log is, and the event, if it is there, with which an append would have ended.

    `held` says why nobody may append to it. Of a fork that begins, `is_origin_erased` says that
    what it would begin with is gone.
    """

    head: int
    digest: bytes | None
    position: int
    held: Hold | None
    is_origin_erased: bool | None


async def judge(cursor: AsyncCursor[Any], waiting: Sequence[PendingAppend]) -> Judgement:
    """Answer the appends whose fate is known, and return the others.

    Args:
        cursor: A binary cursor of a connection on which no batch is being written.
        waiting: The appends of one batch.
    """
    every = [one for entry in waiting for one in entry.streams]
    # Asked first: where they were changed by what is judged here, its digest is found after it.
    taken = await _keys_taken(cursor, every)
    seen = await _signatures_seen(cursor, every)
    versions = await _scope_versions(cursor, every)
    sessions = [one.session_id.bytes for one in every]
    lasts = [one.before + len(one.events) for one in every]
    origins = [
        (None if one.row is None or one.before else one.row.forked_from) or _NOBODY for one in every
    ]
    await cursor.execute(
        _STATEMENTS["judge"],
        {
            "session": UuidArray(sessions),
            "last": BigintArray(lasts),
            "origin": UuidArray([one.bytes for one in origins]),
        },
    )
    found = zip(every, await cursor.fetchall(), strict=True)
    ends = {one.session_id: _End(*row) for one, row in found}
    innocent: list[PendingAppend] = []
    newest = 0
    for entry in waiting:
        position = _position_of(entry, ends)
        if position is not None:
            if not entry.done.done():
                entry.done.set_result(position)
            newest = max(newest, position + entry.events - len(entry.streams[0].events))
            continue
        refusal = _refusal_of(entry, ends, taken, seen, versions)
        if refusal is None:
            innocent.append(entry)
        else:
            refuse([entry], refusal)
    return Judgement(innocent, newest)


async def _keys_taken(cursor: AsyncCursor[Any], appends: Sequence[Append]) -> set[tuple[UUID, str]]:
    keys = [key for one in appends for key in one.keys]
    if not keys:
        return set()
    scopes = UuidArray([key.scope.bytes for key in keys])
    names = TextArray([key.key.encode() for key in keys])
    await cursor.execute(_STATEMENTS["keys_taken"], {"scope": scopes, "key": names})
    return {(scope, name) for scope, name in await cursor.fetchall()}


async def _signatures_seen(cursor: AsyncCursor[Any], appends: Sequence[Append]) -> set[bytes]:
    signatures = [signed for one in appends for signed in one.signatures]
    if not signatures:
        return set()
    hashes = ByteaArray([signed.hashed for signed in signatures])
    requests = UuidArray([signed.request.bytes for signed in signatures])
    await cursor.execute(_STATEMENTS["signatures_seen"], {"hashed": hashes, "request": requests})
    return {hashed for (hashed,) in await cursor.fetchall()}


async def _scope_versions(cursor: AsyncCursor[Any], appends: Sequence[Append]) -> dict[UUID, int]:
    scopes = {expected.scope_id for one in appends for expected in one.expected_scopes}
    if not scopes:
        return {}
    await cursor.execute(
        _STATEMENTS["scope_versions"], {"scope": UuidArray([one.bytes for one in scopes])}
    )
    return dict(await cursor.fetchall())


def _position_of(entry: PendingAppend, ends: Mapping[UUID, _End]) -> int | None:
    """Return the position to answer with if the entry is written; any one of its digests tells."""
    for one in entry.streams:
        if one.events:
            end = ends[one.session_id]
            if end.digest != one.events[-1].digest:
                return None
            # Whatever stands before it has no events.
            return end.position - len(one.events) + len(entry.streams[0].events)
    return None


def _refusal_of(
    entry: PendingAppend,
    ends: Mapping[UUID, _End],
    taken: Collection[tuple[UUID, str]],
    seen: Collection[bytes],
    versions: Mapping[UUID, int],
) -> CairnError | None:
    """Return what is in the way of an entry that is not written, if anything is."""
    repeated = frozenset(
        key.key for one in entry.streams for key in one.keys if (key.scope, key.key) in taken
    )
    if repeated:
        return KeysTaken(repeated)
    here_before = frozenset(
        signed.hashed for one in entry.streams for signed in one.signatures if signed.hashed in seen
    )
    if here_before:
        return SignaturesSeen(here_before)
    for one in entry.streams:
        head, held = ends[one.session_id].head, ends[one.session_id].held
        if one.events and head != one.before:
            return VersionConflict(None, session_id=str(one.session_id), head=head)
        if one.events and held is not None and not one.by_import:
            return SessionHeld(held)
        if not one.before and ends[one.session_id].is_origin_erased:
            return Erased("the session that it was to be a fork of is erased")
    for one in entry.streams:
        for scope_id, expected in one.expected_scopes:
            version = versions.get(scope_id, 0)
            if version != expected:
                return StaleScope(None, head=version)
    return None
