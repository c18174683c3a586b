"""Folded states as bytes; `domain.session.evolve` says which formats of them are still right.

The values of a large state are written and read one by one: the library holds Python's lock during
each call, and an event loop in another thread would stand still for as long as the whole takes.
"""

from collections.abc import ItemsView, Sequence
from datetime import datetime
from types import GenericAlias
from typing import Any, cast, get_args, get_origin

import msgspec

from domain.persistent_map import PersistentMap
from domain.replacing import replace
from domain.session.state import Session


def _to_plain(value: Any) -> Any:
    if isinstance(value, PersistentMap):
        entries: ItemsView[str, Any] = value.items()  # pyright: ignore[reportUnknownVariableType]
        return {
            key: msgspec.Raw(_encode(item)) if type(item) in (dict, list) else item
            for key, item in entries
        }
    raise NotImplementedError(f"a state holds a {type(value)}")


def _to_dict(value: Any) -> Any:
    if isinstance(value, PersistentMap):
        entries: ItemsView[str, Any] = value.items()  # pyright: ignore[reportUnknownVariableType]
        return dict(entries)
    raise NotImplementedError(f"a state holds a {type(value)}")


def _with_long_integers(value: Any) -> Any:
    """Return plain data with its integers beyond 64 bits as the library can write them."""
    match value:
        case dict():
            entries: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType]
            return {key: _with_long_integers(item) for key, item in entries.items()}
        case list() | tuple():
            return [_with_long_integers(item) for item in cast("Sequence[Any]", value)]
        case int() if not _LEAST <= value <= _MOST:
            return msgspec.msgpack.Ext(_LONG_INTEGER, str(value).encode())
        case _:
            return value


def _from_extension(code: int, data: memoryview) -> Any:
    if code == _LONG_INTEGER:
        return int(bytes(data))
    raise ValueError(f"a state holds an extension {code}")


def _from_plain(kind: type[Any], value: Any) -> Any:
    if (get_origin(kind) or kind) is PersistentMap:
        element: Any = (get_args(kind) or (Any,))[0]
        entries = GenericAlias(dict, (str, element))
        return PersistentMap(msgspec.convert(value, entries, dec_hook=_from_plain))
    raise NotImplementedError(f"a state holds a {kind}")


_LEAST, _MOST = -(2**63), 2**64 - 1
_LONG_INTEGER = 1
_encode = msgspec.msgpack.Encoder(enc_hook=_to_plain).encode
_decode = msgspec.msgpack.Decoder(Session, dec_hook=_from_plain, ext_hook=_from_extension).decode
_pieces = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode
_value = msgspec.msgpack.Decoder(ext_hook=_from_extension).decode
_EMPTY = msgspec.Raw(_encode({}))
_LARGE = 128 * 1024


def encode_state(session: Session) -> bytes:
    """Return a state as bytes.

    JSON has integers of any length, MessagePack those of 64 bits: longer ones are an extension.
    """
    try:
        return _encode(session)
    except OverflowError:
        plain = msgspec.to_builtins(session, builtin_types=(datetime, bytes), enc_hook=_to_dict)
        return _encode(_with_long_integers(plain))


def decode_state(raw: bytes) -> Session:
    """Return the state of bytes that `encode_state` made, in this release or an earlier one.

    Fields that they do not have take their defaults, fields that are gone are passed over.

    Args:
        raw: Of a format between `OLDEST_FORMAT` and `FORMAT`.
    """
    if len(raw) < _LARGE:
        return _decode(raw)
    fields = _pieces(raw)
    keys = _pieces(fields.pop("state", _EMPTY))
    state = PersistentMap({key: _value(value) for key, value in keys.items()})
    return replace(_decode(_encode(fields)), state=state)


def read_state(raw: bytes, sequence: int) -> Session | None:
    """Return the state of kept bytes; None where they are damaged, or are of another event.

    Args:
        raw: Of a format between `OLDEST_FORMAT` and `FORMAT`.
        sequence: Of the event that the state is kept after.
    """
    try:
        session = decode_state(raw)
    except (ValueError, RecursionError):
        return None
    return session if session.sequence == sequence else None
