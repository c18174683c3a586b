"""The one file for strangers: it says of all that is whole that it holds, and of no forgery."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from hashlib import sha256
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from domain.log.chain import genesis, link, record_hash
from domain.transparency.notes import Signature, SigningKey, TreeHead, format_note
from infrastructure.keys.ed25519 import Ed25519
from tests.support.docs import ROOT

FILE = ROOT / "docs" / "verify.py"


def loaded() -> Any:
    spec = spec_from_file_location("verify_alone", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CHECKS = loaded()
ADA, BOB = UUID(int=7), UUID(int=5)
SIZES = range(1, 10)

Check = Callable[..., str]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Say what the file says of contents: `HOLDS`, or why it does not."""

    def call(kind: str, *contents: object) -> str:
        paths = [tmp_path / str(number) for number in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            raw = content if isinstance(content, bytes | str) else json.dumps(content)
            path.write_bytes(raw if isinstance(raw, bytes) else raw.encode())
        try:
            return f"HOLDS: {getattr(CHECKS, kind)(*map(str, paths))}"
        except SystemExit as ended:
            return str(ended.code)

    return call


# A session.


def record(number: int, kind: str = "message.added", data: str = "{}") -> bytes:
    told = '{"id":"%s","type":"%s","v":1,"at":"2026-11-21T12:00:00.000000Z","data":%s}'
    return (told % (UUID(int=number), kind, data)).encode()


def erased(number: int) -> bytes:
    told = '{"type":"message.added","at":"2026-11-21T12:00:00Z","erased":true,"record_hash":"%s"}'
    return (told % record_hash(record(number)).hex()).encode()


def chained(
    records: Sequence[bytes],
    *,
    owners: Sequence[UUID] = (),
    sequences: Sequence[int] = (),
    positions: Sequence[int] = (),
) -> bytes:
    """Return the lines of a log whose digests cover its records, whatever else they say."""
    digest = genesis(ADA)
    lines: list[bytes] = []
    for number, one in enumerate(records):
        left = re.fullmatch(CHECKS.LEFT, one)
        hashed = bytes.fromhex(left[1].decode()) if left else record_hash(one)
        digest = link(digest, hashed)
        lines.append(
            b'{"session_id":"%s","sequence":%d,"position":%d,"digest":"%s",%s\n'
            % (
                str(owners[number] if owners else ADA).encode(),
                sequences[number] if sequences else number + 1,
                positions[number] if positions else 10 * number + 10,
                digest.hex().encode(),
                one[1:],
            )
        )
    return b"".join(lines)


ALL = [record(1), record(2), record(3)]


def test_a_session_that_is_whole_holds(check: Check) -> None:
    end = chained(ALL).rpartition(b'"digest":"')[2][:64].decode()
    assert check("session", chained(ALL)) == f"HOLDS: 3 events, the last digest is {end}"
    header = '{"cairn_export":1,"head":3,"digest":"%s"}\n'
    assert check("session", (header % end).encode() + chained(ALL)).startswith("HOLDS: 3")
    assert "first line" in check("session", (header % ("0" * 64)).encode() + chained(ALL))


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (chained(ALL, owners=(ADA, BOB, ADA)), "line 2 is of another session"),
        (chained(ALL, sequences=(1, 2, 4)), "the sequence is 4, and should be 3"),
        (chained(ALL, sequences=(1, 2, 2)), "the sequence is 2, and should be 3"),
        (chained(ALL, positions=(1, 3, 2)), "the position at 3 does not rise"),
        (chained(ALL, positions=(1, 2, 2)), "the position at 3 does not rise"),
        (chained(ALL, positions=(0, 1, 2)), "the position at 1 does not rise"),
        (chained(ALL, owners=(BOB, BOB, BOB)), "the digest at 1 does not cover"),
        (chained(ALL).replace(b'"data":{}', b'"data":1', 1), "the digest at 1 does not cover"),
        (chained(ALL) + b"{}\n", "a line is no event"),
        (b"", "there is no event"),
    ],
)
def test_a_session_that_somebody_has_changed_does_not_hold(
    check: Check, lines: bytes, why: str
) -> None:
    said = check("session", lines)
    assert said.startswith("DOES NOT HOLD: ")
    assert why in said


