"""Answers of any length, sent piece by piece as they are made."""

from collections.abc import AsyncGenerator

from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send


class Download(ASGIResponse):
    """Sends pieces, each when the one before it was taken.

    What goes wrong after the first piece breaks the connection off: the client then sees that the
    answer is not whole.

    Args:
        first: The first piece, made before anything is sent, so that a refusal can still be one.
        rest: The other pieces.
        media_type: Of the whole.
    """

    def __init__(self, first: bytes, rest: AsyncGenerator[bytes], media_type: str) -> None:
        super().__init__(media_type=media_type)
        self._media_type = media_type
        self._first = first
        self._rest = rest

    @classmethod
    async def of(cls, pieces: AsyncGenerator[bytes], media_type: str) -> "Download":
        """Return the answer made of pieces.

        Args:
            pieces: At least one.
            media_type: Of the whole.
        """
        return cls(await anext(pieces), pieces, media_type)

    async def __call__(
        self,
        scope: Scope,  # noqa: ARG002 - ASGI
        receive: Receive,  # noqa: ARG002 - ASGI
        send: Send,
    ) -> None:
        """Send it."""
        headers = [(b"content-type", self._media_type.encode())]
        body, more = self._first, True
        try:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            while more:
                await send({"type": "http.response.body", "body": body, "more_body": True})
                try:
                    body = await anext(self._rest)
                except StopAsyncIteration:
                    more = False
        finally:
            await self._rest.aclose()
        await send({"type": "http.response.body", "body": b"", "more_body": False})
