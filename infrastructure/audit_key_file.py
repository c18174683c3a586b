"""The file with the keys that sign checkpoints: one key a line, the newest first.

Private keys sign. A key that no longer signs is left as its public key, so that what it has signed
can still be checked. Nobody but the owner of the file may read it.
"""

import os
from contextlib import suppress
from pathlib import Path
from stat import S_IMODE, S_ISREG

from application.reads.transparency import AuditKeys
from domain.transparency.notes import (
    MalformedNote,
    SigningKey,
    VerifierKey,
    is_private,
    parse_verifier_key,
)
from infrastructure.ed25519 import Ed25519

_MINE_ONLY = 0o600
_OTHERS = 0o077


class KeyFileError(Exception):
    """A key file cannot be used; the message says why and what to do."""


def read_keys(path: Path) -> AuditKeys:
    """Return the keys of a file.

    Args:
        path: The file.

    Raises:
        KeyFileError: It cannot be read, others can read it, or it holds no key that signs.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not S_ISREG(status.st_mode):
                raise KeyFileError(f"{path} is no file; make a key with `cairn audit keygen`.")
            if S_IMODE(status.st_mode) & _OTHERS:
                raise KeyFileError(
                    f"Others than its owner may use the key file {path};"
                    f" take that from them with `chmod 600 {path}`, and consider a new key."
                )
            text = file.read().decode("utf-8")
    except OSError as error:
        raise KeyFileError(f"The key file {path} cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise KeyFileError(f"The key file {path} is not a text.") from None
    signing: list[SigningKey] = []
    retired: list[VerifierKey] = []
    lines = [line.strip() for line in text.splitlines()]
    for number, line in enumerate(filter(None, lines), 1):
        try:
            if is_private(line):
                signing.append(Ed25519().read_key(line))
            else:
                retired.append(parse_verifier_key(line))
        except MalformedNote as error:
            raise KeyFileError(f"Key {number} of {path} is not usable: {error}.") from None
    if not signing:
        raise KeyFileError(f"{path} holds no private key; make one with `cairn audit keygen`.")
    return AuditKeys(tuple(signing), tuple(retired))


def make_key(path: Path, name: str) -> VerifierKey:
    """Make a file with a new key, and return its public key.

    Args:
        path: Where; there must be nothing yet.
        name: Of the key, and so of the log.

    Raises:
        KeyFileError: There is a file already, it cannot be written, or the name is not usable.
    """
    key = _new_key(name)
    try:
        _write(path, _text_of(AuditKeys((key,))))
    except FileExistsError:
        raise KeyFileError(
            f"{path} exists already, and was left as it is; add a new key to it with `--rotate`."
        ) from None
    except OSError as error:
        raise KeyFileError(f"{path} cannot be written ({error.strerror}).") from None
    return key.verifier


def rotate_key(path: Path, *, overlap: bool) -> VerifierKey:
    """Put a new key of the same name before those of a file, and return its public key.

    Args:
        path: The file, which is replaced at once or not at all.
        overlap: The keys that signed until now go on signing beside the new one, for those who do
            not know it yet.

    Raises:
        KeyFileError: The file cannot be used or written.
    """
    keys = read_keys(path)
    new = _new_key(keys.signing[0].verifier.name)
    if overlap:
        rotated = AuditKeys((new, *keys.signing), keys.retired)
    else:
        rotated = AuditKeys((new,), keys.verifiers)
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.unlink(missing_ok=True)
        _write(beside, _text_of(rotated))
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise KeyFileError(f"{path} cannot be written ({error.strerror}).") from None
    return new.verifier


def _new_key(name: str) -> SigningKey:
    try:
        return Ed25519().new_key(name)
    except MalformedNote as error:
        raise KeyFileError(f"{name!r} is not usable: {error}.") from None


def _text_of(keys: AuditKeys) -> str:
    lines = [key.private_text() for key in keys.signing]
    return "\n".join([*lines, *map(str, keys.retired)]) + "\n"


def _write(path: Path, text: str) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MINE_ONLY)
    with os.fdopen(file, "w", encoding="utf-8") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
