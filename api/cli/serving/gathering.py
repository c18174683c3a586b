"""One write to the socket for what an answer writes in one turn of the loop."""

import asyncio
from collections.abc import Callable
from typing import Any

_ENOUGH = 64 * 1024


class Gathering(asyncio.Transport):
    """Gathers what is written in one turn of the loop, unless it becomes much.

    Args:
        transport: What it is written to.
        loop: Whose turns count.
        lingers: Asked before it is closed: whether it is to stay open for a while.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        lingers: Callable[[], bool],
    ) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._lingers = lingers
        self._gathered: list[bytes] = []
        self._size = 0
        self._written = 0
        self._has_ended = False

    @property
    def has_more(self) -> bool:
        """Whether the client has not taken all that was written."""
        return self._transport.get_write_buffer_size() > 0

    @property
    def taken(self) -> int:
        """The bytes that the client, or the system for it, has taken so far."""
        return self._written - self._transport.get_write_buffer_size()

    def write(self, data: Any) -> None:
        """Keep it until the turn ends, or until it is much; what comes after the end is dropped."""
        if self._has_ended:
            # The answer to a request whose rest was refused: nobody can be told it any more.
            return
        if len(data) > _ENOUGH:
            # It is not copied to be one with what was gathered before.
            self._flush()
        elif not self._gathered:
            self._loop.call_soon(self._flush)
        self._gathered.append(data)
        self._size += len(data)
        if self._size > _ENOUGH:
            self._flush()

    def write_at_once(self, data: bytes) -> None:
        """Write a whole answer, to which nothing will be added in this turn."""
        if self._has_ended:
            return
        if self._gathered:
            self._flush()
        if not self._transport.is_closing():
            self._written += len(data)
            self._transport.write(data)

    def _flush(self) -> None:
        if self._gathered:
            data = self._gathered[0] if len(self._gathered) == 1 else b"".join(self._gathered)
            self._gathered.clear()
            self._size = 0
            if not self._transport.is_closing():
                self._written += len(data)
                self._transport.write(data)

    def close(self) -> None:
        """Write what there is, and close unless it is to linger."""
        self._flush()
        if not self._lingers():
            self._transport.close()

    def hang_up(self) -> None:
        """Write what there is, and close."""
        self._flush()
        self._transport.close()

    def write_eof(self) -> None:
        """Write what there is, and say that nothing follows."""
        self._flush()
        self._has_ended = True
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def part(self) -> None:
        """Let go of the connection, which is lost."""
        self._lingers = bool

    def abort(self) -> None:
        """Close at once, whatever is still to be written."""
        self._gathered.clear()
        self._transport.abort()

    def is_closing(self) -> bool:
        """Return whether it is closed, or about to be."""
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what is known of the connection."""
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """Take nothing in."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take in what comes."""
        self._transport.resume_reading()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Give what comes to another protocol."""
        self._flush()
        self._transport.set_protocol(protocol)
