"""`cairn repair`."""

import os
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, TextIO

import msgspec

from api.cli import progress
from api.cli.json_client import JsonClient
from api.cli.options import Failure, UsageError
from api.cli.reading.session_ids import find_session
from api.cli.repairing.log_files import Format, analyse_file
from api.cli.screen import printable, stop_writing
from domain.counted import counted
from domain.repair.report import Options, Scope

_PAGE = 200
_WIDTH = 80
_COLOURS = {"error": "31", "warning": "33", "info": "2"}
_GATES = ("session_not_stopped", "stop_reason_requires_force")
_DONE, _SOMETHING_TO_DO, _COULD_NOT_LOOK = 0, 1, 2

Json = Mapping[str, Any]


def repair_file(path: Path, form: Format, options: Options, *, as_json: bool) -> int:
    """Analyse a log in a file, and print its report.

    Args:
        path: The file.
        form: How it is written.
        options: How to analyse.
        as_json: Print the report as JSON.

    Returns:
        The exit status.

    Raises:
        UsageError: It cannot be looked at.
    """
    report = analyse_file(path, form, options).document()
    _show(report, as_json=as_json)
    return _status(report)


class Repairer:
    """Repairs through a server.

    Args:
        url: Where it is.
        token_file: Holds the bearer token.
        options: How to analyse.
    """

    def __init__(self, url: str, token_file: Path | None, options: Options) -> None:
        self._server = JsonClient(url, token_file)
        self._options = options

    def close(self) -> None:
        """Let the connection go."""
        self._server.close()

    def one(self, session: str, *, dry_run: bool, as_json: bool) -> int:
        """Repair a session, and print the report.

        Args:
            session: Its id, the beginning of it, or `ext:` and its external id.
            dry_run: Only say what would be appended.
            as_json: Print the report as JSON.

        Returns:
            The exit status.
        """
        report = self._repair(find_session(self._server, session), dry_run=dry_run)
        _show(report, as_json=as_json)
        return _status(report)

    def every(self, filters: Mapping[str, str | None], *, dry_run: bool, as_json: bool) -> int:
        """Repair all sessions of a list, and print a line for each as it is done.

        Args:
            filters: Of the list.
            dry_run: Only say what would be appended.
            as_json: Print the whole report of each, one a line.

        Returns:
            The exit status: that of the worst.
        """
        # Nobody waits for a count that is not shown.
        expected = sum(1 for _ in self._sessions(filters)) if progress.is_shown() else 0
        bar = progress.Bar("sessions", expected)
        worst, need_somebody = _DONE, 0
        for looked, session_id in enumerate(self._sessions(filters), 1):
            try:
                report = self._repair(session_id, dry_run=dry_run)
            except Failure as error:
                bar.wipe()
                print(f"cairn: {session_id}: {error}", file=sys.stderr)
                worst = _COULD_NOT_LOOK
            else:
                bar.wipe()
                print(_json(report) if as_json else _line(report), flush=True)
                worst = max(worst, _status(report))
                need_somebody += _status(report) != _DONE
            bar.show(looked, f", {need_somebody:,} need somebody")
        bar.wipe()
        return worst

    def _sessions(self, filters: Mapping[str, str | None]) -> Iterator[str]:
        query: dict[str, Any] = {name: value for name, value in filters.items() if value}
        # The order of creation does not change while they are looked at.
        query |= {"limit": _PAGE, "sort": "created_at"}
        while True:
            page = self._server.ask("GET", "/v1/sessions", query)
            yield from (one["id"] for one in page["sessions"])
            cursor = page.get("next_cursor")
            if not cursor:
                return
            query["cursor"] = cursor

    def _repair(self, session_id: str, *, dry_run: bool) -> Json:
        query = {
            "dry_run": str(dry_run).lower(),
            "force": str(self._options.force).lower(),
            "scope": self._options.scope,
        }
        report: Json = self._server.ask("POST", f"/v1/sessions/{session_id}/repair", query)[
            "repair"
        ]
        return report


