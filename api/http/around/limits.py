"""What a request takes of the limits of who asks, and what its answer says of them."""

from api.http.incoming.requests import AnyRequest, scope_of
from api.http.outgoing.rate_limits import rate_limit_fields
from application.limits.limiter import Limiter
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
        fields = rate_limit_fields(
            "requests", most=standing.limit, left=standing.left, seconds=standing.resets_in
        )
        scope["cairn_headers_of_limits"] = [
            (name.lower().encode(), value.encode()) for name, value in fields.items()
        ]


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
