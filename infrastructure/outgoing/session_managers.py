"""Session managers over HTTP: requests to them are signed, and their answers come as they are.

They are named by whoever runs the server, so their addresses need no check; proxies of the
environment are not used, and redirects are not followed: they would be given what was signed.
"""

import asyncio
import re
import tomllib
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from random import SystemRandom
from typing import Any, cast

import httpx

from application.ports.clock import Clock
from application.ports.managers.session_managers import (
    Headers,
    ManagerAnswer,
    ManagerStream,
    ManagerUnreachable,
)
from domain.request_signature import SIGNATURE, TIMESTAMP, sign
from infrastructure.keys.owner_only_file import KeyFileError, read_owner_only

_chance = SystemRandom()

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_KEYS = {"id", "url", "hmac_secret", "default"}
_MOST_BYTES = 16 * 1024 * 1024
_CONNECT_SECONDS = 5.0
_SILENT_SECONDS = 90.0
"""After which a stream that says nothing is lost; ours say something every 15."""
_SIGNED_ANEW = 5
_FURTHEST_BACK = 240
"""Seconds: a signature is good for 300, and clocks differ."""
_READS = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Manager:
    """A session manager.

    Args:
        name: What it is called here.
        url: Where it is, without a slash at its end.
        secret: What both sides know.
        default: Sessions begin there unless they ask for another.
    """

    name: str
    url: str
    secret: bytes = field(repr=False)
    default: bool = False


def read_managers(path: Path) -> tuple[Manager, ...]:
    """Return the session managers that a TOML file names, each in a table `[[manager]]`.

    Args:
        path: The file, which only its owner may use: it has secrets in it.

    Raises:
        KeyFileError: It cannot be used; the message says why.
    """
    try:
        told = tomllib.loads(read_owner_only(path, "an editor"))
    except tomllib.TOMLDecodeError as error:
        # Without what the line says, which may be a secret.
        raise KeyFileError(f"{path} is no TOML: {str(error).partition(' (at')[0]}.") from None
    listed = told.get("manager")
    if set(told) != {"manager"} or not isinstance(listed, list) or not listed:
        raise KeyFileError(f"{path} must have tables [[manager]], and nothing else.")
    items = cast("list[Any]", listed)  # type: ignore[redundant-cast]
    found = tuple(_manager(path, number, one) for number, one in enumerate(items, 1))
    if len({one.name for one in found}) < len(found) or sum(one.default for one in found) > 1:
        raise KeyFileError(f"Two managers of {path} have one id, or are the default.")
    return found


def _manager(path: Path, number: int, told: Any) -> Manager:
    given = cast("dict[str, Any]", told) if isinstance(told, dict) else {}
    name, url, secret = (given.get(key) for key in ("id", "url", "hmac_secret"))
    default = given.get("default", False)
    wrong = None
    if not given or set(given) - _KEYS:
        wrong = f"has other keys than {', '.join(sorted(_KEYS))}"
    elif not isinstance(name, str) or not _NAME.fullmatch(name):
        wrong = "has no usable id: 1 to 64 letters, digits, dots, dashes and underscores"
    elif not isinstance(secret, str) or not secret.strip():
        wrong = "has no hmac_secret"
    elif not isinstance(default, bool):
        wrong = "has a default that is not true or false"
    elif not isinstance(url, str) or not _is_usable(url):
        wrong = "has no usable url, such as https://b.example"
    if wrong is not None:
        raise KeyFileError(f"Manager {number} of {path} {wrong}.")
    return Manager(
        cast("str", name), cast("str", url).rstrip("/"), cast("str", secret).encode(), default
    )


def _is_usable(url: str) -> bool:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    return (
        parsed.scheme in ("http", "https")
        and bool(parsed.host)
        and not (parsed.query or parsed.fragment or parsed.userinfo)
    )


