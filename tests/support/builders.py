"""Short ways to say what happened: each builder fills in what the test does not care about."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from domain.session import commands as c
from domain.session import events as e
from domain.session.decide import decide
from domain.session.evolve import evolve
from domain.session.state import ABSENT, Session
from domain.values import Agent, Failure, Option, Owner, Part, Usage

SESSION_ID = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
EVENT_ID = UUID("01890a5d-ac96-774b-bcce-b302099a8058")
NOON = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)

OWNER = Owner(app="console", user="ada")
ALLOW = Option(option_id="yes", name="Allow", kind="allow_once")
REJECT = Option(option_id="no", name="Reject", kind="reject_once")


def at(sequence: int) -> datetime:
    """Return the time at which the event with this sequence happens in a test."""
    return NOON + timedelta(seconds=sequence)


def text(content: str = "hello") -> tuple[Part, ...]:
    return ({"type": "text", "text": content},)


def created(**fields: Any) -> e.SessionCreated:
    return e.SessionCreated(**{"owner": OWNER} | fields)


def stopped(**fields: Any) -> e.SessionStopped:
    return e.SessionStopped(**{"cause": "user_requested", "reason": "user_canceled"} | fields)


def added(message_id: str = "m1", content: str = "hello", **fields: Any) -> e.MessageAdded:
    return e.MessageAdded(
        **{"message_id": message_id, "role": "user", "parts": text(content)} | fields
    )


def started(turn_id: str = "t1", message_id: str | None = None, **fields: Any) -> e.TurnStarted:
    given = {
        "turn_id": turn_id,
        "message_id": message_id or f"input-{turn_id}",
        "source": "user",
        "parts": text("go"),
    }
    return e.TurnStarted(**given | fields)


def completed(turn_id: str = "t1", **fields: Any) -> e.TurnCompleted:
    return e.TurnCompleted(**{"turn_id": turn_id, "stop_reason": "end_turn"} | fields)


def failed(turn_id: str = "t1", kind: str = "crash") -> e.TurnFailed:
    return e.TurnFailed(turn_id=turn_id, failure=Failure(kind=kind))


def cancelled(turn_id: str = "t1", reason: str = "user_requested") -> e.TurnCancelled:
    return e.TurnCancelled(turn_id=turn_id, reason=reason)


def called(call: str = "c1", **fields: Any) -> e.ToolCalled:
    return e.ToolCalled(**{"tool_call_id": call, "name": "shell"} | fields)


def returned(call: str = "c1", **fields: Any) -> e.ToolReturned:
    return e.ToolReturned(tool_call_id=call, **fields)


def requested(request_id: str = "r1", turn_id: str = "t1", **fields: Any) -> e.PermissionRequested:
    return e.PermissionRequested(
        **{"request_id": request_id, "turn_id": turn_id, "options": (ALLOW, REJECT)} | fields
    )


def decided(request_id: str = "r1", **fields: Any) -> e.PermissionDecided:
    answer = {"decision": "allow_once", "option_id": "yes"}
    return e.PermissionDecided(request_id=request_id, **fields or answer)


def create(**fields: Any) -> c.CreateSession:
    return c.CreateSession(**{"owner": OWNER} | fields)


def record(session: Session, event: e.SessionEvent) -> e.Recorded:
    """Return an event as the log would hold it next in a session."""
    running = session.turns.running
    if isinstance(event, e.ActivityEvent | e.PermissionDecided):
        turn_id = running.turn_id if running else None
    else:
        turn_id = getattr(event, "turn_id", None)
    sequence = session.sequence + 1
    return e.Recorded(sequence, at(sequence), event, turn_id)


def history(events: Iterable[e.SessionEvent], start: Session = ABSENT) -> list[e.Recorded]:
    """Return events as a log, in order, with the turn that each belongs to."""
    log: list[e.Recorded] = []
    for event in events:
        log.append(record(start, event))
        start = evolve(start, log[-1])
    return log


def state_after(events: Iterable[e.SessionEvent], start: Session = ABSENT) -> Session:
    """Return what a session knows after events."""
    for event in events:
        start = evolve(start, record(start, event))
    return start


def obey(session: Session, command: c.Command) -> tuple[Session, list[e.Recorded]]:
    """Return the state after an accepted command, and what it put into the log."""
    log = history(decide(session, command), session)
    for recorded in log:
        session = evolve(session, recorded)
    return session, log


SAMPLES: tuple[e.SessionEvent, ...] = (
    e.SessionCreated(
        owner=Owner(app="console", user="ada", workspace="w1", team="core", scope="private"),
        type="user",
        title="Fix the build",
        tags=("urgent", "ci"),
        agent=Agent(name="coder", provider="acme", model="m-1", reasoning_effort="high"),
        state={"branch": "main", "app:motd": "hi", "user:theme": "dark", "depth": 3},
        metadata={"ticket": "C-7", "labels": ["a", "b"]},
    ),
    e.SessionStopped(
        cause="process_exited",
        reason="agent_crashed",
        detail="exit status 139",
        failure=Failure(kind="crash", summary="the agent process ended"),
    ),
    e.SessionResumed(activation=2),
    e.SessionDeleted(),
    e.SessionRenamed(title="Fix the build, again"),
    e.SessionStarred(),
    e.SessionUnstarred(),
    e.SessionTagged(tags=("ci",)),
    e.MessageAdded(
        message_id="m1",
        role="system",
        parts=({"type": "text", "text": "Grüße, 世界 🪨"}, {"type": "data", "data": {"n": 1.5}}),
        author="ops",
        implicit=True,
    ),
    e.MessageRevised(message_id="m1", parts=({"type": "text", "text": "corrected"},)),
    e.TurnStarted(turn_id="t1", source="network", message_id="m2", parts=text("do it")),
    e.TurnCompleted(
        turn_id="t1",
        stop_reason="end_turn",
        usage=Usage(
            input_tokens=10,
            output_tokens=20,
            total_tokens=30,
            cached_tokens=4,
            reasoning_tokens=5,
            cost=0.25,
            currency="EUR",
        ),
    ),
    e.TurnFailed(turn_id="t1", failure=Failure(kind="model_error", summary="overloaded")),
    e.TurnCancelled(turn_id="t1", reason="user_requested"),
    e.AgentMessage(parts=text("Working on it"), message_id="a1", meta={"chunk": 0}),
    e.AgentThought(parts=({"type": "reasoning", "text": "hmm"},), message_id="a2", meta={}),
    e.ToolCalled(
        tool_call_id="c1",
        name="shell",
        input={"command": ["ls", "-l"]},
        title="List files",
        kind="execute",
        meta={"pid": 12},
    ),
    e.ToolProgressed(tool_call_id="c1", title="Listing", content=["a.py"], meta={"pct": 50}),
    e.ToolReturned(tool_call_id="c1", status="failed", output={"exit": 1}, meta={"ms": 12}),
    e.PlanUpdated(entries=({"step": "look", "done": True}, {"step": "fix"}), meta={"v": 1}),
    e.UsageReported(input_tokens=1, output_tokens=2, cost=0.001, currency="USD", meta={"id": "u"}),
    e.RuntimeNotice(level="warning", text="slow disk", meta={"disk": "sda"}),
    e.AgentSwitched(agent=Agent(name="reviewer"), reason="hand-over", meta={"by": "router"}),
    e.ContextCompacted(summary="what was said", meta={"dropped": 41}),
    e.RuntimeEvent(kind="acp.mode", data={"mode": "plan", "nested": [None, True]}),
    e.PermissionRequested(
        request_id="r1",
        turn_id="t1",
        options=(ALLOW, REJECT),
        tool_call_id="c1",
        title="Run ls?",
        meta={"risk": "low"},
    ),
    e.PermissionDecided(
        request_id="r1", decision="allow_once", option_id="yes", reason="looked fine"
    ),
    e.StatePatched(set={"branch": "fix", "app:motd": None, "list": [1, 2]}, delete=("depth",)),
)
"""One event of every class, every field of it filled in."""
