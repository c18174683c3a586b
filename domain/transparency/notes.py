"""Signed notes and tree heads as C2SP signed-note and tlog-checkpoint write them.

Formats only: signing and checking signatures needs Ed25519, which the standard library has not.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from domain.transparency.tree import HASH_SIZE

ED25519 = b"\x01"
KEY_SIZE = 32
MOST_SIGNATURES = 100
MOST_BYTES = 1_000_000
_SIZE = re.compile(r"0|[1-9]\d{0,18}", re.ASCII)
_KEY = re.compile(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)")
_PRIVATE = "PRIVATE+KEY+"
_SEPARATOR = "\n\n"
_DASH = "\N{EM DASH} "


class MalformedNote(ValueError):
    """A text is no note, no tree head or no key; the message says what is wrong with it."""


class Signature(NamedTuple):
    """One signature of a note: who says to have signed, by name and key id, and the signature."""

    name: str
    key_id: bytes
    signature: bytes


class Note(NamedTuple):
    """A text, which ends with a line feed, and what signatures stand below it."""

    text: str
    signatures: tuple[Signature, ...]


class VerifierKey(NamedTuple):
    """A public Ed25519 key and its name."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The 4 bytes by which signatures name the key."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        """Return the key in note form."""
        key = b64encode(ED25519 + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{key}"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private Ed25519 key: its name, its seed of 32 bytes, and the public key that goes with it.

    The seed is left out of its representation, so that no log shows it.
    """

    verifier: VerifierKey
    seed: bytes

    def __repr__(self) -> str:
        return f"SigningKey({self.verifier})"

    def __str__(self) -> str:
        """Return the name only; see `private_text`."""
        return self.verifier.name

    def private_text(self) -> str:
        """Return the key as a file keeps it, in the form of Go's `note` package."""
        key = b64encode(ED25519 + self.seed).decode()
        return f"{_PRIVATE}{self.verifier.name}+{self.verifier.key_id.hex()}+{key}"


class TreeHead(NamedTuple):
    """Which tree, how large it is, and its root.

    Args:
        origin: The name of the log.
        size: Its leaves.
        root: 32 bytes.
    """

    origin: str
    size: int
    root: bytes

    def __str__(self) -> str:
        """Return the text that is signed."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


def is_key_name(text: str) -> bool:
    """Return whether a text can be the name of a key: not empty, no space, no plus, no control."""
    return bool(text) and text.isprintable() and not re.search(r"[\s+]", text)


def format_note(text: str, signatures: tuple[Signature, ...]) -> str:
    """Return a note.

    Args:
        text: Ends with a line feed.
        signatures: At least one.
    """
    lines = [
        f"{_DASH}{one.name} {b64encode(one.key_id + one.signature).decode()}\n"
        for one in signatures
    ]
    return text + "\n" + "".join(lines)


def parse_note(raw: bytes) -> Note:
    """Return the text and the signatures of a note, none of them checked yet.

    Args:
        raw: The note.

    Raises:
        MalformedNote: It is none.
    """
    if len(raw) > MOST_BYTES:
        raise MalformedNote(f"a signed note has at most {MOST_BYTES:,} bytes")
    try:
        whole = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedNote("the note is not UTF-8") from None
    if any(sign < " " and sign != "\n" for sign in whole):
        raise MalformedNote("the note has a control character other than a line feed")
    text, blank, below = whole.rpartition(_SEPARATOR)
    if not blank or not text or not below.endswith("\n"):
        raise MalformedNote("a note is a text, an empty line and signature lines")
    lines = below[:-1].split("\n")
    if len(lines) > MOST_SIGNATURES:
        raise MalformedNote(f"the note has more than {MOST_SIGNATURES} signatures")
    return Note(text + "\n", tuple(map(_signature, lines)))


def parse_tree_head(text: str) -> TreeHead:
    """Return the tree head that the text of a note is.

    Args:
        text: Its lines beyond the third are extensions, which say nothing here.

    Raises:
        MalformedNote: It is no tree head.
    """
    lines = text.removesuffix("\n").split("\n")
    if len(lines) < 3 or not all(lines):
        raise MalformedNote("a checkpoint begins with three lines: origin, size and root hash")
    if not _SIZE.fullmatch(lines[1]):
        raise MalformedNote("the size in a checkpoint is a whole number without leading zeros")
    root = _decoded(lines[2])
    if root is None or len(root) != HASH_SIZE:
        raise MalformedNote("the root hash in a checkpoint is 32 bytes in base64")
    return TreeHead(lines[0], int(lines[1]), root)


def parse_verifier_key(text: str) -> VerifierKey:
    """Return a public key that is written in note form.

    Args:
        text: `<name>+<key id>+<base64>`.

    Raises:
        MalformedNote: It is none, or its id is not its own.
    """
    name, key_id, public = _key_parts(text)
    key = VerifierKey(name, public)
    if key.key_id.hex() != key_id:
        raise MalformedNote("the key id does not belong to the name and the key")
    return key


def parse_private_key(text: str) -> tuple[str, str, bytes]:
    """Return the name, the key id and the seed of a private key.

    Args:
        text: As `SigningKey.private_text` writes it.

    Raises:
        MalformedNote: It is none.
    """
    if not is_private(text):
        raise MalformedNote(f"a private key begins with {_PRIVATE}")
    return _key_parts(text.removeprefix(_PRIVATE))


def is_private(text: str) -> bool:
    """Return whether a line is meant to be a private key."""
    return text.startswith(_PRIVATE)


def _key_parts(text: str) -> tuple[str, str, bytes]:
    match = _KEY.fullmatch(text)
    if match is None or not is_key_name(match[1]):
        raise MalformedNote("a key is written `<name>+<8 hex digits>+<base64>`")
    key = _decoded(match[3])
    if key is None or len(key) != 1 + KEY_SIZE or key[:1] != ED25519:
        raise MalformedNote("the key is not one of Ed25519")
    return match[1], match[2], key[1:]


def _signature(line: str) -> Signature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    decoded = _decoded(encoded)
    if not line.startswith(_DASH) or not space or not is_key_name(name):
        raise MalformedNote("a signature line is a dash, a name and the signature in base64")
    if decoded is None or len(decoded) < 5:
        raise MalformedNote(f"the signature of {name} is not base64 of a key id and a signature")
    return Signature(name, decoded[:4], decoded[4:])


def _decoded(text: str) -> bytes | None:
    try:
        decoded = b64decode(text, validate=True)
    except (Error, ValueError):
        return None
    return decoded if b64encode(decoded).decode() == text else None
