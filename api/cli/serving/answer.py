"""uvicorn's answer to a request, small ones with one write, and without chunks for HTTP/1.0.

uvicorn writes head and body separately: a second system call, and a second packet for the client to
wake up for. It also looks through each header by itself.
"""

from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

_MOST = 64 * 1024
"""The bytes of a body up to which it is copied to be one with its head."""
_CONTROL = bytes({*range(0x20), 0x7F} - {0x09})
_LEFT_TO_UVICORN = frozenset({b"connection", b"transfer-encoding"})


class Answer(RequestResponseCycle):
    """uvicorn's cycle with one write for a head that tells a length, and all of its body."""

    _head: Any = None
    """A head that waits for what follows."""
    _length: int | None = None
    """Of the body, by that head."""

    async def send(self, message: Any) -> None:
        """Send a piece of the answer.

        Args:
            message: As ASGI has it.
        """
        if message["type"] == "http.response.start" and not self.response_started:
            self._length = _length_in(message.get("headers", []))
            if self._length is None:
                self._head = None
                await super().send(message)
            else:
                self._head = message
            return
        head, self._head = self._head, None
        if head is None:
            await super().send(message)
            return
        body: bytes = message.get("body", b"")
        is_whole = not message.get("more_body", False) and len(body) <= _MOST
        if is_whole and self.scope["method"] != "HEAD" and not self.flow.write_paused:
            self._send_whole(head, body)
        else:
            await super().send(head)
            await super().send(message)

    def _send_whole(self, head: Any, body: bytes) -> None:
        if self.disconnected:
            return
        if self._length != len(body):
            raise RuntimeError("the body has another length than its head tells")
        lines = [*map(b": ".join, head["headers"])]
        if not self.keep_alive:
            lines.append(b"connection: close")
        said = STATUS_LINE[head["status"]] + b"\r\n".join(lines) + b"\r\n\r\n"
        if len(said) - len(said.translate(None, _CONTROL)) != 2 * (len(lines) + 2):
            raise RuntimeError("a header has a control character")
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        gathering: Any = self.transport  # as the connection has made it
        gathering.write_at_once(said + body)
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


class PlainAnswer(Answer):
    """To HTTP/1.0, which knows no chunks: what has no length ends with the connection."""

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


def _length_in(headers: list[tuple[bytes, bytes]]) -> int | None:
    """Return the length of a body by its head; None where uvicorn has more to look at."""
    length = None
    for name, value in headers:
        if name == b"content-length":
            length = int(value)
        elif name in _LEFT_TO_UVICORN:
            return None
    return length


def make_ours(cycle: RequestResponseCycle, version: str) -> None:
    """Have a cycle that was made, and has not begun, answer in our way.

    Args:
        cycle: uvicorn makes it itself, of its own class.
        version: Of HTTP.
    """
    ours: Any = PlainAnswer if version == "1.0" else Answer
    cycle.__class__ = ours
