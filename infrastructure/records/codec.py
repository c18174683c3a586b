"""Between events and their records: literal names, UTF-8 JSON, lenient reading."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any, get_args

import msgspec

from application.ports.log.events import Envelope, StoredEvent
from application.ports.log.inspection import FoundEvent
from application.zstd import zstd
from domain.log.catalogue import NAMES, Event
from domain.log.erased_records import erased_hash
from domain.repair.integrity import Placed
from domain.repair.record_shape import Glance, GlanceAtData
from domain.session.events import Recorded, SessionEvent, Unrecognised
from domain.values import rfc3339
from infrastructure.records.record_readers import DATA_GLANCES, GLANCES, READERS, Reader
from infrastructure.records.upcasters import upcast

_json = msgspec.json.Encoder().encode
_QUICK = 1
_PLAIN = frozenset({str, int, float, bool, dict, list})


class _Record(msgspec.Struct):
    at: datetime
    v: int
    data: msgspec.Raw
    turn_id: str | None = None
    actor: str | None = None
    claimed_actor: str | None = None


class _ErasedRecord(msgspec.Struct):
    at: datetime | None


_made: Callable[[tuple[Any, ...]], Recorded] = partial(tuple.__new__, Recorded)  # pyright: ignore[reportUnknownMemberType]
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
_UNREADABLE = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
_object = msgspec.json.Decoder(dict[str, Any]).decode
_record = msgspec.json.Decoder(_Record).decode
_erased = msgspec.json.Decoder(_ErasedRecord).decode


def plain(value: Any) -> Any:
    """Return a value as JSON may hold it, leaving out what is None in our own classes."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, tuple):
        return [plain(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if is_dataclass(value):
        return {
            field.name: plain(item)
            for field in fields(value)
            if (item := getattr(value, field.name)) is not None
        }
    return value


def _holds_ours(kind: Any) -> bool:
    """Return whether values of a field's type may hold one of our own classes, or a time."""
    return is_dataclass(kind) or kind is datetime or any(map(_holds_ours, get_args(kind)))


@cache
def _fields() -> Mapping[type[Any], tuple[tuple[str, bool], ...]]:
    """Return the fields of each type, and whether their values may hold one of our classes."""
    return {
        cls: tuple((field.name, _holds_ours(field.type)) for field in fields(cls)) for cls in NAMES
    }


class JsonCodec:
    """The codec of the log: what it writes is the public form of an event, byte for byte."""

    def __init__(self) -> None:
        self._fields = _fields()
        self._newest = (_NO_TIME, rfc3339(_NO_TIME))
        """The time of the newest record, and how it is written: a batch is all of one time."""

    def encode(self, event: Event, envelope: Envelope) -> tuple[str, bytes]:
        """Return the stored type and record of an event.

        Args:
            event: Of a class in the catalogue.
            envelope: What it says about itself.
        """
        cls = type(event)
        name, version = NAMES[cls]
        data: dict[str, Any] = {}
        for field, ours in self._fields[cls]:
            value = getattr(event, field)
            if value is not None:
                data[field] = plain(value) if ours else value
        moment, at = self._newest
        if moment is not envelope.at:
            at = rfc3339(envelope.at)
            self._newest = envelope.at, at
        record: dict[str, Any] = {
            "id": envelope.id,
            "type": name,
            "v": version,
            "at": at,
            "actor": envelope.actor,
            "origin": envelope.origin,
        }
        if envelope.turn_id is not None:
            record["turn_id"] = envelope.turn_id
        if envelope.causation is not None:
            record["causation"] = envelope.causation
        if envelope.idempotency_key is not None:
            record["idempotency_key"] = envelope.idempotency_key
        if envelope.claimed_actor is not None:
            record["claimed_actor"] = envelope.claimed_actor
        record["data"] = data
        return name, _json(record)

    def decode_page(self, page: Sequence[Placed]) -> Iterator[Recorded | None]:
        """Give, quickly, the events of records that are as this program writes those of their type.

        Args:
            page: Rows of the log.

        Yields:
            For each row its event; None when the record is erased, names another type than the row,
            is of another version, or cannot be read.
        """
        readers, recorded = READERS, _made
        for sequence, _, type_, record, _, erased in page:
            known = readers[type_]
            if known is None or erased is not None:
                yield None
                continue
            try:
                whole = known.whole(record)
            except _UNREADABLE:
                yield None
                continue
            event, turn_id = known.made(whole.data), whole.turn_id
            yield recorded((sequence, whole.at, event, turn_id, whole.actor, whole.claimed_actor))

    def decode(self, stored: StoredEvent | FoundEvent) -> Recorded:
        """Return the event of a record.

        Unknown fields are passed over and an unknown type becomes `Unrecognised`, so that an older
        program can read what a newer one wrote.

        Args:
            stored: A row of the log.
        """
        known = READERS[stored.type]
        if known is not None:
            try:
                whole = known.whole(stored.record)
                return _recorded(stored.sequence, whole, known.made(whole.data))
            except _UNREADABLE:
                pass
        try:
            record = _record(stored.record)
        except _UNREADABLE:
            # Nothing is known of it but that it was here: the rest of the log must stay of use.
            at = _time_of_erased(stored.record)
            return Recorded(stored.sequence, at, Unrecognised(type=stored.type))
        if known is None or record.v > known.newest:
            event: SessionEvent = Unrecognised(type=stored.type, data=_lenient(record.data))
        else:
            try:
                event = _event_of(stored.type, record, known)
            except _UNREADABLE:
                # A word that a newer program has added to a field: this one cannot know what it
                # means, but must still be able to open the session.
                event = Unrecognised(type=stored.type, data=_lenient(record.data))
        return _recorded(stored.sequence, record, event)

    def glances(self, page: Sequence[Placed]) -> Iterator[Glance | None]:
        """Give what repair asks of records in their newest version.

        Args:
            page: Rows of the log.

        Yields:
            For each row what was read; None when the record is erased, names another type than the
            row, is of another version, or cannot be read.
        """
        glances = GLANCES
        for _, _, type_, record, _, erased in page:
            read = glances[type_]
            if read is None or erased is not None:
                yield None
                continue
            try:
                seen: Glance = read(record)
            except _UNREADABLE:
                yield None
                continue
            yield seen

    def glance_at_data(self, type_: str, version: bytes, data: bytes) -> GlanceAtData | None:
        """Return what repair asks of the data of a record; None unless it is of the newest version.

        Args:
            type_: Of the record.
            version: In digits, as the record has it.
            data: UTF-8 JSON.
        """
        known = DATA_GLANCES[type_]
        if known is None or known[0] != version:
            return None
        try:
            seen: GlanceAtData = known[1](data)
        except _UNREADABLE:
            return None
        return seen

    def to_json(self, value: Any) -> bytes:
        """Return a value as UTF-8 JSON.

        Args:
            value: JSON values, times, UUIDs, and our own dataclasses.
        """
        return _json(value)

    def from_json(self, raw: bytes | str) -> Any:
        """Return the value of a JSON text.

        Raises:
            ValueError: It is not JSON, or it is nested too deeply.
        """
        try:
            return msgspec.json.decode(raw)
        except RecursionError:
            raise ValueError("it is nested too deeply") from None

    def pack(self, raw: bytes) -> bytes:
        """Return bytes in fewer, to be kept in memory.

        Args:
            raw: Any bytes; those that are alike become the fewest.
        """
        return zstd.compress(raw, level=_QUICK)

    def unpack(self, packed: bytes) -> bytes:
        """Return what was packed by this process.

        Args:
            packed: What `pack` has returned.
        """
        return zstd.decompress(packed)


def _event_of(name: str, record: _Record, known: Reader) -> SessionEvent:
    """Return the event of a record whose type and version are known.

    Raises:
        DecodeError: It does not say what its type says.
    """
    if record.v == known.newest:
        return known.data(record.data)
    data = upcast(name, record.v, msgspec.json.decode(record.data), known.newest)
    event: SessionEvent = msgspec.convert(data, known.cls)
    return event


def _recorded(sequence: int, of: Any, event: SessionEvent) -> Recorded:
    return _made((sequence, of.at, event, of.turn_id, of.actor, of.claimed_actor))


def _time_of_erased(record: bytes) -> datetime:
    if erased_hash(record) is None:
        return _NO_TIME
    try:
        return _erased(record).at or _NO_TIME
    except msgspec.DecodeError:
        return _NO_TIME


def _lenient(data: msgspec.Raw) -> Mapping[str, Any]:
    """Return what the data of a record say, as far as they can be read."""
    try:
        return _object(data)
    except _UNREADABLE:
        return {}
