"""What talks to Cairn over HTTP."""

import asyncio
import logging
import random
import re
import ssl
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote, unquote, urlsplit
from weakref import WeakKeyDictionary

import httpx
from pydantic_core import to_json

_SCHEMES = {"cairn": "http", "cairns": "https"}
_FORM = (
    "the URI must be cairn://[adk:TOKEN@]host[:port][/path], or cairns:// for TLS; what stands for"
    " another character in a token is to be written as %XX"
)
_TOKEN = re.compile(r"[\x21-\x7e]*", re.ASCII)
_LONE = re.compile("[\ud800-\udfff]")
_BUSY = frozenset({429, 502, 503, 504})
"""The statuses of a server, or of a proxy before it, that is to be asked again."""
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_LOST = (httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_PRIVATE = "; SSL_CERT_FILE names the certificates of a private authority"
_logger = logging.getLogger(__name__)


class CairnClient:
    """A client of a server, in any number of event loops.

    Args:
        uri: Where the server is: `cairn://[adk:TOKEN@]host[:port][/path]`; `cairns` is for TLS.
        timeout: Seconds that an answer may take.
        patience: Seconds for which a server that is away or busy is asked again.
        **_: What google-adk tells every service, such as `agents_dir`.

    Raises:
        ValueError: The URI is none of these.
    """

    def __init__(
        self, uri: str, *, timeout: float = 30.0, patience: float = 30.0, **_: Any
    ) -> None:
        self._base, token = _told(uri)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._timeout = timeout
        self._patience = patience
        self._clients = WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient]()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._base!r})"

    async def close(self) -> None:
        """Let go of the connections of this event loop."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, Any] | None = None,
        document: Any = None,
        key: str | None = None,
        once: bool = False,
    ) -> httpx.Response:
        """Ask the server, again while it is away or busy, and return its last answer.

        Args:
            method: Of the request.
            path: The same, below the URI.
            params: The query.
            document: What is sent as JSON; None is nothing.
            key: An Idempotency-Key, with which the request is done once however often it is sent.
            once: It may be sent again only where the server cannot have done it.

        Raises:
            httpx.TransportError: There was no answer.
        """
        headers = {"Content-Type": "application/json"} if document is not None else {}
        if key is not None:
            headers["Idempotency-Key"] = key
        body = None if document is None else _json(document)
        loop = asyncio.get_running_loop()
        pause, until = _FIRST_PAUSE, loop.time() + self._patience
        while True:
            why: str
            try:
                answer = await self._client().request(
                    method, path, params=params or {}, content=body, headers=headers
                )
            except _LOST as error:
                may_be_done = once and not isinstance(error, _NEVER_SENT)
                is_of_tls = _is_of_tls(error)
                if is_of_tls and isinstance(error, httpx.ConnectError):
                    told = f"{self._base}: {error}{_PRIVATE}"
                    raise httpx.ConnectError(told, request=error.request) from error
                if may_be_done or loop.time() + pause > until or is_of_tls:
                    raise
                wait, why = pause, type(error).__name__
            else:
                told = answer.headers.get("retry-after", "")
                # What is in flight (409) says when to ask again; another conflict does not.
                is_busy = answer.status_code in _BUSY or (answer.status_code == 409 and told)
                wait = max(float(told), pause) if told.isdecimal() else pause
                if not is_busy or (once and not told) or loop.time() + wait > until:
                    return answer
                why = str(answer.status_code)
            if pause == _FIRST_PAUSE:
                _logger.warning("%s: %s %s: %s; asking again", self._base, method, path, why)
            # Not all at once, when many were waiting for the same server.
            await asyncio.sleep(wait + random.uniform(0, pause))  # noqa: S311
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _client(self) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            client = self._clients[loop] = httpx.AsyncClient(
                base_url=self._base, headers=self._headers, timeout=self._timeout
            )
        return client


def _told(uri: str) -> tuple[str, str]:
    """Return the base URL and the token of a URI; no error says what is in it."""
    try:
        told = urlsplit(uri)
        host, port = told.hostname, told.port
    except ValueError:
        raise ValueError(_FORM) from None
    token = unquote(told.password or "")
    odd = (
        told.query or told.fragment or (told.username and not token) or not _TOKEN.fullmatch(token)
    )
    if told.scheme not in _SCHEMES or not host or odd:
        raise ValueError(_FORM)
    host = f"[{host}]" if ":" in host else host
    where = host if port is None else f"{host}:{port}"
    return f"{_SCHEMES[told.scheme]}://{where}{told.path.rstrip('/')}", token


def _json(document: Any) -> bytes:
    """Return a document as JSON; what JSON has no word for becomes its text, or null."""
    try:
        return to_json(document, inf_nan_mode="null", bytes_mode="base64", fallback=text_of)
    except ValueError:
        return to_json(whole(document), inf_nan_mode="null", bytes_mode="base64", fallback=text_of)


def text_of(value: object) -> str:
    """Return the text of a value for which JSON has no word."""
    return _LONE.sub("\ufffd", str(value))


def whole(value: Any) -> Any:
    """Return a value without halves of surrogate pairs, which no UTF-8 has."""
    match value:
        case str():
            return text_of(value)
        case dict():
            told = cast("dict[Any, Any]", value)
            return {whole(key): whole(item) for key, item in told.items()}
        case list() | tuple() | set() | frozenset():
            return [whole(item) for item in cast("list[Any]", value)]
        case _:
            return value


def _is_of_tls(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error is not None


def sessions_path(app: str, user: str, name: str | None = None) -> str:
    """Return the path of the sessions of a user, or of one of them."""
    path = f"/apps/{quoted(app)}/users/{quoted(user)}/sessions"
    return path if name is None else f"{path}/{quoted(name)}"


def quoted(name: str) -> str:
    """Return a name as a part of a path."""
    # A dot or two would be taken for a part of the path.
    return quote(name, safe="").replace(".", "%2E")


def is_missing(answer: httpx.Response) -> bool:
    """Return whether what was asked for is not there, though the door is."""
    return answer.status_code == HTTPStatus.NOT_FOUND and detail_of(answer).endswith(" not found")


def checked(answer: httpx.Response) -> httpx.Response:
    """Return an answer, or raise what the server says is wrong with the request."""
    if answer.is_success:
        return answer
    told, status = detail_of(answer), answer.status_code
    if status in (
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    ):
        raise ValueError(told)
    if status == HTTPStatus.NOT_FOUND and not is_missing(answer):
        told += " (is the ADK door open, `cairn serve --door adk`, and is the token for this app?)"
    url = answer.request.url
    message = f"{answer.request.method} {url} was answered with {status}: {told}"
    raise httpx.HTTPStatusError(message, request=answer.request, response=answer)


def detail_of(answer: httpx.Response) -> str:
    """Return what the server says is wrong with a request."""
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return answer.reason_phrase
