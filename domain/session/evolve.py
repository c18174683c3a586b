"""How each event changes the state: total and pure, it never refuses and never raises."""

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any, assert_never

from domain.persistent_map import PersistentMap
from domain.session.events import (
    ActivityEvent,
    AgentSwitched,
    DescriptionEvent,
    InteractionEvent,
    LifecycleEvent,
    MessageAdded,
    MessageEvent,
    PermissionDecided,
    PermissionRequested,
    PlanUpdated,
    Recorded,
    SessionCreated,
    SessionDeleted,
    SessionRenamed,
    SessionResumed,
    SessionStarred,
    SessionStopped,
    SessionTagged,
    SessionUnstarred,
    StatePatched,
    ToolCalled,
    ToolReturned,
    TurnCancelled,
    TurnCompleted,
    TurnEvent,
    TurnFailed,
    TurnStarted,
    Unrecognised,
    UsageReported,
)
from domain.session.state import (
    ABSENT,
    Description,
    Interaction,
    Interactions,
    Lifecycle,
    Session,
    ToolCall,
    Totals,
    Turn,
    TurnOutcome,
    Turns,
    own_keys,
    scope_of,
)
from domain.values import Usage


def fold(history: Iterable[Recorded], start: Session = ABSENT) -> Session:
    """Return the state after a history.

    Args:
        history: Events in order of their sequence, the first one following `start`.
        start: The state before them.
    """
    for recorded in history:
        start = evolve(start, recorded)
    return start


def evolve(session: Session, recorded: Recorded) -> Session:
    """Return the state after one more event.

    Args:
        session: The state before it.
        recorded: The event and its place.
    """
    event = recorded.event
    # Ordered by how often they happen: most of a log is what agents do.
    if isinstance(event, ActivityEvent):
        return _activity(session, event, recorded)
    if isinstance(event, MessageEvent):
        return _message(session, event, recorded)
    if isinstance(event, TurnEvent):
        return _turn(session, event, recorded)
    if isinstance(event, InteractionEvent):
        return replace(
            session,
            sequence=recorded.sequence,
            interactions=_interaction(session.interactions, event, recorded),
        )
    if isinstance(event, StatePatched):
        return replace(session, sequence=recorded.sequence, state=_patched(session.state, event))
    if isinstance(event, DescriptionEvent):
        return replace(
            session,
            sequence=recorded.sequence,
            description=_description(session.description, event),
        )
    if isinstance(event, Unrecognised):
        return replace(session, sequence=recorded.sequence)
    return _lifecycle(session, event, recorded)


def _lifecycle(session: Session, event: LifecycleEvent, recorded: Recorded) -> Session:
    now = session.lifecycle
    match event:
        case SessionCreated():
            return replace(
                session,
                sequence=recorded.sequence,
                lifecycle=Lifecycle(
                    phase="active",
                    type=event.type,
                    owner=event.owner,
                    created=event,
                    created_at=recorded.at,
                ),
                description=Description(
                    title=event.title, tags=event.tags, agent=event.agent, metadata=event.metadata
                ),
                state=PersistentMap(own_keys(event.state)),
            )
        case SessionStopped():
            changed = replace(
                now,
                phase="stopped",
                stop_cause=event.cause,
                stop_reason=event.reason,
                stop_detail=event.detail,
                failure=event.failure,
            )
        case SessionResumed():
            changed = replace(
                now,
                phase="active",
                activation=event.activation,
                stop_cause=None,
                stop_reason=None,
                stop_detail=None,
                # What a crash left stays visible until the next stop says otherwise.
                failure=now.failure if now.stop_reason == "agent_crashed" else None,
            )
        case SessionDeleted():
            changed = replace(now, phase="deleted")
        case _:
            assert_never(event)
    return replace(session, sequence=recorded.sequence, lifecycle=changed)


def _description(description: Description, event: DescriptionEvent) -> Description:
    match event:
        case SessionRenamed():
            return replace(description, title=event.title)
        case SessionStarred():
            return replace(description, starred=True)
        case SessionUnstarred():
            return replace(description, starred=False)
        case SessionTagged():
            return replace(description, tags=event.tags)
        case _:
            assert_never(event)


