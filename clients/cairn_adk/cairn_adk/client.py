"""What talks to Cairn over HTTP."""

import asyncio
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import httpx

_SCHEMES = {"cairn": "http", "cairns": "https"}


class CairnClient:
    """A client of a server, for one event loop after the other.

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
        return f"{type(self).__name__}({self._base!r})"

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


def sessions_path(app: str, user: str, name: str | None = None) -> str:
    """Return the path of the sessions of a user, or of one of them."""
    path = f"/apps/{quoted(app)}/users/{quoted(user)}/sessions"
    return path if name is None else f"{path}/{quoted(name)}"


def quoted(name: str) -> str:
    """Return a name as a part of a path."""
    # A dot or two would be taken for a part of the path.
    return quote(name, safe="").replace(".", "%2E")


def checked(answer: httpx.Response) -> httpx.Response:
    """Return an answer, or raise what the server says is wrong with the request."""
    if answer.status_code in (
        httpx.codes.BAD_REQUEST,
        httpx.codes.REQUEST_ENTITY_TOO_LARGE,
        httpx.codes.UNPROCESSABLE_ENTITY,
    ):
        raise ValueError(str(answer.json().get("detail")))
    answer.raise_for_status()
    return answer