def repair(
    session: str | None,
    *,
    everything: bool,
    file: Path | None,
    form: str | None,
    filters: Mapping[str, str | None],
    dry_run: bool,
    force: bool,
    scope: str,
    as_json: bool,
    url: str,
    token_file: Path | None,
) -> int:
    """Do what the command is asked for, and return its exit status.

    Args:
        session: The id of a session.
        everything: All sessions that the filters let through.
        file: A log in a file.
        form: How the file is written.
        filters: Which sessions.
        dry_run: Only say what would be appended.
        force: Repair sessions too that were stopped on purpose.
        scope: `final` or `all`.
        as_json: Print JSON.
        url: Where the server is.
        token_file: Holds the bearer token.

    Raises:
        UsageError: What is asked makes no sense.
    """
    if [session is not None, everything, file is not None].count(True) != 1:
        raise UsageError("Name one session, or --all, or --file FILE.")
    if (file is None) != (form is None):
        raise UsageError("--file and --format go together.")
    if any(filters.values()) and not everything:
        raise UsageError("Filters choose sessions of --all.")
    options = Options(force=force, scope=_scope(scope))
    try:
        if file is not None:
            return repair_file(file, _format(form), options, as_json=as_json)
        with closing(Repairer(url, token_file, options)) as repairer:
            if session is not None:
                return repairer.one(session, dry_run=dry_run, as_json=as_json)
            return repairer.every(filters, dry_run=dry_run, as_json=as_json)
    except Failure as error:
        print(f"cairn: {error}", file=sys.stderr)
        return _COULD_NOT_LOOK
    except BrokenPipeError:
        stop_writing()
        return _COULD_NOT_LOOK


def _scope(value: str) -> Scope:
    match value:
        case "final" | "all":
            return value
        case _:
            raise UsageError(f"--scope must be final or all, and it is {value!r}.")


def _format(value: str | None) -> Format:
    match value:
        case "cairn" | "rows" | "agh-ledger" | "agh-db":
            return value
        case _:
            forms = "cairn, rows, agh-ledger or agh-db"
            raise UsageError(f"--format must be {forms}, and it is {value!r}.")


def _status(report: Json) -> int:
    if report["persisted"]:
        return _DONE
    wrong = any(
        issue["severity"] == "error" and issue["code"] not in _GATES for issue in report["issues"]
    )
    return _SOMETHING_TO_DO if report["blocked"] or report["actions"] or wrong else _DONE


def _json(report: Json) -> str:
    return msgspec.json.encode(report).decode()


def _show(report: Json, *, as_json: bool) -> None:
    print(_json(report) if as_json else "\n".join(_table(report, sys.stdout)))


def _verdict(report: Json) -> str:
    count = len(report["actions"])
    what = counted(count, "event")
    if report["persisted"]:
        return f"repaired: {what} appended, then the report"
    if report["blocked"]:
        return "blocked: nothing is appended"
    if count:
        return f"{what} would be appended, then the report"
    is_fine = all(issue["severity"] == "info" for issue in report["issues"])
    return "nothing wrong" if is_fine else "nothing to append"


def _line(report: Json) -> str:
    codes = dict.fromkeys(
        issue["code"] for issue in report["issues"] if issue["severity"] != "info"
    )
    return f"{report['session_id']}  {_verdict(report)}  {' '.join(codes)}".rstrip()


def _table(report: Json, output: TextIO) -> Iterator[str]:
    coloured = output.isatty() and "NO_COLOR" not in os.environ

    def wrapped(text: str, indent: int) -> Iterator[str]:
        space = " " * indent
        yield from textwrap.wrap(
            printable(text), _WIDTH, initial_indent=space, subsequent_indent=space
        )

    yield from wrapped(f"session {report['session_id']}", 0)
    looked = f"analysed up to event {report['analysed_sequence']}"
    yield from wrapped(f"{looked}, {report['source']}, scope {report['scope']}", 0)
    if report["issues"]:
        yield ""
        yield f"{'SEVERITY':<9}{'EVENT':>8}  CODE"
    for issue in report["issues"]:
        place = "" if issue["sequence"] is None else str(issue["sequence"])
        severity = f"{issue['severity']:<9}"
        if coloured:
            severity = f"\x1b[{_COLOURS[issue['severity']]}m{severity}\x1b[0m"
        yield f"{severity}{place:>8}  {issue['code']}"
        yield from wrapped(issue["detail"], 19)
        yield from wrapped(issue["advice"], 19)
    if report["issues_omitted"]:
        yield f"… and {report['issues_omitted']} more issues"
    if report["actions"]:
        yield ""
        yield "APPENDED" if report["persisted"] else "WOULD APPEND"
    for action in report["actions"]:
        told = [action["turn_id"], action["tool_call_id"], action["tool_name"]]
        yield f"  {action['code']}"
        yield from wrapped(" · ".join(filter(None, told)), 4)
    yield ""
    yield _verdict(report)
    yield f"report {report['report_digest']}"
