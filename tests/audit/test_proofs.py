"""Checkpoints, proofs and tiles over HTTP, checked as an outsider checks them."""

import struct

from domain.transparency.notes import parse_note, parse_tree_head, parse_verifier_key
from domain.transparency.proofs import goes_on
from domain.transparency.tree import EMPTY_ROOT, Frontier, leaf_hash
from infrastructure.keys.ed25519 import Ed25519
from tests.audit.conftest import Audited
from tests.support.api import Api
from tests.support.inclusion import includes


def checkpoint(audited: Audited) -> tuple[str, int, bytes]:
    """Return the head that a checkpoint names, when its signature is that of the key."""
    answer = audited.api.get("/v1/audit/checkpoint")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    note = parse_note(answer.content)
    (signature,) = note.signatures
    assert Ed25519().holds(audited.key, note.text, signature)
    return parse_tree_head(note.text)


def grow(api: Api, sessions: int) -> int:
    """Make sessions, and return the newest position."""
    for _ in range(sessions):
        api.create()
    return int(api.get("/v1/events").json()["head"])


def test_a_stranger_can_check_the_whole_log(audited: Audited) -> None:
    assert audited.api.get("/v1/audit/key").text == f"{audited.key}\n"
    assert parse_verifier_key(audited.api.get("/v1/audit/key").text.strip()) == audited.key
    assert checkpoint(audited) == (audited.key.name, 0, EMPTY_ROOT)
    size = grow(audited.api, 5)
    _, old, old_root = checkpoint(audited)
    assert old == size
    events = audited.api.get("/v1/events?limit=200").json()["events"]
    frontier = Frontier()
    frontier.extend(leaf_hash(bytes.fromhex(one["digest"])) for one in events)
    assert frontier.root() == old_root

    for one in events:
        proof = audited.api.get(f"/v1/audit/proof?position={one['position']}&size={old}").json()
        leaf = leaf_hash(bytes.fromhex(one["digest"]))
        assert proof["digest"] == one["digest"]
        assert proof["leaf_hash"] == leaf.hex()
        hashes = list(map(bytes.fromhex, proof["proof"]))
        assert includes(one["position"] - 1, old, leaf, hashes, old_root)

    grow(audited.api, 3)
    _, new, new_root = checkpoint(audited)
    proof = audited.api.get(f"/v1/audit/proof?from={old}&to={new}").json()
    hashes = list(map(bytes.fromhex, proof["proof"]))
    assert goes_on(old, new, old_root, new_root, hashes)
    signed = audited.api.get("/v1/audit/checkpoints").json()["checkpoints"]
    assert [one["size"] for one in signed] == [new, old, 0]
    assert signed[1]["root"] == old_root.hex()
    only = audited.api.get(f"/v1/audit/checkpoints?before={new}&limit=1").json()["checkpoints"]
    assert only == signed[1:2]


def test_tiles_and_entries_are_those_of_the_events(audited: Audited) -> None:
    size = grow(audited.api, 4)
    events = audited.api.get("/v1/events?limit=200").json()["events"]
    digests = [bytes.fromhex(one["digest"]) for one in events]
    tile = audited.api.get(f"/v1/audit/tile/0/000.p/{size}")
    assert tile.headers["content-type"] == "application/octet-stream"
    assert "immutable" in tile.headers["cache-control"]
    assert tile.content == b"".join(map(leaf_hash, digests))
    bundle = audited.api.get(f"/v1/audit/tile/entries/000.p/{size}").content
    assert bundle == b"".join(struct.pack(">H", 32) + digest for digest in digests)


NO_TILES = [
    *("0/000", "0/000.p/200", "1/000.p/1", "0/001.p/1", "0/0", "0/000.p/0", "0/000.p/256"),
    *("0/000.p/257", "entries/000.p/257"),
    *("8/000", "00/000", "-1/000", "0/x001/000", "0/000/", "0/000.p/1/2", "0", "0/%30"),
    *("entries/000", "entries/0", "entries/000.p/200", "entries/x000/000", "0/\u0660\u0660"),
]
NO_PROOFS = [
    ("position=0&size=1", 409, "beyond_the_log"),
    ("position=2&size=1", 409, "beyond_the_log"),
    ("position=1&size=0", 409, "beyond_the_log"),
    ("position=1&size=1000", 409, "beyond_the_log"),
    ("from=2&to=1", 409, "beyond_the_log"),
    ("from=1&to=1000", 409, "beyond_the_log"),
    ("", 400, "invalid_parameter"),
    ("position=9223372036854775808", 400, "invalid_parameter"),
    ("position=1&from=1", 400, "invalid_parameter"),
    ("position=1&to=1", 400, "invalid_parameter"),
    ("from=1&size=1", 400, "invalid_parameter"),
    ("position=x", 400, "invalid_parameter"),
    ("position=-1", 400, "invalid_parameter"),
    ("size=1", 400, "invalid_parameter"),
]


def test_there_is_nothing_where_nothing_is(audited: Audited) -> None:
    grow(audited.api, 2)
    for path in NO_TILES:
        refused(audited.api, f"tile/{path}", 404, "not_found")
    for query, status, code in NO_PROOFS:
        refused(audited.api, f"proof?{query}", status, code)


def refused(api: Api, path: str, status: int, code: str) -> None:
    answer = api.get(f"/v1/audit/{path}")
    assert (answer.status_code, answer.json()["code"]) == (status, code), path


def test_a_server_without_a_key_proves_and_does_not_sign(base_url: str) -> None:
    api = Api(base_url)
    head = grow(api, 1)
    for path in ("checkpoint", "key"):
        refused(api, path, 404, "audit_key_missing")
    assert api.get(f"/v1/audit/proof?position={head}").json()["size"] >= head
    api.close()
