"""Why something was not done: one tree for the domain and the application.

    CairnError
    ├── Malformed        the request cannot be understood
    ├── Invalid          it makes no sense, whatever the state
    │   └── TooLarge     it is larger than is taken
    ├── Denied           whoever asks may not do this
    ├── NotFound         it names something that is not there
    ├── Gone             it was there, and was taken away for good
    ├── Conflict         it makes sense, but not in the state that things are in
    │   ├── Stale        what the caller had read has changed since
    │   └── AtLimit      there is no room for more; later there may be
    ├── Unavailable      it cannot be done now, or it is not known whether it was
    ├── Damaged          what is stored is not what was stored
    └── Overtaken        another process was first; decided again inside, never an answer

An error belongs to one branch, and each door has a status for each branch. `code` is a stable word
that clients may test for: the name of the class, unless the class gives another.
"""

import re
from typing import Any, ClassVar

_CAPITAL = re.compile("(?<!^)(?=[A-Z])")


class CairnError(Exception):
    """Something that the caller can be told; of a refused command nothing was recorded.

    Args:
        detail: One sentence for the person who reads it; the class docstring when absent.
        **facts: What helps to go on, such as the id of the running turn; JSON values.
    """

    code: ClassVar[str] = "failed"

    def __init_subclass__(cls, *, code: str | None = None) -> None:
        cls.code = code or _CAPITAL.sub("_", cls.__name__).lower()

    def __init__(self, detail: str | None = None, **facts: Any) -> None:
        self.detail = detail or (self.__doc__ or "").strip().split("\n")[0]
        self.facts = facts
        super().__init__(self.detail)


class Malformed(CairnError):
    """The request cannot be understood."""


class Invalid(CairnError):
    """The command is not valid."""


class TooLarge(Invalid):
    """It is larger than is taken."""


class Unauthenticated(CairnError):
    """Nobody knows who asks."""


class Denied(CairnError):
    """Whoever asks may not do this."""


class NotFound(CairnError):
    """There is no such thing in this session."""


class Gone(CairnError):
    """It was taken away for good."""


class Conflict(CairnError):
    """The session is not in a state that allows this."""


class Stale(Conflict):
    """What the caller had read has changed since; read it and decide again."""


class AtLimit(Conflict):
    """There is no room for more now."""


class Unavailable(CairnError):
    """It cannot be done now; try again."""


class Damaged(CairnError):
    """What is stored is not what was stored."""


class LogDamaged(Damaged):
    """Events of the log are missing or were changed; `cairn verify` says which."""


class Overtaken(CairnError):
    """Another process was first; the command is decided again."""


class SessionNotFound(NotFound):
    """No session has this id."""


class SessionExists(Conflict):
    """A different session has this id or name, or had it and was erased; choose another."""


class AmbiguousName(Conflict):
    """Sessions of several apps have this external id; name one of the `candidates` by its id."""


class SessionIsDeleted(Conflict, code="session_deleted"):
    """The session was deleted; its log can still be read, but nothing can be added."""


class Erased(Gone):
    """The session was erased: what it held is gone for good, and nothing can be added."""


class UnderLegalHold(Conflict):
    """The session is under a legal hold, and must be kept as it is; release it first."""


class SessionIsStopped(Conflict, code="session_stopped"):
    """The session is stopped; resume it first."""


class SessionActive(Conflict):
    """The agent of the session is up: its start cannot fail any more; stop it."""


class SessionStarting(Conflict):
    """The agent of the session is not up yet; wait until it is activated."""


class SessionIsStopping(Conflict, code="session_stopping"):
    """The session stops when its turn has ended, and takes nothing new."""


class SessionExpired(Conflict):
    """The life of this session has run out; spawn or create another."""


class InvalidRuntimeOverride(Invalid):
    """A model override needs a model, and a reasoning effort that there is."""


class ModelSwitchingUnsupported(Invalid):
    """What runs this session lets its agent answer with no other model."""


class ModelNotOffered(Invalid):
    """What runs this session does not offer this model; choose one that it offers."""


class MessageNotFound(NotFound):
    """This session has no message with this id."""


class MessageExists(Conflict):
    """This session already has a message with this id."""


class SummaryExists(Conflict):
    """This session already has a summary with this id."""


class TurnNotFound(NotFound):
    """This session has no turn with this id."""


class TurnExists(Conflict):
    """This session already had a turn with this id."""


class TurnInProgress(Conflict):
    """Another turn is running; wait for its end or cancel it."""


class TurnEnded(Conflict):
    """The turn has already ended; nothing more can be recorded in it."""


class TurnChanged(Conflict):
    """Another turn runs than the caller expects, or none; look, and decide again."""


class NoTurnInProgress(Conflict):
    """No turn is running; start one."""


class InputNotFound(NotFound):
    """This session has no input with this id."""


class InputExists(Conflict):
    """This session already has an input with this id."""


class InputEnded(Conflict):
    """The input waits no more: it was dispatched, steered or cancelled."""


class InputsWaiting(Conflict):
    """Earlier inputs wait; send this one with `mode` queue, or dispatch or cancel them first."""


class QueueFull(AtLimit):
    """As many inputs wait as may; try again when one has had its turn, or take one back."""


class InputTooLarge(TooLarge):
    """The input is larger than one that waits may be."""


class ToolCallNotOpen(Conflict):
    """No open tool call of this turn has this id; record `tool.called` first."""


class ToolCallExists(Conflict):
    """A tool call with this id is open in this turn; it may come again once it has returned."""


class ToolCallOpen(Conflict):
    """The call is open in the running turn; record its result there, as `tool.returned`."""


class InteractionNotFound(NotFound):
    """This session has no interaction with this id."""


class InteractionExists(Conflict):
    """This session already has an interaction with this id."""


class InteractionDecided(Conflict):
    """The interaction was already decided; the first decision stands."""


class InteractionExpired(Conflict):
    """The time to decide has run out."""


class AmbiguousInteraction(Conflict):
    """Several requests of this turn are pending; decide one of the `candidates` by its id."""


class WrongInteraction(Conflict):
    """The request is of the other kind: a permission is decided, an elicitation answered."""


class ContentInvalid(Invalid):
    """The content does not fit the schema of the request, which is still pending."""


class OptionNotOffered(Invalid):
    """The chosen option is not one of those offered; the request is still pending."""


class StaleState(Stale):
    """The state has changed since the version that was expected; read it and decide again."""


class PermissionDenied(Denied):
    """The child would have more than its parent."""


class SpawnLimit(Conflict):
    """The parent has as many children, or generations below it, as it may."""


class NotAttachable(Conflict):
    """The session cannot be driven now."""


class LeaseNotHeld(Conflict):
    """The session is not attached with this lease."""


class ProfileChanged(Conflict):
    """The persona is not the one that was expected; read it and decide again."""


class PeerNotFound(NotFound):
    """No such peer has joined."""


class LimitReached(AtLimit):
    """The session holds as many of these as it may."""
