"""`cairn retention`: sessions that are old enough are archived, and then erased.

    list → leave out what is held → archive → verify the archive → erase

Nothing is erased that is not in an archive which was read again and found whole. Ended at any
point, the next run finds what is left; an archive that is not whole is never taken for one.
"""

import fcntl
import hashlib
import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from api.cli.erasing.policies import Policy, read_policies
from api.cli.json_client import JsonClient
from api.cli.options import Failure, UsageError
from api.cli.repairing.log_files import analyse_file
from api.cli.screen import printable
from api.cli.transfer.exporting import export
from domain.repair.report import Options

_PAGE = 200
_DONE, _SOMETHING_HELD = 0, 1
_HARMLESS = frozenset({"session_not_stopped", "stop_reason_requires_force"})


class Due(NamedTuple):
    """What a policy comes to.

    Args:
        erasures: For each session that is due, the logs that go with it, itself the last.
        held: Sessions that a legal hold keeps.
    """

    erasures: dict[str, list[str]]
    held: list[str]


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
    policies = read_policies(file)
    held = False
    with _alone(file), closing(JsonClient(url, token_file)) as server:
        for policy in policies:
            due = _due(server, policy)
            archive: Path | None = None
            if not dry_run and due.erasures:
                if policy.archive is not None:
                    folder = policy.archive / policy.name
                    archive = _archived(folder, due, url=url, token_file=token_file)
                if policy.action != "archive":
                    _erase(server, policy, due)
            held = held or bool(due.held)
            _print(policy, due, archive, dry_run=dry_run, as_json=as_json)
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


def _due(server: JsonClient, policy: Policy) -> Due:
    before = datetime.now(UTC) - policy.older_than
    query: dict[str, Any] = {
        **policy.where,
        "active_before": before.isoformat(),
        "sort": "created_at",
        "limit": _PAGE,
    }
    due = Due({}, [])
    while True:
        page = server.ask("GET", "/v1/sessions", query)
        for session in page["sessions"]:
            session_id = session["id"]
            body = {"reason": _reason(policy)}
            path = f"/v1/sessions/{session_id}/erase"
            said = server.ask("POST", path, {"dry_run": "true"}, body=body)["erasure"]
            if said["held"]:
                due.held.append(session_id)
            else:
                due.erasures[session_id] = [log["session_id"] for log in said["logs"]]
        cursor = page.get("next")
        if cursor is None:
            return due
        query["cursor"] = cursor


def _archived(beside: Path, due: Due, *, url: str, token_file: Path | None) -> Path:
    """Return the folder of a bundle of all that is due, when it was read again and is whole."""
    folder = beside / datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    folder.parent.mkdir(parents=True, exist_ok=True)
    ids = list(dict.fromkeys(one for logs in due.erasures.values() for one in logs))
    with redirect_stdout(sys.stderr):
        export(ids, {}, folder, as_table=False, url=url, token_file=token_file)
    _require_whole(folder, ids)
    return folder


def _require_whole(folder: Path, ids: list[str]) -> None:
    """Read an archive again, from its manifest to the last digest."""
    try:
        manifest = msgspec.json.decode((folder / "manifest.json").read_bytes())
        named = {one["session_id"]: one for one in manifest["files"]}
    except (OSError, msgspec.DecodeError, KeyError) as error:
        raise Failure(
            f"The archive {folder} has no manifest, so nothing is erased: {error}."
        ) from None
    for session_id in ids:
        entry: Mapping[str, Any] = named.get(session_id, {})
        path = folder / str(entry.get("name"))
        wrong = "it is not there"
        if path.is_file():
            wrong = _fault_of(path, entry)
        if wrong:
            raise Failure(
                f"The archive of {session_id} is not whole, so nothing is erased: {wrong}."
            )


def _fault_of(path: Path, entry: Mapping[str, Any]) -> str:
    if hashlib.sha256(path.read_bytes()).hexdigest() != entry["sha256"]:
        return "its bytes are not those of the manifest"
    report = analyse_file(path, "cairn", Options())
    bad = [one for one in report.issues if one.blocks and one.code not in _HARMLESS]
    if bad:
        return f"{bad[0].code}, {bad[0].detail}"
    if (report.analysed_sequence, report.analysed_digest) != (entry["head"], entry["digest"]):
        return "its end is not the one of the manifest"
    return ""


def _erase(server: JsonClient, policy: Policy, due: Due) -> None:
    for session_id in list(due.erasures):
        path = f"/v1/sessions/{session_id}/erase"
        try:
            server.ask("POST", path, body={"reason": _reason(policy)})
        except Failure as error:
            if "legal hold" not in str(error):
                raise
            # Set since it was archived: it stays, and the archive is one copy more.
            del due.erasures[session_id]
            due.held.append(session_id)


def _reason(policy: Policy) -> str:
    return f"retention policy {policy.name}"


def _print(policy: Policy, due: Due, archive: Path | None, *, dry_run: bool, as_json: bool) -> None:
    told: dict[str, Any] = {
        "policy": policy.name,
        "action": policy.action,
        "dry_run": dry_run,
        "sessions": list(due.erasures),
        "logs": len({one for logs in due.erasures.values() for one in logs}),
        "held": due.held,
        "archive": None if archive is None else str(archive),
    }
    if as_json:
        print(msgspec.json.encode(told).decode())
        return
    for line in _lines(told):
        print(printable(line))
    sys.stdout.flush()


def _lines(told: Mapping[str, Any]) -> Iterator[str]:
    words = {"archive": "archived", "erase": "erased", "archive_and_erase": "archived and erased"}
    done = ("would be " if told["dry_run"] else "") + words[told["action"]]
    yield f"{told['policy']}: {len(told['sessions'])} sessions {done}, with {told['logs']} logs"
    if told["archive"] is not None:
        yield f"  into {told['archive']}"
    for session_id in told["held"]:
        yield f"  {session_id} is under a legal hold, and stays"
