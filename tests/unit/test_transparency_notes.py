"""Signed notes and keys, held to those that Go's note package made, and to the specification."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from domain.transparency.notes import (
    MalformedNote,
    Signature,
    TreeHead,
    VerifierKey,
    format_note,
    parse_note,
    parse_tree_head,
    parse_verifier_key,
)
from infrastructure.keys.ed25519 import Ed25519

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "tlog.json").read_text("utf-8")
)
KEY = VECTORS["key"]
SPECIFIED = """\
Ognuno sta solo sul cuor della terra
trafitto da un raggio di sole:

ed è subito sera.

— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0\
xMcXxj99ihAQwaqP3ZekRwNtIc=
"""


def test_keys_are_those_of_go() -> None:
    key = parse_verifier_key(KEY["vkey"])
    assert key == VerifierKey(KEY["name"], bytes.fromhex(KEY["public_hex"]))
    assert str(key) == KEY["vkey"]


@pytest.mark.parametrize("one", VECTORS["notes"], ids=lambda one: str(one["size"]))
def test_notes_are_those_of_go(one: dict[str, Any]) -> None:
    ed25519, public = Ed25519(), parse_verifier_key(KEY["vkey"])
    note = parse_note(one["note"].encode())
    head = parse_tree_head(note.text)
    assert head == (KEY["name"], one["size"], head.root)
    assert str(head) == note.text
    assert head.root.hex() == VECTORS["roots"][str(one["size"])]
    (signature,) = note.signatures
    assert ed25519.holds(public, note.text, signature)
    assert not ed25519.holds(public, note.text + "x\n", signature)
    assert not ed25519.holds(public, note.text, signature._replace(signature=b"short"))
    # Ed25519 is deterministic: the same key signs the same note.
    new = ed25519.new_key(KEY["name"])
    private = new.private_text().split("+", 4)
    assert private[:3] == ["PRIVATE", "KEY", KEY["name"]]
    seed = bytes.fromhex(KEY["seed_hex"])
    key = ed25519.read_key(_private(KEY["name"], public.key_id.hex(), seed))
    assert format_note(note.text, (ed25519.sign(key, note.text),)) == one["note"]


def test_the_note_of_the_specification_is_read() -> None:
    note = parse_note(SPECIFIED.encode())
    assert note.text.endswith("sole:\n\ned è subito sera.\n")
    (signature,) = note.signatures
    assert signature.name == "quasimodo.example/salvatore"
    assert len(signature.signature) == 64


def test_a_key_does_not_show_itself() -> None:
    key = Ed25519().new_key("store.example")
    *_, seed = key.private_text().split("+", 4)
    assert seed not in f"{key} {key!r}"
    assert Ed25519().read_key(key.private_text()) == key


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\n", "a\u00a0b"])
def test_names_that_no_key_can_have(name: str) -> None:
    with pytest.raises(MalformedNote):
        Ed25519().new_key(name)


@pytest.mark.parametrize(
    "text",
    ["", "name", "name+00000000+AAAA", "PRIVATE+KEY+a+00000000+AAAA", KEY["vkey"][:-1],
     KEY["vkey"].replace("+37d97f3b+", "+37d97f3c+"), KEY["vkey"].replace("store-1", "store-2")],
)  # fmt: skip
def test_keys_that_are_none(text: str) -> None:
    with pytest.raises(MalformedNote):
        parse_verifier_key(text)
    with pytest.raises(MalformedNote):
        Ed25519().read_key(text)


@pytest.mark.parametrize(
    "raw",
    [b"", b"\n", b"text\n", b"text\n\n", b"text\n\nno dash\n",
     b"\xff\n\n\xe2\x80\x94 a AAAAAAA=\n",
     "text\n\n— a AAAAAAA=".encode(), "a\tb\n\n— a AAAAAAA=\n".encode(),
     "text\n\n— a AAAA\n".encode(),
     "text\n\n— a b AAAAAAA=\n".encode(), "text\n\n— a+b AAAAAAA=\n".encode(),
     "text\n\n— a AAAAAAB=\n".encode(), b"x" * 1_000_001,
     ("text\n\n" + "— a AAAAAAA=\n" * 101).encode()],
)  # fmt: skip
def test_notes_that_are_none(raw: bytes) -> None:
    with pytest.raises(MalformedNote):
        parse_note(raw)


@pytest.mark.parametrize(
    "text",
    ["", "a\n1\n", f"a\n01\n{'A' * 43}=\n", f"a\n-1\n{'A' * 43}=\n", f"\n1\n{'A' * 43}=\n",
     "a\n1\nAAAA\n", f"a\n1\n{'A' * 43}=\n\nb\n", "a\n1\n\u0661\n",
     f"a\n{'9' * 20}\n{'A' * 43}=\n"],
)  # fmt: skip
def test_tree_heads_that_are_none(text: str) -> None:
    with pytest.raises(MalformedNote):
        parse_tree_head(text)


def test_a_note_has_at_most_a_million_bytes() -> None:
    rest = "\n\n— a AAAAAAA=\n".encode()
    most = b"x" * (1_000_000 - len(rest)) + rest

    assert len(parse_note(most).text) == 1_000_001 - len(rest)
    with pytest.raises(MalformedNote, match="at most 1,000,000 bytes"):
        parse_note(b"x" + most)


def test_a_note_has_at_most_a_hundred_signatures() -> None:
    most = "text\n" + "\n" + "— a AAAAAAA=\n" * 100

    assert len(parse_note(most.encode()).signatures) == 100
    with pytest.raises(MalformedNote, match="more than 100 signatures"):
        parse_note((most + "— a AAAAAAA=\n").encode())


def test_extensions_of_a_tree_head_say_nothing_here() -> None:
    text = f"a\n0\n{'A' * 43}=\nmore\n"
    assert parse_tree_head(text) == TreeHead("a", 0, bytes(32))


def test_a_note_keeps_all_its_signatures() -> None:
    signatures = (Signature("a", b"1234", b"x" * 64), Signature("b", b"5678", b"y" * 64))
    note = parse_note(format_note("one\n\ntwo\n", signatures).encode())
    assert note == ("one\n\ntwo\n", signatures)


def _private(name: str, key_id: str, seed: bytes) -> str:
    encoded = b64encode(b"\x01" + seed).decode()
    return f"PRIVATE+KEY+{name}+{key_id}+{encoded}"
