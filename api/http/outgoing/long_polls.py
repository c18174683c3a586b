"""Waiting for as long as whoever asks is there."""

import asyncio
from collections.abc import Coroutine
from contextlib import nullcontext
from typing import Any, TypeVar

from api.http.incoming.requests import HttpRequest
from api.http.outgoing.giving import Readers, hung_up
from api.http.outgoing.problems import Problem

_T = TypeVar("_T")


async def while_there(
    request: HttpRequest,
    seconds: float,
    waiting: Coroutine[Any, Any, _T],
    *,
    for_everybody: bool = False,
) -> _T:
    """Return what is waited for; it is given up when the client leaves, or may not read any longer.

    Args:
        request: Who asks; their request has no body that is still wanted.
        seconds: How long it may take; with 0 it looks once, and nobody watches the client.
        waiting: For what.
        for_everybody: No token is asked for, and so none can be taken away.

    Raises:
        Problem: The client has left, and nobody reads the answer; or its token is revoked.
    """
    if not seconds:
        return await waiting
    found = asyncio.ensure_future(waiting)
    left = asyncio.ensure_future(hung_up(request.receive))
    revoked = asyncio.Event()
    readers: Readers = request.scope["cairn"].readers

    def revoke() -> None:
        revoked.set()
        found.cancel()

    try:
        with (
            nullcontext()
            if for_everybody
            else readers.going_on(request.scope["cairn_principal"], revoke)
        ):
            await asyncio.wait((found, left), return_when=asyncio.FIRST_COMPLETED)
        if revoked.is_set():
            raise Problem("unauthorized", "the token of this request is no longer good")
        if not found.done():
            raise Problem("malformed_request", "the connection ended before the answer was there")
        return found.result()
    finally:
        left.cancel()
        found.cancel()
