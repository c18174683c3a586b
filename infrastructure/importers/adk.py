"""google-adk: its databases on SQLite and Postgres in every layout, and sessions as JSON."""

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec

from application.transfer.foreign import Draft, ForeignSession, Tally, foreign_session_id
from application.transfer.lines import FileFault
from domain.session.events import SessionCreated
from domain.values import Agent, Owner
from infrastructure.importers.adk_events import AdkMapper, snaked_event
from infrastructure.importers.choices import Choices
from infrastructure.importers.drafting import SessionDrafter
from infrastructure.importers.reading import (
    NO_TIME,
    Unreadable,
    clean,
    decoded,
    document_of,
    list_of,
    moment_of,
    name_of,
    object_of,
    text_of,
)
from infrastructure.importers.tables import Tables, opened_tables, statements

SOURCE = "adk"
_SQL = statements(SOURCE)


class _Actions(msgspec.Struct):
    state_delta: dict[str, msgspec.Raw] | None = None


class _Glance(msgspec.Struct):
    author: str | None = None
    model_version: str | None = None
    actions: _Actions | None = None


_glance = msgspec.json.Decoder(_Glance).decode


class _Key(NamedTuple):
    app: str
    user: str
    session: str


@dataclass(slots=True)
class _Survey:
    """What must be known of a session before its first event.

    Args:
        agent: Who answered first.
        model: The same.
        touched: The keys of its state that events set.
    """

    agent: str | None = None
    model: str | None = None
    touched: set[str] = field(default_factory=set[str])

    def take(self, raw: str | bytes | None) -> None:
        """Look at an event."""
        with suppress(msgspec.DecodeError, UnicodeError, RecursionError):
            told = _glance(raw or b"")
            if self.agent is None and told.author not in (None, "user"):
                self.agent, self.model = told.author, told.model_version
            if told.actions is not None and told.actions.state_delta:
                self.touched.update(told.actions.state_delta)


def read_adk(place: str, choices: Choices) -> Iterator[ForeignSession]:
    """Yield the sessions of a database or of a JSON file.

    Args:
        place: A path, or the URL of a database.
        choices: How they are placed.

    Raises:
        FileFault: There are none.
    """
    if "://" not in place and place.endswith(".json"):
        yield _of_document(document_of(Path(place)), place, choices)
        return
    with opened_tables(place) as tables:
        yield from _Database(tables, choices).sessions()


# ── databases ────────────────────────────────────────────────────────────────────────────────


