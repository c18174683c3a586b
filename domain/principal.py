"""Who may do what, and of whose sessions: rights, and how far a principal sees."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

Right = Literal[
    "read", "write", "share", "stream", "admin", "audit", "repair", "erase", "hold", "webhooks"
]
"""What a principal may be allowed: `read` and `write` sessions and state, `share` with all users of
the app what one of them sets, `stream` events as they come, `admin` tokens and metrics, `audit` the
log, `repair` and recover, `erase`, `hold` sessions back from erasure, `webhooks`."""

RIGHTS: tuple[Right, ...] = get_args(Right)
ANYBODY = "anonymous"
"""The actor of callers without a token, where the server asks for none."""
NOTHING = ("", "")
"""An app and a user that no session has."""

EVERY_RIGHT: frozenset[Right] = frozenset(RIGHTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks, as a door has found.

    Args:
        actor: The word for the log.
        rights: What it may do.
        app: The only app that it sees; None is all of them.
        user: The only user of that app that it sees; None is all of them.
        token_id: Of the token that it showed; None without a token, or with one that is not kept.
        is_named: `actor` is proven, so that nobody may claim another name in the log.
        expires_at: When it is let in no longer; None is when its token ends.
        counted_by: The key of whoever has made its ticket; None without a ticket.
    """

    actor: str
    rights: frozenset[Right] = EVERY_RIGHT
    app: str | None = None
    user: str | None = None
    token_id: str | None = None
    is_named: bool = False
    expires_at: datetime | None = None
    counted_by: str | None = None

    @property
    def is_anybody(self) -> bool:
        """Whether it was let in without a token."""
        return not self.is_named and self.actor == ANYBODY

    @property
    def key(self) -> str:
        """What its limits are counted by: its token, or else its name where that is seen."""
        if self.counted_by is not None:
            return self.counted_by
        return self.token_id or f"{self.app or ''}\n{self.user or ''}\n{self.actor}"

    @property
    def sees_all(self) -> bool:
        """Whether it sees the whole store."""
        return self.app is None and self.user is None

    @property
    def shares(self) -> bool:
        """Whether what it writes may be for all users of an app, where it may write at all."""
        return self.user is None or "share" in self.rights

    def sees(self, app: str, user: str | None) -> bool:
        """Return whether a session, or a scope of state, exists for it.

        Args:
            app: Of the session or the scope.
            user: The same; None for what all users of an app share.
        """
        return self.app in (None, app) and self.sees_user(user)

    def sees_user(self, user: str | None) -> bool:
        """Return whether a user of an app that it sees exists for it.

        Args:
            user: Which; None for what all users of the app share.
        """
        return self.user is None or user in (None, self.user)

    def covers(self, app: str | None, user: str | None) -> bool:
        """Return whether it sees everything that a filter lets through.

        Args:
            app: Of the filter; None lets all through.
            user: The same.
        """
        return self.app in (None, app) and self.user in (None, user)

    def narrowed(self, app: str | None, user: str | None) -> tuple[str | None, str | None]:
        """Return the app and user that a list asks for, as far as this principal sees them.

        Args:
            app: The wanted app; None is all of them.
            user: The wanted user; None is all of them.

        Returns:
            Both; `NOTHING` when nothing of that exists for it.
        """
        hidden = app is not None and self.app not in (None, app)
        hidden = hidden or (user is not None and self.user not in (None, user))
        return NOTHING if hidden else (app or self.app, user or self.user)
