"""What is allowed with requests for a permission: a person decides, or a rule at once."""

from dataclasses import dataclass
from datetime import datetime

from domain.checks import require_id, require_name, require_summary
from domain.errors import (
    InteractionDecided,
    InteractionExists,
    InteractionExpired,
    InteractionNotFound,
    Invalid,
    LimitReached,
    OptionNotOffered,
    PermissionDenied,
    WrongInteraction,
)
from domain.permissions.narrowing import require_approval_within, require_within
from domain.permissions.patterns import literal
from domain.permissions.permission_rules import (
    MAX_RULES,
    Evaluation,
    PermissionRules,
    evaluate,
    option_for,
    require_rules,
)
from domain.replacing import replace
from domain.session.declarations import Command, decides, evolves
from domain.session.events import (
    PermissionDecided,
    PermissionRequested,
    PermissionsReplaced,
    Recorded,
    SessionEvent,
    ToolApprovalEnabled,
)
from domain.session.guards import INACTIVE, NOT_RUNNING, require_running
from domain.session.interaction.interactions import (
    begin_to_wait,
    require_new,
    require_pending,
    resolve,
    signs_of_life,
)
from domain.session.state import Changes, Session
from domain.session.work import Interaction
from domain.values import (
    Grant,
    Identity,
    JsonObject,
    Option,
)

__all__ = ["DecidePermission", "RequestPermission"]


MAX_OPTIONS = 20
MAX_ASKED = 10_000
"""The most characters of a title: agents put the whole command there that they want to run."""
MAX_OPTION_NAME = 1000
UNDECIDED = ("cancelled", "timeout")
"""What the log says where nobody chose: no option may be of such a kind."""


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


@decides(RequestPermission, refuses=(*NOT_RUNNING, InteractionExists, LimitReached))
def request(session: Session, command: RequestPermission) -> list[SessionEvent]:
    """Ask on behalf of the agent whose turn runs; where the rules decide, nobody is asked."""
    require_running(session, command.turn_id)
    require_new(session, command.request_id)
    require_id(command.tool_call_id, "tool_call_id")
    if command.title is not None and len(command.title) > MAX_ASKED:
        raise Invalid(f"title must have at most {MAX_ASKED} characters", field="title")
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


def judge(session: Session, command: RequestPermission) -> Evaluation:
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
    # Denied, but no option says no: it is cancelled, so that nobody can allow it later.
    return [PermissionDecided(request_id=command.request_id, decision="cancelled", reason=reason)]


def _decided(request_id: str, option: Option, reason: str | None) -> PermissionDecided:
    return PermissionDecided(
        request_id=request_id, decision=option.kind, option_id=option.option_id, reason=reason
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidePermission(Command):
    """Answer a request with one of its options, for this call or for more to come.

    With `arguments` the tool may be called with these, and not with those that were asked for.
    """

    request_id: Identity[str]
    option_id: str
    at: datetime | None = None
    grant: Grant = "once"
    reason: str | None = None
    arguments: JsonObject | None = None


@decides(
    DecidePermission,
    refuses=(
        *INACTIVE,
        InteractionDecided,
        InteractionExpired,
        InteractionNotFound,
        LimitReached,
        OptionNotOffered,
        PermissionDenied,
        WrongInteraction,
    ),
)
def decide(session: Session, command: DecidePermission) -> list[SessionEvent]:
    """Answer a pending request; a second answer is refused and told the first.

    A grant goes further than this call: it changes the rules in the same append, though never
    beyond what narrowed a child.
    """
    pending = require_pending(session, command.request_id, "permission", command.at)
    require_summary(command.reason, "reason")
    option = next((o for o in pending.options if o.option_id == command.option_id), None)
    if option is None:
        offered = [o.option_id for o in pending.options]
        raise OptionNotOffered(None, interaction_id=command.request_id, offered=offered)
    if command.arguments is not None:
        _require_allowed(session, pending, option, command.arguments)
    decided = replace(
        _decided(command.request_id, option, command.reason),
        grant=None if command.grant == "once" else command.grant,
        arguments=command.arguments,
    )
    return [decided, *_granted(session, command, pending, option)]


def _require_allowed(
    session: Session, pending: Interaction, option: Option, arguments: JsonObject
) -> None:
    """Refuse arguments of a person that no call may have."""
    if not option.kind.startswith("allow"):
        raise Invalid(f"{option.kind} calls nothing; leave arguments out", field="arguments")
    if pending.tool is None:
        return
    verdict = evaluate(
        session.policy.rules,
        tool=pending.tool,
        arguments=arguments,
        read_only=False,
        tool_approval=session.policy.tool_approval,
    )
    if verdict.decision == "deny":
        rule = verdict.rule or verdict.because
        raise PermissionDenied(
            f"the rules deny these arguments: {rule}", wider=[f"not deny:{rule}"]
        )


def _granted(
    session: Session, command: DecidePermission, pending: Interaction, option: Option
) -> list[SessionEvent]:
    if command.grant == "once":
        return []
    if not option.kind.startswith("allow"):
        raise Invalid(f"{option.kind} grants nothing; leave grant out", field="grant")
    if command.grant == "session":
        if session.policy.tool_approval:
            return []
        require_approval_within(session.policy.ceiling)
        return [ToolApprovalEnabled()]
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
    wider = replace(rules, allow=(*rules.allow, pattern))
    require_within(session.policy.ceiling, wider)
    return [PermissionsReplaced(permissions=wider)]


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
    return begin_to_wait(session, waiting, recorded)


@evolves(PermissionDecided)
def _decided_now(session: Session, event: PermissionDecided, recorded: Recorded) -> Changes:
    return resolve(session, event.request_id, event.decision, recorded)
