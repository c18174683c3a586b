"""Our log as an application log of the `eventsourcing` library.

Whatever is written with that library can follow Cairn's log: as an application whose environment
has `PERSISTENCE_MODULE=eventsourcing.postgres`,
`APPLICATION_RECORDER_TOPIC=infrastructure.postgres.library.recorder:CairnRecorder`,
`MAPPER_TOPIC=infrastructure.postgres.library.mapper:CairnMapper` and the `POSTGRES_` keys.
It may add sequences of its own, as records like ours, but not to sessions: only a command keeps
their rules and their list rows.
"""

from collections.abc import Sequence
from time import monotonic
from typing import Any
from uuid import UUID

import psycopg
from eventsourcing.persistence import (
    ApplicationRecorder,
    IntegrityError,
    InterfaceError,
    OperationalError,
    PersistenceError,
    ProgrammingError,
    StoredEvent,
    Subscription,
)
from eventsourcing.postgres import (
    PostgresApplicationRecorder,
    PostgresDatastore,
    PostgresSubscription,
)
from eventsourcing.utils import retry
from psycopg import Cursor
from psycopg.rows import DictRow
from psycopg.sql import SQL, Identifier

from domain.access.events import ACCESS_LOG
from domain.log.chain import genesis, link, record_hash
from infrastructure.postgres import sql
from infrastructure.records.record_check import fault_of

_STATEMENTS = sql.load("recorder")
_TABLE = "events"
_CHANNEL = "cairn_log"
_POLL = 1.0


class CairnRecorder(PostgresApplicationRecorder):
    """Reads the library's way, and writes the way that our log is written.

    Args:
        datastore: Where our tables are; its originator ids are of type `uuid`.
        events_table_name: What the library would call the table; there is only one here.

    Raises:
        ProgrammingError: The datastore wants originator ids of another type, or functions of the
            library in the database, which take no lock and let readers miss events.
    """

    def __init__(self, datastore: PostgresDatastore, *, events_table_name: str = _TABLE) -> None:
        super().__init__(datastore, events_table_name=_TABLE)
        self.channel_name = _CHANNEL
        if datastore.originator_id_type != "uuid":
            raise ProgrammingError(f"{events_table_name} must have originator ids of type uuid")
        if datastore.enable_db_functions:
            raise ProgrammingError("the log must not be written by the functions of the library")

    def create_table(self) -> None:
        """Do nothing: our migrations make the tables."""

    @retry((InterfaceError, OperationalError), max_attempts=10, wait=0.2)
    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int] | None:
        """Append events, all or none, and return their positions; None when there are no events.

        Args:
            stored_events: Of one or more sequences, each going on where it ends.

        Raises:
            ProgrammingError: One is not a record as the log has them; nothing was asked of the
                database.
            IntegrityError: One does not follow the end of its sequence, or belongs to a session.
            PersistenceError: The database was lost while it committed: they may be stored or not.
        """
        if not stored_events:
            return None
        for event in stored_events:
            fault = fault_of(event.topic, event.state)
            if fault:
                raise ProgrammingError(
                    f"event {event.originator_version} of {event.originator_id} {fault};"
                    " write with infrastructure.postgres.library.mapper:CairnMapper"
                )
        positions: Sequence[int] = ()
        with self.datastore.get_connection() as connection:
            try:
                with connection.transaction(), connection.cursor() as cursor:
                    positions = self._insert(cursor, stored_events)
            except psycopg.OperationalError as lost:
                # Tried again, it would be refused as a conflict with itself.
                if positions:
                    raise PersistenceError("it is not known whether it was committed") from lost
                raise
        return positions

    def _insert(self, cursor: Cursor[DictRow], events: Sequence[StoredEvent]) -> Sequence[int]:
        store = self.datastore
        cursor.execute(
            _STATEMENTS["begin"],
            {
                "schema": store.schema,
                "timeout": f"{store.lock_timeout}s",
                "channel": self.channel_name,
            },
        )
        cursor.execute(_STATEMENTS["take_positions"], {"count": len(events)})
        head = cursor.fetchone()
        if head is None:
            raise ProgrammingError("the log has no head")
        base: int = head["base"]
        originators = [_uuid(event.originator_id) for event in events]
        digests = self._digests(cursor, originators, events)
        cursor.execute(
            _STATEMENTS["insert"],
            {
                "base": base,
                "originators": originators,
                "versions": [event.originator_version for event in events],
                "topics": [event.topic for event in events],
                "states": [event.state for event in events],
                "digests": digests,
            },
        )
        return list(range(base + 1, base + 1 + len(events)))

    def _digests(
        self, cursor: Cursor[DictRow], originators: list[UUID], events: Sequence[StoredEvent]
    ) -> list[bytes]:
        asked = {"originators": list(dict.fromkeys(originators)), "accesses": ACCESS_LOG}
        cursor.execute(_STATEMENTS["ends"], asked)
        ends: dict[UUID, tuple[int | None, bytes]] = {}
        for row in cursor.fetchall():
            if row["is_ours"]:
                raise IntegrityError(
                    f"{row['id']} is a session or another log of Cairn: only commands may change it"
                )
            ends[row["id"]] = (row["originator_version"], row["digest"] or genesis(row["id"]))
        digests: list[bytes] = []
        for originator, event in zip(originators, events, strict=True):
            version, digest = ends[originator]
            # Some applications of the library begin at 0; after that nothing is left out.
            if version is not None and event.originator_version != version + 1:
                raise IntegrityError(
                    f"{originator} is at {version}: {event.originator_version} does not follow"
                )
            digests.append(link(digest, record_hash(event.state)))
            ends[originator] = (event.originator_version, digests[-1])
        return digests

    def subscribe(
        self, gt: int | None = None, topics: Sequence[str] = ()
    ) -> Subscription[ApplicationRecorder]:
        """Follow the log.

        Args:
            gt: The position to go on from; None is the beginning.
            topics: Only these; empty is all.
        """
        return CairnSubscription(recorder=self, gt=gt, topics=topics)


class CairnSubscription(PostgresSubscription):
    """Is woken by writers of the library at once, and looks once a second for what others wrote."""

    def _listen(self) -> None:
        try:
            with self._recorder.datastore.get_connection() as connection:
                channel = Identifier(self._recorder.channel_name)
                connection.execute(SQL("listen {}").format(channel))
                looked = monotonic()
                while not self._has_been_stopped and not self._thread_error:
                    woken = any(True for _ in connection.notifies(timeout=0.1, stop_after=1))
                    if woken or monotonic() - looked > _POLL:
                        looked = monotonic()
                        self._has_been_notified.set()
                connection.execute(SQL("unlisten {}").format(channel))
        except BaseException as error:  # noqa: BLE001 - raised where the subscription is read
            if self._thread_error is None:
                self._thread_error = error
            self.stop()


def _uuid(originator: UUID | str) -> UUID:
    return originator if isinstance(originator, UUID) else UUID(originator)
