"""One command decided and folded into the largest session: what the rules cost by themselves."""

import gc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from statistics import median
from time import thread_time
from typing import Any
from uuid import UUID

from bench.figures import Figure, at_most
from bench.lab import Lab
from domain.permissions.grants import Grants
from domain.permissions.permission_rules import PermissionRules
from domain.session import commands as c
from domain.session import events as e
from domain.session.decide import decide
from domain.session.evolve import evolve
from domain.session.family.children import live_children
from domain.session.state import ABSENT, Session
from domain.values import Agent, Failure, Option, Owner, SessionLimits

_NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
_LIMIT = 100.0
_FEW = 5
_TEXT = ({"type": "text", "text": "Please look at the build, and say what is wrong with it. " * 4},)
_OPTIONS = (
    Option(option_id="yes", name="Allow", kind="allow_once"),
    Option(option_id="no", name="Reject", kind="reject_once"),
)
_RULES = PermissionRules(
    allow=tuple(f"tool-{n}-*" for n in range(20)),
    ask=tuple(f"shell:cmd=ask-{n}*" for n in range(10)),
    deny=tuple(f"shell:cmd=rm-{n}*" for n in range(10)),
)
_MESSAGES, _TURNS, _QUEUED, _PENDING, _CALLS, _KEYS, _PEERS = 10_000, 1_000, 50, 20, 10, 1_000, 50


async def decisions(lab: Lab) -> list[Figure]:
    """Microseconds to decide each command and to fold what it leads to, in the largest session."""
    session = largest(max(lab.sizes.prior_events))
    took: dict[str, float] = {}
    each: dict[str, float] = {}
    for command in _each(session):
        name, events = type(command).__name__, len(decide(_start(session, command), command))
        micros = _microseconds(_start(session, command), command)
        # A turn that ends answers all that was asked in it: that is an event for each of them.
        (each if events > _FEW else took)[name] = micros / events if events > _FEW else micros
    slowest, dearest = max(took, key=took.__getitem__), max(each, key=each.__getitem__)
    size = f"{session.sequence:,} events, {_QUEUED} queued inputs, {_PENDING} pending interactions"
    return [
        Figure(
            measure="decisions",
            title=f"decide and fold one command, the slowest of {len(took)} kinds",
            unit="µs",
            value=took[slowest],
            target=at_most(took[slowest], _LIMIT, f"under {_LIMIT:.0f} µs"),
            note=f"{slowest}; {size}; the median kind {median(took.values()):.0f} µs",
            detail={name: round(took[name], 1) for name in sorted(took, key=took.__getitem__)},
        ),
        Figure(
            measure="decisions",
            title="decide and fold one event of a command that ends all that is open",
            unit="µs",
            value=each[dearest],
            note=f"{dearest}; {_PENDING} requests, {_CALLS} calls, the turn",
            detail={name: round(each[name], 1) for name in sorted(each, key=each.__getitem__)},
        ),
    ]


def largest(messages: int = _MESSAGES) -> Session:
    """Return the state of a session that has as much of everything as may reasonably be.

    Args:
        messages: How many, besides those of its turns.
    """
    begin = c.CreateSession(
        owner=Owner(app="bench", user="ada"),
        agent=Agent(name="coder"),
        state={f"key-{n}": {"n": n} for n in range(_KEYS)},
        permissions=_RULES,
        grants=Grants(tools=tuple(f"tool-{n}" for n in range(50))),
        limits=SessionLimits(children=100),
    )
    return _obey(ABSENT, begin, *_past(messages), *_present())


def _past(messages: int) -> Iterator[c.Command]:
    for n in range(messages):
        yield c.AddMessage(message_id=f"message-{n}", role="user", parts=_TEXT)
    for n in range(min(_TURNS, messages)):
        yield c.StartTurn(turn_id=f"turn-{n}", message_id=f"input-{n}", parts=_TEXT)
        yield c.CompleteTurn(turn_id=f"turn-{n}")


