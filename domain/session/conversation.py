"""What is allowed with the conversation as a whole: cleared or rewound, while the log goes on."""

from collections.abc import Callable, Mapping
from typing import Any

from domain.errors import SessionStopping
from domain.replacing import replace
from domain.session.commands import ClearConversation, RewindConversation
from domain.session.events import (
    ConversationCleared,
    ConversationRewound,
    Recorded,
    SessionEvent,
)
from domain.session.guards import require_idle, require_present
from domain.session.shared_state import difference, patched
from domain.session.state import Changes, Session
from domain.values import require_between


def clear(session: Session, _: ClearConversation) -> list[SessionEvent]:
    """Begin the transcript anew, between turns; what waits and what is known stays."""
    require_present(session)
    if session.lifecycle.phase == "stopping":
        raise SessionStopping
    require_idle(session)
    return [ConversationCleared(epoch=session.lifecycle.epoch + 1)]


def rewind(session: Session, command: RewindConversation) -> list[SessionEvent]:
    """Go back, between turns, to what was said and known after an earlier event."""
    require_present(session)
    require_idle(session)
    require_between(command.to, "to", 1, session.sequence)
    if command.to == session.sequence:
        return []
    changed, deleted = difference(session.state, command.then.state)
    return [
        ConversationRewound(
            to=command.to,
            epoch=session.lifecycle.epoch + 1,
            set=changed,
            delete=deleted,
        )
    ]


# ── what the events do ───────────────────────────────────────────────────────────────────────


def _cleared(session: Session, event: ConversationCleared, _: Recorded) -> Changes:
    return {
        "lifecycle": replace(session.lifecycle, epoch=event.epoch),
        "description": replace(session.description, summary=None),
    }


def _rewound(session: Session, event: ConversationRewound, recorded: Recorded) -> Changes:
    changes: Changes = {"lifecycle": replace(session.lifecycle, epoch=event.epoch)}
    described = session.description
    summary = described.summary
    if summary is not None and described.summaries[summary.summary_id] > event.to:
        # It says what was not said yet.
        changes["description"] = replace(described, summary=None)
    state = patched(session.state, event.set, event.delete)
    if state is not session.state:
        changes["state"] = state
        changes["state_version"] = recorded.sequence
    return changes


EFFECTS: Mapping[type[Any], Callable[[Session, Any, Recorded], Changes]] = {
    ConversationCleared: _cleared,
    ConversationRewound: _rewound,
}
