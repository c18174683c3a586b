"""`cairn retention`: the sessions that policies keep no longer are archived, and then erased."""

import asyncio
import fcntl
import sys
from collections.abc import AsyncGenerator, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from api.cli.json_client import JsonClient
from api.cli.options import Failure, UsageError
from api.cli.refused import Refused
from api.cli.screen import printable
from api.cli.transfer.exporting import export
from api.composition.transfer_files import new_folder_in, verify_archive
from application.ports.session.retention import (
    ArchiveDamaged,
    ExpiredSession,
    KeptMeanwhile,
    RetentionPolicy,
    UnderHold,
)
from application.retention.keeping import PolicyRun, Retention
from application.retention.policies import PolicyFault, read_policies

_PAGE = 200
_DONE, _SOMETHING_HELD = 0, 1


def retain(file: Path, *, dry_run: bool, as_json: bool, url: str, token_file: Path | None) -> int:
    """Do what the policies of a file say, print it, and return the exit status.

    Args:
        file: The policies.
        dry_run: Only say what would be done.
        as_json: Print JSON.
        url: Where the server is.
        token_file: Holds the bearer token.

    Raises:
        UsageError: The file cannot be meant, or another run is at work on it.
        Failure: The server cannot be asked, or an archive is not whole.
    """
    try:
        policies = read_policies(file)
    except PolicyFault as fault:
        raise UsageError(str(fault)) from None
    held = False
    with _alone(file), closing(JsonClient(url, token_file)) as server:
        archives = _DownloadedArchives(url, token_file)
        retention = Retention(_ServerSessions(server), archives, lambda: datetime.now(UTC))
        for policy in policies:
            try:
                outcome = asyncio.run(retention.apply(policy, dry_run=dry_run))
            except ArchiveDamaged as damaged:
                raise Failure(str(damaged)) from None
            except OSError as error:
                where = error.filename or policy.archive
                raise Failure(
                    f"{where} cannot be written: {error.strerror}; nothing was erased by policy"
                    f" {policy.name}."
                ) from None
            held = held or bool(outcome.held)
            _print(outcome, as_json=as_json)
    return _SOMETHING_HELD if held else _DONE


@contextmanager
def _alone(file: Path) -> Generator[None]:
    """See that no other run is at work with the same policies on this machine."""
    with file.open("rb") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(f"Another run is at work on {file}; wait until it is done.") from None
        yield


class _ServerSessions:
    """The sessions of a server; see `application.ports.session.retention.ExpiredSessions`."""

    def __init__(self, server: JsonClient) -> None:
        self._server = server

    async def of(self, policy: RetentionPolicy, before: datetime) -> AsyncGenerator[ExpiredSession]:
        """Yield the sessions that a policy is about."""
        query: dict[str, Any] = {
            **policy.where,
            "active_before": before.isoformat(),
            "sort": "created_at",
            "limit": _PAGE,
        }
        while True:
            page = self._server.ask("GET", "/v1/sessions", query)
            for session in page["sessions"]:
                planned = self._planned(UUID(session["id"]), policy.reason)
                if planned.heads:
                    yield planned
            cursor = page.get("next")
            if cursor is None:
                return
            query["cursor"] = cursor

    def _planned(self, session_id: UUID, reason: str) -> ExpiredSession:
        path, body = f"/v1/sessions/{session_id}/erase", {"reason": reason}
        plan = self._server.ask("POST", path, {"dry_run": "true"}, body=body)["erasure"]
        heads = {UUID(log["session_id"]): int(log["events"]) for log in plan["logs"]}
        return ExpiredSession(session_id, heads, bool(plan["held"]))

    async def erase(self, session: ExpiredSession, reason: str) -> None:
        """Erase a session with its forks, as far as it was found."""
        session_id = session.session_id
        path, body = f"/v1/sessions/{session_id}/erase", {"reason": reason}
        headers = {"If-Match": f'"{session.heads[session_id]}"'}
        try:
            left = self._planned(session_id, reason).heads
            if session.went_on(left):
                raise KeptMeanwhile
            if not left:
                return
            self._server.ask("POST", path, body=body, headers=headers)
        except Refused as refused:
            match refused.code:
                case "under_legal_hold":
                    raise UnderHold from refused
                case "stale_sequence" | "session_not_found" | "erased":
                    raise KeptMeanwhile from refused
                case _:
                    raise


class _DownloadedArchives:
    """Archives beside the policies on this machine, as the port `Archives` has them."""

    def __init__(self, url: str, token_file: Path | None) -> None:
        self._url = url
        self._token_file = token_file

    async def write(self, folder: Path, log_ids: Sequence[UUID]) -> Path:
        """Download a bundle, and return where it is."""
        bundle, ids = new_folder_in(folder), [str(one) for one in log_ids]
        with redirect_stdout(sys.stderr):
            export(ids, {}, bundle, as_table=False, url=self._url, token_file=self._token_file)
        return bundle

    async def verify(self, bundle: Path, log_ids: Sequence[UUID]) -> Mapping[UUID, int]:
        """Read a bundle again from its manifest to the last digest."""
        return verify_archive(bundle, log_ids)


def _print(outcome: PolicyRun, *, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.encode(outcome.document()).decode())
        return
    for line in _lines(outcome):
        print(printable(line))
    sys.stdout.flush()


def _lines(outcome: PolicyRun) -> Iterator[str]:
    yield outcome.sentence()
    if outcome.archive is not None:
        yield f"  into {outcome.archive}"
    for session_id in outcome.held:
        yield f"  {session_id} is under a legal hold, and stays"
    for session_id in outcome.changed:
        yield f"  {session_id} has gone on meanwhile, and stays until the next run"
