"""Why a command was refused.

    DomainError
    ├── Invalid          the command itself makes no sense, whatever the state
    ├── NotFound         it names something that this session does not have
    ├── Conflict         it makes sense, but not in the state the session is in
    └── PermissionWider  it is not allowed

`code` is a stable word that clients may test for; the doors map it to their own status.
"""

from typing import Any, ClassVar


class DomainError(Exception):
    """A refusal: nothing was recorded.

    Args:
        detail: One sentence for the person who reads it; the class docstring when absent.
        **facts: What helps to go on, such as the id of the running turn; JSON values.
    """

    code: ClassVar[str] = "refused"

    def __init__(self, detail: str | None = None, **facts: Any) -> None:
        self.detail = detail or (self.__doc__ or "").strip().split("\n")[0]
        self.facts = facts
        super().__init__(self.detail)


class Invalid(DomainError):
    """The command is not valid."""

    code = "invalid"


class NotFound(DomainError):
    """There is no such thing in this session."""

    code = "not_found"


class Conflict(DomainError):
    """The session is not in a state that allows this."""

    code = "conflict"


class SessionNotFound(NotFound):
    """No session has this id."""

    code = "session_not_found"


class SessionExists(Conflict):
    """A different session already has this id; leave the id out or choose another."""

    code = "session_exists"


class SessionIsDeleted(Conflict):
    """The session was deleted; its log can still be read, but nothing can be added."""

    code = "session_deleted"


class SessionIsStopped(Conflict):
    """The session is stopped; resume it first."""

    code = "session_stopped"


class SessionActive(Conflict):
    """The agent of the session is up: its start cannot fail any more; stop it."""

    code = "session_active"


class SessionStarting(Conflict):
    """The agent of the session is not up yet; wait until it is activated."""

    code = "session_starting"


class SessionIsStopping(Conflict):
    """The session stops when its turn has ended, and takes nothing new."""

    code = "session_stopping"


class SessionExpired(Conflict):
    """The life of this session has run out; spawn or create another."""

    code = "session_expired"


class InvalidRuntimeOverride(Invalid):
    """A model override needs a model, and a reasoning effort that there is."""

    code = "invalid_runtime_override"


class MessageNotFound(NotFound):
    """This session has no message with this id."""

    code = "message_not_found"


class MessageExists(Conflict):
    """This session already has a message with this id."""

    code = "message_exists"


class SummaryExists(Conflict):
    """This session already has a summary with this id."""

    code = "summary_exists"


class TurnNotFound(NotFound):
    """This session has no turn with this id."""

    code = "turn_not_found"


class TurnExists(Conflict):
    """This session already had a turn with this id."""

    code = "turn_exists"


class TurnInProgress(Conflict):
    """Another turn is running; wait for its end or cancel it."""

    code = "turn_in_progress"


class TurnEnded(Conflict):
    """The turn has already ended; nothing more can be recorded in it."""

    code = "turn_ended"


class TurnChanged(Conflict):
    """Another turn runs than the caller expects, or none; look, and decide again."""

    code = "turn_changed"


class NoTurnInProgress(Conflict):
    """No turn is running; start one."""

    code = "no_turn_in_progress"


class InputNotFound(NotFound):
    """This session has no input with this id."""

    code = "input_not_found"


class InputExists(Conflict):
    """This session already has an input with this id."""

    code = "input_exists"


class InputEnded(Conflict):
    """The input waits no more: it was dispatched, steered or cancelled."""

    code = "input_ended"


class InputsWaiting(Conflict):
    """Earlier inputs wait; send this one with `mode` queue, or dispatch or cancel them first."""

    code = "inputs_waiting"


class QueueFull(Conflict):
    """As many inputs wait as may; try again when one has had its turn, or take one back."""

    code = "queue_full"


class InputTooLarge(Invalid):
    """The input is larger than one that waits may be."""

    code = "input_too_large"


class ToolCallNotOpen(Conflict):
    """No open tool call of this turn has this id; record `tool.called` first."""

    code = "tool_call_not_open"


class ToolCallExists(Conflict):
    """This turn already has a tool call with this id."""

    code = "tool_call_exists"


class InteractionNotFound(NotFound):
    """This session has no interaction with this id."""

    code = "interaction_not_found"


class InteractionExists(Conflict):
    """This session already has an interaction with this id."""

    code = "interaction_exists"


class InteractionDecided(Conflict):
    """The interaction was already decided; the first decision stands."""

    code = "interaction_decided"


class InteractionExpired(Conflict):
    """The time to decide has run out."""

    code = "interaction_expired"


class WrongInteraction(Conflict):
    """The request is of the other kind: a permission is decided, an elicitation answered."""

    code = "wrong_interaction"


class ContentInvalid(Invalid):
    """The content does not fit the schema of the request, which is still pending."""

    code = "content_invalid"


class OptionNotOffered(Invalid):
    """The chosen option is not one of those offered; the request is still pending."""

    code = "option_not_offered"


class StateMoved(Conflict):
    """The state has changed since the version that was expected; read it and decide again."""

    code = "stale_state"


class PermissionWider(DomainError):
    """The child would have more than its parent."""

    code = "permission_denied"


class SpawnLimit(Conflict):
    """The parent has as many children, or generations below it, as it may."""

    code = "spawn_limit"


class NotAttachable(Conflict):
    """The session cannot be driven now."""

    code = "not_attachable"


class LeaseNotHeld(Conflict):
    """The session is not attached with this lease."""

    code = "lease_not_held"


class ProfileChanged(Conflict):
    """The persona is not the one that was expected; read it and decide again."""

    code = "profile_changed"


class PeerNotFound(NotFound):
    """No such peer has joined."""

    code = "peer_not_found"


class TooMany(Conflict):
    """The session holds as many of these as it may."""

    code = "limit_reached"