def _present() -> Iterator[c.Command]:
    for n in range(_PEERS):
        yield c.ReportPeer(event=e.PeerJoined(peer_id=f"peer-{n}"))
        yield c.OverrideModel(agent=f"agent-{n}", model="m")
        yield _spawn(n)
    yield c.RefreshProfile(digest="sha256:0", name="coder", body="Be brief.")
    yield c.AcquireAttachment(
        lease_id=UUID(int=1), holder="bench", acquired_at=_NOON, expires_at=_NOON
    )
    yield c.StartTurn(turn_id="turn", message_id="input", parts=_TEXT)
    for n in range(_CALLS):
        yield c.RecordActivity(turn_id="turn", events=(_called(n),))
    for n in range(_QUEUED):
        mode = "queue" if n else "steer"
        yield c.StartTurn(turn_id=f"queued-{n}", message_id=f"wait-{n}", parts=_TEXT, mode=mode)
    for n in range(_PENDING // 2):
        yield _ask(n)
        yield _elicit(n)


def _each(session: Session) -> Iterator[c.Command]:
    """Return one command of each kind, accepted by the largest session where that can be."""
    new = c.NewInput(input_id="new", message_id="new", parts=_TEXT)
    failure = Failure(kind="process_exit", summary="exit status 139: login failed, token=abc")
    yield c.CreateSession(owner=Owner(app="bench", user="ada"))
    yield c.DescribeSession(fields=frozenset({"title", "tags"}), title="T", tags=("a", "b"))
    yield c.StopSession(cause="process_exited", failure=failure)
    yield c.DeleteSession()
    yield c.RecordUsage(mode="add", input_tokens=10, output_tokens=20, cost=0.1)
    yield c.OverrideModel(agent="agent-1", model="other")
    yield c.AddSummary(summary_id="s", text="In short: it works. " * 50, first_kept="message-1")
    yield c.ReplacePermissions(permissions=PermissionRules(deny=_RULES.deny))
    yield c.SwitchToolApproval(enabled=True)
    yield c.AddMessage(message_id="new", role="user", parts=_TEXT)
    yield c.ReviseMessage(message_id="message-7", parts=_TEXT)
    yield c.StartTurn(turn_id="new", message_id="new", parts=_TEXT, mode="queue")
    yield c.RecordActivity(turn_id="turn", events=(e.ToolReturned(tool_call_id="call-0"),))
    yield c.TakeInputs(turn_id="turn")
    yield c.QueueInputs(inputs=(new,))
    yield c.EditInput(input_id="queued-1", parts=({"type": "text", "text": "rather this"},))
    yield c.PromoteInput(input_id="queued-1")
    yield c.CancelInput(input_id="queued-1")
    yield c.Interrupt()
    yield c.CompleteTurn(turn_id="turn")
    yield c.FailTurn(turn_id="turn", failure=failure)
    yield c.CancelTurn(turn_id="turn")
    yield _ask(_PENDING)
    yield c.DecidePermission(request_id="ask-1", option_id="yes", grant="tool")
    yield _elicit(_PENDING)
    yield c.AnswerElicitation(request_id="elicit-1", action="accept", content={}, violations=())
    yield c.CancelInteraction(request_id="ask-1")
    yield c.PatchState(set={"key-1": 1, "new": [1, 2]}, delete=("key-2",))
    yield _spawn(_PEERS)
    yield c.ReapChild(child_id=live_children(session)[0], reason="stopped")
    yield c.ReleaseAttachment(lease_id=UUID(int=1))
    yield c.ReportHealth(healthy=False, detail="no heartbeat for 30 s")
    yield c.ExpireDue(at=_NOON + timedelta(minutes=10))
    yield c.ReportPeer(event=e.PeerJoined(peer_id="new", capabilities=({"name": "review"},)))


def _spawn(number: int) -> c.SpawnSession:
    return c.SpawnSession(
        parent_id=UUID(int=2),
        child_id=UUID(int=100 + number),
        agent=Agent(name="helper"),
        ttl_seconds=3600,
        grants=Grants(tools=("tool-1", "tool-7")),
    )


def _called(number: int) -> e.ToolCalled:
    return e.ToolCalled(tool_call_id=f"call-{number}", name="shell", input={"cmd": "make"})


def _ask(number: int) -> c.RequestPermission:
    return c.RequestPermission(
        request_id=f"ask-{number}",
        turn_id="turn",
        options=_OPTIONS,
        tool="shell",
        arguments={"cmd": "make -j4 test"},
        expires_at=_NOON + timedelta(minutes=5),
    )


def _elicit(number: int) -> c.RequestElicitation:
    return c.RequestElicitation(
        request_id=f"elicit-{number}",
        turn_id="turn",
        message="?",
        schema={"type": "object", "properties": {}},
    )


def _start(session: Session, command: c.Command) -> Session:
    return ABSENT if isinstance(command, c.CreateSession) else session


def _obey(session: Session, *commands: c.Command) -> Session:
    for command in commands:
        session = _fold(session, decide(session, command))
    return session


def _fold(session: Session, events: list[Any]) -> Session:
    for event in events:
        running = session.turns.running
        turn_id = running.turn_id if running else None
        session = evolve(session, e.Recorded(session.sequence + 1, _NOON, event, turn_id))
    return session


def _microseconds(session: Session, command: c.Command) -> float:
    """Return the processor time of one decision and its fold: the median of batches of 100."""
    batches: list[float] = []
    gc.disable()
    try:
        for batch in count():
            began = thread_time()
            for _ in range(100):
                _obey(session, command)
            batches.append((thread_time() - began) * 1e4)
            if batch >= 10 and sum(batches) > 2_000:
                return median(batches)
    finally:
        gc.enable()
    raise AssertionError
