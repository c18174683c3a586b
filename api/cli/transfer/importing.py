"""`cairn import`."""

import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from api.cli.options import Failure, UsageError
from api.cli.refused import Refused
from api.cli.screen import printable
from api.cli.transfer.packing import archived
from api.cli.transfer.progress import Progress
from api.cli.transfer.server import TransferServer
from domain.counted import counted

_READ = 1024 * 1024
_DONE, _REFUSED = 0, 1


def import_path(
    path: Path,
    *,
    dry_run: bool,
    quarantine: bool,
    as_json: bool,
    url: str,
    token_file: Path | None,
) -> int:
    """Import a file or a folder, print the report, and return the exit status.

    Args:
        path: What to import.
        dry_run: Only say what would be imported.
        quarantine: Take damaged sessions too.
        as_json: Print the report as JSON.
        url: Where the server is.
        token_file: Holds the bearer token.

    Raises:
        UsageError: It is nothing that can be imported.
        Failure: The server cannot be asked, or has ended half-way.
    """
    return import_content(
        _content(path),
        dry_run=dry_run,
        quarantine=quarantine,
        as_json=as_json,
        url=url,
        token_file=token_file,
    )


def import_content(
    content: Iterator[bytes],
    *,
    dry_run: bool,
    quarantine: bool,
    as_json: bool,
    url: str,
    token_file: Path | None,
    beside: Mapping[str, Any] | None = None,
) -> int:
    """Import an export file or a bundle, print the report, and return the exit status.

    Args:
        content: Its bytes; they may be made while they are sent.
        dry_run: Only say what would be imported.
        quarantine: Take damaged sessions too.
        as_json: Print the report as JSON.
        url: Where the server is.
        token_file: Holds the bearer token.
        beside: What else belongs into the report as JSON, once all is sent.

    Raises:
        Failure: The server cannot be asked, or has ended half-way.
    """
    query = {"dry_run": str(dry_run).lower(), "quarantine": str(quarantine).lower()}
    progress = Progress()
    report: Mapping[str, Any] | None = None
    try:
        with (
            closing(TransferServer(url, token_file)) as server,
            server.ask(
                "POST",
                "/v1/import",
                accept="application/jsonl",
                query=query,
                content=content,
            ) as answer,
        ):
            total = 0
            for line in answer.lines():
                if "plan" in line:
                    total = line["plan"]["events"]
                elif "written" in line:
                    logs, events = line["written"]["logs"], line["written"]["events"]
                    progress.show(logs, counted(events, "event"), events / total if total else None)
                elif "error" in line:
                    why = line["error"]["detail"].removesuffix(".")
                    raise Failure(
                        f"The import has ended half-way: {why}. Run it again, and it goes on."
                    )
                else:
                    report = line["report"]
    except Refused as refusal:
        return _refused(refusal, beside or {}, as_json=as_json)
    finally:
        progress.wipe()
    if report is None:
        raise Failure("The server has ended half-way; run the import again, and it goes on.")
    told = msgspec.json.encode({**report, **(beside or {})}).decode()
    print(told if as_json else "\n".join(_told(report)))
    return _REFUSED if report["conflicts"] else _DONE


def _content(path: Path) -> Iterator[bytes]:
    try:
        kind = path.stat().st_mode
        if stat.S_ISDIR(kind):
            return archived(path)
        if not stat.S_ISREG(kind):
            raise UsageError(f"{path} is neither a file nor a folder.")
        path.open("rb").close()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    return _pieces(path)


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_READ):
            yield piece


def _refused(refusal: Refused, beside: Mapping[str, Any], *, as_json: bool) -> int:
    conflicts = refusal.problem.get("conflicts")
    if conflicts is None:
        raise refusal
    if as_json:
        print(msgspec.json.encode({**refusal.problem, **beside}).decode())
        return _REFUSED
    print("nothing was imported", file=sys.stderr)
    for line in _conflicts(conflicts):
        print(line, file=sys.stderr)
    if omitted := refusal.problem.get("conflicts_omitted"):
        print(f"… and {omitted} more", file=sys.stderr)
    return _REFUSED


def _conflicts(conflicts: list[Mapping[str, Any]]) -> Iterator[str]:
    for one in conflicts:
        yield printable(f"{one['name']}: {one['code']}: {one['detail']}")


def _told(report: Mapping[str, Any]) -> Iterator[str]:
    done = "would be imported" if report["dry_run"] else "imported"
    logs = report["sessions"] + report["other_logs"]
    yield f"{done}: {counted(logs, 'log')}, {counted(report['events'], 'event')}"
    if report["already_there"]:
        yield f"already there: {counted(report['already_there'], 'log')}"
    if report["resumed"]:
        yield f"gone on with: {counted(report['resumed'], 'log')}"
    for session_id in report["quarantined"]:
        yield f"in quarantine: {session_id}"
    for name in report["left_out"]:
        yield printable(f"left out, for it belongs to its store: {name}")
    yield from _conflicts(report["conflicts"])
