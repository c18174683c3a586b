"""`cairn verify`: sessions against their chains, and the log against a checkpoint of long ago."""

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import typer

from api.cli.client_options import client_options, token_in
from api.cli.json_client import JsonClient
from api.cli.options import Failure, UsageError
from api.cli.progress import Bar
from api.cli.proving.checkpoint import Holds, verify_checkpoint
from api.cli.proving.outcome import VerificationSoFar
from api.cli.proving.server import get, refused
from api.cli.reading.session_ids import find_session
from api.cli.unanswered import no_cairn, unanswered
from api.composition.keys import signatures

_PATIENCE = 600.0
_NOTHING = '{"expected":0}'
"""What is read of an answer that ends before it has begun."""


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
        outcome.tell()
    return 1 if outcome.findings else 0


def run(asked: Asked, *, url: str, token: str | None, holds: Holds) -> VerificationSoFar:
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
    outcome = VerificationSoFar()
    with httpx.Client(timeout=_PATIENCE, **client_options(url, token)) as client:
        try:
            since = 0
            if asked.checkpoint is not None:
                since = verify_checkpoint(client, asked.checkpoint, asked.key, outcome, holds)
            if asked.everything:
                _verify_all(client, asked, outcome, since if asked.since else 0)
            for session in asked.sessions:
                outcome.add(get(client, f"/v1/sessions/{session}/verify").json())
        except httpx.HTTPError as error:
            raise unanswered(url, error) from None
        except json.JSONDecodeError:
            raise no_cairn(url) from None
    return outcome


def _verify_all(client: httpx.Client, asked: Asked, outcome: VerificationSoFar, since: int) -> None:
    query = {"sample": repr(asked.sample), "since": str(since)}
    with client.stream("GET", "/v1/audit/verify", params=query) as answer:
        if answer.status_code != 200:
            answer.read()
            raise refused(answer)
        lines = answer.iter_lines()
        bar = Bar("sessions", json.loads(next(lines, _NOTHING))["expected"])
        findings: list[dict[str, Any]] = []
        for done, line in enumerate(map(json.loads, lines), 1):
            if "ok" in line:
                # The sum tells only the first of those about sessions again.
                findings += [one for one in line["findings"] if one["session_id"] is None]
                outcome.add({**line, "findings": findings})
                bar.end()
                break
            findings += line["findings"]
            bar.show(done)
        else:
            raise Failure("The server broke off in the middle; nothing is known of the rest.")


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
