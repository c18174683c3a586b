"""`cairn sessions` and `cairn show`."""

import shutil
import sys
import textwrap
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec

from api.cli.json_client import JsonClient
from api.cli.reading.session_ids import find_session, shortened
from api.cli.screen import fitted, printable, stop_writing, text_of
from domain.counted import counted

_PAGE = 200
_WIDTH = 80
_MESSAGES = 200
_AGES = ((86400 * 7, "w"), (86400, "d"), (3600, "h"), (60, "m"), (1, "s"))

Json = Mapping[str, Any]


def list_sessions(
    *,
    filters: Mapping[str, str | None],
    limit: int,
    as_json: bool,
    url: str,
    token_file: Path | None,
) -> None:
    """Print sessions, one a line.

    Args:
        filters: Parameters of `GET /v1/sessions`; None where one was not given.
        limit: The most sessions.
        as_json: Print them as JSON.
        url: Where the server is.
        token_file: Holds the bearer token.

    Raises:
        UsageError: What is asked makes no sense.
        Failure: The server cannot be asked, or refuses.
    """
    given = {name: value for name, value in filters.items() if value is not None}
    with closing(JsonClient(url, token_file)) as server, _while_it_is_read():
        found, is_whole = _ask(server, given, limit)
        if as_json:
            for one in found:
                print(_json(one))
            return
        for line in _table(found, _width(), datetime.now(UTC)):
            print(line)
        if not is_whole:
            print(f"There are more than these {limit}; --limit shows them.")


def _ask(server: JsonClient, filters: Mapping[str, str], limit: int) -> tuple[list[Json], bool]:
    found: list[Json] = []
    cursor: dict[str, str] = {}
    while True:
        page = server.ask(
            "GET",
            "/v1/sessions",
            {**filters, **cursor, "limit": min(limit - len(found), _PAGE)},
        )
        found += page["sessions"]
        if page["next_cursor"] is None or len(found) >= limit:
            return found, page["next_cursor"] is None
        cursor = {"cursor": page["next_cursor"]}


def _table(sessions: list[Json], width: int, now: datetime) -> Iterator[str]:
    if not sessions:
        yield "There are no such sessions."
        return
    short = shortened(one["id"] for one in sessions)
    rows = [("ID", "STATUS", "AGE", "OF", "TITLE")]
    rows += [
        (
            short[one["id"]],
            one.get("held") or one["status"],
            _age(one["last_activity_at"], now),
            printable(f"{one['app']}/{one['user']}"),
            printable(one["title"] or ""),
        )
        for one in sessions
    ]
    columns = [max(len(row[column]) for row in rows) for column in range(3)]
    columns.append(min(20, max(len(row[3]) for row in rows)))
    columns.append(max(width - sum(columns) - 2 * len(columns), 10))
    for row in rows:
        cells = [fitted(text, room) for text, room in zip(row, columns, strict=True)]
        yield "  ".join(cells).rstrip()


def show_session(
    session: str, *, turns: int, as_json: bool, url: str, token_file: Path | None
) -> None:
    """Print one session: what it is, how it is, and what was said last.

    Args:
        session: Its id, the beginning of it, or `ext:` and its external id.
        turns: The most turns of which something is shown.
        as_json: Print it as JSON.
        url: Where the server is.
        token_file: Holds the bearer token.

    Raises:
        UsageError: What is asked makes no sense.
        Failure: There is no such session, or the server cannot be asked.
    """
    with closing(JsonClient(url, token_file)) as server, _while_it_is_read():
        path = f"/v1/sessions/{find_session(server, session)}"
        shown: Json = server.ask("GET", path)["session"]
        newest = {"order": "desc", "limit": _MESSAGES}
        entries: list[Json] = server.ask("GET", f"{path}/messages", newest)["messages"]
        entries.reverse()
        groups = [list(group) for _, group in groupby(entries, lambda one: one.get("turn_id"))]
        chosen = [entry for group in groups[max(len(groups) - turns, 0) :] for entry in group]
        if as_json:
            print(_json({"session": shown, "messages": chosen}))
            return
        for line in (*_head(shown, _width()), *_said(chosen, _width())):
            print(line)


def _head(session: Json, width: int) -> Iterator[str]:
    usage = session["usage"]
    facts: list[tuple[str, Any]] = [
        ("session", session["id"]),
        ("title", session["title"]),
        ("of", f"{session['app']}/{session['user']}"),
        ("agent", session["agent"] and session["agent"]["name"]),
        ("status", _status(session)),
        ("held", session.get("held")),
        ("kept", session["legal_hold"] and f"by legal hold: {session['legal_hold']['reason']}"),
        ("failure", _failure(session)),
        ("created", session["created_at"]),
        ("updated", session["updated_at"]),
        ("events", f"{session['sequence']} in {counted(session['turns'], 'turn')}"),
        ("tokens", f"{usage['input_tokens']} in, {usage['output_tokens']} out"),
        ("tags", " ".join(session["tags"])),
    ]
    for name, value in facts:
        if value:
            space = " " * 9
            first = f"{name:<9}"
            yield from textwrap.wrap(
                printable(value), width, initial_indent=first, subsequent_indent=space
            )


def _status(session: Json) -> str:
    words = [session["status"]]
    if session["badge"] != session["status"]:
        words.append(session["badge"])
    if session["turn_id"] is not None:
        words.append(f"turn {session['turn_id']}")
    if session["stop"] is not None:
        words.append(str(session["stop"]["reason"]))
    return ", ".join(words)


def _failure(session: Json) -> str | None:
    failure = session["failure"]
    return None if failure is None else f"{failure['kind']}: {failure['summary']}"


def _said(entries: Iterable[Json], width: int) -> Iterator[str]:
    for turn, group in groupby(entries, lambda one: one.get("turn_id")):
        yield ""
        yield printable(f"turn {turn}") if turn else "between turns"
        for one in group:
            who, text = _entry(one)
            yield fitted(f"{one['sequence']:>6}  {who:<10}  {printable(text)}", width).rstrip()


def _entry(one: Json) -> tuple[str, str]:
    if one["kind"] == "tool_call":
        given = "" if one.get("input") is None else _json(one["input"])
        allowed: Json = one.get("approval") or {}
        if "arguments" in allowed:
            given = f"{_json(allowed['arguments'])} (asked with {given or 'nothing'})"
        return "tool", f"{one['name']} {given} → {one['status']}"
    if "parts" not in one:
        failure, reason = one.get("failure", {}), one.get("reason") or one.get("title") or ""
        words = (failure.get("kind"), failure.get("summary"), one.get("decision"), reason)
        return one["kind"].rpartition("_")[2], " ".join(filter(None, words))
    who = "thought" if one["kind"] == "thought" else str(one["role"])
    return who, text_of(one)


def _age(moment: str, now: datetime) -> str:
    seconds = max((now - datetime.fromisoformat(moment)).total_seconds(), 0)
    return next((f"{seconds // unit:.0f}{name}" for unit, name in _AGES if seconds >= unit), "0s")


@contextmanager
def _while_it_is_read() -> Generator[None]:
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        stop_writing()


def _width() -> int:
    return shutil.get_terminal_size((_WIDTH, 24)).columns if sys.stdout.isatty() else _WIDTH


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
