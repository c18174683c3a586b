"""From a session of another system to the lines of an export file, the same ones in every run."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from application.ports.log.codec import Codec
from application.ports.log.events import Envelope, StoredEvent
from application.reads.streams.wire import record_json
from application.transfer.foreign import Draft, ForeignSession
from application.transfer.lines import Header, identity_of
from domain.log.chain import genesis, link, record_hash
from domain.session.events import Recorded
from domain.session.evolve import evolve
from domain.session.state import ABSENT
from domain.session.turn_of import turn_of
from domain.values import Origin

ORIGIN = "import"
_NO_ID = UUID(int=0)


class DraftedLog:
    """The log of one session of another system, made line by line.

    An id that is made here depends on all that the session says up to its event, and nothing that
    stays after an erasure reveals it. So whoever guesses the text of an erased event cannot check
    the guess against the hash that is left.

    Args:
        session: The session.
        codec: Writes its records.
        position: That of the event before its first one.
        origin: Where it leaves another session, with the digest of that event; None for one of
            its own.
    """

    def __init__(
        self,
        session: ForeignSession,
        codec: Codec,
        *,
        position: int = 0,
        origin: Origin | None = None,
    ) -> None:
        self._session = session
        self._codec = codec
        self._created = replace(session.created, forked_from=origin)
        self._digest = genesis(session.session_id)
        self._said = sha256(session.session_id.bytes)
        self.position = position
        self.events = 0

    def lines(self) -> Iterator[bytes]:
        """Yield its events as lines, with their ends; once."""
        session, state = self._session, ABSENT
        first = Draft(event=self._created, at=session.created_at)
        yield self._line(first, None)
        if session.names_turns:
            for draft in session.drafts:
                yield self._line(draft, draft.turn_id)
            return
        state = evolve(state, Recorded(1, first.at, first.event, None))
        for draft in session.drafts:
            turn_id = draft.turn_id or turn_of(state, draft.event)
            yield self._line(draft, turn_id)
            state = evolve(state, Recorded(self.events, draft.at, draft.event, turn_id))

    def header(self) -> Header:
        """Return its header; complete when all lines were taken."""
        origin = self._created.forked_from
        forked_from: dict[str, Any] | None = None
        if origin is not None:
            forked_from = {
                "session_id": str(origin.session_id),
                "sequence": origin.sequence,
                "digest": origin.digest,
            }
        return Header(
            store=self._session.source,
            session_id=self._session.session_id,
            events=self.events,
            head=self.events,
            digest=self._digest,
            identity=identity_of(self._created),
            forked_from=forked_from,
            blocked=tuple(self._session.tally.blocked),
        )

    def _line(self, draft: Draft, turn_id: str | None) -> bytes:
        event_id = draft.id or self._made_id(draft.event, draft.at)
        envelope = Envelope(
            event_id, draft.at, draft.actor or self._session.actor, ORIGIN, turn_id, draft.causation
        )
        name, record = self._codec.encode(draft.event, envelope)
        self._digest = link(self._digest, record_hash(record))
        self.events += 1
        self.position += 1
        stored = StoredEvent(
            self._session.session_id, self.events, self.position, name, record, self._digest
        )
        return record_json(stored) + b"\n"

    def _made_id(self, event: Any, at: datetime) -> UUID:
        _, said = self._codec.encode(event, Envelope(_NO_ID, at, "", ""))
        self._said.update(said)
        # Version 8: the bits are of our own making.
        bits = int.from_bytes(self._said.digest()[:16], "big")
        bits = bits & ~(0xF000 << 64) & ~(0xC000 << 48) | (0x8000 << 64) | (0x8000 << 48)
        return UUID(int=bits)