def test_what_is_erased_holds_when_a_later_event_says_so(check: Check) -> None:
    word = record(9, "session.erased")
    unsaid = "nothing after it says why"
    assert check("session", chained([record(1), erased(2), word])).startswith("HOLDS: 3")
    assert check("session", chained([erased(1), erased(2), word, record(4)])).startswith("HOLDS")
    assert unsaid in check("session", chained([record(1), erased(2)]))
    assert unsaid in check("session", chained([record(1), erased(2), record(3)]))
    assert unsaid in check("session", chained([word, erased(2)]))
    assert unsaid in check("session", chained([erased(1), word, erased(3), record(4)]))
    quoted = record(3, data='{"type":"session.erased","v":1}')
    assert unsaid in check("session", chained([erased(1), quoted]))
    other = erased(2).replace(b'"record_hash":"', b'"record_hash":"0', 1)[:-3] + b'"}'
    forged = chained([record(1), erased(2), word]).replace(erased(2)[1:], other[1:])
    assert "the digest at 2 does not cover" in check("session", forged)


# Proofs, made as RFC 6962 defines them.


def entry(position: int) -> bytes:
    return sha256(b"%d" % position).digest()


LEAVES = [sha256(b"\0" + entry(position)).digest() for position in range(1, 10)]


def above(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


def half(width: int) -> int:
    return 1 << ((width - 1).bit_length() - 1)


def root(leaves: Sequence[bytes]) -> bytes:
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"").digest()
    middle = half(len(leaves))
    return above(root(leaves[:middle]), root(leaves[middle:]))


def path(at: int, leaves: Sequence[bytes]) -> list[bytes]:
    if len(leaves) == 1:
        return []
    middle = half(len(leaves))
    if at < middle:
        return [*path(at, leaves[:middle]), root(leaves[middle:])]
    return [*path(at - middle, leaves[middle:]), root(leaves[:middle])]


def grown(old: int, leaves: Sequence[bytes], *, is_known: bool = True) -> list[bytes]:
    if old == len(leaves):
        return [] if is_known else [root(leaves)]
    middle = half(len(leaves))
    if old <= middle:
        return [*grown(old, leaves[:middle], is_known=is_known), root(leaves[middle:])]
    return [*grown(old - middle, leaves[middle:], is_known=False), root(leaves[:middle])]


def included(position: int, size: int, **changed: object) -> dict[str, object]:
    return {
        "position": position,
        "size": size,
        "digest": entry(position).hex(),
        "proof": [one.hex() for one in path(position - 1, LEAVES[:size])],
        "root": root(LEAVES[:size]).hex(),
    } | changed


def gone_on(old: int, new: int, **changed: object) -> dict[str, object]:
    return {
        "from": old,
        "to": new,
        "from_root": root(LEAVES[:old]).hex(),
        "to_root": root(LEAVES[:new]).hex(),
        "proof": [one.hex() for one in grown(old, LEAVES[:new])] if old else [],
    } | changed


STRAY = sha256(b"stray").digest()


def test_every_event_is_in_its_tree(check: Check) -> None:
    for size in SIZES:
        for position in range(1, size + 1):
            told = included(position, size)
            said = check("inclusion", told)
            assert said == (
                f"HOLDS: the event at {position} is in the tree of {size}, root {told['root']}"
            )
            for name in ("digest", "root"):
                assert "root is another" in check("inclusion", told | {name: STRAY.hex()})
            for wrong in {*range(1, size + 1)} - {position}:
                assert check("inclusion", told | {"position": wrong}).startswith("DOES NOT HOLD")


def test_no_root_that_is_made_for_a_proof_makes_it_hold(check: Check) -> None:
    first, second = LEAVES[:2]
    long = included(1, 1, proof=[STRAY.hex()], root=above(STRAY, first).hex())
    assert "too long" in check("inclusion", long)
    short = included(1, 4, proof=[second.hex()], root=above(first, second).hex())
    assert "too short" in check("inclusion", short)
    for position, upper in ((0, above(STRAY, first)), (3, above(first, STRAY))):
        told = included(1, 2, proof=[STRAY.hex()], root=upper.hex()) | {"position": position}
        assert "the position is not in the tree" in check("inclusion", told)


def test_every_tree_goes_on_from_all_before_it(check: Check) -> None:
    for new in SIZES:
        for old in range(new + 1):
            told = gone_on(old, new)
            said = check("consistency", told)
            assert said.startswith(f"HOLDS: the tree of {new} goes on from that of {old}; "), said
            for name in ("from_root", "to_root") if old else ("from_root",):
                wrong = check("consistency", told | {name: STRAY.hex()})
                assert wrong.startswith("DOES NOT HOLD: "), (old, new, name)
            more = [*gone_on(old, new)["proof"], STRAY.hex()]  # type: ignore[misc]
            assert check("consistency", told | {"proof": more}).startswith("DOES NOT HOLD: ")


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (gone_on(2, 2, to=1), "the later tree is the smaller one"),
        (gone_on(2, 2, **{"from": -1, "to": -1}), "the later tree is the smaller one"),
        (gone_on(2, 2, proof=[STRAY.hex()]), "the proof is too long"),
        (gone_on(3, 4, proof=[]), "the proof is too short"),
        (gone_on(2, 4, proof=[], to_root=root(LEAVES[:2]).hex()), "the proof is too short"),
        (
            gone_on(1, 2, proof=[LEAVES[1].hex(), STRAY.hex()])
            | {"from_root": above(STRAY, LEAVES[0]).hex()}
            | {"to_root": above(STRAY, root(LEAVES[:2])).hex()},
            "the proof is too long",
        ),
    ],
)
def test_no_forged_proof_shows_that_a_tree_goes_on(
    check: Check, told: dict[str, object], why: str
) -> None:
    assert check("consistency", told) == f"DOES NOT HOLD: {why}"


