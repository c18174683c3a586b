"""Between events and the bytes that are stored."""

from typing import Any, Protocol

from application.ports.log.events import Envelope, StoredEvent
from application.ports.log.inspection import FoundEvent
from domain.log.catalogue import Event
from domain.repair.record_shape import Glance
from domain.session.events import Recorded


class Codec(Protocol):
    """Between events and the bytes of their records."""

    def encode(self, event: Event, envelope: Envelope) -> tuple[str, bytes]:
        """Return the stored type and record of an event."""
        ...

    def decode_newest(self, stored: StoredEvent | FoundEvent) -> Recorded | None:
        """Return the event of a record that is as this program writes it; None for any other."""
        ...

    def decode(self, stored: StoredEvent | FoundEvent) -> Recorded:
        """Return the event of a record, of an older version or an unknown type too."""
        ...

    def glance(self, type_: str, record: bytes) -> Glance | None:
        """Return what repair asks of a record in its newest version; None for any other."""
        ...

    def to_json(self, value: Any) -> bytes:
        """Return a value as UTF-8 JSON."""
        ...

    def from_json(self, raw: bytes | str) -> Any:
        """Return the value of a JSON text."""
        ...

    def pack(self, raw: bytes) -> bytes:
        """Return bytes in fewer, to be kept in memory; quick rather than as few as may be."""
        ...

    def unpack(self, packed: bytes) -> bytes:
        """Return what was packed by this process."""
        ...
