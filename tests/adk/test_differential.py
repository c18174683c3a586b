"""The same random calls to google-adk's own services and to those of `cairn_adk`.

Where the two differ by design, the reason stands beside the comparison.
"""

import asyncio
import importlib
import json
import sys
import warnings
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    multiple,
    rule,
    run_state_machine_as_test,
)

from tests.property.effort import attempts, examples

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.filterwarnings("ignore")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("google.adk", reason="google-adk is installed by make setup-importers")
    sys.path[:0] = [str(ROOT / "clients/cairn_adk")]
    from google.adk.artifacts.in_memory_artifact_service import InMemoryArtifactService
    from google.adk.errors.already_exists_error import AlreadyExistsError
    from google.adk.errors.session_not_found_error import SessionNotFoundError
    from google.adk.events.event import Event
    from google.adk.sessions.base_session_service import GetSessionConfig
    from google.adk.sessions.in_memory_session_service import InMemorySessionService
    from google.adk.sessions.session import Session

    from tests.adk import strategies as some

    cairn_adk: Any = importlib.import_module("cairn_adk")

_users = st.sampled_from(some.USERS)
_names = st.sampled_from(some.NAMES)


def told(value: Any) -> str:
    """Return a value as the JSON that tells `1`, `1.0` and `true` apart, whatever its order."""
    return json.dumps(value, sort_keys=True)


def event_told(event: Event) -> dict[str, Any]:
    """Return all of an event, as the server of google-adk would answer it."""
    document: dict[str, Any] = event.model_dump(mode="json", by_alias=True, exclude_none=True)
    document["actions"].pop("requestedAuthConfigs")
    return {**document, "auth": sorted(event.actions.requested_auth_configs)}


