"""What a request takes of the limits of who asks, and what its answer says of them."""

from collections.abc import Awaitable, Callable

from api.http.incoming.requests import HttpRequest
from api.http.outgoing.rate_limits import rate_limit_fields
from application.commands.request import Outcome
from application.errors import OutcomeUnknown
from application.limits.limiter import Limiter, RateStatus
from application.ports.access.allowances import Kind
from domain.principal import Principal


def is_limited(request: HttpRequest, kind: Kind) -> bool:
    """Return whether there is less of something than anybody wants; if not, nothing is counted.

    Args:
        request: Of the program that limits it.
        kind: Of what.
    """
    limiter: Limiter = request.scope["cairn"].limiter
    return kind in limiter.limited


async def take_request(request: HttpRequest, principal: Principal) -> None:
    """Take one request of those that somebody may have in this second.

    Args:
        request: What is asked.
        principal: Who asks.

    Raises:
        RateLimited: None is left.
    """
    scope = request.scope
    limiter: Limiter = scope["cairn"].limiter
    standing = await limiter.spend(principal, "requests")
    if standing is not None:
        fields = rate_limit_fields(
            "requests", most=standing.limit, left=standing.left, seconds=standing.resets_in
        )
        scope["cairn_headers_of_limits"] = [
            (name.lower().encode(), value.encode()) for name, value in fields.items()
        ]


async def take_bytes(request: HttpRequest, amount: int) -> None:
    """Take some of the bytes that somebody may send in a day.

    Args:
        request: Who asks.
        amount: How many.

    Raises:
        RateLimited: Not so many are left.
    """
    scope = request.scope
    limiter: Limiter = scope["cairn"].limiter
    await limiter.spend(scope["cairn_principal"], "bytes", amount)


async def take_session(request: HttpRequest) -> RateStatus | None:
    """Take one of the sessions that somebody may begin in a day.

    Args:
        request: Who asks.

    Returns:
        How it stands afterwards; None when there is no limit.

    Raises:
        RateLimited: They have begun as many as they may.
    """
    scope = request.scope
    limiter: Limiter = scope["cairn"].limiter
    return await limiter.spend(scope["cairn_principal"], "sessions")


async def counted_session(request: HttpRequest, begin: Callable[[], Awaitable[Outcome]]) -> Outcome:
    """Return the outcome of a request that begins a session, and count it if it has begun one.

    One that was there already, or is refused, is not counted.

    Args:
        request: Who asks.
        begin: Begins it.

    Raises:
        RateLimited: They have begun as many as they may.
    """
    standing = await take_session(request)
    has_begun = True
    try:
        outcome = await begin()
        has_begun = outcome.changed and not outcome.replayed
    except OutcomeUnknown:
        raise
    except Exception:
        has_begun = False
        raise
    finally:
        if standing is not None and not has_begun:
            scope = request.scope
            limiter: Limiter = scope["cairn"].limiter
            limiter.give_back(scope["cairn_principal"], "sessions", standing)
    return outcome
