"""The public keys of an issuer, from a URL or a file, read again as the issuer changes them."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import msgspec
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from application.errors import IssuerUnavailable
from application.ports.access.issued_tokens import secure_url

_READ_EVERY = 600.0
_LOOK_AGAIN = 10.0
"""Seconds between two readings, however many tokens of unknown keys come in."""
_PATIENCE = 5.0
_LARGEST = 1 << 20
_ALGORITHMS: Mapping[str, frozenset[str]] = {
    "RSA": frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
    "EC": frozenset({"ES256", "ES384", "ES512"}),
    "OKP": frozenset({"EdDSA"}),
}
"""What keys of a kind sign with; all asymmetric: whoever can check a token cannot make one."""
ALGORITHMS = frozenset[str]().union(*_ALGORITHMS.values())
_PRIVATE = "d"
"""The member of a JWK that nobody but its owner may have."""
_DISCOVERY = "/.well-known/openid-configuration"

_logger = logging.getLogger("cairn.tokens")


@dataclass(frozen=True, slots=True)
class _Key:
    key_id: str | None
    algorithms: frozenset[str]
    """All that its kind is for, unless it names one: `alg` is optional (RFC 7517, section 4.4)."""
    public: Any


class KeysError(Exception):
    """Keys cannot be read; the message says why."""


class IssuerKeys:
    """Finds the key that a token names.

    Args:
        issuer: Whose keys.
        source: A URL or the path of a file that holds a JWK set; empty is what the issuer says
            at `/.well-known/openid-configuration`.
    """

    def __init__(self, issuer: str, source: str = "") -> None:
        self._issuer = issuer
        self._source = source
        self._keys: list[_Key] = []
        self._read_at = self._tried_at = float("-inf")
        self._reading = asyncio.Lock()
        self._refresh: asyncio.Task[None] | None = None
        self._is_silent = False
        self.revision = 0
        """Another number whenever other keys are known."""

    def keep_fresh(self) -> None:
        """Read the keys again when that was long ago: the issuer may have taken one away.

        Nobody waits for it: an issuer that is slow holds up no request whose key is known.
        """
        is_due = self._keys and monotonic() - self._read_at > _READ_EVERY
        if is_due and (self._refresh is None or self._refresh.done()):
            self._refresh = asyncio.create_task(self._read())

    async def find(self, key_id: str | None, algorithm: str) -> Any | None:
        """Return the key of a token; None when the issuer has no such key.

        Args:
            key_id: As the token names it; None is the only key that there is.
            algorithm: By which the token is signed.

        Raises:
            IssuerUnavailable: No keys were ever read.
        """
        found = self._known(key_id, algorithm)
        if found is None:
            await self._read()
            found = self._known(key_id, algorithm)
        if found is None and not self._keys:
            raise IssuerUnavailable
        return found

    def _known(self, key_id: str | None, algorithm: str) -> Any | None:
        if key_id is None and len(self._keys) > 1:
            return None
        # Keys of two kinds may have one id (RFC 7517, section 4.5).
        named = (one for one in self._keys if key_id in (None, one.key_id))
        return next((one.public for one in named if algorithm in one.algorithms), None)

    async def _read(self) -> None:
        async with self._reading:
            if monotonic() - self._tried_at < _LOOK_AGAIN:
                return
            try:
                keys = _usable(await self._document())
            except KeysError as error:
                if not self._is_silent:
                    # Those that are known stay good: an issuer that is down locks nobody out.
                    _logger.warning("the keys of %s cannot be read: %s", self._issuer, error)
                self._is_silent = True
            else:
                if self._is_silent:
                    _logger.info("the keys of %s are read again", self._issuer)
                self._is_silent = False
                self._read_at = monotonic()
                self._keys = keys
                self.revision += 1
            finally:
                self._tried_at = monotonic()

    async def _document(self) -> dict[str, Any]:
        if self._source and "://" not in self._source:
            return _decoded(await asyncio.to_thread(_content_of, Path(self._source)))
        async with httpx.AsyncClient(timeout=_PATIENCE) as client:
            url = self._source
            if not url:
                said = await _fetched(client, self._issuer.rstrip("/") + _DISCOVERY)
                if said.get("issuer") != self._issuer:
                    raise KeysError(f"{_DISCOVERY} names another issuer")
                url = str(said.get("jwks_uri"))
            return await _fetched(client, url)


async def _fetched(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    try:
        async with asyncio.timeout(_PATIENCE):
            async with client.stream("GET", secure_url(url)) as response:
                if response.status_code != 200:
                    raise KeysError(f"{url} answered {response.status_code}")
                content = b""
                async for chunk in response.aiter_bytes():
                    content += chunk
                    if len(content) > _LARGEST:
                        raise KeysError(f"{url} answered more than {_LARGEST} bytes")
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError) as error:
        raise KeysError(f"{url} does not answer ({type(error).__name__})") from error
    return _decoded(content)


def _content_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise KeysError(f"{path} cannot be read ({error.strerror})") from error
    if len(content) > _LARGEST:
        raise KeysError(f"{path} has more than {_LARGEST} bytes")
    return content


def _decoded(content: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise KeysError("what was read is not a JSON object") from error


def _usable(document: dict[str, Any]) -> list[_Key]:
    try:
        usable = [key for key in map(_key_of, document["keys"]) if key is not None]
    except (KeyError, TypeError) as error:
        raise KeysError("what was read is not a JWK set") from error
    if not usable:
        raise KeysError("what was read has no public key for signatures")
    return usable


def _key_of(said: Any) -> _Key | None:
    """Return a key of a JWK set; None when nothing can be checked with it.

    A symmetric key in a public document is no secret, and neither is a private one there.
    """
    try:
        algorithms = _ALGORITHMS[said["kty"]]
        if said.get("alg") is not None:
            algorithms &= {said["alg"]}
        is_to_verify = "verify" in (said.get("key_ops") or ("verify",))
        is_usable = is_to_verify and said.get("use") in (None, "sig") and _PRIVATE not in said
        if not (algorithms and is_usable):
            return None
        return _Key(said.get("kid"), algorithms, PyJWK(said).key)
    except (PyJWTError, KeyError, TypeError, ValueError, AttributeError):
        return None
