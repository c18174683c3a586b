"""The room in a session's state: what an event takes of it, and what is taken when it is full."""

from domain.session.commands import (
    AnswerElicitation,
    CancelInput,
    CancelInteraction,
    CancelTurn,
    ClearConversation,
    Command,
    CompleteTurn,
    DecidePermission,
    DeleteSession,
    ExpireDue,
    FailStart,
    FailTurn,
    Interrupt,
    PatchState,
    ReapChild,
    RecoverSession,
    ReleaseAttachment,
    RepairSession,
    RewindConversation,
    StopSession,
)
from domain.session.events import AgentMessage, AgentThought, MessageAdded, SessionEvent

_ENDINGS = (
    AnswerElicitation,
    CancelInput,
    CancelInteraction,
    CancelTurn,
    ClearConversation,
    CompleteTurn,
    DecidePermission,
    DeleteSession,
    ExpireDue,
    FailStart,
    FailTurn,
    Interrupt,
    ReapChild,
    RecoverSession,
    ReleaseAttachment,
    RepairSession,
    RewindConversation,
    StopSession,
)

_BESIDE_A_NAME = 64
"""More than the bytes of a sequence, a count, two times and the marks around them."""


def most_kept(event: SessionEvent, size: int) -> int:
    """Return the most bytes that an event adds to a state, as it is kept.

    What somebody says is not in it: the id of a message is, at most twice, and where it began.

    Args:
        event: The event.
        size: The bytes of its record; no event adds more.
    """
    if isinstance(event, (MessageAdded, AgentMessage, AgentThought)):
        name = (event.message_id or "").encode("utf-8", "surrogatepass")
        return min(2 * len(name) + _BESIDE_A_NAME, size)
    return size


def makes_room(command: Command) -> bool:
    """Return whether a command ends or takes away something, so that a full session takes it.

    Args:
        command: What is asked.
    """
    if isinstance(command, PatchState):
        return not command.set
    return isinstance(command, _ENDINGS)
