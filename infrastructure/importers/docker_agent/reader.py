"""docker-agent: the sessions of its `session.db`, in whatever release wrote it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from application.transfer.foreign import Draft, ForeignSession, Tally, foreign_session_id
from application.transfer.lines import FileFault
from infrastructure.importers.choices import Choices
from infrastructure.importers.docker_agent.items import SOURCE, ItemMapper
from infrastructure.importers.drafting.family import end_child, lineage_of
from infrastructure.importers.drafting.foreign_session import foreign_session
from infrastructure.importers.drafting.session import SessionDrafter
from infrastructure.importers.reading.tables import Tables, opened_tables, statements
from infrastructure.importers.reading.values import (
    NO_TIME,
    Unreadable,
    decoded,
    list_of,
    moment_of,
    object_of,
    text_of,
    title_of,
)

_SQL = statements("docker_agent")


def read_docker_agent(place: str, choices: Choices) -> Iterator[ForeignSession]:
    """Yield the sessions of a database, parents before their children.

    Args:
        place: The path of `session.db`, or of a copy such as `session.db.bak`.
        choices: How they are placed.

    Raises:
        FileFault: There are none.
    """
    with opened_tables(place) as tables:
        columns = tables.columns("sessions")
        if tables.is_postgres or ("tools_approved" not in columns and "messages" not in columns):
            raise FileFault(f"{tables.name} has no sessions of docker-agent")
        yield from _Database(tables, choices).sessions()


class _Database:
    def __init__(self, tables: Tables, choices: Choices) -> None:
        self._tables = tables
        self._choices = choices
        self._has_items = bool(tables.columns("session_items"))
        self._rows = {str(row["id"]): row for row in tables.records(_SQL["sessions"])}

    def sessions(self) -> Iterator[ForeignSession]:
        """Yield the sessions."""
        given: set[str] = set()
        for native in self._rows:
            for one in reversed([native, *self._above(native)]):
                if one not in given:
                    given.add(one)
                    yield self._session(one)

    def _above(self, native: str) -> list[str]:
        """Return the parents of a session, the nearest one first."""
        found: list[str] = []
        parent = self._rows[native].get("parent_id")
        while parent in self._rows and parent not in found and parent != native:
            found.append(parent)
            parent = self._rows[parent].get("parent_id")
        return found

    def _session(self, native: str) -> ForeignSession:
        row, tally, above = self._rows[native], Tally(), self._above(native)
        session_id = foreign_session_id(SOURCE, native)
        began = moment_of(row.get("created_at"), self._choices, tally) or NO_TIME
        lineage = None
        if above:
            parent, root = (foreign_session_id(SOURCE, one) for one in (above[0], above[-1]))
            lineage = lineage_of(parent, root, len(above), "subsession")
        drafter = SessionDrafter(SOURCE, session_id, began, tally, name=native)
        return foreign_session(
            drafter,
            self._drafts(drafter, native, row, len(above)),
            self._choices,
            key=[native],
            title=title_of(row.get("title")),
            lineage=lineage,
        )

    def _drafts(
        self, drafter: SessionDrafter, native: str, row: Mapping[str, Any], depth: int
    ) -> Iterator[Draft]:
        mapper = ItemMapper(drafter, self._choices, depth)
        mapper.settings(row)
        for number, item in enumerate(self._items(native, row, drafter.tally), 1):
            try:
                mapper.item(item)
            except Unreadable as error:
                raw = item.get("message_json")
                drafter.unreadable(f"item {number}", str(error), raw)
            yield from drafter.take()
        mapper.totals(row)
        if depth:
            end_child(drafter)
        drafter.finish()
        yield from drafter.take()

    def _items(
        self, native: str, row: Mapping[str, Any], tally: Tally
    ) -> Iterable[Mapping[str, Any]]:
        if self._has_items:
            yield from self._tables.records(_SQL["items"], native)
        try:
            old = list_of(decoded(row.get("messages") or "[]", tally))
        except Unreadable as error:
            tally.failed(f"{native}, its messages", str(error))
            return
        for value in old:
            yield _old_item(object_of(value))


def _old_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item of a release before 2026 as later ones have it."""
    if text_of(item.get("summary")) is not None:
        return {"item_type": "summary", "summary_text": item["summary"]}
    if item.get("sub_session"):
        below = object_of(item["sub_session"]).get("id")
        return {"item_type": "subsession", "subsession_id": below}
    outer = object_of(item.get("message")) or item
    agent = outer.get("agentName") or outer.get("agentFilename") or outer.get("AgentFilename")
    return {
        "item_type": "message",
        "agent_name": agent,
        "implicit": outer.get("implicit"),
        "message": object_of(outer.get("message")) or outer,
    }
