"""How many messages a conversation has, and when the last was said.

Events of five topics say something, and all of them are counted here.
"""

from collections.abc import Callable, Mapping
from typing import Any

from domain.replacing import maker, replace
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

_spoken = maker(Spoken)


def _agent_said(spoken: Spoken, event: AgentMessage, recorded: Recorded) -> Spoken:
    message_id = event.message_id
    continues = message_id is not None and message_id == spoken.open_id
    messages = spoken.messages if continues else spoken.messages + 1
    return _spoken(messages=messages, last_at=recorded.at, open_id=message_id)


def _another_said(spoken: Spoken, _: object, recorded: Recorded) -> Spoken:
    return _spoken(messages=spoken.messages + 1, last_at=recorded.at)


def _agent_did(spoken: Spoken, _: object, __: Recorded) -> Spoken:
    return spoken if spoken.open_id is None else replace(spoken, open_id=None)


def _cleared(spoken: Spoken, _: object, __: Recorded) -> Spoken:
    return replace(spoken, messages=0, open_id=None)


def _rewound(spoken: Spoken, event: ConversationRewound, _: Recorded) -> Spoken:
    return replace(spoken, messages=event.messages, open_id=None)


def _erased(_: Spoken, __: object, ___: Recorded) -> Spoken:
    return Spoken()


SAYING: Mapping[type[Any], Callable[[Spoken, Any, Recorded], Spoken]] = {
    AgentMessage: _agent_said,
    MessageAdded: _another_said,
    TurnStarted: _another_said,
    InputSteered: _another_said,
    AgentThought: _agent_did,
    ToolCalled: _agent_did,
    ConversationCleared: _cleared,
    ConversationRewound: _rewound,
    SessionErased: _erased,
}
"""What each event that says something changes."""
