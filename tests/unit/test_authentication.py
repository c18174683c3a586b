"""Who is asked about a bearer token: what looks like ours is for no issuer to say."""

from datetime import timedelta
from typing import Any, cast

from application.fan_out import Signal
from application.tokens.authentication import Authentication
from application.tokens.known import KnownTokens
from application.tokens.manage import TokenRegistry
from domain.principal import Principal
from infrastructure.clock import SystemClock
from infrastructure.memory.access.access_tokens import MemoryAccessTokens

SOMEBODY = Principal(actor="somebody")
READ = frozenset({"read"})


class TakesAll:
    """An issuer that lets everybody in."""

    async def principal(self, token: str) -> Principal | None:
        return SOMEBODY


async def test_a_token_of_ours_that_is_good_no_longer_is_shown_to_no_issuer():
    clock = SystemClock()
    tokens = MemoryAccessTokens(clock)
    registry, known = TokenRegistry(tokens, clock), KnownTokens(tokens, Signal())
    authentication = Authentication(known, cast("Any", None), TakesAll(), clock)
    ran_out, _ = await registry.create(name="x", rights=READ, lifetime=timedelta(microseconds=1))
    good, kept = await registry.create(name="y", rights=READ)
    await known.refresh()

    assert await authentication.of_bearer(ran_out) is None
    found = await authentication.of_bearer(good)
    assert found is not None
    assert found.actor == "y"
    await registry.revoke(kept.token_id, SOMEBODY)
    await known.refresh()
    assert await authentication.of_bearer(good) is None
    assert await authentication.of_bearer("one of the issuer") == SOMEBODY
