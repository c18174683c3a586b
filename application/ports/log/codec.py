"""Between events and the bytes that are stored."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from application.ports.log.events import Envelope, StoredEvent
from application.ports.log.inspection import FoundEvent
from domain.log.catalogue import Event
from domain.repair.integrity import Placed
from domain.repair.record_shape import Glance, GlanceAtData
from domain.session.events import Recorded


class Codec(Protocol):
    """Between events and the bytes of their records."""

    def encode(self, event: Event, envelope: Envelope) -> tuple[str, bytes]:
        """Return the stored type and record of an event."""
        ...

    def decode_page(self, page: Sequence[Placed]) -> Iterator[Recorded | None]:
        """Give the events of records that are as this program writes them; None for any other."""
        ...

    def decode(self, stored: StoredEvent | FoundEvent) -> Recorded:
        """Return the event of a record, of an older version or an unknown type too."""
        ...

    def glances(self, page: Sequence[Placed]) -> Iterator[Glance | None]:
        """Give what repair asks of records in their newest version; None for any other."""
        ...

    def glance_at_data(self, type_: str, version: bytes, data: bytes) -> GlanceAtData | None:
        """Return what repair asks of the data of a record; None unless it is of the newest version.

        Args:
            type_: Of the record.
            version: In digits, as the record has it.
            data: UTF-8 JSON.
        """
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
