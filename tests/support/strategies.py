"""Every event and every command, made up by hypothesis.

Ids come from small pools, so that what is made up often concerns what is already there.
"""

from typing import Any

from hypothesis import strategies as st

from domain.errors import DomainError
from domain.session import commands as c
from domain.session import events as e
from domain.session.lifecycle import REASONS
from domain.session.state import ABSENT, Session
from domain.values import Agent, Failure, Option, Owner, Usage
from tests.support.builders import obey, state_after

Strategy = st.SearchStrategy[Any]


def rarely(one: Strategy, other: Strategy) -> Strategy:
    """Return a strategy that takes the first one now and then."""
    return st.integers(0, 9).flatmap(lambda n: one if n == 9 else other)


message_ids = st.sampled_from(["m1", "m2", "m3", "m4"])
turn_ids = st.sampled_from(["t1", "t2", "t3", "t4"])
call_ids = st.sampled_from(["c1", "c2", "c3"])
request_ids = st.sampled_from(["r1", "r2", "r3"])
option_ids = st.sampled_from(["yes", "no", "always"])
state_keys = st.sampled_from(["a", "b", "app:a", "user:a", "temp:a", "x:y", "app:"])

_characters = st.characters(exclude_categories=["Cs"])
texts = st.text(_characters, max_size=6)
words = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1,
                max_size=6)  # fmt: skip

_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
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
failures = st.builds(Failure, kind=words, summary=st.none() | texts)
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
_options = st.lists(
    st.builds(Option, option_id=option_ids, name=words, kind=words),
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

EVENTS: dict[type, Strategy] = {
    e.SessionCreated: st.builds(
        e.SessionCreated, owner=owners, type=st.just("user"), title=_title, tags=_tags,
        agent=st.none() | agents, state=_state, metadata=json_objects,
    ),
    e.SessionStopped: st.builds(
        e.SessionStopped, cause=_causes, reason=st.sampled_from(sorted(set(REASONS.values()))),
        detail=st.none() | texts, failure=st.none() | failures,
    ),
    e.SessionResumed: st.builds(e.SessionResumed, activation=st.integers(2, 9)),
    e.SessionDeleted: st.just(e.SessionDeleted()),
    e.SessionRenamed: st.builds(e.SessionRenamed, title=_title),
    e.SessionStarred: st.just(e.SessionStarred()),
    e.SessionUnstarred: st.just(e.SessionUnstarred()),
    e.SessionTagged: st.builds(e.SessionTagged, tags=_tags),
    e.MessageAdded: st.builds(
        e.MessageAdded, message_id=message_ids, role=_roles, parts=parts, author=_title,
        implicit=st.booleans(),
    ),
    e.MessageRevised: st.builds(e.MessageRevised, message_id=message_ids, parts=parts),
    e.TurnStarted: st.builds(
        e.TurnStarted, turn_id=turn_ids, source=_sources, message_id=message_ids, parts=parts
    ),
    e.TurnCompleted: st.builds(
        e.TurnCompleted, turn_id=turn_ids, stop_reason=words, usage=st.none() | usages
    ),
    e.TurnFailed: st.builds(e.TurnFailed, turn_id=turn_ids, failure=failures),
    e.TurnCancelled: st.builds(e.TurnCancelled, turn_id=turn_ids, reason=words),
    **_ACTIVITY,
    e.PermissionRequested: st.builds(
        e.PermissionRequested, request_id=request_ids, turn_id=turn_ids, options=_options,
        tool_call_id=st.none() | call_ids, title=_title, meta=_meta,
    ),
    e.PermissionDecided: st.builds(
        e.PermissionDecided, request_id=request_ids, decision=words,
        option_id=st.none() | option_ids, reason=_title,
    ),
    e.StatePatched: st.builds(
        e.StatePatched, set=_state, delete=st.lists(state_keys, max_size=2).map(tuple)
    ),
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

COMMANDS: dict[type, Strategy] = {
    c.CreateSession: st.builds(
        c.CreateSession, owner=owners, title=st.none() | _now_and_then_wrong, tags=_any_tags,
        agent=st.none() | agents, state=_state, metadata=json_objects, messages=_first_messages,
    ),
    c.DescribeSession: st.builds(
        c.DescribeSession, fields=_fields, title=st.none() | _now_and_then_wrong,
        starred=st.booleans(), tags=_any_tags,
    ),
    c.StopSession: st.builds(
        c.StopSession, cause=_causes, detail=st.none() | _now_and_then_wrong,
        failure=st.none() | failures,
    ),
    c.ResumeSession: st.just(c.ResumeSession()),
    c.DeleteSession: st.just(c.DeleteSession()),
    c.AddMessage: st.builds(
        c.AddMessage, message_id=message_ids, role=_roles, parts=_input,
        author=st.none() | _now_and_then_wrong, implicit=st.booleans(),
    ),
    c.ReviseMessage: st.builds(c.ReviseMessage, message_id=message_ids, parts=_input),
    c.StartTurn: st.builds(
        c.StartTurn, turn_id=turn_ids, message_id=message_ids, parts=_input, source=_sources
    ),
    c.RecordActivity: st.builds(
        c.RecordActivity, turn_id=turn_ids, events=rarely(st.just(()), _done)
    ),
    c.CompleteTurn: st.builds(
        c.CompleteTurn, turn_id=turn_ids, stop_reason=_now_and_then_wrong,
        usage=st.none() | usages,
    ),
    c.FailTurn: st.builds(c.FailTurn, turn_id=turn_ids, failure=failures),
    c.CancelTurn: st.builds(c.CancelTurn, turn_id=turn_ids, reason=_now_and_then_wrong),
    c.RequestPermission: st.builds(
        c.RequestPermission, request_id=request_ids, turn_id=turn_ids,
        options=rarely(st.just(()), _options), tool_call_id=st.none() | call_ids,
        title=st.none() | _now_and_then_wrong, meta=_meta,
    ),
    c.DecidePermission: st.builds(
        c.DecidePermission, request_id=request_ids, option_id=option_ids
    ),
    c.PatchState: st.builds(
        c.PatchState, set=_state, delete=st.lists(state_keys, max_size=3).map(tuple)
    ),
}  # fmt: skip
"""How to make up a command of each class, now and then one that makes no sense."""

commands = st.one_of(*COMMANDS.values())

# Those that end things would end every session early if they came as often as the others.
_ENDINGS = (c.DeleteSession, c.StopSession)
_lively = st.one_of(
    *(made for kind, made in COMMANDS.items() if kind not in _ENDINGS and kind != c.CreateSession)
)


def _live(first: c.CreateSession, others: list[c.Command]) -> Session:
    session = ABSENT
    for command in (first, *others):
        try:
            session, _ = obey(session, command)
        except DomainError:
            continue
    return session


_valid_first = st.builds(
    c.CreateSession, owner=owners, state=_state, agent=st.none() | agents, metadata=json_objects
)
_turn_first = st.sampled_from([[], [c.StartTurn(turn_id="t1", message_id="m1", parts=(
    {"type": "text", "text": "go"},))]])  # fmt: skip
_some = st.lists(_lively, max_size=12) | st.lists(commands, max_size=6)

reachable = st.builds(
    lambda first, turn, rest: _live(first, turn + rest), _valid_first, _turn_first, _some
)
"""States that commands lead to."""

unreachable = st.lists(events, max_size=10).map(state_after)
"""States that no command leads to, but a damaged log or a bug might."""

__all__ = [
    "COMMANDS",
    "EVENTS",
    "activity",
    "commands",
    "events",
    "json_values",
    "reachable",
    "unreachable",
]
