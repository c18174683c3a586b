"""A session service of google-adk that keeps its sessions in Cairn."""

import asyncio
import json
from typing import Any
from urllib.parse import quote, unquote, urlsplit

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

_SCHEMES = {"cairn": "http", "cairns": "https"}
_USER = "user:"


class CairnSessionService(BaseSessionService):
    """Keeps sessions in Cairn.

    Args:
        uri: Where the server is: `cairn://[user:TOKEN@]host[:port][/path]`; `cairns` is for TLS.
        timeout: Seconds that an answer may take.
        **_: What google-adk tells every service, such as `agents_dir`.

    Raises:
        ValueError: The URI is none of these.
    """

    def __init__(self, uri: str, *, timeout: float = 30.0, **_: Any) -> None:
        told = urlsplit(uri)
        if told.scheme not in _SCHEMES or not told.hostname:
            # Not the URI itself: it may hold a token.
            raise ValueError("the URI must be cairn://host:port, or cairns://host:port for TLS")
        host = f"[{told.hostname}]" if ":" in told.hostname else told.hostname
        port = "" if told.port is None else f":{told.port}"
        self._base = f"{_SCHEMES[told.scheme]}://{host}{port}{told.path.rstrip('/')}"
        token = unquote(told.password or "")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._timeout = timeout
        self._client: httpx.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def __repr__(self) -> str:
        return f"CairnSessionService({self._base!r})"

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
        answer = await self._ask("POST", _sessions(app_name, user_id), json=body)
        if answer.status_code == httpx.codes.CONFLICT:
            raise AlreadyExistsError(f"Session with id {session_id} already exists.")
        return _session(_checked(answer))

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
        path = _sessions(app_name, user_id, session_id)
        answer = await self._ask("GET", path, params=query)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        return _session(_checked(answer))

    @override
    async def list_sessions(
        self, *, app_name: str, user_id: str | None = None
    ) -> ListSessionsResponse:
        path = f"/apps/{_quoted(app_name)}/sessions"
        if user_id is not None:
            path = _sessions(app_name, user_id)
        answer = _checked(await self._ask("GET", path))
        return ListSessionsResponse(sessions=[Session.model_validate(one) for one in answer.json()])

    @override
    async def delete_session(self, *, app_name: str, user_id: str, session_id: str) -> None:
        _checked(await self._ask("DELETE", _sessions(app_name, user_id, session_id)))

    @override
    async def get_user_state(self, *, app_name: str, user_id: str) -> dict[str, Any]:
        path = f"/v1/apps/{_quoted(app_name)}/users/{_quoted(user_id)}/state"
        state: dict[str, Any] = _checked(await self._ask("GET", path)).json()["state"]
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
        path = _sessions(session.app_name, session.user_id, session.id) + "/events"
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
                sequence: int = _checked(answer).json()["sequence"]
        if known is not None and sequence <= int(known):
            # It was recorded before, and this session has it already.
            return event
        self._commit_event_to_session(session, kept)
        session.last_update_time = kept.timestamp
        session._storage_update_marker = str(sequence)
        return event

    async def close(self) -> None:
        """Let go of the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _ask(self, method: str, path: str, **rest: Any) -> httpx.Response:
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            self._client = httpx.AsyncClient(
                base_url=self._base, headers=self._headers, timeout=self._timeout
            )
            self._loop = loop
        return await self._client.request(method, path, **rest)


def _sessions(app: str, user: str, name: str | None = None) -> str:
    path = f"/apps/{_quoted(app)}/users/{_quoted(user)}/sessions"
    return path if name is None else f"{path}/{_quoted(name)}"


def _quoted(name: str) -> str:
    # A dot or two would be taken for a part of the path.
    return quote(name, safe="").replace(".", "%2E")


def _checked(answer: httpx.Response) -> httpx.Response:
    """Return an answer, or raise what the server says is wrong with the request."""
    if answer.status_code in (httpx.codes.BAD_REQUEST, httpx.codes.UNPROCESSABLE_ENTITY):
        raise ValueError(str(answer.json().get("detail")))
    answer.raise_for_status()
    return answer


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
