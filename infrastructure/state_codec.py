"""Folded states as bytes. They are a cache: what another program kept is not read, but folded."""

import dataclasses
from hashlib import sha256
from types import GenericAlias
from typing import Any, get_args, get_origin

import msgspec

from domain.persistent_map import PersistentMap
from domain.session import state as shapes
from domain.session.state import Session


def _shape() -> str:
    lines = sorted(
        f"{cls.__name__}.{field.name}: {field.type}"
        for cls in vars(shapes).values()
        if isinstance(cls, type) and dataclasses.is_dataclass(cls)
        for field in dataclasses.fields(cls)
    )
    return sha256("\n".join(lines).encode()).hexdigest()[:16]


FORMAT = f"1-{_shape()}"
"""Changes with the meaning of the fold (the number) and with the fields of the state."""


def _to_plain(value: Any) -> Any:
    if isinstance(value, PersistentMap):
        return dict(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    raise NotImplementedError(f"a state holds a {type(value)}")


def _from_plain(kind: type[Any], value: Any) -> Any:
    if (get_origin(kind) or kind) is PersistentMap:
        element: Any = (get_args(kind) or (Any,))[0]
        entries = GenericAlias(dict, (str, element))
        return PersistentMap(msgspec.convert(value, entries, dec_hook=_from_plain))
    raise NotImplementedError(f"a state holds a {kind}")


_encode = msgspec.msgpack.Encoder(enc_hook=_to_plain).encode
_decode = msgspec.msgpack.Decoder(Session, dec_hook=_from_plain).decode


def encode_state(session: Session) -> bytes:
    """Return a state as bytes."""
    return _encode(session)


def decode_state(raw: bytes) -> Session:
    """Return the state of bytes that `encode_state` of this very program made."""
    return _decode(raw)
