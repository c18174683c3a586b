"""AGH: `events.db` and `ledger.jsonl` of a session."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

from application.transfer.foreign import Draft, ForeignSession, Tally, foreign_session_id
from domain.repair.analyser import Analyser, Facts
from domain.repair.foreign_rows import ForeignRows
from domain.repair.report import Options
from domain.repair.rows import Row
from domain.values import Agent
from infrastructure.importers.agh.files import AghFile, agh_database, agh_ledger
from infrastructure.importers.agh.rows import AghMapper
from infrastructure.importers.choices import Choices
from infrastructure.importers.drafting.foreign_session import foreign_session
from infrastructure.importers.drafting.session import SessionDrafter
from infrastructure.importers.reading.source_files import opened
from infrastructure.importers.reading.values import (
    NO_TIME,
    Unreadable,
    decoded,
    moment_of,
    name_of,
    text_of,
)

SOURCE = "agh"
_MAGIC = b"SQLite format 3\0"


def read_agh(place: str, choices: Choices) -> Iterator[ForeignSession]:
    """Yield the session of a file.

    Args:
        place: Of an `events.db`, whose folder has the id of the session, or of a `ledger.jsonl`.
        choices: How it is placed.

    Raises:
        FileFault: It is neither of them.
    """
    path, tally = Path(place), Tally()
    with opened(path) as file:
        is_database = file.read(len(_MAGIC)) == _MAGIC
    if is_database:
        with agh_database(path) as found:
            yield _session(found, tally, choices)
        return
    with opened(path) as file:
        yield _session(agh_ledger(path, file, partial(_object, tally)), tally, choices)


def _object(tally: Tally, raw: bytes) -> Mapping[str, Any] | str:
    try:
        value: Any = decoded(raw, tally)
    except Unreadable as error:
        return str(error)
    return cast("dict[str, Any]", value) if isinstance(value, dict) else "it is no object"


def _session(found: AghFile, tally: Tally, choices: Choices) -> ForeignSession:
    native, meta, rows = found
    session_id = foreign_session_id(SOURCE, native)
    first = next(rows, None)
    began = moment_of(meta.get("started_at"), choices, Tally())
    if began is None and first is not None:
        began = moment_of(first.get("timestamp"), choices, Tally())
    began = began or NO_TIME
    agent = meta.get("agent_name") or (first or {}).get("agent_name")
    drafter = SessionDrafter(SOURCE, session_id, began, tally, name=native)
    return foreign_session(
        drafter,
        _drafts(drafter, native, first, rows, choices),
        choices,
        key=[native],
        about={"ledger": dict(meta)},
        agent=None if text_of(agent) is None else Agent(name=name_of(agent, "agent")),
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
            why = row["why"]
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
