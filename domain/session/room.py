"""What a session still takes when its state is as large as it may be: what ends or takes away."""

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


def makes_room(command: Command) -> bool:
    """Return whether a command ends or takes away something, so that a full session takes it.

    Args:
        command: What is asked.
    """
    if isinstance(command, PatchState):
        return not command.set
    return isinstance(command, _ENDINGS)