class Sessions(RuleBasedStateMachine):
    """Both session services, with the objects that they have given."""

    base: ClassVar[str]
    seen: ClassVar[Counter[str]]
    pairs = Bundle[tuple[Session, Session]]("pairs")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.theirs = InMemorySessionService()
        # Theirs refuses no stale session; what ours does then has tests of its own.
        uri = self.base.replace("http://", "cairn://")
        self.ours = cairn_adk.CairnSessionService(uri, refuse_stale=False)
        self.app = f"app/{uuid4().hex[:12]}"

    def teardown(self) -> None:
        self.runner.run(self.ours.close())
        self.runner.close()

    def both(self, method: str, **given: Any) -> tuple[Any, Any]:
        """Call both services, and compare what they raise."""
        answers = list[Any]()
        for service in (self.theirs, self.ours):
            try:
                answers.append(self.runner.run(getattr(service, method)(**given)))
            except (AlreadyExistsError, SessionNotFoundError) as error:
                answers.append(error)
        theirs, ours = answers
        if isinstance(theirs, Exception) or isinstance(ours, Exception):
            assert type(theirs) is type(ours), answers
            self.seen[type(theirs).__name__] += 1
        return theirs, ours

    def same(self, theirs: Session | None, ours: Session | None) -> None:
        assert (theirs is None) == (ours is None)
        if theirs is None or ours is None:
            return
        assert (theirs.id, theirs.app_name, theirs.user_id) == (
            ours.id,
            ours.app_name,
            ours.user_id,
        )
        assert told(theirs.state) == told(ours.state)
        assert [event_told(one) for one in theirs.events] == [
            event_told(one) for one in ours.events
        ]
        if theirs.last_update_time < 1_796_000_000 or theirs.events:
            # Of a session without events it is when it began, which each server says by itself.
            assert round(theirs.last_update_time, 6) == ours.last_update_time

    @initialize(target=pairs, state=some.states)
    def begin(self, state: dict[str, Any]) -> Any:
        first = self.create(some.USERS[0], some.NAMES[0], padded=False, state=state)
        return multiple(first, self.create(some.USERS[1], some.NAMES[0], padded=True, state={}))

    @rule(target=pairs, user=_users, name=_names, padded=st.booleans(), state=some.states)
    def create(self, user: str, name: str, padded: bool, state: dict[str, Any]) -> Any:
        named = {
            "app_name": self.app,
            "user_id": user,
            "session_id": f" {name}" if padded else name,
        }
        theirs, ours = self.both("create_session", **named, state=state)
        if isinstance(theirs, Exception):
            return multiple()
        self.same(theirs, ours)
        return theirs, ours

    @rule(target=pairs, user=_users, name=_names, padded=st.booleans())
    def get(self, user: str, name: str, padded: bool) -> Any:
        named = {
            "app_name": self.app,
            "user_id": user,
            "session_id": f"{name} " if padded else name,
        }
        theirs, ours = self.both("get_session", **named)
        self.same(theirs, ours)
        self.seen["get"] += theirs is not None
        return (theirs, ours) if theirs else multiple()

    @rule(
        user=_users,
        name=_names,
        recent=st.none() | st.integers(0, 4),
        after=st.none() | some.times,
    )
    def get_some(self, user: str, name: str, recent: int | None, after: float | None) -> None:
        named: dict[str, Any] = {"app_name": self.app, "user_id": user, "session_id": name}
        config = GetSessionConfig(num_recent_events=recent, after_timestamp=after)
        whole = self.runner.run(self.theirs.get_session(**named))
        if whole is None:
            assert self.runner.run(self.ours.get_session(**named, config=config)) is None
            return
        # Theirs takes what stands behind the last event that is too old, so that its answer depends
        # on the order in which events of different times were recorded; the contract is `>=`.
        found = [one for one in whole.events if after is None or one.timestamp >= after]
        whole.events = found if recent is None else found[len(found) - min(recent, len(found)) :]
        self.same(whole, self.runner.run(self.ours.get_session(**named, config=config)))
        self.seen["some"] += bool(whole.events) and len(whole.events) < len(found)

    @rule(user=st.none() | _users)
    def list_all(self, user: str | None) -> None:
        theirs, ours = self.both("list_sessions", app_name=self.app, user_id=user)
        assert [(one.user_id, one.id) for one in theirs.sessions] == [
            (one.user_id, one.id) for one in ours.sessions
        ]
        for one, other in zip(theirs.sessions, ours.sessions, strict=True):
            assert other.events == []
            assert told(one.state) == told(other.state)
        self.seen["list"] += len(ours.sessions) > 1

    @rule(user=_users, name=_names, padded=st.booleans())
    def delete(self, user: str, name: str, padded: bool) -> None:
        session_id = f" {name}" if padded else name
        self.both("delete_session", app_name=self.app, user_id=user, session_id=session_id)

    @rule(user=_users)
    def user_state(self, user: str) -> None:
        theirs, ours = self.both("get_user_state", app_name=self.app, user_id=user)
        assert told(theirs) == told(ours)
        self.seen["user_state"] += bool(theirs)

    @rule(pair=pairs, events=st.lists(some.events, min_size=1, max_size=3))
    def append(self, pair: tuple[Session, Session], events: list[Event]) -> None:
        for event in events:
            self._append(pair, event)

    @rule(pair=consumes(pairs), event=some.events)
    def append_and_forget(self, pair: tuple[Session, Session], event: Event) -> None:
        self._append(pair, event)

    @rule(pair=pairs, at=st.integers(0, 9))
    def append_again(self, pair: tuple[Session, Session], at: int) -> None:
        if pair[0].events:
            self._append(pair, pair[0].events[at % len(pair[0].events)])
            self.seen["again"] += 1

    def _append(self, pair: tuple[Session, Session], event: Event) -> None:
        given = [event.model_copy(deep=True) for _ in pair]
        theirs, ours = (
            self.runner.run(self._appended(service, session, one))
            for service, session, one in zip((self.theirs, self.ours), pair, given, strict=True)
        )
        assert type(theirs) is type(ours), (theirs, ours)
        if isinstance(theirs, Exception):
            self.seen[f"append {type(theirs).__name__}"] += 1
            return
        # The caller's event keeps its `temp:` keys; theirs loses them (google-adk for Go asks so).
        assert event_told(given[1]) == event_told(event)
        assert ours is given[1]
        assert told(pair[0].state) == told(pair[1].state)
        assert [event_told(one) for one in pair[0].events] == [
            event_told(one) for one in pair[1].events
        ]
        self.seen["partial" if event.partial else "append"] += 1

    async def _appended(self, service: Any, session: Session, event: Event) -> Any:
        try:
            return await service.append_event(session, event)
        except SessionNotFoundError as error:
            return error


