"""Other servers that keep sessions for this one, asked by signed requests."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class ManagerAnswer:
    """What a manager has answered.

    Args:
        status: Of HTTP.
        body: All of it.
        following: Where the next page of it is, as its `Link` says; None when it names none.
    """

    status: int
    body: bytes
    following: str | None = None


@dataclass(frozen=True, slots=True)
class ManagerStream:
    """What a manager answers, as it comes.

    Args:
        status: Of HTTP.
        headers: Their names in lower case.
        chunks: Of the body.
        close: Hangs up, also when nobody has read any; may be called again.
    """

    status: int
    headers: Headers
    chunks: AsyncGenerator[bytes]
    close: Callable[[], Awaitable[None]]


class ManagerUnreachable(Exception):
    """A manager gives no usable answer.

    Args:
        manager: Its name.
        reason: A word such as `timeout`.
    """

    def __init__(self, manager: str, reason: str) -> None:
        super().__init__(f"the session manager {manager} gives no answer ({reason})")
        self.manager = manager
        self.reason = reason


class SessionManagers(Protocol):
    """All that are named in the settings."""

    @property
    def names(self) -> Sequence[str]:
        """Their names, in the order of the settings."""
        ...

    @property
    def default(self) -> str | None:
        """The one that sessions begin at unless they ask for another; None is here."""
        ...

    async def ask(
        self, manager: str, method: str, target: str, body: bytes = b"", *, seconds: float
    ) -> ManagerAnswer:
        """Send a signed request, and return the answer.

        Args:
            manager: Whom.
            method: Of HTTP.
            target: Path and query, below the address of the manager.
            body: JSON, or empty.
            seconds: How long it may take.

        Raises:
            ManagerUnreachable: It gives no usable answer in time.
        """
        ...

    async def open(
        self, manager: str, method: str, target: str, body: bytes, headers: Headers
    ) -> ManagerStream:
        """Send a signed request, and return the answer as it comes.

        Args:
            manager: Whom.
            method: Of HTTP.
            target: Path and query, below the address of the manager; sent as it is.
            body: All of it.
            headers: What is sent along.

        Raises:
            ManagerUnreachable: It gives no answer in time.
        """
        ...

    async def close(self) -> None:
        """Hang up."""
        ...
