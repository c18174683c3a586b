"""AGH: `events.db` and `ledger.jsonl` of a session."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from application.transfer.foreign import Draft, ForeignSession, Tally, foreign_session_id
from application.transfer.lines import FileFault
from domain.repair.analyser import Analyser, Facts
from domain.repair.foreign_rows import ForeignRows
from domain.repair.report import Options
from domain.repair.rows import Row
from domain.session.events import (
    SessionCreated,
)
from domain.values import Agent, Owner
from infrastructure.importers.agh.rows import AghMapper
from infrastructure.importers.choices import Choices
from infrastructure.importers.drafting.session import SessionDrafter
from infrastructure.importers.reading.source_files import SourceLine, lines_of, opened
from infrastructure.importers.reading.tables import opened_tables, statements
from infrastructure.importers.reading.values import (
    NO_TIME,
    Unreadable,
    decoded,
    moment_of,
    name_of,
    object_of,
    text_of,
)

SOURCE = "agh"
_SQL = statements("agh")
_MAGIC = b"SQLite format 3\0"


def read_agh(place: str, choices: Choices) -> Iterator[ForeignSession]:
    """Yield the session of a file.

    Args:
        place: Of an `events.db`, whose folder has the id of the session, or of a `ledger.jsonl`.
        choices: How it is placed.

    Raises:
        FileFault: It is none of them.
    """
    path = Path(place)
    with opened(path) as file:
        is_database = file.read(len(_MAGIC)) == _MAGIC
    if is_database:
        with opened_tables(place) as tables:
            if not {"sequence", "turn_id", "content"} <= tables.columns("events"):
                raise FileFault(f"{place} has no events of AGH")
            found = tables.records(_SQL["events"])
            yield _session(path.absolute().parent.name, {}, found, choices)
        return
    with opened(path) as file:
        tally, lines = Tally(), lines_of(file)
        meta = _line(next(lines, None), tally)
        if meta.get("type") != "ledger_meta":
            raise FileFault(f"{place} is no ledger of AGH: its first line is no ledger_meta")
        native = text_of(meta.get("session_id")) or path.stem
        yield _session(native, meta, (_entry(_line(line, tally)) for line in lines), choices)


def _line(line: SourceLine | None, tally: Tally) -> Mapping[str, Any]:
    if line is None or not line.raw:
        return {}
    try:
        return object_of(decoded(line.raw, tally))
    except Unreadable:
        return {"raw": line.raw}


def _entry(value: Mapping[str, Any]) -> dict[str, Any]:
    content = value.get("content")
    return {
        "id": value.get("event_id"),
        "seq": value.get("sequence"),
        "turn_id": value.get("turn_id"),
        "type": value.get("event_type"),
        "agent_name": value.get("agent_name"),
        "timestamp": value.get("timestamp"),
        "raw": value.get("raw"),
        # What was no JSON is kept there as a text.
        ("payload_raw" if isinstance(content, str) else "payload"): content,
    }


def _session(
    native: str, meta: Mapping[str, Any], rows: Iterator[dict[str, Any]], choices: Choices
) -> ForeignSession:
    tally, session_id = Tally(), foreign_session_id(SOURCE, native)
    first = next(rows, None)
    began = moment_of(meta.get("started_at"), choices, Tally())
    if began is None and first is not None:
        began = moment_of(first.get("timestamp"), choices, Tally())
    began = began or NO_TIME
    agent = meta.get("agent_name") or (first or {}).get("agent_name")
    drafter = SessionDrafter(SOURCE, session_id, began, tally, name=native)
    return ForeignSession(
        source=SOURCE,
        source_id=native,
        session_id=session_id,
        names_turns=True,
        created=SessionCreated(
            owner=Owner(app=choices.app or SOURCE, user=choices.user or "unknown"),
            agent=None if text_of(agent) is None else Agent(name=name_of(agent, "agent")),
            metadata={"imported_from": {"kind": SOURCE, "key": [native], "ledger": dict(meta)}},
        ),
        created_at=began,
        drafts=_drafts(drafter, native, first, rows, choices),
        tally=tally,
    )


def _drafts(
    drafter: SessionDrafter,
    native: str,
    first: dict[str, Any] | None,
    rows: Iterator[dict[str, Any]],
    choices: Choices,
) -> Iterator[Draft]:
    reader = ForeignRows({"id": native, "state": "stopped", "stop_reason": "agent_crashed"})
    analyser, mapper = Analyser(reader, Options()), AghMapper(drafter, choices)
    row = first
    while row is not None:
        if row.get("raw") is not None:
            why = "the line is no JSON"
            analyser.row(Row(None, problems=[("invalid_event_json", why)]))
            drafter.unreadable(f"after event {mapper.last}", why, row["raw"])
        else:
            analyser.row(reader.row(row))
            mapper.row(row)
        yield from drafter.take()
        row = next(rows, None)
    mapper.flush()
    report = analyser.report(Facts(source="import", standing=reader.standing))
    drafter.tally.blocked += sorted({one.code for one in report.issues if one.blocks})
    drafter.finish()
    yield from drafter.take()
