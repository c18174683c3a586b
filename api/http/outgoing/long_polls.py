"""Waiting for as long as whoever asks is there."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from api.http.incoming.requests import HttpRequest
from api.http.outgoing.giving import hung_up
from api.http.outgoing.problems import Problem

_T = TypeVar("_T")


async def while_there(request: HttpRequest, seconds: float, waiting: Coroutine[Any, Any, _T]) -> _T:
    """Return what is waited for; it is given up when the client leaves.

    Args:
        request: Who asks; their request has no body that is still wanted.
        seconds: How long it may take; with 0 it looks once, and nobody watches the client.
        waiting: For what.

    Raises:
        Problem: The client has left: nobody reads the answer.
    """
    if not seconds:
        return await waiting
    found = asyncio.ensure_future(waiting)
    left = asyncio.ensure_future(hung_up(request.receive))
    try:
        await asyncio.wait((found, left), return_when=asyncio.FIRST_COMPLETED)
        if not found.done():
            raise Problem("malformed_request", "the connection ended before the answer was there")
        return found.result()
    finally:
        left.cancel()
        found.cancel()
