"""The start and the end of the program, as an ASGI server tells it of them."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import cast

from litestar.enums import ScopeType
from litestar.types import LifeSpanSend, Receive, Scope, Send

from api.start_error import StartError
from domain.errors import CairnError


class Lifespan:
    """Runs the program while the server does.

    Why it cannot start is one sentence for the log: a worker may be started while the database is
    away, and whoever reads of it needs to know that, and not in which line of the program.

    Args:
        running: The program, from its start to its end.
    """

    def __init__(self, running: Callable[[], AbstractAsyncContextManager[None]]) -> None:
        self._running = running

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Start, wait for the end, and stop."""
        if scope["type"] == ScopeType.WEBSOCKET:
            await send({"type": "websocket.close", "code": 1000, "reason": None})
            return
        tell = cast("LifeSpanSend", send)
        await receive()
        is_started = False
        try:
            async with self._running():
                await tell({"type": "lifespan.startup.complete"})
                is_started = True
                await receive()
        except (StartError, CairnError) as why:
            if is_started:
                await tell({"type": "lifespan.shutdown.failed", "message": str(why)})
            else:
                await tell({"type": "lifespan.startup.failed", "message": str(why)})
        else:
            await tell({"type": "lifespan.shutdown.complete"})
