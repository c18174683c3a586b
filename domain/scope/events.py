"""What can happen to a shared scope in its own log.

Sessions write the same keys, and then the event is in the log of the session.
"""

from domain.log.event_types import event
from domain.session.events import StatePatched


@event("scope.opened")
class ScopeOpened:
    """The log of a shared scope began: of an app, or with a user of one user of it."""

    app: str
    user: str | None = None


@event("scope.erased")
class ScopeErased:
    """Everything before this event is erased, for good, and so are the keys and their history.

    It names the app, and never the user. Whoever sets a key afterwards opens the scope anew.
    """

    app: str
    reason: str


ScopeEvent = ScopeOpened | ScopeErased | StatePatched
