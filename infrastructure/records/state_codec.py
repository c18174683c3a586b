"""Folded states as bytes; `domain.session.evolve` says which formats of them are still right.

The values of a large state are written and read one by one: the library holds Python's lock during
each call, and an event loop in another thread would stand still for as long as the whole takes.
"""

from collections.abc import ItemsView
from types import GenericAlias
from typing import Any, get_args, get_origin

import msgspec

from domain.persistent_map import PersistentMap
from domain.replacing import replace
from domain.session.state import Session


def _to_plain(value: Any) -> Any:
    if isinstance(value, PersistentMap):
        entries: ItemsView[str, Any] = value.items()  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return {
            key: msgspec.Raw(_encode(item)) if type(item) in (dict, list) else item
            for key, item in entries
        }
    raise NotImplementedError(f"a state holds a {type(value)}")


def _from_plain(kind: type[Any], value: Any) -> Any:
    if (get_origin(kind) or kind) is PersistentMap:
        element: Any = (get_args(kind) or (Any,))[0]
        entries = GenericAlias(dict, (str, element))
        return PersistentMap(msgspec.convert(value, entries, dec_hook=_from_plain))
    raise NotImplementedError(f"a state holds a {kind}")


_encode = msgspec.msgpack.Encoder(enc_hook=_to_plain).encode
_decode = msgspec.msgpack.Decoder(Session, dec_hook=_from_plain).decode
_pieces = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode
_value = msgspec.msgpack.Decoder().decode
_EMPTY = msgspec.Raw(_encode({}))
_LARGE = 128 * 1024


def encode_state(session: Session) -> bytes:
    """Return a state as bytes."""
    return _encode(session)


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
