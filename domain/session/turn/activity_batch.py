"""Which events an agent may report of its turn: results belong to calls, and calls return once."""

from domain.checks import require_agent, require_id, require_name
from domain.errors import ToolCallExists, ToolCallNotOpen
from domain.parts import require_parts
from domain.replacing import replace
from domain.session.content.messages import require_free_message
from domain.session.events import (
    ActivityEvent,
    AgentMessage,
    AgentSwitched,
    AgentThought,
    RuntimeEvent,
    ToolCalled,
    ToolProgressed,
    ToolReturned,
)
from domain.session.state import Session
from domain.session.work import Turn


class ActivityBatch:
    """Follows the calls of a turn while its events are looked at, one after the other.

    Args:
        session: The state before the first of them.
        turn: Its running turn.
    """

    def __init__(self, session: Session, turn: Turn) -> None:
        self._session = session
        self._turn_id = turn.turn_id
        # The maps are asked and not copied: a turn may have tens of thousands of calls.
        self._open, self._closed = turn.open_calls, turn.closed_calls
        self._called: set[str] = set()
        self._returned: set[str] = set()
        self._unanswered = session.turns.unanswered

    def take(self, event: ActivityEvent, field: str) -> ActivityEvent:
        """Return the next event as it is recorded: a late result knows the turn of its call.

        Args:
            event: What is reported.
            field: Where it stands, for the refusal.

        Raises:
            Invalid: It makes no sense.
            MessageExists: Somebody else has given its id to a message.
            ToolCallExists: A call with its id is open.
            ToolCallNotOpen: It is about a call that is not open.
        """
        match event:
            case AgentMessage() | AgentThought():
                require_id(event.message_id, f"{field}.data.message_id")
                if event.message_id is not None:
                    require_free_message(self._session, event.message_id)
                require_parts(event.parts, f"{field}.data.parts")
            case AgentSwitched(agent=agent):
                require_agent(agent, f"{field}.data.agent")
            case ToolCalled():
                self._call(event, field)
            case ToolProgressed(tool_call_id=call):
                # News may come late: it needs a call of this turn, open or not.
                if not self._is_known(call):
                    raise ToolCallNotOpen(None, tool_call_id=call)
            case ToolReturned():
                return self._return(event)
            case _:
                pass
        return event

    def _is_open(self, call: str) -> bool:
        return call in self._called or (call in self._open and call not in self._returned)

    def _is_known(self, call: str) -> bool:
        here = call in self._called or call in self._returned
        return here or call in self._open or call in self._closed

    def _call(self, event: ToolCalled, field: str) -> None:
        call = event.tool_call_id
        require_id(call, f"{field}.data.tool_call_id")
        require_name(event.name, f"{field}.data.name")
        # Some models count their calls anew in each step: what has returned may come again.
        if self._is_open(call):
            raise ToolCallExists(None, tool_call_id=call)
        self._returned.discard(call)
        self._called.add(call)
        self._unanswered = self._unanswered.drop(call)

    def _return(self, event: ToolReturned) -> ToolReturned:
        call = event.tool_call_id
        if self._is_open(call):
            self._called.discard(call)
            self._returned.add(call)
            return event
        unanswered = self._unanswered.get(call)
        if unanswered is None or unanswered.turn_id == self._turn_id:
            raise ToolCallNotOpen(None, tool_call_id=call)
        self._unanswered = self._unanswered.drop(call)
        return replace(event, called_in_turn=unanswered.turn_id)


def with_problem(kept: RuntimeEvent, code: str, detail: str) -> RuntimeEvent:
    """Return what takes the place of an event, with why that was refused.

    Args:
        kept: The event, verbatim.
        code: Of the refusal.
        detail: Of the refusal, in one sentence.
    """
    return replace(kept, problem={"code": code, "detail": detail})
