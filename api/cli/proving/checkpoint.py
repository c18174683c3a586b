"""The log against a checkpoint of long ago."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from api.cli.options import UsageError
from api.cli.progress import Bar
from api.cli.proving.outcome import VerificationSoFar
from api.cli.proving.server import Damaged, TooShort, get
from domain.counted import counted
from domain.transparency.notes import (
    MalformedNote,
    Note,
    Signature,
    TreeHead,
    VerifierKey,
    parse_note,
    parse_tree_head,
    parse_verifier_key,
)
from domain.transparency.proofs import goes_on
from domain.transparency.tiles import WIDTH, path_of
from domain.transparency.tree import HASH_SIZE, Frontier, leaf_hash

Holds = Callable[[VerifierKey, str, Signature], bool]


def verify_checkpoint(
    client: httpx.Client,
    checkpoint: Path,
    key: Path | None,
    outcome: VerificationSoFar,
    holds: Holds,
) -> int:
    """Hold the log against a checkpoint, and return the checkpoint's size.

    Args:
        client: Of the server.
        checkpoint: The file of the checkpoint.
        key: The file with the public keys that sign; the server's own when absent.
        outcome: Gets what is wrong.
        holds: Checks an Ed25519 signature.

    Raises:
        Failure: The server refuses.
        UsageError: The checkpoint or the key is none.
    """
    note, head = _read_checkpoint(checkpoint)
    if key is not None:
        keys = _read_keys(key)
    else:
        keys = [parse_verifier_key(line) for line in get(client, "/v1/audit/key").text.split()]
    outcome.checkpoint = {
        "origin": head.origin,
        "size": head.size,
        "root": head.root.hex(),
        "key_from": "file" if key else "server",
        "holds": False,
    }
    wrong = _wrong_signature(note, head, keys, holds)
    if wrong is not None:
        outcome.found(*wrong)
        return head.size
    try:
        proof = get(client, f"/v1/audit/proof?from={head.size}").json()
        why = "the kept tree is not made of them"
    except TooShort as short:
        outcome.found(
            "checkpoint_ahead",
            f"the log has {counted(short.head, 'event')} and the checkpoint {head.size}: its end"
            " was cut off, an older backup was restored, or this is another store",
        )
        return head.size
    except Damaged as damaged:
        proof, why = None, f"that the log goes on from them cannot be proven: {damaged}"
    try:
        root = _root_of_entries(client, head.size)
    except Damaged as damaged:
        outcome.found("checkpoint_mismatch", f"events that were signed are gone: {damaged}")
        return head.size
    if root != head.root:
        outcome.found(
            "checkpoint_mismatch",
            f"the first {counted(head.size, 'event')} are not those that were signed: the log was"
            " rewritten, an older backup was restored and went on, or this is another store, such"
            " as one that it was imported into",
        )
        return head.size
    outcome.checkpoint["holds"] = True
    if head.size and not (proof and _goes_on(head, proof)):
        outcome.found("tree_mismatch", f"the events are those that were signed, and {why}")
    return head.size


def _goes_on(head: TreeHead, told: Mapping[str, Any]) -> bool:
    proof = [bytes.fromhex(one) for one in told["proof"]]
    return goes_on(head.size, told["to"], head.root, bytes.fromhex(told["to_root"]), proof)


def _read_checkpoint(path: Path) -> tuple[Note, TreeHead]:
    try:
        note = parse_note(path.read_bytes())
        return note, parse_tree_head(note.text)
    except OSError as error:
        raise UsageError(f"The checkpoint {path} cannot be read ({error.strerror}).") from None
    except MalformedNote as error:
        raise UsageError(f"{path} is no checkpoint: {error}.") from None


def _read_keys(path: Path) -> list[VerifierKey]:
    try:
        lines = path.read_text("utf-8").split()
        return [parse_verifier_key(line) for line in lines]
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"The key file {path} cannot be read.") from None
    except MalformedNote as error:
        raise UsageError(f"{path} holds no public key: {error}.") from None


def _wrong_signature(
    note: Note, head: TreeHead, keys: Sequence[VerifierKey], holds: Holds
) -> tuple[str, str] | None:
    """Return what is wrong with the signatures; those of keys that are not known say nothing."""
    if all(key.name != head.origin for key in keys):
        return "checkpoint_of_another_store", f"the checkpoint is of {head.origin}"
    known = {(key.name, key.key_id): key for key in keys}
    checked = {
        one: holds(known[one.name, one.key_id], note.text, one)
        for one in note.signatures
        if (one.name, one.key_id) in known
    }
    # Who else has signed it cannot speak for this store.
    if all(one.name != head.origin for one in checked):
        return "checkpoint_unsigned", f"none of the known keys of {head.origin} has signed it"
    if not all(checked.values()):
        return "signature_mismatch", "a signature of the checkpoint is wrong"
    return None


def _root_of_entries(client: httpx.Client, size: int) -> bytes:
    """Return the root over the digests that the log has now, without trust in the kept tree."""
    tree, bar = Frontier(), Bar("events", size)
    for first in range(0, size, WIDTH):
        width = min(WIDTH, size - first)
        bundle = get(client, f"/v1/audit/tile/entries/{path_of(first // WIDTH, width)}").content
        tree.extend(map(leaf_hash, _entries(bundle)))
        bar.show(first + width)
    bar.end()
    return tree.root()


def _entries(bundle: bytes) -> Iterator[bytes]:
    for at in range(2, len(bundle), 2 + HASH_SIZE):
        yield bundle[at : at + HASH_SIZE]
