"""A session service of google-adk that keeps its sessions in Cairn."""

import json
from typing import Any

import httpx
from google.adk.errors._stale_session_error import StaleSessionError
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

from cairn_adk.client import CairnClient, checked, quoted, sessions_path

_USER = "user:"


class CairnSessionService(CairnClient, BaseSessionService):
    """Keeps sessions in Cairn.

    Args:
        uri: Where the server is: `cairn://[user:TOKEN@]host[:port][/path]`; `cairns` is for TLS.
        timeout: Seconds that an answer may take.
        **_: What google-adk tells every service, such as `agents_dir`.

    Raises:
        ValueError: The URI is none of these.
    """

    @override
    async def create_session(
        self,
        *,
        app_name: str,
        user_id: str,
        state: dict[str, Any] | None = None,
        session_id: str | None = None,
    ) -> Session:
        body: dict[str, Any] = {"state": _plain(state or {})}
        if session_id is not None and session_id.strip():
            body["sessionId"] = session_id.strip()
        answer = await self._ask("POST", sessions_path(app_name, user_id), json=body)
        if answer.status_code == httpx.codes.CONFLICT:
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
            if config.after_timestamp:
                query["after"] = repr(config.after_timestamp)
        path = sessions_path(app_name, user_id, session_id)
        answer = await self._ask("GET", path, params=query)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        return _session(checked(answer))

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
        checked(await self._ask("DELETE", sessions_path(app_name, user_id, session_id)))

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
        self._apply_temp_state(session, event)
        # A copy: the caller's event keeps the keys that only live in the session object.
        kept = self._trim_temp_delta_state(event.model_copy(deep=True))
        body: dict[str, Any] = {"event": _document(kept)}
        known = session._storage_update_marker
        if known is not None:
            body["known"] = int(known)
        path = sessions_path(session.app_name, session.user_id, session.id) + "/events"
        answer = await self._ask("POST", path, json=body)
        match answer.status_code:
            case httpx.codes.NOT_FOUND:
                raise SessionNotFoundError(f"Session {session.id} not found.")
            case httpx.codes.PRECONDITION_FAILED:
                raise StaleSessionError(
                    "The session has been modified in storage since it was loaded; load it again."
                )
            case httpx.codes.CONFLICT:
                raise ValueError(f"Another event has the id {event.id!r} already.")
            case _:
                sequence: int = checked(answer).json()["sequence"]
        if known is not None and sequence <= int(known):
            # It was recorded before, and this session has it already.
            return event
        self._commit_event_to_session(session, kept)
        session.last_update_time = kept.timestamp
        session._storage_update_marker = str(sequence)
        return event


def _session(answer: httpx.Response) -> Session:
    session = Session.model_validate(answer.json())
    session._storage_update_marker = answer.headers["etag"].strip('W/"')
    return session


def _plain(value: Any) -> Any:
    """Return a value as JSON has it; what JSON has no word for becomes its text."""
    return json.loads(json.dumps(value, default=str))


def _document(event: Event) -> dict[str, Any]:
    told: dict[str, Any] = event.model_dump(
        mode="json", by_alias=True, exclude_none=True, fallback=str
    )
    return told
