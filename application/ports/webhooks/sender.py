"""Who delivers: connections to receivers, and what they answer."""

from typing import NamedTuple, Protocol


class DeliveryResult(NamedTuple):
    """What a receiver answered.

    Args:
        status: The HTTP status; 0 when there was no answer.
        reason: What went wrong, in a few words without anything secret.
        retry_after: The seconds it asks to be left alone.
    """

    status: int
    reason: str = ""
    retry_after: float = 0.0

    @property
    def is_delivered(self) -> bool:
        """Whether the receiver has it."""
        return 200 <= self.status < 300


class Connection(Protocol):
    """A connection to one receiver."""

    async def send(self, url: str, headers: dict[str, str], body: bytes) -> DeliveryResult:
        """Send a body, and return what became of it; never raises."""
        ...

    async def close(self) -> None:
        """Close it."""
        ...


class Sender(Protocol):
    """Reaches receivers."""

    async def refusal(self, url: str) -> str | None:
        """Return why a URL may not be called; None when it may, or when that is not known yet."""
        ...

    async def prepare(self) -> None:
        """Get ready to send; asked again, there is nothing to do."""
        ...

    def connect(self) -> Connection:
        """Return a connection to one receiver; those to others cannot keep it busy."""
        ...
