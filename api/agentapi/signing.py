"""Who asks, by a signature over the request as it came."""

from asyncio import gather
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import NamedTuple, TypeVar, cast
from urllib.parse import quote
from uuid import uuid4

from api.agentapi.requests import Refusal
from api.doors import Authenticate
from api.http.incoming.bodies import read_body
from api.http.incoming.requests import SIGNED, HttpRequest, signed_by
from api.http.outgoing.problems import Problem
from api.services import Services, services_of
from application.errors import OutcomeUnknown, ReceivedBefore, StoreUnavailable
from application.ports.access.seen_signatures import SignedRequest
from domain.principal import ANYBODY, Principal, Right
from domain.request_signature import SIGNATURE, TIMESTAMP, WINDOW_SECONDS, is_in_time, is_signed

_T = TypeVar("_T")
ACTOR = "agentapi"
RIGHTS: frozenset[Right] = frozenset({"read", "write", "stream"})
"""What whoever has the secret may do, in the sessions of the app of this door."""

_ANYBODY = Principal(actor=ANYBODY, rights=frozenset())
_ON_BEHALF = "cairn_on_behalf"
_PLAIN = " !#$&'()*+,-./:;<=>?@[]^_`{|}~"
_LONGEST_ACTOR = 200
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_KEPT_FOR = timedelta(seconds=WINDOW_SECONDS + 60)
"""How long after its timestamp a signature is known: longer than it is good, whoever's clock."""


class OnBehalf(NamedTuple):
    """For whom another server asks, as it says.

    Args:
        user: Who asks there.
        team: Whose sessions they see too.
    """

    user: str
    team: str | None


def by_signature(
    secrets: Callable[[], Collection[bytes]],
    app: str,
    *,
    open_path: str,
    tokens: Authenticate | None,
) -> Authenticate:
    """Return what tells who asks by a signature.

    Args:
        secrets: Tells those that are in use; with none of them, nobody comes in.
        app: To which the sessions belong that its holder sees.
        open_path: The only path that everybody may ask for.
        tokens: Tells who shows a token instead, where sessions are forwarded; None takes none.
    """

    async def authenticate(request: HttpRequest) -> Principal:
        if request.scope["path"] == open_path:
            return _ANYBODY
        shown, timestamp = first_header(request, SIGNATURE), first_header(request, TIMESTAMP)
        if shown is None and tokens is not None:
            return await _by_token(request, tokens)
        if shown is None:
            raise Refusal(401, f"missing {SIGNATURE} header")
        if timestamp is None:
            raise Refusal(401, f"missing {TIMESTAMP} header")
        if not is_in_time(timestamp, seconds_of(services_of(request))):
            raise Refusal(401, "invalid or expired timestamp")
        try:
            body = await read_body(request)
        except Problem as problem:
            if problem.code != "malformed_request":
                raise
            raise Refusal(400, "failed to read request body") from None
        if not is_signed(shown, secrets(), request.method, target_of(request), timestamp, body):
            raise Refusal(401, "invalid signature")
        if request.method not in _READS:
            request.scope[SIGNED] = _signed_request(shown, int(timestamp))
        on_behalf = request.scope[_ON_BEHALF] = _on_behalf(request)
        actor, user = ACTOR, None
        if on_behalf.user:
            actor = f"{ACTOR}:{quote(on_behalf.user, safe=_PLAIN)}"[:_LONGEST_ACTOR]
            user = None if on_behalf.team else on_behalf.user
        return Principal(actor=actor, rights=RIGHTS, app=app, user=user, is_named=True)

    return authenticate


def signed_for(request: HttpRequest) -> OnBehalf | None:
    """Return for whom a signed request asks; None for one that shows a token.

    Args:
        request: Which.
    """
    found: OnBehalf | None = request.scope.get(_ON_BEHALF)
    return found


def _signed_request(shown: str, timestamp: int) -> SignedRequest:
    until = datetime.fromtimestamp(timestamp, UTC) + _KEPT_FOR
    return SignedRequest(sha256(shown.encode("latin-1")).digest(), uuid4(), until)


def _on_behalf(request: HttpRequest) -> OnBehalf:
    """Return for whom a request asks: below the ids of sessions it must say so."""
    if f"{request.scope['path']}/".startswith("/api/v1/sessions/"):
        return OnBehalf("", None)
    user, team = (first_header(request, name) for name in ("X-Forwarded-User", "X-Forwarded-Team"))
    if not user:
        raise Refusal(401, "missing X-Forwarded-User header")
    return OnBehalf(_as_text(user), _as_text(team) if team else None)


def _as_text(value: str) -> str:
    try:
        text = value.encode("latin-1").decode()
    except UnicodeDecodeError:
        raise Refusal(400, "X-Forwarded-User and X-Forwarded-Team are UTF-8") from None
    if not text.isprintable():
        raise Refusal(400, "X-Forwarded-User and X-Forwarded-Team are printable")
    return text


async def _by_token(request: HttpRequest, tokens: Authenticate) -> Principal:
    """Return who shows a token: as long as there is none, nobody comes in here."""
    principal = await tokens(request)
    if principal.is_anybody:
        raise Refusal(401, "send the header `Authorization: Bearer <token>`, or sign the request")
    return principal


def first_header(request: HttpRequest, name: str) -> str | None:
    """Return the first of the headers of a name; None when there is none.

    Args:
        request: Whose.
        name: In any case.
    """
    wanted = name.lower().encode()
    found = (value for key, value in request.scope["headers"] if key.lower() == wanted)
    value = next(found, None)
    return None if value is None else value.decode("latin-1")


def target_of(request: HttpRequest) -> bytes:
    """Return the path and the query as they stand on the request line.

    A question mark with nothing behind it cannot be seen any more: its signature does not match.

    Args:
        request: Which.
    """
    scope = request.scope
    query: bytes = scope["query_string"]
    path: bytes = scope["raw_path"]
    return path + b"?" + query if query else path


def seconds_of(services: Services) -> float:
    """Return the time, seconds since 1970."""
    return services.store.clock.now().timestamp()


async def for_the_first(request: HttpRequest, looking: Awaitable[_T]) -> _T:
    """Return what is found for a request that was not here before; both are asked together.

    Args:
        request: Which. One that changes something by more than an append.
        looking: What it needs; nothing is changed by it.

    Raises:
        ReceivedBefore: It was here before, in whatever process, whatever is found.
    """
    found, refused = await gather(looking, _require_first(request), return_exceptions=True)
    for error in (refused, found):
        if isinstance(error, BaseException):
            raise error
    return cast("_T", found)


async def done_once(request: HttpRequest, answering: Awaitable[_T]) -> _T:
    """Return the answer to a request whose only change is an append, which keeps its signature.

    A request that appended nothing, or was refused, is not let in again either.

    Args:
        request: Which.
        answering: Does it.

    Raises:
        ReceivedBefore: It was here before, in whatever process; it has changed nothing.
    """
    try:
        answer = await answering
    except ReceivedBefore:
        raise
    except Exception:
        with suppress(StoreUnavailable, OutcomeUnknown):
            await _require_first(request)
        raise
    await _require_first(request)
    return answer


async def _require_first(request: HttpRequest) -> None:
    signed = signed_by(request)
    if signed is None or signed.is_kept:
        return
    if not await services_of(request).session_managing.signatures.first(signed):
        raise ReceivedBefore
