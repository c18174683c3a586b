"""A session of google-adk, wherever it was kept."""

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import msgspec

from application.transfer.foreign import Draft, ForeignSession, Tally, foreign_session_id
from domain.values import Agent
from infrastructure.importers.adk.events import AdkMapper
from infrastructure.importers.choices import Choices
from infrastructure.importers.drafting.foreign_session import foreign_session
from infrastructure.importers.drafting.session import SessionDrafter
from infrastructure.importers.reading.values import (
    NO_TIME,
    Unreadable,
    decoded,
    list_of,
    name_of,
    object_of,
)

SOURCE = "adk"


class _Actions(msgspec.Struct):
    state_delta: dict[str, msgspec.Raw] | None = None


class _Glance(msgspec.Struct):
    author: str | None = None
    model_version: str | None = None
    actions: _Actions | None = None


_glance = msgspec.json.Decoder(_Glance).decode


class AdkKey(NamedTuple):
    """What identifies a session there: the same id under two users is two sessions."""

    app: str
    user: str
    session: str


@dataclass(slots=True)
class Survey:
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


Settled = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Gives the shared keys to be set at the end, for those that the session wrote."""


class AdkItem(NamedTuple):
    """An event: where it stands, and its JSON, or what became of that, or its row."""

    place: str
    value: Any


def adk_session(
    key: AdkKey,
    layout: str,
    state: Mapping[str, Any],
    created_at: Any,
    survey: Survey,
    items: Iterable[AdkItem],
    tally: Tally,
    choices: Choices,
    settled: Settled,
) -> ForeignSession:
    """Return a session.

    Args:
        key: Which one.
        layout: Of what it was kept in.
        state: The keys that it began with.
        created_at: When, if that is known.
        survey: What its events say of it.
        items: Its events.
        tally: Where everything is counted.
        choices: How it is placed.
        settled: Gives the shared keys that are to be set at its end.
    """
    session_id = foreign_session_id(SOURCE, *key)
    began = created_at or NO_TIME
    drafter = SessionDrafter(SOURCE, session_id, began, tally, name="/".join(key))
    agent = None
    if survey.agent is not None:
        model = None if survey.model is None else name_of(survey.model, "unknown")
        agent = Agent(name=name_of(survey.agent, "agent"), model=model)
    return foreign_session(
        drafter,
        _drafts(drafter, AdkMapper(drafter, survey.agent, choices), items, settled),
        choices,
        key=key,
        about={"schema": layout},
        app=name_of(key.app, SOURCE),
        user=name_of(key.user, "unknown"),
        agent=agent,
        state=state,
    )


def _drafts(
    drafter: SessionDrafter, mapper: AdkMapper, items: Iterable[AdkItem], settled: Settled
) -> Iterator[Draft]:
    before: tuple[Any, Any] = (0, "")
    unlike = suppress(TypeError)
    for item in items:
        try:
            event = _event(item.value, drafter)
            # Its makers read events by time and id, which is not always the order of their writing.
            with unlike:
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
