"""Importing: a database of google-adk, from its file to the last event in the store."""

import asyncio
import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from bench.figures import Figure, at_least
from bench.lab import Lab

_EVENTS_PER_SECOND = 10_000
_SESSIONS = 20
_CAIRN = Path(sys.executable).parent / "cairn"
_TABLES = """
create table adk_internal_metadata ("key" varchar(128) primary key, value varchar(256));
insert into adk_internal_metadata values ('schema_version', '1');
create table sessions (app_name varchar(128), user_id varchar(128), id varchar(128), state text,
  create_time datetime, update_time datetime, primary key (app_name, user_id, id));
create table events (id varchar(128), app_name varchar(128), user_id varchar(128),
  session_id varchar(128), invocation_id varchar(256), timestamp datetime, event_data text,
  primary key (id, app_name, user_id, session_id));
"""
_AT = "2026-11-29 13:03:08.000000"


async def adk(lab: Lab) -> list[Figure]:
    """A file of google-adk, by the command, the start of the command included."""
    server, events = await lab.cairn(), lab.sizes.imported
    with TemporaryDirectory() as folder:
        path = Path(folder) / "adk.db"
        write(path, events)
        lab.postgres.settle()
        began = perf_counter()
        process = await asyncio.create_subprocess_exec(
            *(_CAIRN, "import", "--from", "adk", path, "--json"),
            *("--url", f"http://127.0.0.1:{server.port}"),
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await process.communicate()
        seconds = perf_counter() - began
    report = json.loads(said)
    if process.returncode != 0 or report["sessions"] != _SESSIONS:
        raise RuntimeError(f"the import has failed: {report}")
    rate = events / seconds
    return [
        Figure(
            measure="import-adk",
            title=f"import of an ADK file of {events:,} events",
            value=rate,
            unit="events/s",
            target=at_least(rate, _EVENTS_PER_SECOND, f"at least {_EVENTS_PER_SECOND:,} events/s"),
            detail={"seconds": seconds, "events_here": report["events"]},
        )
    ]


def write(path: Path, events: int) -> None:
    """Write a database as google-adk does, with runs of a question, a call, a result, an answer.

    Args:
        path: Where.
        events: How many, over all sessions.
    """
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(_TABLES)
        connection.executemany(
            "insert into sessions values ('bench', 'ana', ?, '{}', ?, ?)",
            [(f"s{number}", _AT, _AT) for number in range(_SESSIONS)],
        )
        connection.executemany(
            "insert into events values (?, 'bench', 'ana', ?, ?, ?, ?)", map(_row, range(events))
        )
        connection.commit()


def _row(number: int) -> tuple[str, ...]:
    session, place = number % _SESSIONS, number // _SESSIONS
    event: dict[str, Any] = {
        "id": str(uuid5(NAMESPACE_URL, f"bench:{number}")),
        "invocation_id": f"e-{session}-{place // 4}",
        "timestamp": 1795957388.0 + number / 100,
        "actions": {"state_delta": {}, "artifact_delta": {}},
        "node_info": {"path": "keeper@1"},
        **_said(place),
    }
    data = json.dumps(event)
    return event["id"], f"s{session}", event["invocation_id"], _AT, data


def _said(place: int) -> dict[str, Any]:
    usage = {"prompt_token_count": 100, "candidates_token_count": 11, "total_token_count": 111}
    call = f"call-{place // 4}"
    match place % 4:
        case 0:
            asked = {"text": "Which of these is ripe today, and which can wait? " * 3}
            return {"author": "user", "content": {"role": "user", "parts": [asked]}}
        case 1:
            part: dict[str, Any] = {
                "function_call": {"id": call, "name": "look_up", "args": {"name": "Quince"}}
            }
        case 2:
            found = {"ripe": True, "note": "x" * 200}
            part = {"function_response": {"id": call, "name": "look_up", "response": found}}
            return {"author": "keeper", "content": {"role": "user", "parts": [part]}}
        case _:
            part = {"text": "The quince is ripe; the medlar can wait for the first frost. " * 4}
    content = {"role": "model", "parts": [part]}
    return {"author": "keeper", "content": content, "usage_metadata": usage, "model_version": "m"}
