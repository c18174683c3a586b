"""Answers of any length, sent piece by piece as they are made."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from typing import Any, cast

from litestar.response.base import ASGIResponse
from litestar.types import Message, Receive, Scope, Send

from api.http.outgoing.giving import Giving, Readers, Sending, part


class Download(ASGIResponse):
    """Sends pieces, each when the one before it was taken.

    What goes wrong after the first piece breaks the connection off: the client then sees that the
    answer is not whole.

    Args:
        first: The first piece, made before anything is sent, so that a refusal can still be one.
        rest: The other pieces.
        media_type: Of the whole.
        status: The HTTP status.
        headers: Beside content-type; ASCII.
        has_effect: What makes the pieces changes something, and goes on when the reader leaves.
    """

    def __init__(
        self,
        first: bytes,
        rest: AsyncGenerator[bytes],
        media_type: str,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        has_effect: bool = False,
    ) -> None:
        super().__init__(media_type=media_type, status_code=status)
        self._head = [(b"content-type", media_type.encode())]
        for name, value in (headers or {}).items():
            self._head.append((name.lower().encode(), value.encode()))
        self._first = first
        self._rest = rest
        self._has_effect = has_effect

    @classmethod
    async def of(
        cls,
        pieces: AsyncGenerator[bytes],
        media_type: str,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        has_effect: bool = False,
    ) -> "Download":
        """Return the answer made of pieces.

        Args:
            pieces: At least one.
            media_type: Of the whole.
            status: The HTTP status.
            headers: Beside content-type; ASCII.
            has_effect: What makes the pieces changes something, and goes on when the reader leaves.
        """
        return cls(
            await anext(pieces),
            pieces,
            media_type,
            status=status,
            headers=headers,
            has_effect=has_effect,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        fields = cast("dict[str, Any]", scope)
        readers: Readers = fields["cairn"].readers
        try:
            if self._has_effect:
                await self._send(Giving(readers, None), send)
            else:
                sending = Sending()
                with readers.going_on(fields["cairn_principal"], sending.cut):
                    await sending.send(self._send(Giving(readers, sending.cut), send), receive)
        finally:
            await self._rest.aclose()

    async def discard(self) -> None:
        """Give up what is never sent."""
        await self._rest.aclose()

    async def _send(self, giving: Giving, send: Send) -> None:
        start = {
            "type": "http.response.start", "status": self.status_code, "headers": self._head
        }  # fmt: skip
        await send(cast("Message", start))
        body = [self._first]
        self._first = b""
        while body:
            await giving.give(body, send)
            with suppress(StopAsyncIteration):
                body.append(await anext(self._rest))
        await send(part(b"", more=False))
