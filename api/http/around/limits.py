"""What a request takes of the limits of who asks, and what its answer says of them."""

from math import ceil

from api.http.incoming.requests import AnyRequest, scope_of
from application.limits.limiter import Limiter, Standing
from application.ports.access.allowances import Kind
from domain.principal import Principal


async def take_request(request: AnyRequest, principal: Principal) -> None:
    """Take one request of those that somebody may have in this second.

    Args:
        request: What is asked.
        principal: Who asks.

    Raises:
        RateLimited: None is left.
    """
    scope = scope_of(request)
    limiter: Limiter = scope["cairn"].limiter
    standing = await limiter.spend(principal, "requests")
    if standing is not None:
        scope["cairn_headers_of_limits"] = _headers(standing)


async def take(request: AnyRequest, kind: Kind, amount: int = 1) -> None:
    """Take some of what somebody may have in a day.

    Args:
        request: Who asks.
        kind: Of what.
        amount: How much.

    Raises:
        RateLimited: Not so much is left.
    """
    scope = scope_of(request)
    limiter: Limiter = scope["cairn"].limiter
    await limiter.spend(scope["cairn_principal"], kind, amount)


def _headers(standing: Standing) -> list[tuple[bytes, bytes]]:
    """Return the fields of draft-ietf-httpapi-ratelimit-headers-10."""
    return [
        (b"ratelimit-policy", b'"requests";q=%d;w=1' % standing.limit),
        (
            b"ratelimit",
            b'"requests";r=%d;t=%d' % (standing.left, ceil(standing.resets_in)),
        ),
    ]
