"""What joins the log, all or none of it."""

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from application.ports.access.seen_signatures import SignedRequest
from application.ports.log.events import NewEvent
from application.ports.session.idempotency import StoredAnswer
from application.ports.session.session_row import NO_ACTIVITY, Activity, Hold, SessionRow
from application.ports.session.shared_state import ScopeOwner, ScopeVersion, SharedWrite
from domain.access.events import ACCESS_LOG
from domain.errors import SessionExists

_ACCESS_LOG = ACCESS_LOG.int
"""Python code compares UUIDs; the numbers that they are, the interpreter itself does."""


@dataclass(slots=True)
class Append:
    """Events that join the log of one session together, with all rows that go with them.

    Args:
        session_id: Whose log.
        before: The sequence it must have, or the append is refused.
        events: In order; may be empty when only idempotency keys are kept.
        at: The time of the last event, UTC.
        row: The list row, when what it shows has changed; None leaves it as it is.
        activity: What else moves in the list row; a session's append without a row needs it.
        shared: Writes to the scopes that sessions share.
        keys: Answers to keep; their position counts from the append's first event (offset + 1).
        expected_scopes: The versions that shared scopes must have, or the append is refused.
        companions: Appends to other logs that are written or refused together with this one, each
            to a log of its own and without companions of its own.
        scope: Whose shared scope the log belongs to, which has no list row; None for a session's.
        of_store: The log is that of the store's accesses, or of another program, and has no list
            row either.
        by_import: An importer writes it, who may append to a log that is held; it has a row.
        hold: Keep everybody else from appending to the log, and why; with `by_import` only.
        waited: Seconds that whoever asks has waited already, which count as part of the patience.
        app: Whose work it is: when many wait, apps take turns.
        signatures: The signed requests that it does, or the append is refused: none is done twice.
    """

    session_id: UUID
    before: int
    events: Sequence[NewEvent]
    at: datetime
    row: SessionRow | None = None
    activity: Activity = NO_ACTIVITY
    shared: Sequence[SharedWrite] = ()
    keys: Sequence[StoredAnswer] = ()
    expected_scopes: Sequence[ScopeVersion] = ()
    companions: Sequence["Append"] = ()
    scope: ScopeOwner | None = None
    of_store: bool = False
    by_import: bool = False
    hold: Hold | None = None
    waited: float = 0.0
    app: str = ""
    signatures: Sequence[SignedRequest] = ()

    @property
    def of_session(self) -> bool:
        """Whether the log belongs to a session, and so has a row in lists."""
        return self.scope is None and not self.of_store

    @property
    def streams(self) -> tuple["Append", ...]:
        """This append and its companions, in the order of their positions.

        Raises:
            ValueError: Two are to one log, or a companion has companions.
            SessionExists: A session would have the id of the store's own log.
        """
        together = (self, *self.companions)
        for one in together:
            if one.session_id.int == _ACCESS_LOG and not one.of_store:
                raise SessionExists("this id is that of the log of accesses; choose another id")
        if not self.companions:
            return together
        if len({one.session_id for one in together}) < len(together):
            raise ValueError("two appends to one log cannot be companions")
        if any(companion.companions for companion in self.companions):
            raise ValueError("a companion has no companions of its own")
        return together


class Appender(Protocol):
    """Lets events join the log."""

    def append(self, append: Append) -> Coroutine[Any, Any, int]:
        """Make an append and its companions durable, all or none.

        Returns:
            The position of its own last event; that of the one before it when it has none. Those
            of its companions' events follow directly, in the order of the companions.

        Raises:
            VersionConflict: A log is not at `before`, which is not asked of an append without
                events; the facts are its `session_id`, as a string, and its `head`.
            StaleScope: A shared scope is not at its expected version; `head` is the one it has.
            SessionHeld: A log is being imported, or is in quarantine.
            KeysTaken: An idempotency key of one of them is already stored.
            SignaturesSeen: A signature of one of them is that of another request.
            StoreUnavailable: The store cannot be reached; nothing was stored.
            OutcomeUnknown: The store was lost on the way and did not come back in time.
        """
        ...
