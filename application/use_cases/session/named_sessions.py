"""Sessions that an app, a user and a name identify, as other frameworks know them."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, cast
from uuid import UUID

from application.commands.handler import CommandHandler
from application.commands.request import Caller, Outcome
from application.ports.clock import Clock
from application.ports.log.codec import Codec
from application.ports.session.listing import ListedSession
from application.ports.session.session_rows import RowLookup
from application.projections.listed_document import listed_document
from application.transfer.foreign import foreign_session_id
from domain.errors import SessionExists, SessionIsDeleted, SessionNotFound
from domain.session.commands import CreateSession, ForeignEvent
from domain.values import JsonObject, Owner

_METADATA = "named"
_REMEMBERED = 10_000


class SessionName(NamedTuple):
    """What identifies a session there: the same name under two users is two sessions."""

    app: str
    user: str
    name: str


class NamedSessions:
    """Begins and finds sessions by their names.

    A session that was begun without a name has its id for one. That of a deleted session is free
    again: the next one is of another generation, with a log of its own.

    Args:
        source: Whose names they are, such as `adk`; an import of the same source gives its sessions
            the same ids.
        rows: What lists show of sessions.
        codec: Reads what a session says of its name.
        clock: Makes ids.
        handler: Handles commands.
    """

    def __init__(
        self, source: str, rows: RowLookup, codec: Codec, clock: Clock, handler: CommandHandler
    ) -> None:
        self._source = source
        self._rows = rows
        self._codec = codec
        self._clock = clock
        self._handler = handler
        self._known: OrderedDict[SessionName, UUID] = OrderedDict()

    async def on(self, wanted: SessionName, do: Callable[[UUID], Awaitable[Outcome]]) -> Outcome:
        """Do something with the session of a name, which need not be looked for each time.

        Args:
            wanted: Which.
            do: What; it refuses a session that is no more, and is then asked once more.

        Raises:
            SessionNotFound: There is none, or it was deleted.
        """
        known = self._known.get(wanted)
        if known is not None:
            self._known.move_to_end(wanted)
            with suppress(SessionIsDeleted, SessionNotFound):
                done = await do(known)
                # What was done in a session that is deleted since is told again.
                if not done.replayed or await self._has_name(known, wanted):
                    return done
            # Another one may have the name by now.
            self._known.pop(wanted, None)
        found = (await self.find(wanted)).session_id
        try:
            done = await do(found)
        except SessionIsDeleted:
            raise SessionNotFound from None
        self._known[wanted] = found
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return done

    async def find(self, wanted: SessionName) -> ListedSession:
        """Return a session as lists show it.

        Args:
            wanted: Which.

        Raises:
            SessionNotFound: There is none, or it was deleted.
        """
        found, _ = await self._look(wanted)
        if found is None:
            raise SessionNotFound
        return found

    async def _has_name(self, session_id: UUID, wanted: SessionName) -> bool:
        row, _ = await self._look(wanted)
        return row is not None and row.session_id == session_id

    async def _look(self, wanted: SessionName) -> tuple[ListedSession | None, int]:
        """Return the session, and the generation that a new one would be."""
        row = await self._of_generation(wanted, 1)
        newest = 0 if row is None else 1
        missing = newest + 1
        # They follow each other without a gap, and a name may have been free a thousand times.
        while row is not None and not _is_there(row, wanted):
            missing *= 2
            newer = await self._of_generation(wanted, missing)
            if newer is None:
                break
            row, newest = newer, missing
        while missing - newest > 1 and row is not None and not _is_there(row, wanted):
            middle = (newest + missing) // 2
            newer = await self._of_generation(wanted, middle)
            if newer is None:
                missing = middle
            else:
                row, newest = newer, middle
        if row is not None and _is_there(row, wanted):
            return row, newest
        return await self._by_id(wanted), newest + 1

    async def _of_generation(self, wanted: SessionName, number: int) -> ListedSession | None:
        return await self._rows.session(self._id_of(wanted, number))

    async def _by_id(self, wanted: SessionName) -> ListedSession | None:
        try:
            session_id = UUID(wanted.name)
        except ValueError:
            return None
        row = await self._rows.session(session_id)
        if row is None or row.status == "deleted":
            return None
        if (row.app, row.user) != (wanted.app, wanted.user) or self.name_of(row) != wanted.name:
            return None
        return row

    def _id_of(self, wanted: SessionName, generation: int) -> UUID:
        more = () if generation == 1 else (str(generation),)
        return foreign_session_id(self._source, *wanted, *more)

    def name_of(self, row: ListedSession) -> str:
        """Return what a session is called there.

        Args:
            row: The session; a fork has the metadata of its origin, and yet another name.
        """
        metadata: Any = listed_document(row, self._codec.from_json)["metadata"]
        told = _object(_object(metadata).get(_METADATA))
        name, generation = told.get("name"), told.get("generation", 1)
        if told.get("by") == self._source and isinstance(name, str) and isinstance(generation, int):
            known = SessionName(row.app, row.user, name)
            if self._id_of(known, generation) == row.session_id:
                return name
        imported = _object(_object(metadata).get("imported_from"))
        key = imported.get("key")
        if imported.get("kind") == self._source and isinstance(key, list):
            *_, last = cast("list[Any]", key) or [None]  # type: ignore[redundant-cast]
            known = SessionName(row.app, row.user, str(last))
            if self._id_of(known, 1) == row.session_id:
                return known.name
        return str(row.session_id)

    async def create(
        self,
        caller: Caller,
        app: str,
        user: str,
        name: str | None,
        *,
        state: JsonObject,
        foreign: tuple[ForeignEvent, ...] = (),
    ) -> Outcome:
        """Begin a session with what was done in it before, in one append.

        Args:
            caller: Who asks; with a key it begins once, however often it is asked for.
            app: Whose session.
            user: The same.
            name: None has its id for a name.
            state: What it begins with.
            foreign: What was done in it before.

        Raises:
            SessionExists: There is one of this name.
            IdempotencyKeyReused: Another request had the key.
        """
        key = caller.key_in(caller.keys_of_new_sessions)
        metadata: dict[str, Any] = {}
        if name is None:
            session_id = self._clock.new_id()
        else:
            wanted = SessionName(app, user, name)
            found, generation = await self._look(wanted)
            if found is not None:
                done = await self._handler.replay(key)
                if done is None:
                    raise SessionExists(session_status=found.status)
                return done
            session_id = self._id_of(wanted, generation)
            metadata[_METADATA] = {"by": self._source, "name": name}
            if generation > 1:
                metadata[_METADATA]["generation"] = generation
        command = CreateSession(
            owner=Owner(app=app, user=user), state=state, metadata=metadata, foreign=foreign
        )
        request = caller.asks(session_id, command)._replace(idempotency=key)
        outcome = await self._handler.handle(request)
        if not outcome.changed:
            # Somebody else was first, with the very same content.
            raise SessionExists(session_status="idle")
        return outcome


def _is_there(row: ListedSession, wanted: SessionName) -> bool:
    is_its = (row.app, row.user) == (wanted.app, wanted.user)
    return is_its and row.status not in ("deleted", "erased")


def _object(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}
