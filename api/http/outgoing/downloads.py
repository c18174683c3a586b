"""Answers of any length, sent piece by piece as they are made."""

from collections.abc import AsyncGenerator, Mapping
from typing import cast

from litestar.response.base import ASGIResponse
from litestar.types import Message, Receive, Scope, Send


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
    """

    def __init__(
        self,
        first: bytes,
        rest: AsyncGenerator[bytes],
        media_type: str,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(media_type=media_type, status_code=status)
        self._head = [(b"content-type", media_type.encode())]
        for name, value in (headers or {}).items():
            self._head.append((name.lower().encode(), value.encode()))
        self._first = first
        self._rest = rest

    @classmethod
    async def of(
        cls,
        pieces: AsyncGenerator[bytes],
        media_type: str,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> "Download":
        """Return the answer made of pieces.

        Args:
            pieces: At least one.
            media_type: Of the whole.
            status: The HTTP status.
            headers: Beside content-type; ASCII.
        """
        return cls(await anext(pieces), pieces, media_type, status=status, headers=headers)

    async def __call__(
        self,
        scope: Scope,  # noqa: ARG002 - ASGI
        receive: Receive,  # noqa: ARG002 - ASGI
        send: Send,
    ) -> None:
        """Send it."""
        start = {
            "type": "http.response.start", "status": self.status_code, "headers": self._head
        }  # fmt: skip
        body, more = self._first, True
        try:
            await send(cast("Message", start))
            while more:
                await send({"type": "http.response.body", "body": body, "more_body": True})
                try:
                    body = await anext(self._rest)
                except StopAsyncIteration:
                    more = False
        finally:
            await self._rest.aclose()
        await send({"type": "http.response.body", "body": b"", "more_body": False})
