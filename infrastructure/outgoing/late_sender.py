"""The sender of webhooks, loaded when the first one is needed.

What it is made of takes a tenth of the time in which a server starts, and most servers have no
webhooks when they do.
"""

import asyncio
from collections.abc import Callable
from importlib import import_module

from application.ports.webhooks.sender import Connection, Sender


class LateSender:
    """Reaches receivers; see `application.ports.webhooks.sender.Sender`.

    Args:
        timeout: Seconds that a delivery may take in all.
        private_targets: Whether private, loopback and link-local addresses may be called.
    """

    def __init__(self, *, timeout: float, private_targets: bool = False) -> None:
        self._timeout = timeout
        self._private_targets = private_targets
        self._sender: Sender | None = None

    async def prepare(self) -> None:
        """Load it, in a thread, and get ready to send; asked again, there is nothing to do."""
        await (await self._loaded()).prepare()

    async def refusal(self, url: str) -> str | None:
        """Return why a URL may not be called; None when it may, or when that is not known yet."""
        return await (await self._loaded()).refusal(url)

    def connect(self) -> Connection:
        """Return a connection to one receiver.

        Raises:
            RuntimeError: `prepare` was not awaited.
        """
        if self._sender is None:
            raise RuntimeError("a sender is prepared before it connects")
        return self._sender.connect()

    async def _loaded(self) -> Sender:
        if self._sender is None:
            module = await asyncio.to_thread(
                import_module, "infrastructure.outgoing.webhook_sender"
            )
            make: Callable[..., Sender] = module.HttpSender
            made = make(timeout=self._timeout, private_targets=self._private_targets)
            self._sender = self._sender or made
        return self._sender
