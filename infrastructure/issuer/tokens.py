"""Checks tokens of an issuer (JWT, RFC 7519), and maps their claims to a principal."""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import jwt
from jwt.exceptions import (
    InvalidAudienceError,
    InvalidIssuerError,
    InvalidKeyError,
    MissingRequiredClaimError,
    PyJWTError,
)

from application.errors import Unauthorized
from application.ports.clock import Clock
from domain.checks import require_name
from domain.errors import Invalid
from domain.principal import RIGHTS, Principal, Right
from infrastructure.issuer.keys import ALGORITHMS, IssuerKeys

ALL = "*"
"""The value of a claim that stands for all apps, or all users of an app."""

_LONGEST = 16 * 1024
_REMEMBERED = 10_000
_MOST_NAME = 200
_RIGHT = "cairn:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """Which claims say what.

    Args:
        app: Names the app that the token sees, `*` for all.
        user: Names the user of that app, `*` for all; empty is that no token names one.
        rights: Names rights behind `cairn:`, in a list or between spaces.
        name: Names the actor.
    """

    app: str = "cairn_app"
    user: str = ""
    rights: str = "scope"
    name: str = "sub"


class JwtTokens:
    """The tokens of one issuer; see `application.ports.access.issued_tokens.IssuedTokens`.

    Args:
        keys: Of the issuer.
        issuer: As tokens name it.
        audience: What tokens must name: this server.
        claims: Which claims say what.
        clock: Tells what has run out.
        leeway: How far the clock of the issuer may be off.
    """

    def __init__(
        self,
        keys: IssuerKeys,
        *,
        issuer: str,
        audience: str,
        claims: Claims,
        clock: Clock,
        leeway: timedelta,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._claims = claims
        self._clock = clock
        self._leeway = leeway
        self._checked: OrderedDict[bytes, tuple[int, Principal]] = OrderedDict()

    async def principal(self, token: str) -> Principal | None:
        """Return who shows a token."""
        if token.count(".") != 2:
            return None
        if len(token) > _LONGEST:
            raise Unauthorized(f"a token has at most {_LONGEST} bytes")
        self._keys.keep_fresh()
        hashed = sha256(token.encode("utf-8", "surrogatepass")).digest()
        revision, found = self._checked.get(hashed, (0, None))
        if found is None or revision != self._keys.revision:
            found = self._principal_of(await self._claims_of(token))
            self._checked[hashed] = (self._keys.revision, found)
            if len(self._checked) > _REMEMBERED:
                self._checked.popitem(last=False)
        if found.expires_at is not None and self._clock.now() >= found.expires_at:
            raise Unauthorized("this token has expired")
        return found

    async def _claims_of(self, token: str) -> dict[str, Any]:
        try:
            head = jwt.get_unverified_header(token)
        except (PyJWTError, ValueError) as error:
            raise Unauthorized("this token is not a JWT") from error
        algorithm = head.get("alg")
        if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
            raise Unauthorized("this token is not signed with an algorithm that is accepted")
        key = await self._keys.find(head.get("kid"), algorithm)
        if key is None:
            raise Unauthorized("this token is signed with a key that the issuer does not have")
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self._audience,
                issuer=self._issuer,
                options={
                    "require": ["exp", "iss", "aud", self._claims.name],
                    "enforce_minimum_key_length": True,
                    # By the clock of the store, below.
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                    # The claim that names the actor is looked at below; the rest say nothing.
                    "verify_sub": False,
                    "verify_jti": False,
                },
            )
        except InvalidAudienceError as error:
            raise Unauthorized("this token is for another audience") from error
        except InvalidIssuerError as error:
            raise Unauthorized("this token is of another issuer") from error
        except MissingRequiredClaimError as error:
            raise Unauthorized(f"this token has no claim `{error.claim}`") from error
        except InvalidKeyError as error:
            raise Unauthorized("the key of this token is too short, or of another kind") from error
        except (PyJWTError, ValueError, TypeError) as error:
            raise Unauthorized("the signature of this token is wrong") from error
        return claims

    def _principal_of(self, claims: dict[str, Any]) -> Principal:
        begin = _time(claims, "nbf")
        if begin is not None and self._clock.now() + self._leeway < begin:
            raise Unauthorized("this token is not good yet")
        end = _time(claims, "exp")
        rights = _rights(claims.get(self._claims.rights))
        if not rights:
            raise Unauthorized(f"this token names no right in its claim `{self._claims.rights}`")
        user = _name(claims, self._claims.user) if self._claims.user else ALL
        app = _name(claims, self._claims.app)
        if app == ALL and user != ALL:
            raise Unauthorized("this token names a user, and no app")
        return Principal(
            actor=_name(claims, self._claims.name),
            rights=rights,
            app=None if app == ALL else app,
            user=None if user == ALL else user,
            is_named=True,
            expires_at=None if end is None else _later(end, self._leeway),
        )


def _time(claims: dict[str, Any], name: str) -> datetime | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unauthorized(f"the claim `{name}` of this token is not a time")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise Unauthorized(f"the claim `{name}` of this token is not a time") from error


def _later(at: datetime, by: timedelta) -> datetime:
    try:
        return at + by
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def _name(claims: dict[str, Any], claim: str) -> str:
    value = claims.get(claim)
    if not isinstance(value, str):
        raise Unauthorized(f"this token has no claim `{claim}` that is a text")
    try:
        require_name(value, claim, most=_MOST_NAME)
    except Invalid as error:
        raise Unauthorized(f"the claim `{claim}` of this token is not a name") from error
    return value


def _rights(value: Any) -> frozenset[Right]:
    words = value.split(" ") if isinstance(value, str) else value
    if not isinstance(words, list):
        return frozenset()
    return frozenset(right for right in RIGHTS if _RIGHT + right in words)
