"""What is allowed with requests that wait for a person: asked once, decided exactly once."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from domain.errors import (
    ContentInvalid,
    InteractionDecided,
    InteractionExists,
    InteractionExpired,
    InteractionNotFound,
    Invalid,
    LimitReached,
    OptionNotOffered,
    WrongInteraction,
)
from domain.patterns import literal
from domain.permission_rules import (
    MAX_RULES,
    PermissionRules,
    Verdict,
    evaluate,
    option_for,
    require_rules,
)
from domain.replacing import replace
from domain.session.declarations import Command, decides, evolves
from domain.session.events import (
    ElicitationAnswered,
    ElicitationRequested,
    PermissionDecided,
    PermissionRequested,
    PermissionsReplaced,
    Recorded,
    SessionEvent,
    SessionRecovered,
    ToolApprovalEnabled,
)
from domain.session.guards import require_active, require_present, require_running
from domain.session.state import Changes, Interaction, Interactions, Session
from domain.values import (
    MAX_TITLE,
    Grant,
    Identity,
    JsonObject,
    Option,
    require_name,
    require_summary,
)

__all__ = [
    "AnswerElicitation",
    "CancelInteraction",
    "DecidePermission",
    "RequestElicitation",
    "RequestPermission",
]

MAX_PENDING = 100
MAX_OPTIONS = 20
MAX_MESSAGE = 10_000
MAX_URL = 2_000
URL_PATTERN = r"^https?://[^\s/?#\x00-\x1f\x7f][^\s\x00-\x1f\x7f]*$"
UNDECIDED = ("cancelled", "timeout")
"""What the log says where nobody chose: no option may be of such a kind."""

_URL = re.compile(URL_PATTERN)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestPermission(Command):
    """Ask on behalf of the agent; for a named `tool` the rules may decide at once."""

    request_id: Identity[str]
    turn_id: Identity[str]
    options: tuple[Option, ...]
    tool_call_id: str | None = None
    title: str | None = None
    tool: str | None = None
    arguments: JsonObject | None = None
    read_only: bool = False
    expires_at: datetime | None = None
    meta: JsonObject | None = None


@decides(RequestPermission)
def request(session: Session, command: RequestPermission) -> list[SessionEvent]:
    """Ask on behalf of the agent whose turn runs; where the rules decide, nobody is asked."""
    require_running(session, command.turn_id)
    _require_new(session, command.request_id)
    require_name(command.tool_call_id, "tool_call_id")
    require_name(command.title, "title", most=MAX_TITLE)
    require_name(command.tool, "tool")
    options = [option.option_id for option in command.options]
    if not options or len(options) > MAX_OPTIONS or len(set(options)) != len(options):
        raise Invalid(f"1 to {MAX_OPTIONS} different options are needed", field="options")
    if any(option.kind in UNDECIDED for option in command.options):
        raise Invalid(f"no option is of the kind {' or '.join(UNDECIDED)}", field="options")
    requested = PermissionRequested(
        request_id=command.request_id,
        turn_id=command.turn_id,
        options=command.options,
        tool_call_id=command.tool_call_id,
        title=command.title,
        tool=command.tool,
        arguments=command.arguments,
        expires_at=command.expires_at,
        meta=command.meta,
    )
    return [*signs_of_life(session), requested, *_decided_by_rule(session, command)]


def judge(session: Session, command: RequestPermission) -> Verdict:
    """Return what the rules of a session say of a call, and why."""
    return evaluate(
        session.policy.rules,
        tool=command.tool or "",
        arguments=command.arguments or {},
        read_only=command.read_only,
        tool_approval=session.policy.tool_approval,
    )


def _decided_by_rule(session: Session, command: RequestPermission) -> list[SessionEvent]:
    if command.tool is None:
        return []
    verdict = judge(session, command)
    if verdict.decision == "ask":
        return []
    kind = option_for(verdict.decision, [option.kind for option in command.options])
    reason = verdict.because if verdict.rule is None else f"{verdict.because} {verdict.rule}"
    chosen = next((option for option in command.options if option.kind == kind), None)
    if chosen is not None:
        return [_decided(command.request_id, chosen, reason)]
    if verdict.decision == "allow":
        return []
    # Denied, and nothing on offer says no: it must not hang about as if it could be allowed.
    return [PermissionDecided(request_id=command.request_id, decision="cancelled", reason=reason)]


def _decided(request_id: str, option: Option, reason: str | None) -> PermissionDecided:
    return PermissionDecided(
        request_id=request_id, decision=option.kind, option_id=option.option_id, reason=reason
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidePermission(Command):
    """Answer a request with one of its options, for this call or for more to come."""

    request_id: Identity[str]
    option_id: str
    at: datetime | None = None
    grant: Grant = "once"
    reason: str | None = None


@decides(DecidePermission)
def decide(session: Session, command: DecidePermission) -> list[SessionEvent]:
    """Answer a pending request; a second answer is refused and told the first.

    A grant goes further than this call: it changes the rules in the same append.
    """
    pending = _require_pending(session, command.request_id, "permission", command.at)
    require_summary(command.reason, "reason")
    option = next((o for o in pending.options if o.option_id == command.option_id), None)
    if option is None:
        offered = [o.option_id for o in pending.options]
        raise OptionNotOffered(None, interaction_id=command.request_id, offered=offered)
    decided = replace(
        _decided(command.request_id, option, command.reason),
        grant=None if command.grant == "once" else command.grant,
    )
    return [decided, *_granted(session, command, pending, option)]


def _granted(
    session: Session, command: DecidePermission, pending: Interaction, option: Option
) -> list[SessionEvent]:
    if command.grant == "once":
        return []
    if not option.kind.startswith("allow"):
        raise Invalid(f"{option.kind} grants nothing; leave grant out", field="grant")
    if command.grant == "session":
        return [] if session.policy.tool_approval else [ToolApprovalEnabled()]
    if pending.tool is None:
        raise Invalid("the request names no tool that could be granted", field="grant")
    rules, pattern = session.policy.rules, literal(pending.tool)
    if pattern in rules.allow:
        return []
    if len(rules.allow) >= MAX_RULES:
        raise LimitReached(f"the session has {MAX_RULES} allow rules; replace them first")
    try:
        require_rules(PermissionRules(allow=(pattern,)))
    except Invalid as error:
        why = f"no rule can be made for this tool ({error.detail}); leave grant out"
        raise Invalid(why, field="grant") from None
    return [PermissionsReplaced(permissions=replace(rules, allow=(*rules.allow, pattern)))]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestElicitation(Command):
    """Ask for content, on behalf of the agent."""

    request_id: Identity[str]
    message: str
    turn_id: Identity[str | None] = None
    schema: JsonObject | None = None
    url: str | None = None
    expires_at: datetime | None = None
    meta: JsonObject | None = None


@decides(RequestElicitation)
def elicit(session: Session, command: RequestElicitation) -> list[SessionEvent]:
    """Ask for content, within a turn or, from the background, outside of any."""
    events: list[SessionEvent] = []
    if command.turn_id is None:
        require_active(session)
    else:
        require_running(session, command.turn_id)
        events = signs_of_life(session)
    _require_new(session, command.request_id)
    if not command.message.strip() or len(command.message) > MAX_MESSAGE:
        raise Invalid(f"message must have 1 to {MAX_MESSAGE} characters", field="message")
    if (command.schema is None) == (command.url is None):
        raise Invalid("either a schema or a url is needed", field="schema")
    if command.url is not None and (len(command.url) > MAX_URL or not _URL.fullmatch(command.url)):
        why = f"url must be http or https with a host, at most {MAX_URL} characters without blanks"
        raise Invalid(why, field="url")
    if command.schema is not None and not _allows_objects(command.schema):
        raise Invalid("the type of schema must be object, which content is", field="schema")
    asked = ElicitationRequested(
        request_id=command.request_id,
        message=command.message,
        turn_id=command.turn_id,
        schema=command.schema,
        url=command.url,
        expires_at=command.expires_at,
        meta=command.meta,
    )
    return [*events, asked]


def _allows_objects(schema: Mapping[str, Any]) -> bool:
    kind = schema.get("type", "object")
    return kind == "object" or (isinstance(kind, list | tuple) and "object" in kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerElicitation(Command):
    """Give the content, or say that there will be none.

    `violations` are what is wrong with the content by the schema of the request; None says that no
    such request was known when the content should have been checked.
    """

    request_id: Identity[str]
    action: Literal["accept", "decline"]
    content: JsonObject | None = None
    violations: tuple[str, ...] | None = None
    at: datetime | None = None


@decides(AnswerElicitation)
def answer(session: Session, command: AnswerElicitation) -> list[SessionEvent]:
    """Give content that fits the schema, or say that there will be none."""
    pending = _require_pending(session, command.request_id, "elicitation", command.at)
    if command.action == "decline" or pending.schema is None:
        if command.content is not None:
            raise Invalid("this answer takes no content", field="content")
    else:
        if command.content is None:
            raise Invalid("accepting needs content", field="content")
        if command.violations is None:
            raise InteractionNotFound(
                "the request came after this answer to it; look at what it asks for, and try again",
                interaction_id=command.request_id,
            )
        if command.violations:
            raise ContentInvalid(
                f"the content does not fit the schema: {command.violations[0]}",
                interaction_id=command.request_id,
                violations=list(command.violations),
            )
    return [
        ElicitationAnswered(
            request_id=command.request_id, action=command.action, content=command.content
        )
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelInteraction(Command):
    """Take a request back, on behalf of the agent."""

    request_id: Identity[str]
    reason: str = "withdrawn"


@decides(CancelInteraction)
def withdraw(session: Session, command: CancelInteraction) -> list[SessionEvent]:
    """Take a request back; cancelled already, it is already so."""
    require_present(session)
    require_name(command.reason, "reason")
    if session.interactions.decided.get(command.request_id) == "cancelled":
        return []
    pending = _require_pending(session, command.request_id, None, None)
    return [resolved(pending, "cancelled", command.reason)]


def signs_of_life(session: Session) -> list[SessionEvent]:
    """Return what ends the stall of the running turn; nothing when it has not stalled."""
    return [] if session.health.stalled is None else [SessionRecovered(after="stalled")]


def resolved(pending: Interaction, how: Any, reason: str) -> SessionEvent:
    """Return the end of a request that nobody decides any more.

    Args:
        pending: The request.
        how: `cancelled` or `timeout`.
        reason: Why.
    """
    if pending.kind == "permission":
        return PermissionDecided(request_id=pending.request_id, decision=how, reason=reason)
    return ElicitationAnswered(request_id=pending.request_id, action=how, reason=reason)


def cancelled_with_turn(session: Session, turn_id: str, reason: str) -> list[SessionEvent]:
    """Return the end of all that waits for a decision within a turn."""
    pending = session.interactions.pending
    return [
        resolved(pending[request_id], "cancelled", reason)
        for request_id in sorted(pending)
        if pending[request_id].turn_id == turn_id
    ]


def cancelled_with_session(session: Session, reason: str) -> list[SessionEvent]:
    """Return the end of what waits for a decision outside of turns."""
    pending = session.interactions.pending
    return [
        resolved(pending[request_id], "cancelled", reason)
        for request_id in sorted(pending)
        if pending[request_id].turn_id is None
    ]


def expired(session: Session, at: datetime) -> list[SessionEvent]:
    """Return the end of all requests whose time has run out.

    Args:
        session: Where they wait.
        at: The time; a request that runs out at this very moment has run out.
    """
    due = [
        one
        for one in session.interactions.pending.values()
        if one.expires_at is not None and one.expires_at <= at
    ]
    return [resolved(one, "timeout", "expired") for one in sorted(due, key=lambda o: o.sequence)]


def _require_new(session: Session, request_id: str) -> None:
    require_name(request_id, "request_id")
    interactions = session.interactions
    if request_id in interactions.pending or request_id in interactions.decided:
        raise InteractionExists(None, interaction_id=request_id)
    if len(interactions.pending) >= MAX_PENDING:
        raise LimitReached(f"{MAX_PENDING} interactions are pending; decide one first")


def _require_pending(
    session: Session, request_id: str, kind: str | None, at: datetime | None
) -> Interaction:
    require_present(session)
    pending = session.interactions.pending.get(request_id)
    if pending is None:
        first = session.interactions.decided.get(request_id)
        if first is not None:
            raise InteractionDecided(None, interaction_id=request_id, decision=first)
        # A request of a stopped session that never was is no news: the stop is.
        require_active(session)
        raise InteractionNotFound(None, interaction_id=request_id)
    if kind is not None and pending.kind != kind:
        raise WrongInteraction(None, interaction_id=request_id, kind=pending.kind)
    if at is not None and pending.expires_at is not None and pending.expires_at <= at:
        raise InteractionExpired(None, interaction_id=request_id)
    return pending


@evolves(PermissionRequested)
def _requested(session: Session, event: PermissionRequested, recorded: Recorded) -> Changes:
    waiting = Interaction(
        request_id=event.request_id,
        turn_id=event.turn_id,
        options=event.options,
        tool_call_id=event.tool_call_id,
        title=event.title,
        tool=event.tool,
        arguments=event.arguments,
        expires_at=event.expires_at,
        meta=event.meta,
        sequence=recorded.sequence,
        requested_at=recorded.at,
    )
    return _pending(session, waiting, recorded)


@evolves(ElicitationRequested)
def _elicited(session: Session, event: ElicitationRequested, recorded: Recorded) -> Changes:
    waiting = Interaction(
        request_id=event.request_id,
        kind="elicitation",
        turn_id=event.turn_id,
        message=event.message,
        schema=event.schema,
        url=event.url,
        expires_at=event.expires_at,
        meta=event.meta,
        sequence=recorded.sequence,
        requested_at=recorded.at,
    )
    return _pending(session, waiting, recorded)


def _pending(session: Session, waiting: Interaction, recorded: Recorded) -> Changes:
    now = session.interactions
    changes = _alive(session, waiting, recorded)
    changes["interactions"] = replace(now, pending=now.pending.put(waiting.request_id, waiting))
    return changes


@evolves(PermissionDecided)
def _decided_now(session: Session, event: PermissionDecided, recorded: Recorded) -> Changes:
    return _resolved(session, event.request_id, event.decision, recorded)


@evolves(ElicitationAnswered)
def _answered(session: Session, event: ElicitationAnswered, recorded: Recorded) -> Changes:
    return _resolved(session, event.request_id, event.action, recorded)


def _resolved(session: Session, request_id: str, how: str, recorded: Recorded) -> Changes:
    now = session.interactions
    changes = _alive(session, now.pending.get(request_id), recorded)
    changes["interactions"] = Interactions(
        pending=now.pending.drop(request_id), decided=now.decided.put(request_id, how)
    )
    return changes


def _alive(session: Session, asked: Interaction | None, recorded: Recorded) -> Changes:
    turn = session.turns.running
    if turn is None or asked is None or asked.turn_id != turn.turn_id:
        return {}
    return {"turns": replace(session.turns, running=replace(turn, active_at=recorded.at))}
