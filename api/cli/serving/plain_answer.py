"""Answers to HTTP/1.0, which knows no chunks: what has no length ends with the connection."""

from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class PlainAnswer(RequestResponseCycle):
    """uvicorn's cycle without marks between the pieces of a body."""

    _has_no_length = False

    async def send(self, message: Any) -> None:
        """Send a piece of the answer.

        Args:
            message: As ASGI has it.
        """
        if message["type"] == "http.response.start":
            names = {name.lower() for name, _ in message.get("headers", [])}
            if b"content-length" not in names:
                self.chunked_encoding = False
                self._has_no_length = True
        elif message["type"] == "http.response.body" and self._has_no_length:
            # uvicorn counts down from a length that was announced.
            self.expected_content_length = len(message.get("body", b""))
        await super().send(message)


def make_plain(cycle: RequestResponseCycle) -> None:
    """Have a cycle that was made, and has not begun, answer without chunks.

    Args:
        cycle: uvicorn makes it itself, of its own class.
    """
    cycle.__class__ = cast("type[RequestResponseCycle]", PlainAnswer)
