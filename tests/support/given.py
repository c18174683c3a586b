"""Tests of decisions that read as sentences.

given([created(), started("t1")]).when(CompleteTurn(turn_id="t1")).then([completed("t1")])
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from domain.errors import CairnError
from domain.session.commands import Command
from domain.session.decide import decide
from domain.session.events import SessionEvent
from domain.session.state import ABSENT, Session
from tests.support.builders import state_after

E = TypeVar("E")


@dataclass(frozen=True)
class Result(Generic[E]):
    """What came of a command."""

    events: list[E] | None
    refusal: CairnError | None

    def then(self, events: Iterable[E]) -> None:
        """Expect exactly these events."""
        assert self.refusal is None, f"refused: {self.refusal!r}"
        assert self.events == list(events)

    def then_nothing(self) -> None:
        """Expect that it was already so."""
        self.then([])

    def then_refused(self, error: type[CairnError], **facts: Any) -> CairnError:
        """Expect a refusal of exactly this class, which tells at least these facts."""
        assert self.refusal is not None, f"accepted: {self.events!r}"
        assert type(self.refusal) is error, repr(self.refusal)
        assert facts.items() <= self.refusal.facts.items(), self.refusal.facts
        return self.refusal


@dataclass(frozen=True)
class Given:
    """A session with a past."""

    session: Session

    def when(self, command: Command) -> Result[SessionEvent]:
        """Ask something of it."""
        try:
            return Result(decide(self.session, command), None)
        except CairnError as refusal:
            return Result(None, refusal)


def given(events: Iterable[SessionEvent] = ()) -> Given:
    """Begin with what has happened; nothing is a session that does not exist."""
    return Given(state_after(events, ABSENT))
