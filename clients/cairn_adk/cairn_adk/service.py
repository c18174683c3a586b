"""A session service of google-adk that keeps its sessions in Cairn."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import httpx
from google.adk.errors import StaleSessionError
from google.adk.errors.already_exists_error import AlreadyExistsError
from google.adk.errors.session_not_found_error import SessionNotFoundError
from google.adk.events.event import Event
from google.adk.sessions.base_session_service import (
    BaseSessionService,
    GetSessionConfig,
    ListSessionsResponse,
)
from google.adk.sessions.session import Session
from typing_extensions import override

from cairn_adk.client import (
    CairnClient,
    checked,
    detail_of,
    is_missing,
    quoted,
    sessions_path,
    text_of,
    whole,
)

_USER = "user:"


class CairnSessionService(CairnClient, BaseSessionService):
    """Keeps sessions in Cairn.

    Args:
        uri: Where the server is: `cairn://[adk:TOKEN@]host[:port][/path]`; `cairns` is for TLS.
        timeout: Seconds that an answer may take.
        patience: Seconds for which a server that is away or busy is asked again.
        refuse_stale: Whether an event is refused when somebody else has written to the session
            since it was loaded; otherwise it is recorded behind what came.
        **_: What google-adk tells every service, such as `agents_dir`.

    Raises:
        ValueError: The URI is none of these.
    """

    def __init__(
        self,
        uri: str,
        *,
        timeout: float = 30.0,
        patience: float = 30.0,
        refuse_stale: bool = True,
        **_: Any,
    ) -> None:
        super().__init__(uri, timeout=timeout, patience=patience)
        self._refuse_stale = refuse_stale
        self._turns: dict[int, tuple[asyncio.Lock, int]] = {}
        """Of the session objects to which something is being appended, with how many wait."""

    @override
    async def create_session(
        self,
        *,
        app_name: str,
        user_id: str,
        state: dict[str, Any] | None = None,
        session_id: str | None = None,
    ) -> Session:
        body: dict[str, Any] = {"state": state or {}}
        if session_id is not None and session_id.strip():
            body["sessionId"] = session_id.strip()
        path = sessions_path(app_name, user_id)
        answer = await self._ask("POST", path, document=body, key=uuid4().hex)
        if answer.status_code == HTTPStatus.CONFLICT:
            raise AlreadyExistsError(f"Session with id {session_id} already exists.")
        return _session(checked(answer))

    @override
    async def get_session(
        self,
        *,
        app_name: str,
        user_id: str,
        session_id: str,
        config: GetSessionConfig | None = None,
    ) -> Session | None:
        query: dict[str, Any] = {}
        if config is not None:
            if config.num_recent_events is not None:
                if config.num_recent_events < 0:
                    raise ValueError("num_recent_events must not be negative")
                query["num_recent_events"] = config.num_recent_events
            if config.after_timestamp is not None:
                query["after"] = repr(config.after_timestamp)
        path = sessions_path(app_name, user_id, session_id.strip())
        answer = await self._ask("GET", path, params=query)
        return None if is_missing(answer) else _session(checked(answer))

    @override
    async def list_sessions(
        self, *, app_name: str, user_id: str | None = None
    ) -> ListSessionsResponse:
        path = f"/apps/{quoted(app_name)}/sessions"
        if user_id is not None:
            path = sessions_path(app_name, user_id)
        answer = checked(await self._ask("GET", path))
        return ListSessionsResponse(sessions=[Session.model_validate(one) for one in answer.json()])

    @override
    async def delete_session(self, *, app_name: str, user_id: str, session_id: str) -> None:
        path = sessions_path(app_name, user_id, session_id.strip())
        checked(await self._ask("DELETE", path))

    @override
    async def get_user_state(self, *, app_name: str, user_id: str) -> dict[str, Any]:
        path = f"/v1/apps/{quoted(app_name)}/users/{quoted(user_id)}/state"
        state: dict[str, Any] = checked(await self._ask("GET", path)).json()["state"]
        return {
            key.removeprefix(_USER): value for key, value in state.items() if key.startswith(_USER)
        }

    @override
    async def append_event(self, session: Session, event: Event) -> Event:
        if event.partial:
            return event
        # A run that is cancelled meanwhile writes to this session once more: it must know then
        # what became of this event.
        return await asyncio.shield(self._append(session, event))

    async def _append(self, session: Session, event: Event) -> Event:
        async with self._turn(session):
            self._apply_temp_state(session, event)
            # A copy: the caller's event keeps the keys that only live in the session object.
            kept = self._trim_temp_delta_state(event.model_copy(deep=True))
            known = session._storage_update_marker
            answer = await self._record(session, kept, known)
            sequence: int = answer.json()["sequence"]
            was_there = answer.headers.get("idempotent-replayed") == "true"
            if was_there and known is not None and sequence <= int(known):
                # It was recorded before this session object was read.
                return event
            self._commit_event_to_session(session, kept)
            session.last_update_time = kept.timestamp
            session._storage_update_marker = str(sequence)
            return event

    async def _record(self, session: Session, event: Event, known: str | None) -> httpx.Response:
        body: dict[str, Any] = {"event": _document(event)}
        if known is not None and self._refuse_stale:
            body["known"] = int(known)
        path = sessions_path(session.app_name, session.user_id, session.id) + "/events"
        answer = await self._ask("POST", path, document=body)
        if is_missing(answer):
            raise SessionNotFoundError(f"Session {session.id} not found.")
        match answer.status_code:
            case HTTPStatus.PRECONDITION_FAILED:
                raise StaleSessionError(
                    "The session has been modified in storage since it was loaded; load it again."
                )
            case HTTPStatus.CONFLICT:
                raise ValueError(f"The event {event.id!r} is refused: {detail_of(answer)}")
            case _:
                return checked(answer)

    @asynccontextmanager
    async def _turn(self, session: Session) -> AsyncGenerator[None]:
        """Let one event after the other be appended to a session object, as they came."""
        at = id(session)
        lock, waiting = self._turns.get(at, (asyncio.Lock(), 0))
        self._turns[at] = lock, waiting + 1
        try:
            async with lock:
                yield
        finally:
            lock, waiting = self._turns[at]
            if waiting == 1:
                del self._turns[at]
            else:
                self._turns[at] = lock, waiting - 1


def _session(answer: httpx.Response) -> Session:
    session = Session.model_validate(answer.json())
    session._storage_update_marker = answer.headers["etag"].strip('W/"')
    return session


def _document(event: Event) -> dict[str, Any]:
    try:
        return _dumped(event)
    except ValueError:
        # Some text in it is none.
        return _dumped(Event.model_validate(whole(event.model_dump())))


def _dumped(event: Event) -> dict[str, Any]:
    return event.model_dump(mode="json", by_alias=True, exclude_none=True, fallback=text_of)
