"""What can be read of sessions: lists, status, snapshots, transcripts, history and shared state."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

from application.errors import CursorAhead
from application.handle import Handler
from application.listing import app_scope, session_document, user_scope
from application.live import Hub
from application.load import Loaded
from application.ports import After, ListedSession, SessionFilter, SessionOrder, Store
from domain.errors import MessageNotFound, SessionNotFound
from domain.session.events import (
    ConversationCleared,
    ConversationRewound,
    Recorded,
    SessionCreated,
)
from domain.session.state import Session
from domain.session.transcript import Transcript
from domain.values import Origin

_PAGE = 1000


@dataclass(slots=True)
class _Kept:
    """A transcript that was read before, each entry beside its JSON."""

    transcript: Transcript = field(default_factory=Transcript)
    json: list[bytes] = field(default_factory=list[bytes])
    sequence: int = 0
    size: int = 0


class Transcripts:
    """Folds transcripts, and keeps those that were read last.

    Args:
        store: Where the log is.
        most_bytes: The most JSON that is kept, over all sessions.
    """

    def __init__(self, store: Store, *, most_bytes: int = 64 * 1024 * 1024) -> None:
        self._log = store.log
        self._codec = store.codec
        self._most_bytes = most_bytes
        self._bytes = 0
        self._kept: OrderedDict[UUID, _Kept] = OrderedDict()
        self._locks: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    async def entries(self, session_id: UUID, sequence: int) -> Sequence[bytes]:
        """Return the JSON of each entry as of a sequence.

        Args:
            session_id: Whose transcript.
            sequence: The last event that counts; the log has it.
        """
        lock = self._locks.get(session_id)
        if lock is None:
            lock = self._locks[session_id] = asyncio.Lock()
        async with lock:
            kept = self._kept.pop(session_id, None) or _Kept()
            self._bytes -= kept.size
            if kept.sequence < sequence:
                await self._fold(session_id, kept, sequence)
            self._keep(session_id, kept)
            now = tuple(kept.json) if kept.sequence == sequence else None
        if now is not None:
            return now
        past = _Kept()
        await self._fold(session_id, past, sequence)
        return past.json

    async def _fold(self, session_id: UUID, kept: _Kept, upto: int) -> None:
        while kept.sequence < upto:
            page = await self._log.read(session_id, after=kept.sequence, upto=upto, limit=_PAGE)
            if not page:
                return
            for stored in page:
                await self._take_in(session_id, kept, self._codec.decode(stored))
            kept.sequence = page[-1].sequence

    async def _take_in(self, session_id: UUID, kept: _Kept, recorded: Recorded) -> None:
        match recorded.event:
            case ConversationRewound(to=to):
                await self._go_back(kept, session_id, to)
                self._settle(kept)
            case SessionCreated(forked_from=Origin() as origin):
                await self._go_back(kept, origin.session_id, origin.sequence)
                self._settle(kept)
            case ConversationCleared():
                kept.transcript.apply(recorded)
                kept.json.clear()
                kept.size = 0
            case _:
                changed = kept.transcript.apply(recorded)
                if changed is not None:
                    self._write(kept, changed)

    def _settle(self, kept: _Kept) -> None:
        # A call that was open at that moment will not return here.
        for index in kept.transcript.settle():
            self._write(kept, index)

    def _write(self, kept: _Kept, index: int) -> None:
        entry = self._codec.to_json(kept.transcript.entries[index])
        kept.size += len(entry)
        if index == len(kept.json):
            kept.json.append(entry)
        else:
            kept.size -= len(kept.json[index])
            kept.json[index] = entry

    async def _go_back(self, kept: _Kept, session_id: UUID, sequence: int) -> None:
        """Go on from an earlier fold, of the same log or of that of a fork's origin."""
        past = _Kept()
        await self._fold(session_id, past, sequence)
        kept.transcript, kept.json, kept.size = past.transcript, past.json, past.size

    def _keep(self, session_id: UUID, kept: _Kept) -> None:
        self._kept[session_id] = kept
        self._bytes += kept.size
        while self._bytes > self._most_bytes:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= oldest.size


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A session at one sequence.

    Args:
        document: What clients see of the session.
        session: Its state.
        sequence: What it is true at.
        position: That event's position.
        transcript: JSON entries.
        state: Its own keys with the shared ones as they were then.
    """

    document: Mapping[str, Any]
    session: Session
    sequence: int
    position: int
    transcript: Sequence[bytes]
    state: Mapping[str, Any]


class Queries:
    """Reads.

    Args:
        store: Where everything is.
        hub: Who tells that a session has moved on.
        handler: Who knows the newest states.
        transcripts: Who folds what readers see.
    """

    def __init__(self, store: Store, hub: Hub, handler: Handler, transcripts: Transcripts) -> None:
        self._store = store
        self._hub = hub
        self._handler = handler
        self._transcripts = transcripts

    async def session(self, session_id: UUID) -> ListedSession:
        """Return a session as lists show it.

        Raises:
            SessionNotFound: There is none, or it was deleted.
        """
        row = await self._store.read_models.session(session_id)
        if row is None or row.hidden:
            raise SessionNotFound
        if row.status == "deleted":
            raise SessionNotFound("the session was deleted; only its events can still be read")
        return row

    async def sessions(
        self, where: SessionFilter, order: SessionOrder, after: After | None, limit: int
    ) -> Sequence[ListedSession]:
        """Return a page of sessions."""
        return await self._store.read_models.sessions(where, order, after, limit)

    async def snapshot(self, session_id: UUID, at: int | None = None) -> Snapshot:
        """Return a session as it is, or as it was after a past event.

        Args:
            session_id: Which one.
            at: A sequence; None is the newest.

        Raises:
            SessionNotFound: There is none, or it was deleted.
            CursorAhead: The session has not come to that sequence.
        """
        row = await self.session(session_id)
        if at is not None and at > row.sequence:
            raise CursorAhead(None, head=row.sequence, cursor=at)
        if at is None or at == row.sequence:
            loaded, shared_at = await self._handler.load(session_id), None
        else:
            loaded = await self._handler.load_at(session_id, at)
            shared_at = loaded.position
        session = loaded.session
        return Snapshot(
            session_document(session_id, session),
            session,
            session.sequence,
            loaded.position,
            await self._transcripts.entries(session_id, session.sequence),
            await self._whole_state(loaded, shared_at),
        )

    async def transcript(self, session_id: UUID) -> tuple[int, Sequence[bytes]]:
        """Return the newest sequence and the JSON of each entry at it."""
        row = await self.session(session_id)
        return row.sequence, await self._transcripts.entries(session_id, row.sequence)

    async def entry(self, session_id: UUID, entry_id: str) -> tuple[int, bytes]:
        """Return the newest sequence and the JSON of one entry, the newest of that id.

        Raises:
            MessageNotFound: The transcript has no such entry.
        """
        row = await self.session(session_id)
        entries = await self._transcripts.entries(session_id, row.sequence)
        for entry in reversed(entries):
            if self._store.codec.from_json(entry)["id"] == entry_id:
                return row.sequence, entry
        raise MessageNotFound(None, message_id=entry_id)

    async def status_changed(
        self, session_id: UUID, seen: ListedSession, seconds: float
    ) -> ListedSession:
        """Return the session's row when its status is another one, or time is up.

        Args:
            session_id: Which one.
            seen: Its row as the caller knows it.
            seconds: How long to wait at most.
        """
        row = seen
        with self._hub.follow(session_id) as channel:
            deadline = monotonic() + seconds
            while not self._hub.closing.is_set():
                row = await self.session(session_id)
                if row.status != seen.status:
                    break
                while channel.head <= row.sequence and not self._hub.closing.is_set():
                    if not await channel.bell.wait(max(deadline - monotonic(), 0.0)):
                        return row
        return row

    async def state(
        self, session_id: UUID, at: int | None = None
    ) -> tuple[Loaded, Mapping[str, Any]]:
        """Return the session and its state with the shared keys, as they are or were.

        Args:
            session_id: Which one.
            at: A sequence: the shared keys too are those of that event's moment. None is now.

        Raises:
            SessionNotFound: There is none, or it was deleted.
            CursorAhead: The session has not come to that sequence.
        """
        row = await self.session(session_id)
        if at is None:
            loaded = await self._handler.load(session_id)
            return loaded, await self._whole_state(loaded, None)
        if at > row.sequence:
            raise CursorAhead(None, head=row.sequence, cursor=at)
        loaded = await self._handler.load_at(session_id, at)
        return loaded, await self._whole_state(loaded, loaded.position)

    async def _whole_state(self, loaded: Loaded, at: int | None) -> Mapping[str, Any]:
        owner = loaded.session.lifecycle.owner
        state = dict(loaded.session.state)
        for scope in (app_scope(owner), user_scope(owner)):
            shared = await self._store.read_models.shared_state(scope, at=at)
            state |= {key: self._store.codec.from_json(value) for key, value in shared.items()}
        return state
