"""Every event and every command, made up by hypothesis.

Ids come from small pools, so that what is made up often concerns what is already there.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any, get_args
from uuid import UUID

from hypothesis import strategies as st

from domain.access.events import AccessGranted, AccessTo
from domain.errors import CairnError
from domain.permissions.grants import Grants
from domain.permissions.permission_rules import MODES, PermissionRules
from domain.scope.events import ScopeErased, ScopeOpened
from domain.scope.rules import PatchScope
from domain.session import commands as c
from domain.session import events as e
from domain.session.family.spawning import EXTRACTOR
from domain.session.life.stop_reasons import REASONS
from domain.session.state import ABSENT, Session
from domain.timers import Timers
from domain.values import (
    REASONING_EFFORTS,
    Agent,
    Failure,
    Lineage,
    OfferedModel,
    Option,
    Origin,
    Owner,
    SessionLimits,
    Usage,
)
from tests.support.aim import aimed
from tests.support.builders import NOON, obey, state_after

Strategy = st.SearchStrategy[Any]


def rarely(one: Strategy, other: Strategy) -> Strategy:
    """Return a strategy that takes the first one now and then."""
    return st.integers(0, 9).flatmap(lambda n: one if n == 9 else other)


message_ids = st.sampled_from(["m1", "m2", "m3", "m4"])
# An input's id is the id of its turn.
turn_ids = input_ids = st.sampled_from(["t1", "t2", "t3", "t4"])
child_ids = st.sampled_from([UUID(int=1), UUID(int=2), UUID(int=3)])
lease_ids = st.sampled_from([UUID(int=4), UUID(int=5)])
summary_ids = st.sampled_from(["s1", "s2"])
peer_ids = st.sampled_from(["p1", "p2"])
agent_names = st.sampled_from(["coder", "tester"])
digests = st.sampled_from(["sha256:1", "sha256:2"])
call_ids = st.sampled_from(["c1", "c2", "c3"])
request_ids = st.sampled_from(["r1", "r2", "r3"])
option_ids = st.sampled_from(["yes", "no", "always"])
state_keys = st.sampled_from(["a", "b", "app:a", "user:a", "temp:a", "x:y", "app:"])

_characters = st.characters(exclude_categories=["Cs"])
texts = st.text(_characters, max_size=6)
words = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf", "Zs", "Zl", "Zp"]), min_size=1,
                max_size=6)  # fmt: skip

_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
json_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
json_objects = st.dictionaries(texts, json_values, max_size=3)
_meta = st.none() | json_objects
_tokens = st.none() | st.integers(0, 10_000)

_spoken = st.builds(
    lambda kind, said: {"type": kind, "text": said},
    st.sampled_from(["text", "reasoning"]),
    words,
)
_other = st.builds(
    lambda kind, more: {**more, "type": kind},
    st.sampled_from(["image", "file", "tool_call", "tool_result", "data"]),
    json_objects,
)
parts = st.lists(_spoken | _other, min_size=1, max_size=2).map(tuple)
wrong_parts = st.sampled_from([(), ({"type": "text"},), ({"type": "text", "text": ""},)])
_input = rarely(wrong_parts, parts)

owners = st.builds(
    Owner,
    app=st.sampled_from(["console", "bot"]),
    user=st.sampled_from(["ada", "bob"]),
    workspace=st.none() | words,
    team=st.none() | words,
    scope=st.none() | words,
)
agents = st.builds(
    Agent, name=words, provider=st.none() | words, model=st.none() | words,
    reasoning_effort=st.none() | words,
)  # fmt: skip
failures = st.builds(Failure, kind=words, summary=st.none() | texts, bundle=st.none() | words)
_usage = {
    "input_tokens": _tokens,
    "output_tokens": _tokens,
    "total_tokens": _tokens,
    "cached_tokens": _tokens,
    "reasoning_tokens": _tokens,
    "cost": st.none() | st.floats(0, 1000),
    "currency": st.none() | words,
}
usages = st.builds(Usage, **_usage)
_kinds = st.sampled_from(["allow_once", "allow_always", "reject_once", "reject_always", "other"])
_options = st.lists(
    st.builds(Option, option_id=option_ids, name=words, kind=_kinds),
    min_size=1,
    max_size=3,
    unique_by=lambda option: option.option_id,
).map(tuple)
_tags = st.lists(words, max_size=3, unique=True).map(tuple)
_state = st.dictionaries(state_keys, json_values, max_size=3)
_roles = st.sampled_from(["user", "agent", "system"])
_sources = st.sampled_from(["user", "network", "synthetic", "followup"])
_causes = st.sampled_from(sorted(REASONS))
_outcomes = st.sampled_from(["completed", "failed", "cancelled", "abandoned"])
_title = st.none() | words
_maybe_true = st.none() | st.just(True)
_tools = st.sampled_from(["ls", "rm", "git:push"])
_patterns = st.lists(
    st.sampled_from(["ls", "rm", "r*", "*", "ls:path=/tmp*", r"git\:push"]), max_size=2
).map(tuple)
rules = st.builds(
    PermissionRules, allow=_patterns, ask=_patterns, deny=_patterns, mode=st.sampled_from(MODES)
)
_atoms = st.lists(st.sampled_from(["a", "b"]), max_size=2).map(tuple)
grants = st.builds(Grants, tools=_atoms, workspace_paths=_atoms)
limits = st.builds(
    SessionLimits,
    queued_inputs=st.none() | st.integers(1, 3),
    input_bytes=st.none() | st.just(512),
    turn_seconds=st.none() | st.integers(1, 1000),
    children=st.none() | st.integers(0, 2),
    depth=st.none() | st.integers(0, 3),
)
lineages = st.builds(
    Lineage, parent_id=child_ids, root_id=child_ids, depth=st.integers(1, 2), role=words,
    auto_stop=st.booleans(),
)  # fmt: skip
_origins = st.builds(
    Origin, session_id=child_ids, sequence=st.integers(1, 99), digest=st.just("00ff")
)
moments = st.integers(0, 5_000).map(lambda seconds: NOON + timedelta(seconds=seconds))
_seconds = st.none() | st.integers(1, 2_000)
timers = st.builds(
    Timers, progress=_seconds, warning=_seconds, silence=_seconds, turn=_seconds,
    grace=st.just(0) | st.integers(1, 60),
)  # fmt: skip
_reasons = st.sampled_from(sorted(set(REASONS.values())))
_stop = {
    "cause": _causes, "reason": _reasons, "detail": st.none() | texts,
    "failure": st.none() | failures,
}  # fmt: skip
_schemas = st.sampled_from(
    [
        {"type": "object", "properties": {}},
        {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
    ]
)
_summaries = st.builds(
    e.SummaryAdded, summary_id=words, text=texts, first_kept=_title,
    tokens=st.none() | st.integers(0, 9),
)  # fmt: skip

_ACTIVITY: dict[type, Strategy] = {
    e.AgentMessage: st.builds(
        e.AgentMessage, parts=parts, message_id=st.none() | message_ids, meta=_meta
    ),
    e.AgentThought: st.builds(
        e.AgentThought, parts=parts, message_id=st.none() | message_ids, meta=_meta
    ),
    e.ToolCalled: st.builds(
        e.ToolCalled, tool_call_id=call_ids, name=words, input=json_values, title=_title,
        kind=_title, meta=_meta,
    ),
    e.ToolProgressed: st.builds(
        e.ToolProgressed, tool_call_id=call_ids, title=_title, content=json_values, meta=_meta
    ),
    e.ToolReturned: st.builds(
        e.ToolReturned, tool_call_id=call_ids, status=_outcomes, output=json_values, meta=_meta
    ),
    e.PlanUpdated: st.builds(
        e.PlanUpdated, entries=st.lists(json_objects, max_size=2).map(tuple), meta=_meta
    ),
    e.UsageReported: st.builds(e.UsageReported, **_usage, meta=_meta),
    e.RuntimeNotice: st.builds(e.RuntimeNotice, level=words, text=texts, meta=_meta),
    e.AgentSwitched: st.builds(e.AgentSwitched, agent=agents, reason=_title, meta=_meta),
    e.ContextCompacted: st.builds(e.ContextCompacted, summary=_title, meta=_meta),
    e.RuntimeEvent: st.builds(e.RuntimeEvent, kind=words, data=json_values),
}  # fmt: skip
activity = st.one_of(*_ACTIVITY.values())

_ends_of_children = st.sampled_from(["stopped", "deleted", "ttl_expired", "parent_stopped"])
_sandbox_reports = st.builds(
    e.SandboxReported, sandbox_id=words, operation=words, detail=_title, meta=_meta,
    outcome=st.sampled_from(["started", "completed", "failed"]),
    duration_ms=st.none() | st.integers(0, 999),
)  # fmt: skip
_joins = st.builds(
    e.PeerJoined, peer_id=peer_ids, display_name=_title, channel=_title,
    capabilities=st.lists(json_objects, max_size=1).map(tuple),
)  # fmt: skip
_offers = st.lists(
    st.builds(
        OfferedModel, ref=words, name=_title, provider=st.none() | words, model=st.none() | words,
        is_default=st.booleans(), details=st.none() | json_objects,
    ),
    max_size=2,
).map(tuple)  # fmt: skip
_runtime_reports = st.builds(
    e.RuntimeReported, runtime_session_id=st.none() | words, name=_title, version=_title,
    capabilities=json_objects, models=_offers,
    switching=st.sampled_from(["any", "offered", "none"]),
)  # fmt: skip
_leaves = st.builds(e.PeerLeft, peer_id=peer_ids, reason=_title)

EVENTS: dict[type, Strategy] = {
    e.SessionCreated: st.builds(
        e.SessionCreated, owner=owners, type=st.sampled_from(["user", "spawned", "dream"]),
        title=_title, tags=_tags, agent=st.none() | agents, state=_state, metadata=json_objects,
        starting=_maybe_true, permissions=st.none() | rules, grants=st.none() | grants,
        limits=st.none() | limits, ttl_seconds=st.none() | st.integers(1, 9999),
        lineage=st.none() | lineages, forked_from=st.none() | _origins,
    ),
    e.SessionActivated: st.just(e.SessionActivated()),
    e.SessionStartFailed: st.builds(e.SessionStartFailed, failure=failures),
    e.SessionStopping: st.builds(e.SessionStopping, **_stop),
    e.SessionStopped: st.builds(e.SessionStopped, **_stop),
    e.SessionResumed: st.builds(
        e.SessionResumed, activation=st.integers(2, 9), starting=_maybe_true,
        crash=st.none() | failures,
    ),
    e.ConversationCleared: st.builds(e.ConversationCleared, epoch=st.integers(1, 9)),
    e.ConversationRewound: st.builds(
        e.ConversationRewound, to=st.integers(1, 9), epoch=st.integers(1, 9), set=_state,
        delete=st.lists(state_keys, max_size=2).map(tuple),
        summary=st.none() | _summaries,
    ),
    e.SessionDeleted: st.just(e.SessionDeleted()),
    e.SessionErased: st.builds(
        e.SessionErased, reason=words, app=words, began_at=moments,
        shared_keys=st.sampled_from(["kept", "erased"]),
    ),
    e.LegalHoldSet: st.builds(e.LegalHoldSet, reason=words),
    e.LegalHoldReleased: st.builds(e.LegalHoldReleased, reason=words),
    e.SessionRenamed: st.builds(e.SessionRenamed, title=_title),
    e.SessionStarred: st.just(e.SessionStarred()),
    e.SessionUnstarred: st.just(e.SessionUnstarred()),
    e.SessionTagged: st.builds(e.SessionTagged, tags=_tags),
    e.UsageRecorded: st.builds(
        e.UsageRecorded, mode=st.sampled_from(["set", "add"]), input_tokens=_tokens,
        output_tokens=_tokens, cost=st.none() | st.floats(0, 1000),
    ),
    e.ModelOverridden: st.builds(
        e.ModelOverridden, agent=agent_names, model=words, provider=_title, reasoning_effort=_title
    ),
    e.ModelRestored: st.builds(e.ModelRestored, agent=agent_names),
    e.SummaryAdded: st.builds(
        e.SummaryAdded, summary_id=summary_ids, text=words, first_kept=st.none() | message_ids,
        tokens=_tokens,
    ),
    e.PermissionsReplaced: st.builds(e.PermissionsReplaced, permissions=rules),
    e.ToolApprovalEnabled: st.just(e.ToolApprovalEnabled()),
    e.ToolApprovalDisabled: st.just(e.ToolApprovalDisabled()),
    e.MessageAdded: st.builds(
        e.MessageAdded, message_id=message_ids, role=_roles, parts=parts, author=_title,
        implicit=st.booleans(),
    ),
    e.MessageRevised: st.builds(e.MessageRevised, message_id=message_ids, parts=parts),
    e.TurnStarted: st.builds(
        e.TurnStarted, turn_id=turn_ids, source=_sources, message_id=message_ids, parts=parts,
        meta=_meta,
    ),
    e.TurnCompleted: st.builds(
        e.TurnCompleted, turn_id=turn_ids, stop_reason=words, usage=st.none() | usages
    ),
    e.TurnFailed: st.builds(e.TurnFailed, turn_id=turn_ids, failure=failures),
    e.TurnCancelled: st.builds(e.TurnCancelled, turn_id=turn_ids, reason=words),
    e.TurnProgressNoted: st.builds(
        e.TurnProgressNoted, turn_id=turn_ids, elapsed_seconds=st.integers(0, 999),
        idle_seconds=st.integers(0, 999),
    ),
    e.InputQueued: st.builds(
        e.InputQueued, input_id=input_ids, message_id=message_ids, parts=parts, source=_sources,
        generation=st.integers(0, 3), meta=_meta,
    ),
    e.InputStaged: st.builds(e.InputStaged, input_id=input_ids, turn_id=turn_ids),
    e.InputSteered: st.builds(
        e.InputSteered, input_id=input_ids, turn_id=turn_ids, message_id=message_ids, parts=parts,
        tool_call_id=st.none() | call_ids, source=_sources, meta=_meta,
    ),
    e.InputDispatched: st.builds(e.InputDispatched, input_id=input_ids, fallback=_maybe_true),
    e.InputEdited: st.builds(e.InputEdited, input_id=input_ids, parts=parts),
    e.InputCancelled: st.builds(e.InputCancelled, input_id=input_ids, reason=words),
    e.InputsFenced: st.builds(
        e.InputsFenced, generation=st.integers(1, 4),
        cancelled=st.lists(input_ids, max_size=2).map(tuple),
    ),
    **_ACTIVITY,
    e.PermissionRequested: st.builds(
        e.PermissionRequested, request_id=request_ids, turn_id=turn_ids, options=_options,
        tool_call_id=st.none() | call_ids, title=_title, tool=st.none() | _tools,
        arguments=_meta, expires_at=st.none() | moments, meta=_meta,
    ),
    e.PermissionDecided: st.builds(
        e.PermissionDecided, request_id=request_ids, decision=words,
        option_id=st.none() | option_ids, reason=_title,
        grant=st.none() | st.sampled_from(["session", "tool"]),
    ),
    e.ElicitationRequested: st.builds(
        e.ElicitationRequested, request_id=request_ids, message=words,
        turn_id=st.none() | turn_ids, schema=st.none() | _schemas, url=_title,
        expires_at=st.none() | moments, meta=_meta,
    ),
    e.ElicitationAnswered: st.builds(
        e.ElicitationAnswered, request_id=request_ids,
        action=st.sampled_from(["accept", "decline", "cancelled", "timeout"]),
        content=st.none() | json_objects, reason=_title,
    ),
    e.StatePatched: st.builds(
        e.StatePatched, set=_state, delete=st.lists(state_keys, max_size=2).map(tuple)
    ),
    ScopeOpened: st.builds(ScopeOpened, app=words, user=_title),
    ScopeErased: st.builds(ScopeErased, app=words, reason=words),
    AccessGranted: st.builds(
        AccessGranted, to=st.sampled_from(get_args(AccessTo)), session_id=st.none() | child_ids,
        webhook_id=st.none() | child_ids, where=st.dictionaries(words, words, max_size=3),
    ),
    e.ChildSpawned: st.builds(
        e.ChildSpawned, child_id=child_ids, role=words, depth=st.integers(1, 3),
        ttl_seconds=st.integers(1, 99), auto_stop=st.booleans(), agent=words, asked=_title,
    ),
    e.ChildReaped: st.builds(e.ChildReaped, child_id=child_ids, reason=_ends_of_children),
    e.ChildResumed: st.builds(
        e.ChildResumed, child_id=child_ids, role=words, auto_stop=st.booleans()
    ),
    e.AttachmentAcquired: st.builds(
        e.AttachmentAcquired, lease_id=lease_ids, holder=words, expires_at=moments
    ),
    e.AttachmentReleased: st.builds(
        e.AttachmentReleased, lease_id=lease_ids, holder=words, reason=words
    ),
    e.SessionStalled: st.builds(
        e.SessionStalled, turn_id=turn_ids, idle_seconds=st.integers(0, 999),
        reason=st.sampled_from(["inactivity", "activity_timeout", "prompt_deadline_exceeded"]),
        ends_at=st.none() | moments,
    ),
    e.SessionUnhealthy: st.builds(e.SessionUnhealthy, detail=_title),
    e.SessionRecovered: st.builds(
        e.SessionRecovered, after=st.sampled_from(["stalled", "unhealthy"])
    ),
    e.SessionRepaired: st.builds(
        e.SessionRepaired, repair_id=words, report_digest=digests, report=json_objects
    ),
    e.ProfileCaptured: st.builds(
        e.ProfileCaptured, digest=digests, name=words, body=texts, profile=json_objects
    ),
    e.ProfileRefreshed: st.builds(
        e.ProfileRefreshed, previous=digests, digest=st.none() | digests, name=_title,
        body=st.none() | texts, profile=json_objects,
    ),
    e.SandboxReported: _sandbox_reports,
    e.RuntimeReported: _runtime_reports,
    e.PeerJoined: _joins,
    e.PeerLeft: _leaves,
}  # fmt: skip
"""How to make up an event of each class."""

_unrecognised = st.builds(e.Unrecognised, type=words, data=json_values)
events = st.one_of(*EVENTS.values(), _unrecognised)

_first_messages = st.lists(
    st.builds(c.FirstMessage, message_id=message_ids, role=_roles, parts=_input, author=_title),
    max_size=2,
).map(tuple)
_often_too_long = st.sampled_from(["x" * 600, "x" * 2049, "", " ", "a\x00b"])
_now_and_then_wrong = rarely(_often_too_long, words)
_fields = st.lists(st.sampled_from(["title", "starred", "tags"]), unique=True).map(frozenset)
_any_tags = st.lists(st.sampled_from(["red", "green", "blue"]), max_size=3).map(tuple)

_done = st.lists(activity, min_size=1, max_size=3).map(tuple)
_foreign = st.builds(
    c.ForeignEvent, kind=st.just("adk.event"), event_id=message_ids, record=json_objects,
    turn_id=st.none() | turn_ids, role=_roles, author=_title, set=_state,
    back_before=st.none() | turn_ids,
    means=st.lists(
        st.one_of(*(_ACTIVITY[kind] for kind in (e.AgentMessage, e.AgentThought, e.RuntimeNotice))),
        max_size=2,
    ).map(tuple),
)  # fmt: skip
_wrong_rules = st.sampled_from([PermissionRules(allow=("[",)), PermissionRules(deny=("",))])
_any_rules = rarely(_wrong_rules, rules)
_wrong_limits = st.sampled_from([SessionLimits(queued_inputs=0), SessionLimits(depth=17)])
_any_limits = st.none() | rarely(_wrong_limits, limits)
_any_ttl = rarely(st.just(0), st.none() | st.integers(60, 9999))
_why = rarely(st.none(), st.just({"reason": "nightly"}))
_new_inputs = rarely(
    st.just([]),
    st.lists(
        st.builds(c.NewInput, input_id=input_ids, message_id=message_ids, parts=_input, meta=_why),
        min_size=1,
        max_size=3,
    ),
).map(tuple)
_expected_turn = rarely(turn_ids, st.none())
_agent_spoken_for = st.builds(Agent, name=_now_and_then_wrong, provider=_title)

COMMANDS: dict[type, Strategy] = {
    c.CreateSession: st.builds(
        c.CreateSession, owner=owners, title=st.none() | _now_and_then_wrong, tags=_any_tags,
        agent=st.none() | agents, state=_state, metadata=json_objects, messages=_first_messages,
        type=rarely(st.sampled_from(["spawned", "coordinator"]), st.just("user")),
        starting=rarely(st.just(True), st.just(False)), permissions=st.none() | _any_rules,
        grants=st.none() | grants, limits=_any_limits, ttl_seconds=_any_ttl,
        lineage=rarely(lineages, st.none()),
    ),
    c.ActivateSession: st.just(c.ActivateSession()),
    c.FailStart: st.builds(c.FailStart, failure=failures),
    c.DescribeSession: st.builds(
        c.DescribeSession, fields=_fields, title=st.none() | _now_and_then_wrong,
        starred=st.booleans(), tags=_any_tags,
    ),
    c.StopSession: st.builds(
        c.StopSession, cause=_causes, detail=st.none() | _now_and_then_wrong,
        failure=st.none() | failures, when_idle=st.booleans(),
    ),
    c.ResumeSession: st.builds(
        c.ResumeSession, starting=rarely(st.just(True), st.just(False))
    ),
    c.ClearConversation: st.just(c.ClearConversation()),
    c.RewindConversation: st.builds(
        c.RewindConversation, to=st.integers(0, 12), summary=st.none() | _summaries,
        state=st.dictionaries(st.sampled_from(["a", "b"]), json_values, max_size=2),
    ),
    c.DeleteSession: st.just(c.DeleteSession()),
    c.EraseSession: st.builds(
        c.EraseSession, reason=_now_and_then_wrong,
        shared_keys=st.sampled_from(["kept", "erased"]),
    ),
    c.SetLegalHold: st.builds(c.SetLegalHold, reason=_now_and_then_wrong),
    c.ReleaseLegalHold: st.builds(c.ReleaseLegalHold, reason=_now_and_then_wrong),
    c.RecordUsage: st.builds(
        c.RecordUsage, mode=st.sampled_from(["set", "add"]), input_tokens=_tokens,
        output_tokens=_tokens, cost=st.none() | rarely(st.just(-1.0), st.floats(0, 1000)),
    ),
    c.OverrideModel: st.builds(
        c.OverrideModel, agent=agent_names, model=_title, provider=_title,
        reasoning_effort=st.none() | st.sampled_from(REASONING_EFFORTS),
    ),
    c.AddSummary: st.builds(
        c.AddSummary, summary_id=summary_ids, text=_now_and_then_wrong,
        first_kept=st.none() | message_ids, tokens=_tokens,
    ),
    c.ReplacePermissions: st.builds(c.ReplacePermissions, permissions=_any_rules),
    c.SwitchToolApproval: st.builds(c.SwitchToolApproval, enabled=st.booleans()),
    c.AddMessage: st.builds(
        c.AddMessage, message_id=message_ids, role=_roles, parts=_input,
        author=st.none() | _now_and_then_wrong, implicit=st.booleans(), meta=_why,
    ),
    c.ReviseMessage: st.builds(c.ReviseMessage, message_id=message_ids, parts=_input),
    c.StartTurn: st.builds(
        c.StartTurn, turn_id=turn_ids, message_id=message_ids, parts=_input, source=_sources,
        mode=st.sampled_from([None, "queue", "interrupt", "interrupt_if_waiting", "steer"]),
        expected_turn_id=_expected_turn, meta=_why,
    ),
    c.RecordActivity: st.builds(
        c.RecordActivity, turn_id=turn_ids, events=rarely(st.just(()), _done),
        take_inputs=st.booleans(),
    ),
    c.RecordForeignEvents: st.builds(
        c.RecordForeignEvents, events=st.lists(_foreign, max_size=2).map(tuple)
    ),
    c.BeginForeignTurn: st.builds(
        c.BeginForeignTurn, turn_id=turn_ids, event=_foreign, meta=json_objects
    ),
    c.TakeInputs: st.builds(c.TakeInputs, turn_id=turn_ids),
    c.QueueInputs: st.builds(
        c.QueueInputs, inputs=_new_inputs, source=_sources, hold=st.booleans()
    ),
    c.EditInput: st.builds(c.EditInput, input_id=input_ids, parts=_input),
    c.PromoteInput: st.builds(
        c.PromoteInput, input_id=input_ids, expected_turn_id=_expected_turn
    ),
    c.CancelInput: st.builds(c.CancelInput, input_id=input_ids, reason=_now_and_then_wrong),
    c.DispatchInput: st.just(c.DispatchInput()),
    c.Interrupt: st.builds(
        c.Interrupt, expected_turn_id=_expected_turn, reason=_now_and_then_wrong
    ),
    c.CompleteTurn: st.builds(
        c.CompleteTurn, turn_id=turn_ids, stop_reason=_now_and_then_wrong,
        usage=st.none() | usages,
    ),
    c.FailTurn: st.builds(c.FailTurn, turn_id=turn_ids, failure=failures),
    c.CancelTurn: st.builds(
        c.CancelTurn, turn_id=turn_ids, reason=_now_and_then_wrong, hold=st.booleans()
    ),
    c.RequestPermission: st.builds(
        c.RequestPermission, request_id=request_ids, turn_id=turn_ids,
        options=rarely(st.just(()), _options), tool_call_id=st.none() | call_ids,
        title=st.none() | _now_and_then_wrong, tool=st.none() | _tools, arguments=_meta,
        read_only=st.booleans(), expires_at=st.none() | moments, meta=_meta,
    ),
    c.DecidePermission: st.builds(
        c.DecidePermission, request_id=request_ids, option_id=option_ids,
        at=st.none() | moments, reason=st.none() | _now_and_then_wrong,
        grant=st.sampled_from(["once", "once", "session", "tool"]),
    ),
    c.RequestElicitation: st.builds(
        c.RequestElicitation, request_id=request_ids, message=_now_and_then_wrong,
        turn_id=st.none() | turn_ids, schema=rarely(st.none(), _schemas),
        url=rarely(st.just("https://example.org"), st.none()), expires_at=st.none() | moments,
        meta=_meta,
    ),
    c.AnswerElicitation: st.builds(
        c.AnswerElicitation, request_id=request_ids, violations=st.none() | st.just(()),
        action=st.sampled_from(["accept", "decline", "cancel"]), at=st.none() | moments,
        content=st.sampled_from([None, {}, {"a": 1}]),
    ),
    c.CancelInteraction: st.builds(
        c.CancelInteraction, request_id=request_ids, reason=_now_and_then_wrong
    ),
    c.PatchState: st.builds(
        c.PatchState, set=_state, delete=st.lists(state_keys, max_size=3).map(tuple),
        expected=rarely(st.integers(0, 3), st.none()),
    ),
    c.SpawnSession: st.builds(
        c.SpawnSession, parent_id=st.just(UUID(int=9)), child_id=child_ids,
        agent=_agent_spoken_for, ttl_seconds=st.integers(0, 99).map(lambda n: n * 60),
        role=st.sampled_from(["worker", "", EXTRACTOR, "coordinator"]), auto_stop=st.booleans(),
        grants=grants, title=_title, permissions=st.none() | _any_rules, limits=_any_limits,
        metadata=json_objects, allow_stopped_parent=rarely(st.just(True), st.just(False)),
    ),
    c.ReapChild: st.builds(c.ReapChild, child_id=child_ids, reason=_ends_of_children),
    c.RestoreChild: st.builds(
        c.RestoreChild, child_id=child_ids, role=words, auto_stop=st.booleans()
    ),
    c.AcquireAttachment: st.builds(
        c.AcquireAttachment,
        lease_id=lease_ids,
        holder=_now_and_then_wrong,
        acquired_at=moments,
        expires_at=moments,
    ),
    c.ReleaseAttachment: st.builds(
        c.ReleaseAttachment, lease_id=lease_ids, reason=_now_and_then_wrong
    ),
    c.ReportHealth: st.builds(
        c.ReportHealth, healthy=st.booleans(), detail=st.none() | _now_and_then_wrong
    ),
    c.ExpireDue: st.builds(c.ExpireDue, at=moments, timers=timers),
    c.RefreshProfile: st.builds(
        c.RefreshProfile, digest=st.none() | digests, name=_title, body=st.none() | texts,
        profile=json_objects, expected_digest=st.none() | digests,
    ),
    c.ReportSandbox: st.builds(c.ReportSandbox, event=_sandbox_reports),
    c.ReportRuntime: st.builds(c.ReportRuntime, event=_runtime_reports),
    c.ReportPeer: st.builds(c.ReportPeer, event=_joins | _leaves),
    c.RecoverSession: st.builds(
        c.RecoverSession, at=moments, lease_ended=st.none() | moments,
        last_sign=st.none() | moments,
    ),
    # What closes anything is planned on a damaged log only, and these are whole.
    c.RepairSession: st.builds(
        c.RepairSession, repair_id=words, report_digest=digests, report=json_objects,
        closing=st.just(()),
    ),
}  # fmt: skip
"""How to make up a command of each class, now and then one that makes no sense."""

scope_patches = st.builds(
    PatchScope, app=st.just("console"), user=st.none(),
    set=st.dictionaries(st.sampled_from(["app:a", "app:b"]), json_values, max_size=2),
    delete=st.lists(st.sampled_from(["app:b", "app:c", "a"]), max_size=1).map(tuple),
)  # fmt: skip


def _command_of(kind: type) -> Strategy:
    return COMMANDS[kind]


# Chosen by kind: written out, all of them together are longer than Hypothesis is ready to print.
commands = st.sampled_from(list(COMMANDS)).flatmap(_command_of)

# Those that end things would end every session early if they came as often as the others.
ENDINGS = (c.DeleteSession, c.EraseSession, c.StopSession, c.ExpireDue, c.RecoverSession)
_lively = st.one_of(
    *(made for kind, made in COMMANDS.items() if kind not in ENDINGS and kind != c.CreateSession)
)


_valid_first = st.builds(
    c.CreateSession, owner=owners, state=_state, agent=st.none() | agents, metadata=json_objects,
    starting=rarely(st.just(True), st.just(False)), permissions=st.none() | rules,
    grants=st.none() | grants, limits=st.none() | limits,
    ttl_seconds=rarely(st.integers(60, 9999), st.none()),
)  # fmt: skip
_go = ({"type": "text", "text": "go"},)
_start = c.StartTurn(turn_id="t1", message_id="m1", parts=_go)
_wait = c.QueueInputs(inputs=(c.NewInput(input_id="t2", message_id="m2", parts=_go),))
_steer = replace(_start, mode="steer")
_call = c.RecordActivity(turn_id="t1", events=(e.ToolCalled(tool_call_id="c1", name="ls"),))
_elicit = c.RequestElicitation(
    request_id="r1", message="?", schema={"type": "object", "properties": {}}
)
_ask = c.RequestPermission(
    request_id="r1", turn_id="t1", tool="ls",
    options=(Option(option_id="yes", name="Yes", kind="allow_once"),),
)  # fmt: skip
_silence = c.ExpireDue(at=NOON, timers=Timers(progress=None, warning=1))
_QUEUED: list[c.Command] = [_start, _wait, _wait]
_STEERED: list[c.Command] = [_start, _call, _steer]
_ASKED: list[c.Command] = [_start, _ask]
_ELICITED: list[c.Command] = [_start, replace(_elicit, turn_id="t1"), _elicit]
_STALLED: list[c.Command] = [_start, _silence]
_OVERDUE: list[c.Command] = [
    _start, c.ExpireDue(at=NOON, timers=Timers(progress=None, warning=None, silence=1))
]  # fmt: skip
_HELD: list[c.Command] = [*_QUEUED, c.CancelTurn(turn_id="t1", hold=True)]
_STOPPING: list[c.Command] = [_start, _wait, c.StopSession(when_idle=True)]
_CRASHED: list[c.Command] = [
    c.StopSession(cause="process_exited", failure=Failure(kind="process_exit"))
]
_FURNISHED: list[c.Command] = [
    c.AddMessage(message_id="m1", role="user", parts=_go),
    c.OverrideModel(agent="coder", model="m"),
    c.AcquireAttachment(lease_id=UUID(int=4), holder="ada", acquired_at=NOON, expires_at=NOON),
    c.RefreshProfile(digest="sha256:1", name="n", body="b"),
    c.ReportPeer(event=e.PeerJoined(peer_id="p1")),
    c.ReportHealth(healthy=False),
    c.SpawnSession(
        parent_id=UUID(int=9), child_id=UUID(int=1), agent=Agent(name="a"), ttl_seconds=60
    ),
]
_SCENES = [
    _QUEUED, _STEERED, _ASKED, _ELICITED, _STALLED, _OVERDUE, _HELD, _STOPPING, _CRASHED, _FURNISHED
]  # fmt: skip
SUITS: dict[type, list[c.Command]] = {
    c.ActivateSession: [c.StopSession(), c.ResumeSession(starting=True)],
    c.FailStart: [c.StopSession(), c.ResumeSession(starting=True)],
    c.ResumeSession: _CRASHED,
    c.RecoverSession: _STALLED,
    c.RepairSession: _CRASHED,
    c.RewindConversation: _FURNISHED,
    c.ReviseMessage: _FURNISHED,
    c.TakeInputs: _STEERED,
    c.EditInput: _QUEUED,
    c.PromoteInput: _QUEUED,
    c.CancelInput: _QUEUED,
    c.DispatchInput: _HELD,
    c.Interrupt: _QUEUED,
    c.RecordActivity: _STALLED,
    c.CompleteTurn: _QUEUED,
    c.FailTurn: _STEERED,
    c.CancelTurn: _QUEUED,
    c.RequestPermission: _STALLED,
    c.DecidePermission: _ASKED,
    c.AnswerElicitation: _ELICITED,
    c.CancelInteraction: _ELICITED,
    c.ReapChild: _FURNISHED,
    c.ReleaseAttachment: _FURNISHED,
    c.StartTurn: _QUEUED,
    c.QueueInputs: _QUEUED,
    c.StopSession: _ELICITED,
    c.DeleteSession: _ELICITED,
    c.EraseSession: _ELICITED,
    c.SetLegalHold: _CRASHED,
    c.ReleaseLegalHold: [c.SetLegalHold(reason="case 1")],
    c.ExpireDue: _STALLED,
    c.RefreshProfile: _FURNISHED,
}
"""What leads to a state in which a command of a kind is often accepted."""
_scenes = st.lists(st.sampled_from(_SCENES), max_size=2).map(
    lambda scenes: [command for scene in scenes for command in scene]
)
_some = st.lists(_lively, max_size=6)


Life = tuple[Session, list[e.Recorded]]
"""A state, and the log that led to it."""


def _live(first: c.CreateSession, others: list[c.Command], aim: bool) -> Life:
    session: Session = ABSENT
    log: list[e.Recorded] = []
    for command in (first, *others):
        try:
            session, made = obey(session, aimed(command, session) if aim else command)
        except CairnError:
            continue
        log += made
    return session, log


often = st.integers(0, 9).map(bool)


def suiting(kind: type) -> Strategy:
    """Return lives, often such that a command of a kind is accepted at their end."""
    scenes = rarely(_scenes, st.just(SUITS[kind])) if kind in SUITS else _scenes
    return st.builds(
        lambda first, scenes, rest, aim: _live(first, scenes + rest, aim),
        _valid_first, rarely(st.just([]), scenes), rarely(_some, st.just([])), often,
    )  # fmt: skip


reachable = st.builds(
    lambda first, scenes, rest, aim: _live(first, scenes + rest, aim)[0],
    _valid_first, _scenes, _some, often,
)  # fmt: skip
"""States that commands lead to."""

unreachable = st.lists(events, max_size=10).map(state_after)
"""States that no command leads to, but a damaged log or a bug might."""

__all__ = [
    "COMMANDS",
    "ENDINGS",
    "EVENTS",
    "SUITS",
    "activity",
    "commands",
    "events",
    "json_values",
    "moments",
    "often",
    "reachable",
    "scope_patches",
    "suiting",
    "timers",
    "unreachable",
]
