"""What a client may take before any work is done for it: bytes of a head, time, connections.

One look a second at all connections costs less than a timer each, and ends those that are late.
"""

import asyncio
import json
import logging
import resource
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from api.cli.serving.connection_counts import Place
from api.settings import Settings

_LOOK_EVERY = 1.0
_SPARE_DESCRIPTORS = 256
_MOST_CONNECTIONS = 20_000
_SAY_EVERY = 10.0
_CROWDED = 0.8
"""Of the connections that there may be; beyond, room is made of those that are idle."""
_IDLE_IN_A_CROWD = 5.0
"""Seconds."""

_logger = logging.getLogger("cairn.http")


class Guarded(Protocol):
    """A connection that can be late."""

    def is_late(self, now: float) -> bool:
        """Return whether it has kept this process waiting for too long.

        Args:
            now: By the clock of the loop, seconds.
        """
        ...

    def end_late(self) -> None:
        """Tell the client if that is possible, and hang up."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """What one client, and all of them, may take.

    Args:
        head_bytes: The most bytes of a request line with its headers.
        head_seconds: The most seconds from the first byte of a head, or from the connection, until
            the head is complete.
        body_rate: The least bytes a second of a body, on average, after `head_seconds`.
        connections: The most open connections of this process.
        per_peer: The most open connections of one address; None is as many as of all.
        rest_bytes: The most bytes of a refused body that are read and thrown away, so that the
            refusal reaches a client that is still sending.
        rest_seconds: And for how long.
        stalled_seconds: After how many seconds in which it has taken nothing of its answer a client
            is hung up on.
        idle_seconds: After how many seconds without a request a connection is closed. Proxies keep
            theirs for 60 (nginx, AWS): one that is closed first loses a request on its way.
    """

    head_bytes: int = 64 * 1024
    head_seconds: float = 10.0
    body_rate: int = 1024
    connections: int = _MOST_CONNECTIONS
    per_peer: int | None = None
    rest_bytes: int = 64 * 1024 * 1024
    rest_seconds: float = 10.0
    stalled_seconds: float = 60.0
    idle_seconds: float = 75.0

    @classmethod
    def of(cls, settings: Settings) -> "ConnectionLimits":
        """Return the limits of a server.

        Args:
            settings: How it runs; without a cap it takes what its descriptors allow.
        """
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        possible = soft - _SPARE_DESCRIPTORS if soft > 2 * _SPARE_DESCRIPTORS else soft // 2
        return cls(
            head_bytes=settings.max_head_bytes,
            head_seconds=settings.head_seconds,
            stalled_seconds=settings.stalled_seconds,
            idle_seconds=settings.idle_seconds,
            connections=settings.max_connections or min(possible, _MOST_CONNECTIONS),
            per_peer=settings.max_connections_per_peer,
        )


@dataclass(slots=True)
class ConnectionGuard:
    """Counts the connections of a process and ends those that are late.

    Args:
        limits: What they may take.
        place: Where they are counted for other workers, too; None has no others.
    """

    limits: ConnectionLimits = field(default_factory=ConnectionLimits)
    place: Place | None = None
    _open: int = 0
    _by_peer: Counter[str] = field(default_factory=Counter[str])
    _said: float = float("-inf")

    def admit(self, peer: str | None, now: float) -> bool:
        """Count a new connection, and return whether it may be served.

        Args:
            peer: The address of the client; None on a Unix socket.
            now: By the clock of the loop, seconds.
        """
        most = self.limits.per_peer
        full = self._open >= self.limits.connections
        if full or (most is not None and peer is not None and self._by_peer[peer] >= most):
            if now - self._said > _SAY_EVERY:
                self._said = now
                whose = "in all" if full else f"of {peer}"
                _logger.warning("connections are refused: %d are open %s", self._open, whose)
            return False
        self._open += 1
        if peer is not None:
            self._by_peer[peer] += 1
        return True

    def leave(self, peer: str | None, *, was_admitted: bool) -> None:
        """Count a connection that has ended.

        Args:
            peer: Its address.
            was_admitted: Whether it was served.
        """
        if self.place is not None:
            self.place.end()
        if not was_admitted:
            return
        self._open -= 1
        if peer is not None:
            self._by_peer[peer] -= 1
            if not self._by_peer[peer]:
                del self._by_peer[peer]

    def idle_seconds(self, peer: str | None) -> float:
        """Return how long a connection may be idle now: not for long where others need room.

        Args:
            peer: The address of its client; None on a Unix socket.
        """
        limits = self.limits
        is_crowded = self._open > limits.connections * _CROWDED
        if limits.per_peer is not None and peer is not None:
            is_crowded = is_crowded or self._by_peer[peer] > limits.per_peer * _CROWDED
        return min(limits.idle_seconds, _IDLE_IN_A_CROWD) if is_crowded else limits.idle_seconds

    async def watch(self, connections: Iterable[object]) -> None:
        """End connections that are late, until cancelled.

        Args:
            connections: All that are open, a changing set.
        """
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            now = loop.time()
            for connection in list(connections):
                guarded: Guarded = connection  # type: ignore[assignment]
                if guarded.is_late(now):
                    guarded.end_late()


def refusal(status: int, title: str, code: str, detail: str, request_id: bytes) -> bytes:
    """Return a whole HTTP/1.1 answer with a problem document, after which the server hangs up.

    Args:
        status: The HTTP status.
        title: Its name.
        code: The stable word.
        detail: What was wrong and what to do.
        request_id: What the request is called.
    """
    problem = {
        "type": f"urn:cairn:problem:{code.replace('_', '-')}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id.decode(),
    }
    body = json.dumps(problem).encode()
    head = (
        f"HTTP/1.1 {status} {title}\r\ncontent-type: application/problem+json\r\n"
        f"content-length: {len(body)}\r\nx-request-id: {problem['request_id']}\r\n"
        "connection: close\r\n\r\n"
    )
    return head.encode() + body
