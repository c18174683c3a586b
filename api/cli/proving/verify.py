"""`cairn verify`: sessions against their chains, and the log against a checkpoint of long ago."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import typer

from api.cli.client import goes_through_proxies, token_in
from api.cli.json_client import JsonClient
from api.cli.options import Failure, UsageError
from api.cli.progress import Bar
from api.cli.reading.session_ids import find_session
from api.keys import signatures
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

_PATIENCE = 600.0

Holds = Callable[[VerifierKey, str, Signature], bool]


@dataclass
class Outcome:
    """What a verification came to so far."""

    sessions: int = 0
    events: int = 0
    findings: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    checkpoint: dict[str, Any] | None = None

    def found(self, code: str, detail: str) -> None:
        """Add what is wrong with the log as a whole."""
        self.findings.append({"session_id": None, "code": code, "sequence": None, "detail": detail})

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        shown: dict[str, Any] = {
            "ok": not self.findings,
            "sessions": self.sessions,
            "events": self.events,
            "findings": self.findings,
        }
        if self.checkpoint is not None:
            shown["checkpoint"] = self.checkpoint
        return shown


@dataclass(frozen=True)
class Asked:
    """What to verify.

    Args:
        sessions: These sessions.
        everything: All sessions.
        sample: The part of all sessions to check, chosen by chance.
        since: Only sessions with events since the size of this checkpoint.
        checkpoint: The log must still contain what this file says.
        key: The file with the public key that has signed it; the server's own when absent.
    """

    sessions: Sequence[str]
    everything: bool = False
    sample: float = 1.0
    since: bool = False
    checkpoint: Path | None = None
    key: Path | None = None


def verify(
    sessions: Sequence[str],
    *,
    everything: bool,
    sample: str,
    since_checkpoint: bool,
    checkpoint: Path | None,
    key: Path | None,
    url: str,
    token_file: Path | None,
    as_json: bool,
) -> int:
    """Verify, say what was found, and return the exit status: 0 all is well, 1 it is not.

    Args:
        sessions: These sessions.
        everything: All sessions.
        sample: The part of all sessions to check, such as `1%`.
        since_checkpoint: Only sessions that have changed since the checkpoint.
        checkpoint: The file of one.
        key: The file with the public keys that sign checkpoints.
        url: Where the server is.
        token_file: Holds the bearer token.
        as_json: Say it in JSON.

    Raises:
        UsageError: This makes no sense together, or a file is not what it should be.
        Failure: The server cannot be asked.
    """
    if not sessions and not everything and checkpoint is None:
        raise UsageError("Name sessions, or give --all or --checkpoint FILE.")
    if since_checkpoint and checkpoint is None:
        raise UsageError("--since-checkpoint goes with --checkpoint FILE.")
    if key is not None and checkpoint is None:
        raise UsageError("--key goes with --checkpoint FILE.")
    part = part_of(sample)
    with closing(JsonClient(url, token_file)) as server:
        named = [find_session(server, session) for session in sessions]
    asked = Asked(named, everything or not named, part, since_checkpoint, checkpoint, key)
    outcome = run(asked, url=url, token=token_in(token_file), holds=signatures().holds)
    if as_json:
        typer.echo(json.dumps(outcome.document()))
    else:
        _tell(outcome)
    return 1 if outcome.findings else 0


def run(asked: Asked, *, url: str, token: str | None, holds: Holds) -> Outcome:
    """Verify, and return what was found.

    Args:
        asked: What.
        url: Of the server.
        token: Its bearer token.
        holds: Checks an Ed25519 signature.

    Raises:
        Failure: The server cannot be asked.
        UsageError: The checkpoint or the key is none.
    """
    outcome = Outcome()
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    client = httpx.Client(
        base_url=url,
        headers=headers,
        timeout=_PATIENCE,
        trust_env=goes_through_proxies(url),
    )
    with closing(client):
        try:
            since = _verify_checkpoint(client, asked, outcome, holds) if asked.checkpoint else 0
            if asked.everything:
                _verify_all(client, asked, outcome, since if asked.since else 0)
            for session in asked.sessions:
                _take(outcome, _get(client, f"/v1/sessions/{session}/verify").json())
        except httpx.HTTPError as error:
            why = str(error) or type(error).__name__
            raise Failure(f"The server does not answer: {why}.") from None
    return outcome


def _get(client: httpx.Client, path: str) -> httpx.Response:
    answer = client.get(path)
    if answer.status_code != 200:
        raise _refused(answer)
    return answer


def _refused(answer: httpx.Response) -> Failure:
    try:
        return Failure(str(answer.json()["detail"]))
    except (ValueError, KeyError):
        return Failure(f"The server answers {answer.status_code}.")


def _take(outcome: Outcome, report: dict[str, Any]) -> None:
    outcome.sessions += report["sessions"]
    outcome.events += report["events"]
    outcome.findings += report["findings"]


def _verify_all(client: httpx.Client, asked: Asked, outcome: Outcome, since: int) -> None:
    query = {"sample": repr(asked.sample), "since": str(since)}
    with client.stream("GET", "/v1/audit/verify", params=query) as answer:
        if answer.status_code != 200:
            answer.read()
            raise _refused(answer)
        lines = answer.iter_lines()
        bar = Bar("sessions", json.loads(next(lines))["expected"])
        for done, line in enumerate(map(json.loads, lines), 1):
            if "ok" in line:
                _take(outcome, line)
                bar.end()
                break
            bar.show(done)
        else:
            raise Failure("The server broke off in the middle; nothing is known of the rest.")


def _verify_checkpoint(client: httpx.Client, asked: Asked, outcome: Outcome, holds: Holds) -> int:
    """Hold the log against a checkpoint, and return the checkpoint's size."""
    if asked.checkpoint is None:
        return 0
    note, head = _read_checkpoint(asked.checkpoint)
    if asked.key is not None:
        keys = _read_keys(asked.key)
    else:
        keys = [parse_verifier_key(line) for line in _get(client, "/v1/audit/key").text.split()]
    outcome.checkpoint = {
        "origin": head.origin,
        "size": head.size,
        "root": head.root.hex(),
        "key_from": "file" if asked.key else "server",
    }
    wrong = _wrong_signature(note, head, keys, holds)
    if wrong is not None:
        outcome.found(*wrong)
        return head.size
    newest = int(_get(client, "/v1/events?after=now").json()["head"])
    if head.size > newest:
        outcome.found(
            "checkpoint_ahead",
            f"the log has {newest} events and the checkpoint {head.size}: its end was cut off, an"
            " older backup was restored, or this is another store",
        )
        return head.size
    if _root_of_entries(client, head.size) != head.root:
        outcome.found(
            "checkpoint_mismatch",
            f"the first {head.size} events are not those that were signed",
        )
        return head.size
    if head.size and not _goes_on(client, head, newest):
        outcome.found(
            "tree_mismatch",
            "the events are those that were signed, and the kept tree is not made of them",
        )
    return head.size


