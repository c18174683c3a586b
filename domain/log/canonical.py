"""One way to write a JSON value, so that equal values have equal digests on every machine."""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, cast

from domain.log.piecewise import AT_ONCE, Piecewise


def digest_of(value: Any) -> str:
    """Return `sha256:` and the hexadecimal SHA-256 of a value as canonical JSON.

    Canonical is UTF-8, without spaces, with the keys of objects in order of their code points, and
    with nothing escaped that need not be.

    Args:
        value: A JSON value, nested not too deeply for Python's own encoder.
    """
    return "sha256:" + sha256(_written(value)).hexdigest()


def digesting(value: Mapping[str, Any]) -> Piecewise[str]:
    """Do what `digest_of` does for an object, and pause within its long lists.

    Args:
        value: An object; only lists right in it are written a piece at a time.
    """
    hashed = sha256(b"{")
    for at, name in enumerate(sorted(value)):
        hashed.update(b"," * (at > 0) + _written(name) + b":")
        member = value[name]
        if not isinstance(member, list | tuple):
            hashed.update(_written(member))
            continue
        listed = cast("Sequence[Any]", member)
        hashed.update(b"[")
        for begin in range(0, len(listed), AT_ONCE):
            piece = _written(listed[begin : begin + AT_ONCE])[1:-1]
            hashed.update(b"," * (begin > 0) + piece)
            yield
        hashed.update(b"]")
    hashed.update(b"}")
    return "sha256:" + hashed.hexdigest()


def size_of(value: Any) -> int:
    """Return the bytes of a value as canonical JSON.

    Args:
        value: A JSON value, nested not too deeply for Python's own encoder.
    """
    return len(_written(value))


def _written(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return text.encode("utf-8", "surrogatepass")