def _message(session: Session, event: MessageEvent, recorded: Recorded) -> Session:
    if isinstance(event, MessageAdded):
        messages = session.messages.put(event.message_id, recorded.sequence)
        return replace(session, sequence=recorded.sequence, messages=messages)
    return replace(session, sequence=recorded.sequence)


def _turn(session: Session, event: TurnEvent, recorded: Recorded) -> Session:
    turns, totals = session.turns, session.totals
    match event:
        case TurnStarted():
            turn = Turn(
                turn_id=event.turn_id,
                source=event.source,
                started_at=recorded.at,
                sequence=recorded.sequence,
            )
            return replace(
                session,
                sequence=recorded.sequence,
                turns=replace(turns, running=turn),
                totals=replace(totals, turns=totals.turns + 1),
                messages=session.messages.put(event.message_id, recorded.sequence),
            )
        case TurnCompleted():
            totals = _add_usage(totals, event.usage)
            ended = _ended(turns, event.turn_id, "completed")
        case TurnFailed():
            ended = _ended(turns, event.turn_id, "failed")
        case TurnCancelled():
            ended = _ended(turns, event.turn_id, "cancelled")
        case _:
            assert_never(event)
    return replace(session, sequence=recorded.sequence, turns=ended, totals=totals)


def _ended(turns: Turns, turn_id: str, outcome: TurnOutcome) -> Turns:
    return Turns(running=None, ended=turns.ended.put(turn_id, outcome))


def _activity(session: Session, event: ActivityEvent, recorded: Recorded) -> Session:
    turn = session.turns.running
    match event:
        case ToolCalled() if turn:
            call = ToolCall(
                tool_call_id=event.tool_call_id,
                name=event.name,
                input=event.input,
                title=event.title,
                sequence=recorded.sequence,
            )
            turn = replace(turn, open_calls=turn.open_calls.put(event.tool_call_id, call))
        case ToolReturned() if turn:
            turn = replace(
                turn,
                open_calls=turn.open_calls.drop(event.tool_call_id),
                closed_calls=turn.closed_calls.put(event.tool_call_id, True),
            )
        case PlanUpdated() if turn:
            turn = replace(turn, plan=event.entries)
        case UsageReported() if turn:
            return replace(
                session,
                sequence=recorded.sequence,
                turns=replace(session.turns, running=replace(turn, usage=_plain_usage(event))),
                totals=_add_usage(session.totals, event),
            )
        case AgentSwitched():
            return replace(
                session,
                sequence=recorded.sequence,
                description=replace(session.description, agent=event.agent),
            )
        case _:
            return replace(session, sequence=recorded.sequence)
    return replace(session, sequence=recorded.sequence, turns=replace(session.turns, running=turn))


def _plain_usage(event: UsageReported) -> Usage:
    # A state that is kept as bytes comes back with the class that its field names.
    return Usage(**{field.name: getattr(event, field.name) for field in fields(Usage)})


def _add_usage(totals: Totals, usage: Usage | None) -> Totals:
    if usage is None:
        return totals
    cost = totals.cost if usage.cost is None else (totals.cost or 0.0) + usage.cost
    return replace(
        totals,
        input_tokens=totals.input_tokens + (usage.input_tokens or 0),
        output_tokens=totals.output_tokens + (usage.output_tokens or 0),
        cost=cost,
    )


def _interaction(
    interactions: Interactions, event: InteractionEvent, recorded: Recorded
) -> Interactions:
    match event:
        case PermissionRequested():
            request = Interaction(
                request_id=event.request_id,
                turn_id=event.turn_id,
                options=event.options,
                tool_call_id=event.tool_call_id,
                title=event.title,
                sequence=recorded.sequence,
                requested_at=recorded.at,
            )
            return replace(
                interactions, pending=interactions.pending.put(event.request_id, request)
            )
        case PermissionDecided():
            return Interactions(
                pending=interactions.pending.drop(event.request_id),
                decided=interactions.decided.put(event.request_id, event.decision),
            )
        case _:
            assert_never(event)


def _patched(state: PersistentMap[Any], event: StatePatched) -> PersistentMap[Any]:
    for key, value in own_keys(event.set).items():
        state = state.put(key, value)
    for key in event.delete:
        if scope_of(key) == "session":
            state = state.drop(key)
    return state
