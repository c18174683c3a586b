"""Between events and their records: literal names, UTF-8 JSON, lenient reading."""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any, NamedTuple, get_args

import msgspec
import zstandard

from application.ports.log.events import Envelope, StoredEvent
from application.ports.log.inspection import FoundEvent
from domain.log.catalogue import NAMES, Event
from domain.log.erased_records import erased_hash
from domain.repair.record_shape import Glance
from domain.session.events import Recorded, SessionEvent, Unrecognised
from domain.values import rfc3339
from infrastructure.records.record_structs import glance_struct, record_struct
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


class _Known(NamedTuple):
    """How the records of one type are read.

    Args:
        newest: The newest version.
        whole: Reads a record of that version.
        data: Reads the data of one.
        cls: The class of the event.
        glance: Reads the little of a record of that version that repair asks.
    """

    newest: int
    whole: Callable[[bytes], Any]
    data: Callable[[msgspec.Raw], SessionEvent]
    cls: type[Any]
    glance: Callable[[bytes], Any]


class _ErasedRecord(msgspec.Struct):
    at: datetime | None


_made: Callable[[tuple[Any, ...]], Recorded] = partial(tuple.__new__, Recorded)  # pyright: ignore[reportUnknownMemberType]
_glanced: Callable[[tuple[Any, ...]], Glance] = partial(tuple.__new__, Glance)  # pyright: ignore[reportUnknownMemberType]
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
def _known() -> Mapping[str, _Known]:
    """Return how each type is read: it takes 15 ms to make, and a class of its own for each."""
    return {
        name: _Known(
            version,
            msgspec.json.Decoder(record_struct(cls, name, version)).decode,
            msgspec.json.Decoder(cls).decode,
            cls,
            msgspec.json.Decoder(glance_struct(cls, name, version)).decode,
        )
        for cls, (name, version) in NAMES.items()
    }


class JsonCodec:
    """The codec of the log: what it writes is the public form of an event, byte for byte."""

    def __init__(self) -> None:
        self._known = _known()
        self._fields: Mapping[type[Any], tuple[tuple[str, bool], ...]] = {
            cls: tuple((field.name, _holds_ours(field.type)) for field in fields(cls))
            for cls in NAMES
        }

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
        record: dict[str, Any] = {
            "id": envelope.id,
            "type": name,
            "v": version,
            "at": rfc3339(envelope.at),
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

    def decode_newest(self, stored: StoredEvent | FoundEvent) -> Recorded | None:
        """Return, quickly, the event of a record that is as this program writes those of its type.

        Args:
            stored: A row of the log.

        Returns:
            The event; None when the record names another type than the row, is of another version,
            or cannot be read.
        """
        known = self._known.get(stored.type)
        if known is None:
            return None
        try:
            whole = known.whole(stored.record)
        except _UNREADABLE:
            return None
        return _recorded(stored.sequence, whole, whole.data)

    def decode(self, stored: StoredEvent | FoundEvent) -> Recorded:
        """Return the event of a record.

        Unknown fields are passed over and an unknown type becomes `Unrecognised`, so that an older
        program can read what a newer one wrote.

        Args:
            stored: A row of the log.
        """
        recorded = self.decode_newest(stored)
        if recorded is not None:
            return recorded
        known = self._known.get(stored.type)
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

    def glance(self, type_: str, record: bytes) -> Glance | None:
        """Return what repair asks of a record in its newest version; None for any other.

        Args:
            type_: As it is stored.
            record: UTF-8 JSON.
        """
        known = self._known.get(type_)
        if known is None:
            return None
        try:
            seen = known.glance(record)
        except _UNREADABLE:
            return None
        data = seen.data
        return _glanced((seen.at, seen.id, seen.turn_id, data.tool_call_id, data.name))

    def to_json(self, value: Any) -> bytes:
        """Return a value as UTF-8 JSON.

        Args:
            value: JSON values, times, UUIDs, and our own dataclasses.
        """
        return _json(value)

    def from_json(self, raw: bytes | str) -> Any:
        """Return the value of a JSON text.

        Raises:
            ValueError: It is none, or none that can be held.
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
        # No context is kept: two threads must not use one at the same time.
        return zstandard.ZstdCompressor(level=_QUICK).compress(raw)

    def unpack(self, packed: bytes) -> bytes:
        """Return what was packed by this process.

        Args:
            packed: What `pack` has returned.
        """
        return zstandard.ZstdDecompressor().decompress(packed)


def _event_of(name: str, record: _Record, known: _Known) -> SessionEvent:
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
