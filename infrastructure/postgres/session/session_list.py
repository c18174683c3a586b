"""The statement of a list of sessions, put together of the blocks of `sql/session_list.sql`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from typing import Any, LiteralString, NamedTuple

from application.ports.session.leases import Lease
from application.ports.session.listing import After, ListedSession, SessionFilter, SessionOrder
from application.ports.session.session_row import Activity
from infrastructure.postgres import sql

_BLOCKS = sql.load("session_list")
_FILTERS = tuple(field.name for field in fields(SessionFilter))
_AMONG = frozenset({"status", "badge", "type"})
_MARKS = frozenset({"marked", "unmarked"})
_EVEN = frozenset({"app", "user", "parent", "root", "forked_from", "external_id"})
"""Filters whose best plan is the same for every value: lists by nothing else are prepared. Of the
others some values are rare and some are common, and a plan for any value would be bad for one."""


class SessionList(NamedTuple):
    """How a list is asked for.

    Args:
        statement: With the conditions that were given, and no others.
        values: Of its parameters.
        planned_anew: Whether the best plan depends on these very values.
    """

    statement: LiteralString
    values: Mapping[str, Any]
    planned_anew: bool


def session_list(
    where: SessionFilter, order: SessionOrder, after: After | None, limit: int
) -> SessionList:
    """Return how to ask for a page of sessions.

    Args:
        where: Which sessions.
        order: In which order.
        after: The last one of the page before.
        limit: The most sessions.
    """
    values: dict[str, Any] = {
        name: value for name in _FILTERS if (value := getattr(where, name)) is not None
    }
    for name in _AMONG.intersection(values):
        # Only those of one state come out of an index in their order.
        among = values.pop(name)
        values |= {name: among[0]} if len(among) == 1 else {f"any_{name}": list(among)}
    given = tuple(values)
    for name in _MARKS.intersection(values):
        values[name] = list(values[name])
    if where.text is not None:
        values["text"] = f"%{_literal(where.text)}%"
    if where.facets is not None:
        values["facets"] = json.dumps(dict(where.facets))
    values["limit"] = limit
    if after is not None:
        values["next_value"], values["next_id"] = after.value, after.session_id
    statement = _statement(given, order, after is not None)
    return SessionList(statement, values, not _EVEN.issuperset(given))


SESSION = "\n".join((_BLOCKS["select"], _BLOCKS["the_one"]))
"""How to ask for one session."""

CALLED = "\n".join((_BLOCKS["select"], _BLOCKS["called"]))
"""How to ask for the sessions with an external id."""


def listed_session(row: Sequence[Any]) -> ListedSession:
    """Return a session as these statements find it."""
    lease = None if row[25] is None else Lease(*row[25])
    return ListedSession._make((*row[:22], Activity._make(row[22:25]), lease, row[26]))


@lru_cache(256)
def _statement(given: tuple[str, ...], order: SessionOrder, goes_on: bool) -> LiteralString:
    by = f"by_{order.by}_{'desc' if order.descending else 'asc'}"
    names = ["select", "those", *given, *([f"next_{by}"] if goes_on else ()), by]
    return "\n".join([_BLOCKS[name] for name in names])


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
