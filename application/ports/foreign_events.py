"""Reading events of other frameworks: what they mean here."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from domain.session.events import ActivityEvent


class ForeignReader(Protocol):
    """Knows the events of another framework."""

    def meaning(self, event: Mapping[str, Any]) -> Sequence[ActivityEvent]:
        """Return what an event means, as far as there is a word for it here; it never refuses one.

        Args:
            event: As the framework writes it.
        """
        ...
