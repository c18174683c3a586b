"""What is allowed inside a turn: an agent may do anything, but results belong to open calls."""

from domain.errors import Invalid, ToolCallExists, ToolCallNotOpen
from domain.session.commands import RecordActivity
from domain.session.events import (
    AgentMessage,
    AgentSwitched,
    AgentThought,
    SessionEvent,
    ToolCalled,
    ToolProgressed,
    ToolReturned,
)
from domain.session.guards import require_running
from domain.session.state import Session
from domain.values import require_agent, require_name, require_parts

MAX_BATCH = 1000


def record(session: Session, command: RecordActivity) -> list[SessionEvent]:
    """Record one or many events of the running turn, in order, all or none."""
    turn = require_running(session, command.turn_id)
    if not command.events:
        raise Invalid("events must have at least one event", field="events")
    if len(command.events) > MAX_BATCH:
        raise Invalid(f"{len(command.events)} events; at most {MAX_BATCH}", field="events")
    opened: set[str] = set()
    closed: set[str] = set()
    for index, event in enumerate(command.events):
        field = f"events[{index}]"
        match event:
            case AgentMessage() | AgentThought():
                require_parts(event.parts, f"{field}.data.parts")
            case AgentSwitched(agent=agent):
                require_agent(agent, f"{field}.data.agent")
            case ToolCalled(tool_call_id=call):
                require_name(call, f"{field}.data.tool_call_id")
                require_name(event.name, f"{field}.data.name")
                if call in turn.open_calls or call in turn.closed_calls or call in opened | closed:
                    raise ToolCallExists(None, tool_call_id=call)
                opened.add(call)
            case ToolProgressed(tool_call_id=call):
                # News may come late: it needs a call of this turn, open or not.
                if not (call in turn.open_calls or call in turn.closed_calls or call in opened):
                    raise ToolCallNotOpen(None, tool_call_id=call)
            case ToolReturned(tool_call_id=call):
                if call in closed or not (call in turn.open_calls or call in opened):
                    raise ToolCallNotOpen(None, tool_call_id=call)
                closed.add(call)
            case _:
                pass
    return list(command.events)
