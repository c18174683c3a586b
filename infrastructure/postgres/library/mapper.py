"""Between our records and the domain events of the `eventsourcing` library.

An application, a follower or a `ProjectionRunner` of the library has it when its environment names
`MAPPER_TOPIC=infrastructure.postgres.library.mapper:CairnMapper`.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

import msgspec
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import (
    Cipher,
    Compressor,
    Mapper,
    ProgrammingError,
    StoredEvent,
    Transcoder,
)

from application.ports.log import events
from domain.session.events import Recorded
from domain.values import rfc3339
from infrastructure.records.codec import JsonCodec
from infrastructure.records.record_check import Record

_WRITER = "eventsourcing"
_record = msgspec.json.Decoder(Record).decode
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class LoggedEvent:
    """An event of Cairn as the library hands it on.

    Args:
        originator_id: The session, or the shared scope.
        originator_version: Its sequence there.
        type: The stored name, such as `turn.started`.
        record: The stored JSON, byte for byte.
        recorded: What the record says, upcast; a type that this program does not know is
            `Unrecognised`.
    """

    originator_id: UUID
    originator_version: int
    type: str
    record: bytes
    recorded: Recorded


class CairnMapper(Mapper[UUID]):
    """Reads our records, and writes events of the library's own aggregates as such records.

    Args:
        transcoder: For the data of the library's own events.
        compressor: Must be None.
        cipher: Must be None.

    Raises:
        ProgrammingError: The environment names a compressor or a cipher: the log is open JSON.
    """

    def __init__(
        self,
        transcoder: Transcoder,
        compressor: Compressor | None = None,
        cipher: Cipher | None = None,
    ) -> None:
        if compressor is not None or cipher is not None:
            raise ProgrammingError(
                "records are plain JSON: remove COMPRESSOR_TOPIC, CIPHER_TOPIC and CIPHER_KEY"
            )
        super().__init__(transcoder)
        self._codec = JsonCodec()

    def to_stored_event(self, domain_event: DomainEventProtocol[UUID]) -> StoredEvent:
        """Return an event of the library's own as one that our recorder takes.

        Args:
            domain_event: Of an aggregate whose id is a UUID.
        """
        stored = super().to_stored_event(domain_event)
        where, version = UUID(str(stored.originator_id)), stored.originator_version
        at = getattr(domain_event, "timestamp", None)
        record = Record(
            id=uuid5(where, str(version)),
            type=stored.topic,
            v=getattr(type(domain_event), "class_version", 1),
            at=rfc3339(at if isinstance(at, datetime) else datetime.now(UTC)),
            actor="system",
            origin=_WRITER,
            data=msgspec.Raw(stored.state),
        )
        return StoredEvent(where, version, stored.topic, _encode(record))

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        """Return an event of the library's own as it was, and any other as a `LoggedEvent`.

        Args:
            stored_event: From our log.

        Raises:
            TopicError: It was written by the library, from a class that is not here.
        """
        where, sequence = UUID(str(stored_event.originator_id)), stored_event.originator_version
        topic, record = stored_event.topic, stored_event.state
        # Only names of Python classes have a colon in them.
        if ":" in topic:
            data = bytes(_record(record).data)
            return super().to_domain_event(StoredEvent(where, sequence, topic, data))
        event = events.StoredEvent(where, sequence, 0, topic, record, b"")
        return LoggedEvent(where, sequence, topic, record, self._codec.decode(event))
