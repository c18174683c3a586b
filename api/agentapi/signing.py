"""Who asks, by a signature over the request as it came."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import uuid4

from api.agentapi.requests import Refusal
from api.doors import Authenticate
from api.http.incoming.bodies import read_body
from api.http.incoming.requests import AnyRequest, scope_of
from api.http.outgoing.problems import Problem
from api.services import Services, services_of
from domain.principal import Principal, Right
from domain.request_signature import SIGNATURE, TIMESTAMP, WINDOW_SECONDS, is_in_time, is_signed

ACTOR = "agentapi"
RIGHTS: frozenset[Right] = frozenset({"read", "write", "stream"})
"""What whoever has the secret may do, in the sessions of the app of this door."""

_ANYBODY = Principal(actor="anonymous", rights=frozenset())
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_KEPT_FOR = timedelta(seconds=WINDOW_SECONDS + 60)
"""How long after its timestamp a signature is known: longer than it is good, whoever's clock."""


def by_signature(secrets: Collection[bytes], app: str, *, open_path: str) -> Authenticate:
    """Return what tells who asks by a signature.

    Args:
        secrets: Those that are in use; with none of them, nobody comes in.
        app: To which the sessions belong that its holder sees.
        open_path: The only path that everybody may ask for.
    """

    async def authenticate(request: AnyRequest) -> Principal:
        if request.scope["path"] == open_path:
            return _ANYBODY
        shown, timestamp = first_header(request, SIGNATURE), first_header(request, TIMESTAMP)
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
        if not is_signed(shown, secrets, request.method, target_of(request), timestamp, body):
            raise Refusal(401, "invalid signature")
        if request.method not in _READS:
            await _require_first(request, shown, int(timestamp))
        return Principal(actor=ACTOR, rights=RIGHTS, app=app, is_named=True)

    return authenticate


def first_header(request: AnyRequest, name: str) -> str | None:
    """Return the first of the headers of a name; None when there is none.

    Args:
        request: Whose.
        name: In any case.
    """
    wanted = name.lower().encode()
    found = (value for key, value in request.scope["headers"] if key.lower() == wanted)
    value = next(found, None)
    return None if value is None else value.decode("latin-1")


def target_of(request: AnyRequest) -> bytes:
    """Return the path and the query as they stand on the request line.

    A question mark with nothing behind it cannot be seen any more: its signature does not match.

    Args:
        request: Which.
    """
    scope = scope_of(request)
    query: bytes = scope["query_string"]
    path: bytes = scope["raw_path"]
    return path + b"?" + query if query else path


def seconds_of(services: Services) -> float:
    """Return the time, seconds since 1970."""
    return services.store.clock.now().timestamp()


async def _require_first(request: AnyRequest, shown: str, timestamp: int) -> None:
    """Refuse a request that changes something and was here before, in whatever process."""
    until = datetime.fromtimestamp(timestamp, UTC) + _KEPT_FOR
    hashed = sha256(shown.encode("latin-1")).digest()
    if not await services_of(request).seen_signatures.first(hashed, uuid4(), until):
        raise Refusal(401, "this request was received already; sign it anew")
