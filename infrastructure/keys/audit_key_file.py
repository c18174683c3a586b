"""The file with the keys that sign checkpoints: one key a line, the newest first.

Private keys sign. A key that no longer signs is left as its public key, so that what it has signed
can still be checked. Nobody but the owner of the file may read it.
"""

from pathlib import Path

from application.reads.evidence.transparency import AuditKeys
from domain.transparency.notes import (
    MalformedNote,
    SigningKey,
    VerifierKey,
    is_private,
    parse_verifier_key,
)
from infrastructure.keys.ed25519 import Ed25519
from infrastructure.keys.owner_only_file import (
    KeyFileError,
    read_owner_only,
    replace_owner_only,
    write_new,
)

_MAKER = "cairn audit keygen"


def read_keys(path: Path) -> AuditKeys:
    """Return the keys of a file.

    Args:
        path: The file.

    Raises:
        KeyFileError: It cannot be read, others can read it, or it holds no key that signs.
    """
    text = read_owner_only(path, _MAKER)
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
    write_new(path, _text_of(AuditKeys((key,))))
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
    replace_owner_only(path, _text_of(rotated))
    return new.verifier


def _new_key(name: str) -> SigningKey:
    try:
        return Ed25519().new_key(name)
    except MalformedNote as error:
        raise KeyFileError(f"{name!r} is not usable: {error}.") from None


def _text_of(keys: AuditKeys) -> str:
    lines = [key.private_text() for key in keys.signing]
    return "\n".join([*lines, *map(str, keys.retired)]) + "\n"
