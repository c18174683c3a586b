"""A state in memory, and about how much of that it takes."""

from dataclasses import dataclass

from domain.session.state import Session

_LEAST_BYTES = 2048
_IN_MEMORY = 4
"""How many times as large a state is in memory as it is when it is kept."""
_WEIGHED_FROM = 64 * 1024


@dataclass(slots=True)
class Loaded:
    """A session's state and the end of its log.

    Args:
        session: The state.
        digest: Of the last event.
        position: Of the last event.
        origins: How many other logs had to be folded first: that of a fork's origin, its origin's
            and so on, back to a kept state.
        weight: At most so many bytes when it is kept: what it weighed, and all records after that.
        weighed: What it weighed when that was looked at last.
    """

    session: Session
    digest: bytes
    position: int
    origins: int = 0
    weight: int = 0
    weighed: int = 0

    @property
    def is_to_be_weighed(self) -> bool:
        """Whether so much was written since that it may weigh far less than it seems to."""
        return self.weight > 2 * self.weighed + _WEIGHED_FROM

    @property
    def memory(self) -> int:
        """The bytes that it takes in memory, about."""
        return _LEAST_BYTES + _IN_MEMORY * self.weight
