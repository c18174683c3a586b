"""One way to write a JSON value, so that equal values have equal digests on every machine."""

import json
from hashlib import sha256
from typing import Any


def digest_of(value: Any) -> str:
    """Return `sha256:` and the hexadecimal SHA-256 of a value as canonical JSON.

    Canonical is UTF-8, without spaces, with the keys of objects in order of their code points, and
    with nothing escaped that need not be.

    Args:
        value: A JSON value, nested not too deeply for Python's own encoder.
    """
    return "sha256:" + sha256(_written(value)).hexdigest()


def size_of(value: Any) -> int:
    """Return the bytes of a value as canonical JSON.

    Args:
        value: A JSON value, nested not too deeply for Python's own encoder.
    """
    return len(_written(value))


def _written(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return text.encode("utf-8", "surrogatepass")
