"""What must be so, given the logs: folds and decisions, without the machinery around them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from application.commands.request import Request
from application.errors import StaleSequence
from domain.errors import CairnError, SessionExists
from domain.session import commands as c
from domain.session import events as e
from domain.session.content.transcript import Transcript
from domain.session.decide import companions, decide
from domain.session.evolve import fold
from domain.session.family.forks import inherited
from domain.session.state import ABSENT, Session

Log = list[e.Recorded]


@dataclass
class Model:
    """The logs that are known, and what follows from them."""

    logs: dict[UUID, Log] = field(default_factory=dict[UUID, Log])
    _states: dict[UUID, Session] = field(default_factory=dict[UUID, Session])

    def begin(self, session_id: UUID) -> Session:
        """Return the state before a log's first event: of a fork, what it inherits."""
        log = self.logs[session_id]
        first = log[0].event if log else None
        if not isinstance(first, e.SessionCreated) or first.forked_from is None:
            return ABSENT
        origin = first.forked_from
        return inherited(self.past(origin.session_id, origin.sequence))

    def past(self, session_id: UUID, sequence: int) -> Session:
        """Return the state as it was after an event, folded anew from the beginning."""
        return fold(self.logs[session_id][:sequence], self.begin(session_id))

    def state(self, session_id: UUID) -> Session:
        """Return the newest state; a shorter one is never asked for again."""
        log = self.logs[session_id]
        known = self._states.get(session_id)
        if known is None or known.sequence > len(log) or not known.sequence:
            known = self.begin(session_id)
        self._states[session_id] = fold(log[known.sequence :], known)
        return self._states[session_id]

    def transcript(self, session_id: UUID, sequence: int) -> Transcript:
        """Return what was said up to an event, by the meaning of clear, rewind and fork."""
        transcript = Transcript()
        for recorded in self.logs[session_id][:sequence]:
            match recorded.event:
                case e.ConversationRewound(to=to):
                    transcript = self.transcript(session_id, to)
                    transcript.settle()
                case e.SessionCreated(forked_from=origin) if origin is not None:
                    transcript = self.transcript(origin.session_id, origin.sequence)
                    transcript.settle()
                case _:
                    transcript.apply(recorded)
        return transcript

    def decided(self, request: Request) -> Sequence[e.SessionEvent]:
        """Return the events that a request must lead to in its own log.

        Raises:
            CairnError: It must be refused in just this way.
            StaleSequence: Its precondition fails.
        """
        session = self.state(request.session_id)
        command = request.command
        there = session.sequence > 0 or isinstance(command, c.CreateSession)
        if there and request.expected is not None and session.sequence not in request.expected:
            raise StaleSequence(None, head=session.sequence)
        if request.inherits is not None and not session.sequence:
            session = request.inherits
        made = decide(session, command)
        if made and isinstance(command, c.SpawnSession):
            (child,) = companions(session, command)
            decide(ABSENT, child.command)
            if self.logs.get(command.child_id):
                raise SessionExists("another session has the id of this child")
        return made

    def told(self, request: Request, made: Sequence[e.SessionEvent]) -> Session:
        """Return the state that the answer to a request speaks of: of a spawn, the child's."""
        command = request.command
        if made and isinstance(command, c.SpawnSession):
            return self.past(command.child_id, 1)
        return self.state(request.session_id)


def refusal_of(model: Model, request: Request) -> Exception | None:
    """Return why a request must be refused, if it must."""
    try:
        model.decided(request)
    except CairnError as refused:
        return refused
    return None
