"""Envelope encryption of what must be kept but not shown, such as the secrets of webhooks.

Each value has a key of its own (AES-256-GCM), which is itself encrypted with a key of a file. The
file has one key a line, the newest first: that one seals, all of them open. What a value is about
is sealed with it, so that a value which somebody moves to another row does not open there.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from secrets import token_bytes
from time import monotonic

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from infrastructure.keys.owner_only_file import (
    KeyFileError,
    read_owner_only,
    replace_owner_only,
    write_new,
)
from infrastructure.keys.watched_file import WatchedFile

_MAKER = "cairn secrets keygen"
_MARK = "sealed:v1"
_KEY_BYTES, _NONCE_BYTES, _ID_BYTES = 32, 12, 4
_WRAPPED_BYTES = _NONCE_BYTES + _KEY_BYTES + 16
_LINE = re.compile(rf"([0-9a-f]{{{2 * _ID_BYTES}}}) ([A-Za-z0-9+/]+=*)")


class CannotOpen(Exception):
    """A value does not open; the message says why."""


class Plain:
    """Keeps values as they are: there is no key."""

    def seal(self, value: str, about: str) -> str:  # noqa: ARG002 - as `Sealer` has it
        """Return a value as it is kept."""
        return value

    def open(self, kept: str, about: str) -> str:  # noqa: ARG002 - as `Sealer` has it
        """Return a value as it was.

        Raises:
            CannotOpen: It was sealed, when there was a key.
        """
        if kept.startswith(_MARK):
            raise CannotOpen(f"it is sealed with the key {_key_id_of(kept)}; name the key file")
        return kept

    def is_current(self, kept: str) -> bool:
        """Return whether a value is kept as a new one would be."""
        return not kept.startswith(_MARK)

    def current_mark(self) -> str:
        """Return what values begin with that are kept as a new one would be."""
        return ""


class Sealer:
    """Seals values with the newest key of a file.

    Args:
        path: The key file; read again within a second of a change, and at once when a value names a
            key that is not known.
        clock: Seconds that only grow.

    Raises:
        KeyFileError: The file cannot be used.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = monotonic) -> None:
        self._file = WatchedFile(path, read_sealing_keys, clock)

    def seal(self, value: str, about: str) -> str:
        """Return a value as it is kept.

        Args:
            value: What must not be shown.
            about: What it belongs to.
        """
        key_id, key = next(iter(self._file.now().items()))
        own = AESGCM.generate_key(8 * _KEY_BYTES)
        wrapped = _encrypted(key, own, about)
        content = _encrypted(own, value.encode(), about)
        text = base64.b64encode(wrapped + content).decode()
        return f"{_MARK}:{key_id}:{text}"

    def open(self, kept: str, about: str) -> str:
        """Return a value as it was; one that was never sealed is as it is kept.

        Args:
            kept: As it is kept.
            about: What it belongs to.

        Raises:
            CannotOpen: Its key is not in the file, or somebody has changed or moved it.
        """
        if not kept.startswith(_MARK):
            return kept
        key_id = _key_id_of(kept)
        key = self._file.now().get(key_id) or self._file.at_once().get(key_id)
        if key is None:
            raise CannotOpen(f"it is sealed with the key {key_id}, which the key file has not")
        try:
            sealed = base64.b64decode(kept.rpartition(":")[2], validate=True)
            own = _decrypted(key, sealed[:_WRAPPED_BYTES], about)
            return _decrypted(own, sealed[_WRAPPED_BYTES:], about).decode()
        except (InvalidTag, binascii.Error, ValueError) as error:
            raise CannotOpen("it was changed, or belongs to something else") from error

    def is_current(self, kept: str) -> bool:
        """Return whether a value is sealed with the newest key."""
        return kept.startswith(self.current_mark())

    def current_mark(self) -> str:
        """Return what values begin with that are sealed with the newest key."""
        return f"{_MARK}:{next(iter(self._file.at_once()))}:"


def read_sealing_keys(path: Path) -> Mapping[str, bytes]:
    """Return the keys of a file by their ids, the newest first.

    Args:
        path: The file.

    Raises:
        KeyFileError: It cannot be used.
    """
    keys: dict[str, bytes] = {}
    lines = filter(None, map(str.strip, read_owner_only(path, _MAKER).splitlines()))
    for number, line in enumerate(lines, 1):
        found = _LINE.fullmatch(line)
        try:
            key = base64.b64decode(found[2], validate=True) if found else b""
        except binascii.Error:
            key = b""
        if found is None or len(key) != _KEY_BYTES or found[1] in keys:
            raise KeyFileError(f"Key {number} of {path} is not usable; see `{_MAKER} --help`.")
        keys[found[1]] = key
    if not keys:
        raise KeyFileError(f"{path} holds no key; make one with `{_MAKER}`.")
    return keys


def make_sealing_key(path: Path) -> str:
    """Make a file with a new key, and return the id of the key.

    Args:
        path: Where; there must be nothing yet.

    Raises:
        KeyFileError: There is a file already, or it cannot be written.
    """
    key_id, line = _new_line()
    write_new(path, line)
    return key_id


def rotate_sealing_key(path: Path) -> str:
    """Put a new key before those of a file, and return its id.

    Args:
        path: The file, which is replaced at once or not at all.

    Raises:
        KeyFileError: The file cannot be used or written.
    """
    keys = read_sealing_keys(path)
    key_id, line = _new_line()
    old = (f"{old_id} {base64.b64encode(key).decode()}\n" for old_id, key in keys.items())
    replace_owner_only(path, line + "".join(old))
    return key_id


def _new_line() -> tuple[str, str]:
    key_id = token_bytes(_ID_BYTES).hex()
    return key_id, f"{key_id} {base64.b64encode(token_bytes(_KEY_BYTES)).decode()}\n"


def _key_id_of(kept: str) -> str:
    return kept.removeprefix(f"{_MARK}:").partition(":")[0]


def _encrypted(key: bytes, content: bytes, about: str) -> bytes:
    nonce = token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, content, about.encode())


def _decrypted(key: bytes, sealed: bytes, about: str) -> bytes:
    nonce, content = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    return AESGCM(key).decrypt(nonce, content, about.encode())
