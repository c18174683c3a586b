"""Verify what a Cairn server said, with nothing but Python: no package and no trust.
    verify.py session FILE              a session: lines as GET /v1/sessions/ID/events gives events
    verify.py inclusion FILE            GET /v1/audit/proof?position=P&size=N
    verify.py consistency FILE          GET /v1/audit/proof?from=M&to=N
    verify.py checkpoint FILE KEY       GET /v1/audit/checkpoint, and a public key you have kept
    verify.py log CHECKPOINT FILE       all events by position, against the root of a checkpoint

FILE may be - for the standard input. The exit status is 0 when it holds, else 1."""

import base64
import hashlib
import json
import re
import sys
import uuid
from pathlib import Path

EVENT = rb'\{"session_id":"([\da-f-]+)","sequence":(\d+),"position":(\d+),"digest":"([\da-f]{64})",'
LEFT = rb'\{"type":"[\w.:<>-]+","at":[\w":.+-]+,"erased":true,"record_hash":"([\da-f]{64})"\}'


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def need(holds: object, words: str) -> None:
    return None if holds else sys.exit(f"DOES NOT HOLD: {words}")


def read(path: str) -> bytes:
    return sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()


def lines(text: bytes) -> list[tuple[bytes, int, int, bytes, bytes]]:
    found = []
    for line in re.sub(rb'^\{"cairn_export".*\n', b"", text).splitlines():
        place = re.match(EVENT, line) or need(None, "a line is no event")
        owner, digest = uuid.UUID(place[1].decode()).bytes, bytes.fromhex(place[4].decode())
        found.append((owner, int(place[2]), int(place[3]), digest, b"{" + line[place.end() :]))
    return found


def session(path: str) -> str:
    need(events := lines(text := read(path)), "there is no event")
    digest, last, erased = sha(events[0][0]), 0, None
    for expected, (owner, sequence, position, stored, record) in enumerate(events, 1):
        need(owner == events[0][0], f"line {expected} is of another session")
        need(sequence == expected, f"the sequence is {sequence}, and should be {expected}")
        need(position > last, f"the position at {sequence} does not rise")
        left = re.fullmatch(LEFT, record)
        digest = sha(digest, bytes.fromhex(left[1].decode()) if left else sha(record))
        erased, last = left or (erased and b'.erased","v":' not in record[:99]), position
        need(digest == stored, f"the digest at {sequence} does not cover what is there")
    need(not erased, "something is erased, and nothing after it says why")
    ends = re.findall(rb'^\{"cairn_export".*?"digest":"([\da-f]{64})"', text)
    need(ends in ([], [digest.hex().encode()]), "it does not end where its first line says")
    return f"{len(events)} events, the last digest is {digest.hex()}"


def climb(node: int, last: int, lower: bytes, upper: bytes, proof: list[bytes]) -> list[bytes]:
    for one in proof:  # RFC 9162, 2.1.3.2 and 2.1.4.2
        need(last > 0, "the proof is too long")
        if node & 1 or node == last:
            lower, upper = sha(b"\1", one, lower), sha(b"\1", one, upper)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            upper = sha(b"\1", upper, one)
        node, last = node >> 1, last >> 1
    return need(last == 0, "the proof is too short") or [lower, upper]


def inclusion(path: str) -> str:
    told = json.loads(read(path))
    at, size, proof = told["position"], told["size"], list(map(bytes.fromhex, told["proof"]))
    leaf = sha(b"\0", bytes.fromhex(told["digest"]))
    need(0 < at <= size, "the position is not in the tree")
    need(climb(at - 1, size - 1, leaf, leaf, proof)[1].hex() == told["root"], "the root is another")
    return f"the event at {at} is in the tree of {size}, root {told['root']}"


def consistency(path: str) -> str:
    told = json.loads(read(path))
    old, new, before, after = (told[name] for name in ("from", "to", "from_root", "to_root"))
    proof = list(map(bytes.fromhex, told["proof"]))
    need(0 <= old <= new, "the later tree is the smaller one")
    if old in (0, new):
        need(not proof, "the proof is too long")
        need(before == (after if old else sha(b"").hex()), "one size, two roots")
    else:
        path_ = proof if old & (old - 1) else [bytes.fromhex(before), *proof]
        need(path_, "the proof is too short")
        node, last = old - 1, new - 1
        while node & 1:
            node, last = node >> 1, last >> 1
        roots = climb(node, last, path_[0], path_[0], path_[1:])
        need([one.hex() for one in roots] == [before, after], "the proof leads to other roots")
    return f"the tree of {new} goes on from that of {old}; roots {before}, {after}"


def head(path: str) -> tuple[str, str, int, str, str]:
    text, _, below = read(path).decode().rpartition("\n\n")
    origin, size, root = text.split("\n")[:3]
    return text + "\n", origin, int(size), base64.b64decode(root).hex(), below


def checkpoint(path: str, key: str) -> str:
    (text, origin, size, root, below), keys = head(path), {}
    for name, key_id, encoded in re.findall(r"(\S+?)\+(\w{8})\+(\S+)", read(key).decode()):
        public = base64.b64decode(encoded)
        need(sha(name.encode(), b"\n", public)[:4].hex() == key_id, "the key id is not its own")
        keys[name, key_id] = public[1:]
    need(origin in {name for name, _ in keys}, f"it is of {origin}, which no key is of")
    made = re.findall("(?m)^\u2014 (\\S+) (\\S+)$", below)
    signed = [(name, base64.b64decode(one)) for name, one in made]
    known = {(n, s): keys[n, s[:4].hex()] for n, s in signed if (n, s[:4].hex()) in keys}
    need(origin in {name for name, _ in known}, f"no key of {origin} that you have has signed it")
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        for (_, one), public in known.items():
            Ed25519PublicKey.from_public_bytes(public).verify(one[4:], text.encode())
    except ImportError:
        return f"{origin}, {size} events, root {root}; SIGNATURE NOT CHECKED, for want of a library"
    except InvalidSignature:
        need(None, "the signature is wrong")
    return f"{origin} has signed {size} events, root {root}"


def log(note: str, path: str) -> str:
    _, origin, size, root, _ = head(note)
    leaves = [sha(b"\0", one[3]) for one in sorted(lines(read(path)), key=lambda at: at[2])][:size]
    need(len(leaves) == size, f"there are {len(leaves)} events, and {size} were signed")
    while len(leaves) > 1:
        pairs = [sha(b"\1", *leaves[i : i + 2]) for i in range(0, len(leaves) - 1, 2)]
        leaves = pairs + leaves[len(leaves) & ~1 :]
    need((leaves or [sha(b"")])[0].hex() == root, "these are not the events that were signed")
    return f"these are the {size} events that {origin} has signed"


if __name__ == "__main__":
    checks = {one.__name__: one for one in (session, inclusion, consistency, checkpoint, log)}
    if len(sys.argv) < 3 or sys.argv[1] not in checks:
        sys.exit(__doc__)
    try:
        print("HOLDS:", checks[sys.argv[1]](*sys.argv[2:]))
    except Exception as error:  # noqa: BLE001 - a stranger's file may hold anything
        sys.exit(f"CANNOT BE CHECKED: {error!r}")