# A checkpoint.

ED25519 = Ed25519()
OURS, NEWER = ED25519.new_key("a.example/log"), ED25519.new_key("a.example/log")
THEIRS, NOBODYS = ED25519.new_key("b.example/log"), ED25519.new_key("a.example/log")
HEAD = TreeHead("a.example/log", 5, root(LEAVES[:5]))
TEXT = str(HEAD)
KNOWN = f"{OURS.verifier}\n{NEWER.verifier}\n{THEIRS.verifier}\n"


def signed(*keys: SigningKey, text: str = TEXT) -> str:
    return format_note(text, tuple(ED25519.sign(key, text) for key in keys))


def false(key: SigningKey) -> Signature:
    return ED25519.sign(key, "something else\n")


@pytest.mark.parametrize("keys", [(OURS,), (NEWER, OURS), (NOBODYS, OURS), (THEIRS, OURS)])
def test_a_checkpoint_of_a_known_key_holds(check: Check, keys: tuple[SigningKey, ...]) -> None:
    said = check("checkpoint", signed(*keys), KNOWN)
    assert said == f"HOLDS: a.example/log has signed 5 events, root {HEAD.root.hex()}"


@pytest.mark.parametrize(
    ("note", "known", "why"),
    [
        (signed(NOBODYS), KNOWN, "no key of a.example/log that you have has signed it"),
        (signed(THEIRS), KNOWN, "no key of a.example/log that you have has signed it"),
        (signed(THEIRS), f"{THEIRS.verifier}\n", "it is of a.example/log, which no key is of"),
        (format_note(TEXT, (false(OURS),)), KNOWN, "the signature is wrong"),
        (
            format_note(TEXT, (ED25519.sign(OURS, TEXT), false(NEWER))),
            KNOWN,
            "the signature is wrong",
        ),
        (
            format_note(TEXT, (false(OURS), ED25519.sign(OURS, TEXT))),
            KNOWN,
            "the signature is wrong",
        ),
        (signed(OURS).replace("\n5\n", "\n6\n"), KNOWN, "the signature is wrong"),
        (
            signed(OURS),
            KNOWN.replace(OURS.verifier.key_id.hex(), "00000000"),
            "the key id is not its own",
        ),
    ],
    # The keys are other ones in each process.
    ids=range(8),
)
def test_a_checkpoint_that_its_log_has_not_signed_does_not_hold(
    check: Check, note: str, known: str, why: str
) -> None:
    assert check("checkpoint", note, known) == f"DOES NOT HOLD: {why}"


# The whole log.


def all_events(positions: Sequence[int]) -> bytes:
    return b"".join(
        b'{"session_id":"%s","sequence":1,"position":%d,"digest":"%s","id":1}\n'
        % (str(ADA).encode(), position, entry(position).hex().encode())
        for position in positions
    )


def test_all_events_are_held_against_the_root_that_was_signed(check: Check) -> None:
    for size in range(10):
        note = signed(OURS, text=str(TreeHead("a.example/log", size, root(LEAVES[:size]))))
        for positions in (range(1, size + 1), range(1, 10), range(9, 0, -1)):
            said = check("log", note, all_events(positions))
            assert said == f"HOLDS: these are the {size} events that a.example/log has signed"
        if size:
            said = check("log", note, all_events(range(1, size)))
            assert f"there are {size - 1} events, and {size} were signed" in said
            said = check("log", note, all_events(range(2, 10)) + all_events([9]))
            assert "DOES NOT HOLD" in said


# As it is run.


def ran(*arguments: object, given: bytes = b"") -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, str(FILE), *map(str, arguments)],
        input=given,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.returncode, (done.stdout + done.stderr).decode()


def test_it_reads_its_standard_input_and_tells_how_it_is_called() -> None:
    assert ran("session", "-", given=chained(ALL))[0] == 0
    status, said = ran("session", "-", given=chained(ALL[:0]))
    assert (status, said) == (1, "DOES NOT HOLD: there is no event\n")
    for arguments in ((), ("session",), ("everything", "-")):
        status, said = ran(*arguments)
        assert (status, said.startswith("Verify what a Cairn server said")) == (1, True), said
