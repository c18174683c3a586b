"""The events of all aggregates."""

from domain.access.events import AccessGranted
from domain.log.event_types import NAMES
from domain.scope.events import ScopeEvent
from domain.session.events import SessionEvent

__all__ = ["NAMES", "Event"]

Event = SessionEvent | ScopeEvent | AccessGranted
"""Whatever the log may hold."""