def _goes_on(client: httpx.Client, head: TreeHead, newest: int) -> bool:
    shown = _get(client, f"/v1/audit/proof?from={head.size}&to={newest}").json()
    proof = [bytes.fromhex(one) for one in shown["proof"]]
    return goes_on(head.size, newest, head.root, bytes.fromhex(shown["to_root"]), proof)


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
    checked = [
        holds(known[one.name, one.key_id], note.text, one)
        for one in note.signatures
        if (one.name, one.key_id) in known
    ]
    if not checked:
        return "checkpoint_unsigned", "none of the known keys has signed the checkpoint"
    if not all(checked):
        return "signature_mismatch", "a signature of the checkpoint is wrong"
    return None


def _root_of_entries(client: httpx.Client, size: int) -> bytes:
    """Return the root over the digests that the log has now, without trust in the kept tree."""
    tree, bar = Frontier(), Bar("events", size)
    for first in range(0, size, WIDTH):
        width = min(WIDTH, size - first)
        bundle = _get(client, f"/v1/audit/tile/entries/{path_of(first // WIDTH, width)}").content
        tree.extend(map(leaf_hash, _entries(bundle)))
        bar.show(first + width)
    bar.end()
    return tree.root()


def _entries(bundle: bytes) -> Iterator[bytes]:
    for at in range(2, len(bundle), 2 + HASH_SIZE):
        yield bundle[at : at + HASH_SIZE]


def _tell(outcome: Outcome) -> None:
    for one in outcome.findings:
        where = one["session_id"] or "the log"
        at = f" at {one['sequence']}" if one["sequence"] is not None else ""
        typer.echo(f"{where}{at}: {one['code']}: {one['detail']}")
    if outcome.checkpoint is not None:
        size = outcome.checkpoint["size"]
        if outcome.checkpoint["key_from"] == "server":
            typer.echo(
                "The key came from the server itself; name one that you kept with --key.", err=True
            )
        if not outcome.findings:
            typer.echo(f"The log still contains the {size:,} events of the checkpoint.")
    if outcome.sessions:
        typer.echo(f"{outcome.events:,} events of {outcome.sessions:,} sessions were verified.")
    typer.echo("All is well." if not outcome.findings else f"{len(outcome.findings)} found.")


def part_of(text: str) -> float:
    """Return the part that a text such as `1%` or `0.01` stands for.

    Raises:
        UsageError: It stands for none.
    """
    try:
        part = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        part = 0.0
    if not 0 < part <= 1:
        raise UsageError("--sample is a part such as 1% or 0.01, above 0 and at most 100%.")
    return part
