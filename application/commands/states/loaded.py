"""A state in memory, and about how much of that it takes."""

from dataclasses import dataclass, field

from domain.session.state import Session

_LEAST_BYTES = 2048
_IN_MEMORY = 4
"""How many times as large a state is in memory as it is when it is kept."""
_WEIGHED_FROM = 64 * 1024


@dataclass(slots=True)
class Weighed:
    """What a session's state came to when it was weighed last.

    All states that follow one another share it: what is found out about one of them holds for the
    next ones too, which may be on their way to the database meanwhile.

    Args:
        size: The bytes that it had when it is kept.
        written: The most bytes that all events up to it had added.
    """

    size: int = 0
    written: int = 0


@dataclass(slots=True)
class Loaded:
    """A session's state and the end of its log.

    Args:
        session: The state.
        digest: Of the last event.
        position: Of the last event.
        origins: How many other logs had to be folded first: that of a fork's origin, its origin's
            and so on, back to a kept state.
        written: The most bytes that all events up to it have added (`domain.session.room`).
        weighed: What it, or one before it, came to when it was weighed last.
    """

    session: Session
    digest: bytes
    position: int
    origins: int = 0
    written: int = 0
    weighed: Weighed = field(default_factory=Weighed)

    @property
    def weight(self) -> int:
        """The most bytes that it has when it is kept: what it weighed, and all added since."""
        return self.weighed.size + self.written - self.weighed.written

    @property
    def is_to_be_weighed(self) -> bool:
        """Whether so much was written since that it may weigh far less than it seems to."""
        since = self.written - self.weighed.written
        return since > self.weighed.size + _WEIGHED_FROM

    @property
    def memory(self) -> int:
        """The bytes that it takes in memory, about."""
        weighed = self.weighed
        return _LEAST_BYTES + _IN_MEMORY * (weighed.size + self.written - weighed.written)

    def weighs(self, size: int) -> None:
        """Note what it weighs.

        Args:
            size: The bytes that it has when it is kept.
        """
        self.weighed.size, self.weighed.written = size, self.written
