"""The databases of google-adk, in every layout."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from application.transfer.foreign import ForeignSession, Tally
from application.transfer.lines import FileFault
from infrastructure.importers.adk.sessions import AdkItem, AdkKey, Survey, adk_session
from infrastructure.importers.choices import Choices
from infrastructure.importers.reading.tables import Tables, statements
from infrastructure.importers.reading.values import Unreadable, decoded, moment_of, object_of

_SQL = statements("adk")


class AdkDatabase:
    """A database in one of three layouts."""

    def __init__(self, tables: Tables, choices: Choices) -> None:
        columns = tables.columns("events")
        if "event_data" in columns:
            self._layout = "v1" if tables.columns("adk_internal_metadata") else "sqlite"
        elif {"actions", "invocation_id", "session_id"} <= columns:
            self._layout = "v0"
        else:
            raise FileFault(f"{tables.name} has no events of google-adk")
        if "create_time" not in tables.columns("sessions"):
            raise FileFault(f"{tables.name} has no sessions of google-adk")
        self._tables = tables
        self._choices = choices
        self._surveys: dict[AdkKey, Survey] = {}
        self._touched: set[tuple[str, str | None, str]] = set()
        self._shared: dict[tuple[str, str | None], dict[str, Any]] = {}
        self._written: dict[tuple[str, str | None], dict[str, Any]] = {}
        self._last: dict[tuple[str, str | None], AdkKey] = {}

    def sessions(self) -> Iterator[ForeignSession]:
        """Yield the sessions, by app, user and id."""
        if self._layout != "v0":
            self._survey()
        self._read_shared()
        seen: set[tuple[str, str | None]] = set()
        rows = groupby(self._events(), key=lambda row: row[0])
        group = next(rows, None)
        for key, state, created in self._sessions():
            while group is not None and group[0] < key:
                yield self._session(group[0], None, None, group[1], seen)
                group = next(rows, None)
            events: Iterable[tuple[AdkKey, Any]] = ()
            if group is not None and group[0] == key:
                events, group = group[1], None
            yield self._session(key, state, created, events, seen)
            if group is None:
                group = next(rows, None)
        while group is not None:
            yield self._session(group[0], None, None, group[1], seen)
            group = next(rows, None)

    def _rows(self, name: str) -> Iterator[tuple[Any, ...]]:
        dialect = "postgres" if self._tables.is_postgres else "sqlite"
        return self._tables.rows(_SQL[f"{dialect}_{name}"])

    def _survey(self) -> None:
        for app, user, session, raw in self._rows("touched"):
            key = AdkKey(app, user, session)
            survey = self._surveys.get(key)
            if survey is None:
                survey = self._surveys[key] = Survey()
            survey.take(raw)

    def _read_shared(self) -> None:
        tally = Tally()
        if self._tables.columns("app_states"):
            for app, state in self._rows("app_states"):
                self._shared[app, None] = _prefixed("app:", state, tally)
        if self._tables.columns("user_states"):
            for app, user, state in self._rows("user_states"):
                self._shared[app, user] = _prefixed("user:", state, tally)
        for app, user, session in self._rows("keys"):
            self._reach(AdkKey(app, user, session))
        for key, survey in self._surveys.items():
            self._reach(key)
            for name in survey.touched:
                if name.startswith("app:"):
                    self._touched.add((key.app, None, name))
                elif name.startswith("user:"):
                    self._touched.add((key.app, key.user, name))

    def _reach(self, key: AdkKey) -> None:
        for scope in ((key.app, None), (key.app, key.user)):
            self._last[scope] = max(key, self._last.get(scope, key))

    def _settled(self, key: AdkKey, written: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the shared keys that the last session of an app or a user must set right.

        Sessions are imported one after the other, and had written these keys in turns.
        """
        changed: dict[str, Any] = {}
        for scope in ((key.app, None), (key.app, key.user)):
            prefix = "app:" if scope[1] is None else "user:"
            now = self._written.setdefault(scope, {})
            now |= {name: value for name, value in written.items() if name.startswith(prefix)}
            if self._last.get(scope) == key:
                kept = self._shared.get(scope, {})
                changed |= {n: kept[n] for n in now.keys() & kept.keys() if kept[n] != now[n]}
        return changed

    def _sessions(self) -> Iterator[tuple[AdkKey, Any, Any]]:
        for app, user, session, state, created in self._rows("sessions"):
            yield AdkKey(app, user, session), state, created

    def _events(self) -> Iterator[tuple[AdkKey, Any]]:
        if self._layout != "v0":
            for app, user, session, raw in self._rows("events"):
                yield AdkKey(app, user, session), raw
            return
        name = "postgres_rows" if self._tables.is_postgres else "sqlite_rows"
        for record in self._tables.records(_SQL[name]):
            key = AdkKey(record.pop("app_name"), record.pop("user_id"), record.pop("session_id"))
            yield key, record

    def _session(
        self,
        key: AdkKey,
        state: Any,
        created: Any,
        events: Iterable[tuple[AdkKey, Any]],
        seen: set[tuple[str, str | None]],
    ) -> ForeignSession:
        tally = Tally()
        survey = self._surveys.get(key, Survey())
        own: Mapping[str, Any] = {}
        try:
            if state is not None:
                own = object_of(decoded(state, tally))
        except Unreadable as error:
            tally.failed(f"{'/'.join(key)}, its state", str(error))
        first = {name: value for name, value in own.items() if name not in survey.touched}
        for scope in ((key.app, None), (key.app, key.user)):
            if scope not in seen:
                seen.add(scope)
                # Once, with the first session that shares them.
                shared = self._shared.get(scope, {})
                first |= {n: v for n, v in shared.items() if (*scope, n) not in self._touched}
        if self._layout == "v0" and own:
            tally.notes["state_without_history"] += 1
        if state is None:
            tally.notes["no_session_row"] += 1
        return adk_session(
            key,
            self._layout,
            first,
            moment_of(created, self._choices, tally),
            survey,
            (AdkItem(f"event {n}", raw) for n, (_, raw) in enumerate(events, 1)),
            tally,
            self._choices,
            lambda written: self._settled(key, written),
        )


def _prefixed(prefix: str, state: Any, tally: Tally) -> dict[str, Any]:
    try:
        told = object_of(decoded(state, tally))
    except Unreadable:
        return {}
    return {f"{prefix}{name}": value for name, value in told.items()}
