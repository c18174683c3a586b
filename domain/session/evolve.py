"""How each event changes the state: total and pure, it never refuses and never raises.

Each topic declares the effects of its events; only what this program does not know has none.
"""

from collections.abc import Iterable

from domain.log.event_types import NAMES
from domain.replacing import replace
from domain.session import commands  # noqa: F401  # pyright: ignore[reportUnusedImport]
from domain.session.content.saying import SAYING
from domain.session.declarations import EFFECTS
from domain.session.events import Recorded, SessionCreated, Unrecognised
from domain.session.state import ABSENT, Changes, Session
from domain.session.work import Turn, TurnChanges, Turns

_BEGINNING, _ = NAMES[SessionCreated]
_put = object.__setattr__
"""Changes a frozen state; only for states that were made here and that nobody else has yet."""


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
    event, kind = recorded.event, type(recorded.event)
    effect, says = EFFECTS.get(kind), SAYING.get(kind)
    if effect is None:
        return replace(session, sequence=recorded.sequence, **_passed_over(session, recorded))
    changes = effect(session, event, recorded)
    if "running" in changes:
        turns = changes.get("turns", session.turns)
        changes["turns"] = _with(turns, changes.pop("running"))
    return replace(
        session,
        sequence=recorded.sequence,
        spoken=session.spoken if says is None else says(session.spoken, event, recorded),
        **changes,
    )


def _passed_over(session: Session, recorded: Recorded) -> Changes:
    """Return what an event changes of which this program does not know what it means."""
    changes = Changes(unrecognised=recorded.sequence)
    event = recorded.event
    if not session.sequence and isinstance(event, Unrecognised):
        changes["begins_unread"] = event.stored_type == _BEGINNING
    return changes


def _with(turns: Turns, changes: TurnChanges) -> Turns:
    """Return the turns with another running one, if one runs."""
    running = turns.running
    return turns if running is None else replace(turns, running=replace(running, **changes))


class Folding:
    """Folds many events into one state, which is made once, and not anew for each event.

    Effects only read the state that they are given, so it may be the same one each time; and so may
    the running turn, once it is one that was made here.

    Args:
        start: The state before them.
    """

    def __init__(self, start: Session = ABSENT) -> None:
        self._session = replace(start)
        self._made: Turn | None = None

    @property
    def session(self) -> Session:
        """The state after the events so far."""
        # Who has it now must not see it change.
        self._made = None
        return replace(self._session)

    def take(self, recorded: Recorded) -> None:
        """Fold one more event.

        Args:
            recorded: The event and its place.
        """
        session, event = self._session, recorded.event
        kind = type(event)
        effect, says = EFFECTS.get(kind), SAYING.get(kind)
        if effect is None:
            for name, value in _passed_over(session, recorded).items():
                _put(session, name, value)
        else:
            changes = effect(session, event, recorded)
            if says is not None:
                _put(session, "spoken", says(session.spoken, event, recorded))
            running = changes.pop("running", None)
            if changes:
                for name, value in changes.items():
                    _put(session, name, value)
            if running is not None:
                self._change(session, running)
        _put(session, "sequence", recorded.sequence)

    def _change(self, session: Session, changes: TurnChanges) -> None:
        turn = session.turns.running
        if turn is None or turn is not self._made:
            turns = _with(session.turns, changes)
            _put(session, "turns", turns)
            self._made = turns.running
            return
        for name, value in changes.items():
            _put(turn, name, value)