def test_sessions_are_those_of_the_service_in_memory(adk_server: str):
    Sessions.base, Sessions.seen = adk_server, Counter()
    wanted = {"AlreadyExistsError", "append SessionNotFoundError", "some", "get", "list"}
    wanted |= {"partial", "append", "again", "user_state"}
    for _ in attempts(Sessions, lambda: wanted <= Sessions.seen.keys()):
        run_state_machine_as_test(Sessions, settings=examples(40, steps=25))
    assert wanted <= Sessions.seen.keys()


_files = st.sampled_from(
    ["a", "a/b", "b.txt", "é +%2F?#&\U0001f600", "user:a", "user:x/y z", "user:é"]
)
_places = st.sampled_from(["s", "t"])
_versions = st.none() | st.integers(-2, 4)


class Artifacts(RuleBasedStateMachine):
    """Both artifact services, with two sessions of a user."""

    base: ClassVar[str]
    seen: ClassVar[Counter[str]]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        uri = self.base.replace("http://", "cairn://")
        sessions = cairn_adk.CairnSessionService(uri)
        self.theirs, self.ours = InMemoryArtifactService(), cairn_adk.CairnArtifactService(uri)
        self.named = {"app_name": f"app-{uuid4().hex[:12]}", "user_id": "Zoë b"}
        for name in ("s", "t"):
            self.runner.run(sessions.create_session(**self.named, session_id=name))
        self.runner.run(sessions.close())

    def teardown(self) -> None:
        self.runner.run(self.ours.close())
        self.runner.close()

    def both(self, method: str, **given: Any) -> tuple[Any, Any]:
        theirs, ours = (
            self.runner.run(getattr(service, method)(**self.named, **given))
            for service in (self.theirs, self.ours)
        )
        self.seen[method] += bool(theirs)
        return theirs, ours

    @rule(
        session_id=_places,
        filename=_files,
        part=some.artifacts,
        custom_metadata=st.none() | some.objects,
        plain=st.booleans(),
    )
    def save(
        self,
        session_id: str,
        filename: str,
        part: Any,
        custom_metadata: dict[str, Any] | None,
        plain: bool,
    ) -> None:
        named = {"session_id": session_id, "filename": filename, "custom_metadata": custom_metadata}
        given = part.model_dump(by_alias=True, exclude_none=True) if plain else part
        theirs, ours = self.both("save_artifact", **named, artifact=given)
        assert theirs == ours

    @rule(session_id=_places, filename=_files, version=_versions)
    def load(self, session_id: str, filename: str, version: int | None) -> None:
        named = {"session_id": session_id, "filename": filename, "version": version}
        theirs, ours = self.both("load_artifact", **named)
        assert theirs == ours
        theirs, ours = self.both("get_artifact_version", **named)
        assert (theirs and self.told(theirs)) == (ours and self.told(ours))

    @rule(session_id=_places, filename=_files)
    def versions(self, session_id: str, filename: str) -> None:
        named = {"session_id": session_id, "filename": filename}
        theirs, ours = self.both("list_versions", **named)
        assert theirs == ours
        theirs, ours = self.both("list_artifact_versions", **named)
        assert [self.told(one) for one in theirs] == [self.told(one) for one in ours]

    @rule(session_id=_places)
    def keys(self, session_id: str) -> None:
        theirs, ours = self.both("list_artifact_keys", session_id=session_id)
        assert theirs == ours

    @rule(session_id=_places, filename=_files)
    def delete(self, session_id: str, filename: str) -> None:
        self.both("delete_artifact", session_id=session_id, filename=filename)

    def told(self, version: Any) -> Any:
        # Where it is and when it was made each service says by itself.
        return version.version, told(version.custom_metadata), version.mime_type


def test_artifacts_are_those_of_the_service_in_memory(adk_server: str):
    Artifacts.base, Artifacts.seen = adk_server, Counter()
    wanted = {"load_artifact", "list_artifact_versions", "list_artifact_keys"}
    for _ in attempts(Artifacts, lambda: all(Artifacts.seen[one] for one in wanted)):
        run_state_machine_as_test(Artifacts, settings=examples(20, steps=30))
    assert all(Artifacts.seen[one] for one in wanted)
