"""What is allowed with the conversation as a whole: cleared or rewound, while the log goes on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from domain.checks import require_between
from domain.errors import SessionIsStopping, TurnInProgress
from domain.log.canonical import size_of
from domain.replacing import replace
from domain.session.content.shared_state import difference, patched
from domain.session.declarations import Command, decides, evolves
from domain.session.events import (
    ConversationCleared,
    ConversationRewound,
    Recorded,
    SessionEvent,
    StatePatched,
    SummaryAdded,
)
from domain.session.guards import require_idle, require_present
from domain.session.state import Changes, Lifecycle, Session

__all__ = ["ClearConversation", "RewindConversation"]

_LARGEST_PIECE = 256 * 1024
"""Bytes of the keys that one event brings back, unless a single key has more."""


@dataclass(frozen=True, slots=True)
class ClearConversation(Command):
    """Begin the transcript anew."""


@decides(ClearConversation, refuses=(SessionIsStopping, TurnInProgress))
def clear(session: Session, _: ClearConversation) -> list[SessionEvent]:
    """Begin the transcript anew, between turns; what waits and what is known stays.

    Right after another clear it is already so.
    """
    _require_between_turns(session)
    if _just_went_to(session, 0):
        return []
    return [ConversationCleared(epoch=session.lifecycle.epoch + 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RewindConversation(Command):
    """Go back to what was said and known after an earlier event.

    `messages` is how many there were, `state` are the plain keys and `summary` is the summary as
    they were then.
    """

    to: int
    messages: int = 0
    state: Mapping[str, Any] = field(default_factory=dict[str, Any])
    summary: SummaryAdded | None = None


class Past(NamedTuple):
    """What was said after an earlier event.

    Args:
        to: The event.
        messages: How many there were.
        summary: The summary that counted.
    """

    to: int
    messages: int = 0
    summary: SummaryAdded | None = None


def past_at(to: int, then: Session) -> Past:
    """Return what was said after an earlier event.

    Args:
        to: The event.
        then: The state after it.
    """
    return Past(to, then.spoken.messages, then.description.summary)


def rewind_to(to: int, then: Session) -> RewindConversation:
    """Return the command that goes back to an earlier event.

    Args:
        to: The event.
        then: The state after it.
    """
    _, messages, summary = past_at(to, then)
    return RewindConversation(to=to, messages=messages, state=then.state, summary=summary)


@decides(RewindConversation, refuses=(SessionIsStopping, TurnInProgress))
def rewind(session: Session, command: RewindConversation) -> list[SessionEvent]:
    """Go back, between turns, to what was said and known after an earlier event.

    Right after another rewind to that event it is already so. What is more than one event can hold
    is brought back by patches before it.
    """
    _require_between_turns(session)
    require_between(command.to, "to", 1, session.sequence)
    if command.to == session.sequence or _just_went_to(session, command.to):
        return []
    *patches, (changed, deleted) = _in_pieces(*difference(session.state, command.state))
    gone_back = went_back(session, Past(command.to, command.messages, command.summary))
    return [
        *(StatePatched(set=given, delete=gone) for given, gone in patches),
        replace(gone_back, set=changed, delete=deleted),
    ]


def went_back(session: Session, past: Past) -> ConversationRewound:
    """Return what says that the conversation went back, and the keys did not.

    Args:
        session: The state before it.
        past: What it goes back to.
    """
    kept = _summary_after(session, past.to)
    return ConversationRewound(
        to=past.to,
        epoch=session.lifecycle.epoch + 1,
        messages=past.messages,
        summary=None if past.summary == kept else past.summary,
    )


def _in_pieces(
    changed: Mapping[str, Any], deleted: Sequence[str]
) -> list[tuple[dict[str, Any], tuple[str, ...]]]:
    """Cut a change of the state into pieces that events can hold, the last one being small."""
    pieces: list[tuple[dict[str, Any], list[str]]] = [({}, [])]
    size = 0
    for key in (*changed, *deleted):
        own = size_of(key) + (size_of(changed[key]) if key in changed else 0)
        if size and size + own > _LARGEST_PIECE:
            pieces.append(({}, []))
            size = 0
        if key in changed:
            pieces[-1][0][key] = changed[key]
        else:
            pieces[-1][1].append(key)
        size += own
    if size > _LARGEST_PIECE:
        pieces.append(({}, []))
    return [(given, tuple(gone)) for given, gone in pieces]


def _summary_after(session: Session, to: int) -> SummaryAdded | None:
    """Return the summary that counts, if it did so after event `to` already."""
    described = session.description
    return described.summary if described.summary_since <= to else None


def _require_between_turns(session: Session) -> None:
    require_present(session)
    if session.lifecycle.phase == "stopping":
        raise SessionIsStopping(None, cause=session.lifecycle.stop_cause)
    require_idle(session)


def _just_went_to(session: Session, to: int) -> bool:
    lifecycle = session.lifecycle
    return (lifecycle.epoch_sequence, lifecycle.epoch_to) == (session.sequence, to)


@evolves(ConversationCleared)
def _cleared(session: Session, event: ConversationCleared, recorded: Recorded) -> Changes:
    return {
        "lifecycle": _in_epoch(session.lifecycle, event.epoch, recorded, to=0),
        "description": replace(session.description, summary=None),
    }


@evolves(ConversationRewound)
def _rewound(session: Session, event: ConversationRewound, recorded: Recorded) -> Changes:
    changes: Changes = {
        "lifecycle": _in_epoch(session.lifecycle, event.epoch, recorded, to=event.to)
    }
    described, again = session.description, event.summary
    if again is not None:
        changes["description"] = replace(described, summary=again, summary_since=recorded.sequence)
    elif described.summary != _summary_after(session, event.to):
        # The summary covers what was taken back.
        changes["description"] = replace(described, summary=None)
    state = patched(session.state, event.set, event.delete)
    if state is not session.state:
        changes["state"] = state
        changes["state_version"] = recorded.sequence
    return changes


def _in_epoch(lifecycle: Lifecycle, epoch: int, recorded: Recorded, *, to: int) -> Lifecycle:
    return replace(lifecycle, epoch=epoch, epoch_sequence=recorded.sequence, epoch_to=to)
