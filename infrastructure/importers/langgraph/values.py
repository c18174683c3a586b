"""Values as LangGraph stores them, as plain data: no class that they name is ever looked for."""

from base64 import b64encode
from typing import Any, cast

import msgspec

from application.transfer.foreign import Tally
from infrastructure.importers.reading.values import Unreadable, clean, decoded, list_of, object_of

OBJECT = "__object__"
"""The key under which the class of what was no plain value stands."""
_MODELS = (4, 5)
_SNAPSHOT = 7


def value_of(kind: Any, raw: Any, tally: Tally) -> Any:
    """Return a stored value as plain data.

    Args:
        kind: How it was written, as stands beside it.
        raw: Its bytes.
        tally: Where changes are counted.

    Raises:
        Unreadable: It was pickled or encrypted, or is damaged.
    """
    data = raw.encode() if isinstance(raw, str) else bytes(raw or b"")
    if kind in (None, "", "null", "empty"):
        return None
    if kind == "json":
        return decoded(data, tally)
    if kind in ("bytes", "bytearray"):
        return _bytes(data)
    if kind == "msgpack":
        try:
            return clean(_plain(_decode(data)), tally)
        except (msgspec.DecodeError, RecursionError, ValueError) as error:
            raise Unreadable(f"it is no msgpack: {error}") from None
    if kind == "pickle":
        raise Unreadable("it is pickled, and a pickle can run anything")
    if str(kind).endswith("+aes"):
        raise Unreadable("it is encrypted")
    raise Unreadable(f"it is written as {kind}, which is not known")


def has_objects(value: Any) -> bool:
    """Return whether a value holds anything that was no plain data."""
    if isinstance(value, dict):
        told = cast("dict[str, Any]", value)
        return OBJECT in told or any(has_objects(item) for item in told.values())
    return any(has_objects(item) for item in list_of(value))


def _bytes(data: bytes) -> dict[str, Any]:
    return {OBJECT: "bytes", "base64": b64encode(data).decode()}


def _extension(code: int, data: memoryview) -> Any:
    """Return what stands for an object: its fields, with the name of its class beside them."""
    try:
        told: Any = msgspec.msgpack.Decoder(ext_hook=_extension).decode(data)
    except (msgspec.DecodeError, ValueError):
        return {OBJECT: f"extension {code}", "base64": b64encode(bytes(data)).decode()}
    if code == _SNAPSHOT:
        return told
    parts = list_of(told)
    if len(parts) < 3:
        return {OBJECT: f"extension {code}", "value": told}
    module, name, fields, *_ = parts
    if code in _MODELS and isinstance(fields, dict):
        return {**object_of(cast("Any", fields)), OBJECT: f"{module}.{name}"}
    return {OBJECT: f"{module}.{name}", "value": fields}


_decode = msgspec.msgpack.Decoder(ext_hook=_extension).decode


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | bytearray | memoryview):
        return _bytes(bytes(cast("bytes", value)))
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in object_of(cast("Any", value)).items()}
    if isinstance(value, list):
        return [_plain(item) for item in list_of(cast("Any", value))]
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    return str(value)
