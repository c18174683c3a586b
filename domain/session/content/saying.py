"""How many messages a conversation has, and when the last was said.

Events of five topics say something, and all of them are counted here.
"""

from domain.replacing import replace
from domain.session.events import (
    AgentMessage,
    AgentThought,
    ConversationCleared,
    ConversationRewound,
    InputSteered,
    MessageAdded,
    Recorded,
    SessionErased,
    ToolCalled,
    TurnStarted,
)
from domain.session.state import Spoken

_SAYING = frozenset(
    {
        AgentMessage,
        AgentThought,
        ConversationCleared,
        ConversationRewound,
        InputSteered,
        MessageAdded,
        SessionErased,
        ToolCalled,
        TurnStarted,
    }
)


def spoken_after(spoken: Spoken, recorded: Recorded) -> Spoken:
    """Return how much was said after one more event.

    Args:
        spoken: How much was before it.
        recorded: The event and its place.
    """
    if type(recorded.event) not in _SAYING:
        return spoken
    match recorded.event:
        case AgentMessage(message_id=message_id):
            continues = message_id is not None and message_id == spoken.open_id
            return Spoken(
                messages=spoken.messages if continues else spoken.messages + 1,
                last_at=recorded.at,
                open_id=message_id,
            )
        case MessageAdded() | TurnStarted() | InputSteered():
            return Spoken(messages=spoken.messages + 1, last_at=recorded.at)
        case AgentThought() | ToolCalled():
            return spoken if spoken.open_id is None else replace(spoken, open_id=None)
        case ConversationCleared():
            return replace(spoken, messages=0, open_id=None)
        case ConversationRewound(messages=messages):
            return replace(spoken, messages=messages, open_id=None)
        case SessionErased():
            return Spoken()
        case _:
            return spoken
