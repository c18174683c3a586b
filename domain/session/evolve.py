"""How each event changes the state: total and pure, it never refuses and never raises.

Each topic declares the effects of its events; only what this program does not know has none.
"""

from collections.abc import Iterable

from domain.replacing import replace
from domain.session import commands  # noqa: F401  # pyright: ignore[reportUnusedImport]
from domain.session.content.saying import spoken_after
from domain.session.declarations import EFFECTS
from domain.session.events import Recorded
from domain.session.state import ABSENT, Session

_put = object.__setattr__
"""States are frozen for all but who made them."""


def fold(history: Iterable[Recorded], start: Session = ABSENT) -> Session:
    """Return the state after a history.

    Args:
        history: Events in order of their sequence, the first one following `start`.
        start: The state before them.
    """
    folding = Folding(start)
    for recorded in history:
        folding.take(recorded)
    return folding.session


def evolve(session: Session, recorded: Recorded) -> Session:
    """Return the state after one more event.

    Args:
        session: The state before it.
        recorded: The event and its place.
    """
    effect = EFFECTS.get(type(recorded.event))
    if effect is None:
        return replace(session, sequence=recorded.sequence, unrecognised=recorded.sequence)
    return replace(
        session,
        sequence=recorded.sequence,
        spoken=spoken_after(session.spoken, recorded),
        **effect(session, recorded.event, recorded),
    )


class Folding:
    """Folds many events into one state, which is made once, and not anew for each event.

    Effects only read the state that they are given, so it may be the same one each time.

    Args:
        start: The state before them.
    """

    def __init__(self, start: Session = ABSENT) -> None:
        self._session = replace(start)

    @property
    def session(self) -> Session:
        """The state after the events so far."""
        return replace(self._session)

    def take(self, recorded: Recorded) -> None:
        """Fold one more event.

        Args:
            recorded: The event and its place.
        """
        session = self._session
        effect = EFFECTS.get(type(recorded.event))
        if effect is None:
            _put(session, "unrecognised", recorded.sequence)
        else:
            changes = effect(session, recorded.event, recorded)
            spoken = spoken_after(session.spoken, recorded)
            if spoken is not session.spoken:
                _put(session, "spoken", spoken)
            for name, value in changes.items():
                _put(session, name, value)
        _put(session, "sequence", recorded.sequence)