class HttpSessionManagers:
    """The managers; see `application.ports.managers.session_managers.SessionManagers`.

    Args:
        managers: Tells all of them, as they are now.
        clock: Tells when a request is signed.
    """

    def __init__(self, managers: Callable[[], Sequence[Manager]], clock: Clock) -> None:
        self._managers = managers
        self._clock = clock
        self._client: httpx.AsyncClient | None = None

    @property
    def names(self) -> Sequence[str]:
        """Their names."""
        return tuple(one.name for one in self._managers())

    @property
    def default(self) -> str | None:
        """The one that sessions begin at."""
        return next((one.name for one in self._managers() if one.default), None)

    async def ask(
        self, manager: str, method: str, target: str, body: bytes = b"", *, seconds: float
    ) -> ManagerAnswer:
        """Send a signed request, and return the answer."""
        headers = [(b"content-type", b"application/json")] if body else []
        try:
            async with asyncio.timeout(seconds):
                answer = await self._send(manager, method, target, body, headers)
                try:
                    read = b""
                    async for chunk in answer.aiter_bytes():
                        read += chunk
                        if len(read) > _MOST_BYTES:
                            raise ManagerUnreachable(manager, "too-large")
                finally:
                    await answer.aclose()
        except TimeoutError:
            raise ManagerUnreachable(manager, "timeout") from None
        except httpx.HTTPError as error:
            raise ManagerUnreachable(manager, _word(error)) from error
        following = answer.links.get("next", {}).get("url")
        return ManagerAnswer(answer.status_code, read, following)

    async def open(
        self, manager: str, method: str, target: str, body: bytes, headers: Headers
    ) -> ManagerStream:
        """Send a signed request, and return the answer as it comes."""
        try:
            answer = await self._send(manager, method, target, body, headers)
        except httpx.HTTPError as error:
            raise ManagerUnreachable(manager, _word(error)) from error
        named = tuple((name.lower(), value) for name, value in answer.headers.raw)
        return ManagerStream(answer.status_code, named, _chunks(manager, answer), answer.aclose)

    async def close(self) -> None:
        """Hang up."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _send(
        self, name: str, method: str, target: str, body: bytes, headers: Headers
    ) -> httpx.Response:
        """Send a request, and one of which the manager has seen the like in this second again."""
        manager = next((one for one in self._managers() if one.name == name), None)
        if manager is None:
            raise ManagerUnreachable(name, "not-configured")
        if self._client is None:
            self._client = _client()
        url = httpx.URL(manager.url)
        # As it is, on the request line and in what is signed: the client would take dots out of a
        # path, and so ask for another one than was meant.
        wire = url.raw_path.rstrip(b"/") + target.encode("latin-1")
        now = int(self._clock.now().timestamp())
        for attempt in range(_SIGNED_ANEW + 1):
            # Any second of the last minutes is as good: of many twins each finds one of its own.
            back = _chance.randint(1, _FURTHEST_BACK) if attempt else 0
            request = self._client.build_request(
                method, url, content=body, headers=list(headers), extensions={"target": wire}
            )
            timestamp = str(now - back)
            request.headers[SIGNATURE] = sign(manager.secret, method, wire, timestamp, body)
            request.headers[TIMESTAMP] = timestamp
            answer = await _answer_to(request, self._client)
            if not 200 <= answer.status_code < 600:
                await answer.aclose()
                raise ManagerUnreachable(name, "no-status")
            # A refused signature has done nothing: it may be that of a twin of the same second.
            if answer.status_code != 401 or method in _READS or attempt == _SIGNED_ANEW:
                return answer
            await answer.aclose()
        raise AssertionError


async def _answer_to(request: httpx.Request, client: httpx.AsyncClient) -> httpx.Response:
    """Return the answer to a request; a read is sent again where a connection ends instead.

    A manager may close a kept connection in the moment in which it is used again.
    """
    if request.method in _READS:
        with suppress(httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            return await client.send(request, stream=True)
    return await client.send(request, stream=True)


async def _chunks(manager: str, answer: httpx.Response) -> AsyncGenerator[bytes]:
    try:
        async for chunk in answer.aiter_raw():
            yield chunk
    except httpx.HTTPError as error:
        raise ManagerUnreachable(manager, _word(error)) from error


def _client() -> httpx.AsyncClient:
    return httpx.AsyncClient(
        # What a manager has a user keep must not come back to it with the request of another.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        timeout=httpx.Timeout(_SILENT_SECONDS, connect=_CONNECT_SECONDS, pool=_CONNECT_SECONDS),
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
        headers={"user-agent": "cairn", "accept-encoding": "identity"},
        trust_env=False,
        follow_redirects=False,
    )


def _word(error: httpx.HTTPError) -> str:
    match error:
        case httpx.TimeoutException():
            return "timeout"
        case httpx.ConnectError():
            return "connection-refused"
        case _:
            return "connection-lost"
