"""`cairn erase`: what would go, the question, how far it has come, and the proof."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from api.cli.json_client import JsonClient
from api.cli.options import Failure
from api.cli.reading.session_ids import find_session
from api.cli.refused import Refused
from api.cli.screen import printable
from api.cli.transfer.progress import Progress
from api.cli.transfer.server import TransferServer
from domain.counted import counted

_GONE, _REFUSED = 0, 1
_LINES = "application/jsonl"


class Erasure(NamedTuple):
    """What somebody wants erased.

    Args:
        sessions: Ids, or their beginnings.
        app: Of a user.
        user: The user.
        reason: Why.
        children: What the sessions have spawned, too.
        shared_keys: What becomes of keys in force; None leaves it to the server.
    """

    sessions: Sequence[str]
    app: str | None
    user: str | None
    reason: str
    children: bool = False
    shared_keys: str | None = None

    @property
    def body(self) -> dict[str, Any]:
        """What is sent."""
        told: dict[str, Any] = {"reason": self.reason}
        if self.children:
            told["children"] = True
        if self.shared_keys is not None:
            told["shared_keys"] = self.shared_keys
        return told


def erase(
    asked: Erasure,
    *,
    dry_run: bool,
    yes: bool,
    proof: Path | None,
    as_json: bool,
    url: str,
    token_file: Path | None,
) -> int:
    """Erase, print the report, and return the exit status.

    Args:
        asked: What.
        dry_run: Only say what would go.
        yes: Do not ask.
        proof: Where to write the proof.
        as_json: Print the reports as JSON.
        url: Where the server is.
        token_file: Holds the bearer token.

    Raises:
        Failure: The server cannot be asked, or has ended half-way.
    """
    with closing(JsonClient(url, token_file)) as server:
        ids = [find_session(server, named) for named in asked.sessions]
    paths = [f"/v1/sessions/{one}/erase" for one in ids]
    if asked.user is not None:
        paths = [f"/v1/apps/{quote(asked.app or '', '')}/users/{quote(asked.user, '')}/erase"]
    try:
        with closing(TransferServer(url, token_file)) as server:
            planned = [_ask(server, path, asked, dry_run=True) for path in paths]
            if dry_run or not _is_wanted(asked, planned, yes=yes):
                _print(asked, planned, as_json=as_json)
                return _REFUSED if not dry_run or any(one["held"] for one in planned) else _GONE
            done = [_ask(server, path, asked, dry_run=False) for path in paths]
            if proof is not None:
                _prove(server, proof, done)
    except Refused as refusal:
        print(f"cairn: {refusal}", file=sys.stderr)
        return _REFUSED
    _print(asked, done, as_json=as_json)
    return _GONE


def _ask(server: TransferServer, path: str, asked: Erasure, *, dry_run: bool) -> Mapping[str, Any]:
    """Return the report on one path, drawing meanwhile how far it has come."""
    progress = Progress()
    report: Mapping[str, Any] | None = None
    total = 0
    query = {"dry_run": str(dry_run).lower()}
    try:
        with server.ask("POST", path, accept="*/*", query=query, body=asked.body) as answer:
            for line in _lines(answer.pieces()):
                if "erasure" in line or "report" in line:
                    report = line.get("erasure") or line["report"]
                elif "plan" in line:
                    total = line["plan"]["events"]
                elif "error" in line:
                    raise Failure(
                        f"The erasure has ended half-way: {line['error']['detail']}"
                        " Run it again, and it goes on."
                    )
                else:
                    gone = line["erased"]
                    part = gone["events"] / total if total else None
                    progress.show(gone["sessions"], counted(gone["events"], "event"), part)
    finally:
        progress.wipe()
    if report is None:
        raise Failure("The server has ended half-way; run it again, and it goes on.")
    return report


def _lines(pieces: Iterator[bytes]) -> Iterator[Mapping[str, Any]]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from map(msgspec.json.decode, whole)
    if rest:
        yield msgspec.json.decode(rest)


def _is_wanted(asked: Erasure, planned: Sequence[Mapping[str, Any]], *, yes: bool) -> bool:
    if yes:
        return True
    if not sys.stdin.isatty():
        raise Failure("Say --yes to erase without being asked, or --dry-run to see what would go.")
    for line in _told(asked, planned):
        print(line)
    return input("This is for good. Write `erase` to go on: ").strip() == "erase"


def _prove(server: TransferServer, path: Path, done: Sequence[Mapping[str, Any]]) -> None:
    """Write the proof of what was erased, whole or not at all."""
    ids = [log["session_id"] for report in done for log in report["logs"]]
    ids += [report["user_scope"] for report in done if report["user_scope"] is not None]
    if not ids:
        print("cairn: nothing was erased, so there is nothing to prove", file=sys.stderr)
        return
    part = path.with_name(f"{path.name}.part")
    try:
        with (
            part.open("wb") as file,
            server.ask("POST", "/v1/erasures/proof", accept=_LINES, body={"log_ids": ids}) as said,
        ):
            for piece in said.pieces():
                file.write(piece)
        part.replace(path)
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror}.") from None


def _print(asked: Erasure, reports: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.encode(reports[0] if len(reports) == 1 else reports).decode())
        return
    for line in _told(asked, reports):
        print(line)


def _told(asked: Erasure, reports: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for report in reports:
        done = "would be erased" if report["dry_run"] else "erased"
        if not report["sessions"]:
            yield _nothing(asked, done)
            continue
        sessions = counted(report["sessions"], "session")
        yield f"{done}: {sessions}, {counted(report['events'], 'event')}"
        for log in report["logs"]:
            if log["because"] != "asked":
                yield f"  {log['session_id']}, a {log['because']}"
            if log["keys_in_force"]:
                keys = ", ".join(log["keys_in_force"])
                yield f"  {log['session_id']}: keys in force are {report['shared_keys']}: {keys}"
        for session_id in report["held"]:
            yield f"  {session_id} is under a legal hold: nothing can be erased before its release"


def _nothing(asked: Erasure, done: str) -> str:
    """Return what is said where no session is left to be erased."""
    if asked.user is None:
        return f"{done}: nothing, for the session is erased already"
    return printable(
        f"{done}: no session, for the app {asked.app} has none of the user {asked.user} that is"
        " not erased already; and what sessions of this user share, if there is any"
    )
