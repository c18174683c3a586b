"""What is allowed inside a turn: an agent may do anything, but results belong to open calls."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.checks import About
from domain.errors import CairnError, Invalid, MessageExists, ToolCallExists, ToolCallNotOpen
from domain.persistent_map import PersistentMap
from domain.replacing import maker, replace
from domain.session.declarations import Command, decides, evolves
from domain.session.events import (
    ActivityEvent,
    AgentMessage,
    AgentSwitched,
    AgentThought,
    ContextCompacted,
    PlanUpdated,
    Recorded,
    RuntimeEvent,
    RuntimeNotice,
    SessionEvent,
    ToolCalled,
    ToolProgressed,
    ToolReturned,
    UsageReported,
)
from domain.session.guards import NOT_RUNNING, require_running
from domain.session.interaction.interactions import signs_of_life
from domain.session.state import Changes, Session
from domain.session.turn.activity_batch import ActivityBatch, with_problem
from domain.session.turn.amounts import plus
from domain.session.turn.input_queue import steered
from domain.session.turn.open_calls import with_call, without_call
from domain.session.turn.usage import add_usage
from domain.session.work import ToolCall, Turn, UnansweredCall
from domain.values import COUNTS, Identity, Usage

__all__ = ["RecordActivity"]

MAX_BATCH = 1000
MAX_UNANSWERED = 256
"""The newest calls without a result are remembered, over all turns: so many, or up to twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordActivity(Command):
    """Record what the agent did in its turn: all of it or nothing.

    With `take_inputs` what is staged reaches the agent if a tool returned. With `instead` there is
    for each event what takes its place where it is refused.
    """

    turn_id: Identity[str]
    events: tuple[ActivityEvent, ...]
    take_inputs: bool = False
    instead: tuple[RuntimeEvent, ...] = ()


@decides(RecordActivity, refuses=(*NOT_RUNNING, MessageExists, ToolCallExists, ToolCallNotOpen))
def record(session: Session, command: RecordActivity) -> list[SessionEvent]:
    """Record one or many events of the running turn, in order, all or none.

    After a stall they are the sign of life that ends it. Where a tool returned, what is staged
    follows, if the runtime says that it will give it to the agent.
    """
    turn = require_running(session, command.turn_id)
    events: list[SessionEvent] = [*signs_of_life(session), *_sound(session, turn, command)]
    boundary = next((e for e in reversed(events) if isinstance(e, ToolReturned)), None)
    if command.take_inputs and boundary is not None:
        after = events.index(boundary) + 1
        events[after:after] = steered(session, turn, boundary.tool_call_id)
    return events


def _sound(session: Session, turn: Turn, command: RecordActivity) -> Sequence[ActivityEvent]:
    events = command.events
    if not events:
        raise Invalid("events must have at least one event", field="events")
    if len(events) > MAX_BATCH:
        raise Invalid(f"{len(events)} events; at most {MAX_BATCH}", field="events")
    batch = ActivityBatch(session, turn)
    sound: list[ActivityEvent] = []
    for index, event in enumerate(events):
        with About(index):
            try:
                sound.append(batch.take(event, f"events[{index}]"))
            except CairnError as refused:
                if not command.instead:
                    raise
                sound.append(with_problem(command.instead[index], refused.code, refused.detail))
    return sound


@evolves(AgentMessage)
def _spoke(session: Session, event: AgentMessage, recorded: Recorded) -> Changes:
    return _said(session, event.message_id, recorded)


@evolves(AgentThought)
def _thought(session: Session, event: AgentThought, recorded: Recorded) -> Changes:
    return _said(session, event.message_id, recorded)


def _said(session: Session, message_id: str | None, recorded: Recorded) -> Changes:
    changes = _active(session, recorded)
    if message_id is not None and message_id not in session.said:
        changes["said"] = session.said.put(message_id, recorded.sequence)
    return changes


@evolves(ToolProgressed, RuntimeNotice, ContextCompacted, RuntimeEvent)
def _alive(session: Session, _: object, recorded: Recorded) -> Changes:
    return _active(session, recorded)


def _active(session: Session, recorded: Recorded) -> Changes:
    turn = session.turns.running
    if turn is None or turn.active_at == recorded.at:
        # Events of one append have the same time.
        return {}
    return {"running": {"active_at": recorded.at}}


_open_call = maker(ToolCall)


@evolves(ToolCalled)
def _called(session: Session, event: ToolCalled, recorded: Recorded) -> Changes:
    turn = session.turns.running
    if turn is None:
        return {}
    call = _open_call(
        tool_call_id=event.tool_call_id,
        name=event.name,
        input=event.input,
        title=event.title,
        sequence=recorded.sequence,
    )
    changes: Changes = {"running": {**with_call(turn, call), "active_at": recorded.at}}
    return _leaving(session, session.turns.unanswered.drop(event.tool_call_id), changes)


@evolves(ToolReturned)
def _returned(session: Session, event: ToolReturned, recorded: Recorded) -> Changes:
    turn = session.turns.running
    if turn is None:
        return {}
    call, unanswered = event.tool_call_id, session.turns.unanswered
    if event.called_in_turn is not None:
        changes: Changes = {"running": {"active_at": recorded.at}}
        return _leaving(session, unanswered.drop(call), changes)
    called = turn.open_calls.get(call)
    if called is not None and event.output is None and event.status != "completed":
        waits = UnansweredCall(turn_id=turn.turn_id, name=called.name, sequence=recorded.sequence)
        unanswered = _newest(unanswered.put(call, waits))
    changes = {
        "running": {
            **without_call(turn, call),
            "closed_calls": turn.closed_calls.put(call, called.name if called else ""),
            "active_at": recorded.at,
        }
    }
    return _leaving(session, unanswered, changes)


def _leaving(
    session: Session, unanswered: PersistentMap[UnansweredCall], changes: Changes
) -> Changes:
    """Return the changes, and with them the calls without a result, if these are others."""
    if unanswered is not session.turns.unanswered:
        changes["turns"] = replace(session.turns, unanswered=unanswered)
    return changes


def _newest(unanswered: PersistentMap[UnansweredCall]) -> PersistentMap[UnansweredCall]:
    """Return the calls less the older half, where they are twice as many as are remembered."""
    if len(unanswered) <= 2 * MAX_UNANSWERED:
        return unanswered
    in_order = sorted(unanswered.items(), key=lambda call: call[1].sequence)
    return PersistentMap(dict(in_order[-MAX_UNANSWERED:]))


@evolves(PlanUpdated)
def _planned(session: Session, event: PlanUpdated, recorded: Recorded) -> Changes:
    turn = session.turns.running
    if turn is None:
        return {}
    return {"running": {"plan": event.entries, "active_at": recorded.at}}


@evolves(UsageReported)
def _used(session: Session, event: UsageReported, recorded: Recorded) -> Changes:
    turn = session.turns.running
    if turn is None:
        return {}
    usage = _sum(turn.usage or Usage(), event)
    return {
        "running": {"usage": usage, "active_at": recorded.at},
        "totals": add_usage(session.totals, event),
    }


def _sum(before: Usage, more: Usage) -> Usage:
    added = {
        name: plus(getattr(before, name) or 0, count)
        for name in COUNTS
        if (count := getattr(more, name)) is not None
    }
    return replace(before, **added, currency=more.currency or before.currency)


@evolves(AgentSwitched)
def _switched(session: Session, event: AgentSwitched, recorded: Recorded) -> Changes:
    changes = _active(session, recorded)
    changes["description"] = replace(session.description, agent=event.agent)
    return changes
