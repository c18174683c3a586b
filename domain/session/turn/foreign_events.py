"""What another framework calls an event: kept as it was written, with what it means here.

The record comes first and says how many of the events behind it only tell the same again, so that
a reader of either kind sees each thing once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from domain.checks import About, require_id, require_name
from domain.errors import (
    CairnError,
    InputExists,
    InputTooLarge,
    Invalid,
    InvalidRuntimeOverride,
    LimitReached,
    MessageExists,
    ModelNotOffered,
    ModelSwitchingUnsupported,
    QueueFull,
    ToolCallExists,
    ToolCallNotOpen,
    TurnExists,
    TurnInProgress,
)
from domain.session.content.conversation import Past
from domain.session.content.messages import require_message, require_new_message
from domain.session.content.shared_state import require_key_room, require_patch, storable
from domain.session.declarations import Command, decides
from domain.session.events import (
    ActivityEvent,
    AgentMessage,
    AgentThought,
    ConversationRewound,
    MessageAdded,
    RuntimeEvent,
    SessionEvent,
    StatePatched,
    ToolCalled,
    ToolReturned,
    TurnStarted,
)
from domain.session.guards import INACTIVE, require_active, require_idle
from domain.session.interaction.interactions import signs_of_life
from domain.session.state import Session
from domain.session.turn import input_queue
from domain.session.turn.activity_batch import ActivityBatch
from domain.session.turn.foreign_line import ForeignLine
from domain.session.turn.input_queue import NewInput
from domain.session.turn.turns import require_new_turn
from domain.values import Identity, JsonObject, Part, Role

__all__ = ["BeginForeignTurn", "ForeignEvent", "RecordForeignEvents"]

MAX_EVENTS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignEvent:
    """An event of another framework.

    Args:
        kind: Of the record, such as `adk.event`.
        event_id: As the framework has it.
        record: What it wrote, as JSON; kept verbatim.
        turn_id: The turn that it belongs to, should that run.
        role: Who speaks.
        author: Its name.
        means: What happened, as far as there is a word for it here.
        set: Keys of the state that it sets.
        delete: Keys that it takes away.
        back_before: The conversation goes back with it, to before the first event whose `turn_id`
            this is; what the event itself says is gone with the rest.
        past: What was said before that one, if the log has it; else it is one that comes with it.
    """

    kind: str
    event_id: Identity[str]
    record: Any
    turn_id: str | None = None
    role: Role = "agent"
    author: str | None = None
    means: tuple[ActivityEvent, ...] = ()
    set: JsonObject = field(default_factory=dict[str, Any])
    delete: tuple[str, ...] = ()
    back_before: str | None = None
    past: Past | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordForeignEvents(Command):
    """Keep what another framework has done: all of it or nothing."""

    events: tuple[ForeignEvent, ...]


@decides(
    RecordForeignEvents,
    refuses=(
        *(*INACTIVE, LimitReached, MessageExists),
        *(ToolCallExists, ToolCallNotOpen, TurnInProgress),
    ),
)
def record(session: Session, command: RecordForeignEvents) -> list[SessionEvent]:
    """Keep events and say what they mean: in the running turn if they are its, else as messages."""
    require_active(session)
    if not command.events:
        raise Invalid("events must have at least one event", field="events")
    running = session.turns.running
    alive = running is not None and any(one.turn_id == running.turn_id for one in command.events)
    made = recorded(session, command.events)
    if any(isinstance(one, ConversationRewound) for one in made):
        # A turn stands on what would be taken back.
        require_idle(session)
    return [*(signs_of_life(session) if alive else ()), *made]


def recorded(
    session: Session, events: Sequence[ForeignEvent], behind: Sequence[SessionEvent] = ()
) -> list[SessionEvent]:
    """Return what keeps events of another framework.

    Args:
        session: The state before them.
        events: In their order.
        behind: What comes before them in the same append.

    Raises:
        Invalid: One cannot be kept.
        MessageExists: One has the id of a message that is there.
        LimitReached: They would make the state too large.
    """
    if len(events) > MAX_EVENTS:
        raise Invalid(f"{len(events)} events; at most {MAX_EVENTS}", field="events")
    running = session.turns.running
    batch = None if running is None else ActivityBatch(session, running)
    seen: set[str] = set()
    made: list[SessionEvent] = []
    line = ForeignLine(session, behind)
    for index, event in enumerate(events):
        with About(index):
            require_name(event.kind, "kind")
            require_id(event.event_id, "id")
            require_patch(event.set, event.delete)
            if event.event_id in seen:
                raise Invalid(f"two events have the id {event.event_id!r}", field="events")
            seen.add(event.event_id)
            is_its = running is not None and event.turn_id == running.turn_id
            works = is_its and event.role == "agent"
            meaning = _did(event, batch) if works and batch else _said(session, event)
            meaning += _patched(session, event)
            if event.back_before is not None:
                meaning += line.went_back(event.back_before, event.past)
        kept = [_header(event.kind, len(meaning), event.record), *meaning]
        line.goes_on(event.turn_id, kept)
        made += kept
    return made


def _header(kind: str, covers: int, record: Any = None) -> RuntimeEvent:
    data: dict[str, Any] = {"covers": covers}
    if record is not None:
        data["event"] = record
    return RuntimeEvent(kind=kind, data=data)


def _did(event: ForeignEvent, batch: ActivityBatch) -> list[SessionEvent]:
    """Return what an event means in its turn; what breaks a rule here is in the record alone."""
    done: list[SessionEvent] = []
    for one in event.means:
        try:
            done.append(batch.take(one, "event"))
        except CairnError:
            continue
    return done


def _said(session: Session, event: ForeignEvent) -> list[SessionEvent]:
    """Return what an event means outside of its turn: one message with all that it says."""
    parts = _parts_of(event.means)
    if not parts:
        return []
    require_message(event.event_id, parts)
    require_new_message(session, event.event_id)
    return [
        MessageAdded(message_id=event.event_id, role=event.role, parts=parts, author=event.author)
    ]


def _parts_of(means: Sequence[ActivityEvent]) -> tuple[Part, ...]:
    parts: list[Part] = []
    for one in means:
        match one:
            case AgentMessage() | AgentThought():
                parts += one.parts
            case ToolCalled():
                parts.append(
                    {
                        "type": "tool_call",
                        "tool_call_id": one.tool_call_id,
                        "name": one.name,
                        "input": one.input,
                    }
                )
            case ToolReturned():
                parts.append(
                    {
                        "type": "tool_result",
                        "tool_call_id": one.tool_call_id,
                        "output": one.output,
                    }
                )
            case _:
                pass
    return tuple(parts)


def _patched(session: Session, event: ForeignEvent) -> list[SessionEvent]:
    kept = storable(event.set)
    if not kept and not event.delete:
        return []
    require_key_room(session, kept, event.delete)
    return [StatePatched(set=kept, delete=event.delete)]


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginForeignTurn(Command):
    """Give the agent what a framework calls the first event of a run, and say how it is to run.

    The record and what else is said (`meta`) stand in the turn; a turn without a record began by
    itself there.
    """

    turn_id: Identity[str]
    event: ForeignEvent
    meta: JsonObject = field(default_factory=dict[str, Any])


@decides(
    BeginForeignTurn,
    refuses=(
        *INACTIVE,
        InputExists,
        InputTooLarge,
        InvalidRuntimeOverride,
        LimitReached,
        MessageExists,
        ModelNotOffered,
        ModelSwitchingUnsupported,
        QueueFull,
        TurnExists,
        TurnInProgress,
    ),
)
def begin(session: Session, command: BeginForeignTurn) -> list[SessionEvent]:
    """Begin the turn, or have it wait behind what runs; its keys are set at once, with it."""
    require_active(session)
    event = command.event
    require_name(command.turn_id, "turn_id")
    require_new_turn(session, command.turn_id)
    require_patch(event.set, event.delete)
    parts = _parts_of(event.means) or ({"type": "text", "text": ""},)
    require_message(event.event_id, parts)
    require_new_message(session, event.event_id)
    meta = {**command.meta, event.kind: event.record}
    patched = _patched(session, event)
    before: list[SessionEvent] = [_header(event.kind, 1), *patched] if patched else []
    if session.turns.running is not None or session.inputs.waiting:
        new = NewInput(input_id=command.turn_id, message_id=event.event_id, parts=parts, meta=meta)
        if session.turns.running is None:
            return [*before, *input_queue.behind_the_oldest(session, [new], "user")]
        return [*before, *input_queue.queued(session, [new], "user")]
    return [
        *before,
        TurnStarted(
            turn_id=command.turn_id,
            source="user",
            message_id=event.event_id,
            parts=parts,
            meta=meta,
            agent=input_queue.agent_of(session),
        ),
    ]