class _Database:
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
        self._surveys: dict[_Key, _Survey] = {}
        self._touched: set[tuple[str, str | None, str]] = set()
        self._shared: dict[tuple[str, str | None], dict[str, Any]] = {}
        self._written: dict[tuple[str, str | None], dict[str, Any]] = {}
        self._last: dict[tuple[str, str | None], _Key] = {}

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
            events: Iterable[tuple[_Key, Any]] = ()
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
            key = _Key(app, user, session)
            survey = self._surveys.get(key)
            if survey is None:
                survey = self._surveys[key] = _Survey()
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
            self._reach(_Key(app, user, session))
        for key, survey in self._surveys.items():
            self._reach(key)
            for name in survey.touched:
                if name.startswith("app:"):
                    self._touched.add((key.app, None, name))
                elif name.startswith("user:"):
                    self._touched.add((key.app, key.user, name))

    def _reach(self, key: _Key) -> None:
        for scope in ((key.app, None), (key.app, key.user)):
            self._last[scope] = max(key, self._last.get(scope, key))

    def _settled(self, key: _Key, written: Mapping[str, Any]) -> Mapping[str, Any]:
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

    def _sessions(self) -> Iterator[tuple[_Key, Any, Any]]:
        for app, user, session, state, created in self._rows("sessions"):
            yield _Key(app, user, session), state, created

    def _events(self) -> Iterator[tuple[_Key, Any]]:
        if self._layout != "v0":
            for app, user, session, raw in self._rows("events"):
                yield _Key(app, user, session), raw
            return
        name = "postgres_rows" if self._tables.is_postgres else "sqlite_rows"
        for record in self._tables.records(_SQL[name]):
            key = _Key(record.pop("app_name"), record.pop("user_id"), record.pop("session_id"))
            yield key, record

    def _session(
        self,
        key: _Key,
        state: Any,
        created: Any,
        events: Iterable[tuple[_Key, Any]],
        seen: set[tuple[str, str | None]],
    ) -> ForeignSession:
        tally = Tally()
        survey = self._surveys.get(key, _Survey())
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
        return _foreign(
            key,
            self._layout,
            first,
            moment_of(created, self._choices, tally),
            survey,
            (_Item(f"event {n}", raw) for n, (_, raw) in enumerate(events, 1)),
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


# ── JSON ─────────────────────────────────────────────────────────────────────────────────────


def _of_document(value: Any, place: str, choices: Choices) -> ForeignSession:
    document = object_of(value)
    if not isinstance(document.get("events"), list) or text_of(document.get("id")) is None:
        raise FileFault(f"{place} is no session of google-adk: it has no id or no events")
    tally, survey = Tally(), _Survey()
    key = _Key(
        text_of(document.get("appName")) or SOURCE,
        text_of(document.get("userId")) or "unknown",
        document["id"],
    )
    events = [snaked_event(clean(event, tally)) for event in list_of(document["events"])]
    for event in events:
        survey.take(msgspec.json.encode(event))
    state = object_of(clean(document.get("state"), tally))
    first = {name: value for name, value in state.items() if name not in survey.touched}
    began = next((e["timestamp"] for e in events if "timestamp" in e), None)
    return _foreign(
        key,
        "json",
        first,
        moment_of(began or document.get("lastUpdateTime"), choices, tally),
        survey,
        (_Item(f"event {number}", event) for number, event in enumerate(events, 1)),
        tally,
        choices,
        lambda _: {},
    )


# ── a session ────────────────────────────────────────────────────────────────────────────────


_Settled = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Gives the shared keys to be set at the end, for those that the session wrote."""


class _Item(NamedTuple):
    place: str
    value: Any


def _foreign(
    key: _Key,
    layout: str,
    state: Mapping[str, Any],
    created_at: Any,
    survey: _Survey,
    items: Iterable[_Item],
    tally: Tally,
    choices: Choices,
    settled: _Settled,
) -> ForeignSession:
    session_id = foreign_session_id(SOURCE, *key)
    began = created_at or NO_TIME
    drafter = SessionDrafter(SOURCE, session_id, began, tally, name="/".join(key))
    agent = None
    if survey.agent is not None:
        model = None if survey.model is None else name_of(survey.model, "unknown")
        agent = Agent(name=name_of(survey.agent, "agent"), model=model)
    return ForeignSession(
        source=SOURCE,
        source_id="/".join(key),
        session_id=session_id,
        created=SessionCreated(
            owner=Owner(
                app=choices.app or name_of(key.app, SOURCE),
                user=choices.user or name_of(key.user, "unknown"),
            ),
            agent=agent,
            state=state,
            metadata={"imported_from": {"kind": SOURCE, "schema": layout, "key": list(key)}},
        ),
        created_at=began,
        drafts=_drafts(drafter, AdkMapper(drafter, survey.agent, choices), items, settled),
        tally=tally,
    )


def _drafts(
    drafter: SessionDrafter, mapper: AdkMapper, items: Iterable[_Item], settled: _Settled
) -> Iterator[Draft]:
    before: tuple[Any, Any] = (0, "")
    for item in items:
        try:
            event = _event(item.value, drafter)
            # Its makers read events by time and id, which is not always the order of their writing.
            with suppress(TypeError):
                if (place := (event.get("timestamp"), event.get("id"))) < before:
                    drafter.tally.notes["read_there_in_another_order"] += 1
                before = place
            mapper.map(event)
        except Unreadable as error:
            drafter.unreadable(item.place, str(error), item.value)
        yield from drafter.take()
    if changed := settled(mapper.shared):
        drafter.tally.notes["shared_keys_settled"] += len(changed)
        drafter.item(drafter.at)
        drafter.patch(changed)
    drafter.finish()
    yield from drafter.take()


def _event(value: Any, drafter: SessionDrafter) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        return object_of(decoded(value or b"", drafter.tally))
    event = object_of(cast("Any", value))
    return _of_columns(event, drafter) if isinstance(event.get("actions"), bytes) else event


_JSON_COLUMNS = (
    "content",
    "grounding_metadata",
    "custom_metadata",
    "usage_metadata",
    "citation_metadata",
    "input_transcription",
    "output_transcription",
)


def _of_columns(row: Mapping[str, Any], drafter: SessionDrafter) -> dict[str, Any]:
    """Return an event of the layout that has a column for each field.

    Its actions are pickled, and a pickle can run anything: they are kept as they are.
    """
    event = {name: value for name, value in row.items() if value is not None}
    pickled: bytes = event.pop("actions")
    for name in _JSON_COLUMNS:
        if isinstance(event.get(name), str | bytes):
            event[name] = decoded(event[name], drafter.tally)
    listed = event.pop("long_running_tool_ids_json", None)
    if listed:
        event["long_running_tool_ids"] = list_of(decoded(listed, drafter.tally))
    event["pickled_actions"] = base64.b64encode(pickled).decode()
    return event
