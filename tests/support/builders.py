"""Short ways to say what happened: each builder fills in what the test does not care about."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from domain.access.events import AccessGranted
from domain.permissions.grants import Grants
from domain.permissions.permission_rules import PermissionRules
from domain.scope.events import ScopeErased, ScopeOpened
from domain.session import commands as c
from domain.session import events as e
from domain.session.decide import decide
from domain.session.evolve import evolve
from domain.session.state import ABSENT, Session
from domain.session.turn_of import turn_of
from domain.values import (
    Agent,
    Failure,
    Lineage,
    ModelChoice,
    OfferedModel,
    Option,
    Origin,
    Owner,
    Part,
    SessionLimits,
    Usage,
)

SESSION_ID = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
EVENT_ID = UUID("01890a5d-ac96-774b-bcce-b302099a8058")
PARENT_ID = UUID("01890a5d-ac96-774b-bcce-b30209900001")
ROOT_ID = UUID("01890a5d-ac96-774b-bcce-b30209900002")
CHILD_ID = UUID("01890a5d-ac96-774b-bcce-b30209900003")
LEASE_ID = UUID("01890a5d-ac96-774b-bcce-b30209900004")
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


def foreign(event_id: str = "e1", **fields: Any) -> c.ForeignEvent:
    means = (e.AgentMessage(parts=text(event_id), message_id=event_id),)
    values = {"kind": "adk.event", "record": {"id": event_id}, "means": means}
    return c.ForeignEvent(**{"event_id": event_id, **values, **fields})


def returned(call: str = "c1", **fields: Any) -> e.ToolReturned:
    return e.ToolReturned(tool_call_id=call, **fields)


def requested(request_id: str = "r1", turn_id: str = "t1", **fields: Any) -> e.PermissionRequested:
    return e.PermissionRequested(
        **{"request_id": request_id, "turn_id": turn_id, "options": (ALLOW, REJECT)} | fields
    )


def decided(request_id: str = "r1", **fields: Any) -> e.PermissionDecided:
    answer = {"decision": "allow_once", "option_id": "yes"}
    return e.PermissionDecided(request_id=request_id, **fields or answer)


def elicited(request_id: str = "r1", **fields: Any) -> e.ElicitationRequested:
    form = {"message": "Which branch?", "schema": {"type": "object", "properties": {}}}
    return e.ElicitationRequested(request_id=request_id, **form | fields)


def answered(request_id: str = "r1", **fields: Any) -> e.ElicitationAnswered:
    return e.ElicitationAnswered(**{"request_id": request_id, "action": "decline"} | fields)


def queued(input_id: str = "i1", **fields: Any) -> e.InputQueued:
    given = {
        "input_id": input_id,
        "message_id": f"input-{input_id}",
        "parts": text("go"),
        "source": "followup",
        "generation": 0,
    }
    return e.InputQueued(**given | fields)


def dispatched(input_id: str = "i1", **fields: Any) -> list[e.SessionEvent]:
    """Return the two events that begin the turn of an input."""
    begun = started(input_id, **{"source": "followup"} | fields)
    return [e.InputDispatched(input_id=input_id), begun]


def staged(input_id: str = "i1", turn_id: str = "t1") -> e.InputStaged:
    return e.InputStaged(input_id=input_id, turn_id=turn_id)


def steered(input_id: str = "i1", turn_id: str = "t1", **fields: Any) -> e.InputSteered:
    said = {"message_id": f"input-{input_id}", "parts": text("go"), "source": "followup"}
    return e.InputSteered(**{"input_id": input_id, "turn_id": turn_id} | said | fields)


def fenced(generation: int = 1, *cancelled_inputs: str) -> e.InputsFenced:
    return e.InputsFenced(generation=generation, cancelled=cancelled_inputs)


def spawned(child_id: UUID = CHILD_ID, **fields: Any) -> e.ChildSpawned:
    given = {
        "role": "worker",
        "depth": 1,
        "ttl_seconds": 60,
        "auto_stop": True,
        "agent": "helper",
    }
    return e.ChildSpawned(child_id=child_id, **given | fields)


def acquired(lease_id: UUID = LEASE_ID, holder: str = "http:1") -> e.AttachmentAcquired:
    return e.AttachmentAcquired(lease_id=lease_id, holder=holder, expires_at=at(900))


def stalled(turn_id: str = "t1", **fields: Any) -> e.SessionStalled:
    why = {"reason": "inactivity", "idle_seconds": 900}
    return e.SessionStalled(turn_id=turn_id, **why | fields)


def recovered(after: Any = "stalled") -> e.SessionRecovered:
    return e.SessionRecovered(after=after)


def create(**fields: Any) -> c.CreateSession:
    return c.CreateSession(**{"owner": OWNER} | fields)


def record(session: Session, event: e.SessionEvent) -> e.Recorded:
    """Return an event as the log would hold it next in a session."""
    sequence = session.sequence + 1
    return e.Recorded(sequence, at(sequence), event, turn_of(session, event))


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
    """Return the state after an accepted command, and what it put into the log.

    What a clock brings about happens when the clock says.
    """
    moment = command.at if isinstance(command, c.ExpireDue) else None
    log: list[e.Recorded] = []
    for event in decide(session, command):
        recorded = record(session, event)
        log.append(recorded if moment is None else recorded._replace(at=moment))
        session = evolve(session, log[-1])
    return session, log


SAMPLES: tuple[Any, ...] = (
    e.SessionCreated(
        owner=Owner(app="console", user="ada", workspace="w1", team="core", scope="private"),
        type="user",
        title="Fix the build",
        tags=("urgent", "ci"),
        agent=Agent(name="coder", provider="acme", model="m-1", reasoning_effort="high"),
        state={"branch": "main", "app:motd": "hi", "user:theme": "dark", "depth": 3},
        metadata={"ticket": "C-7", "labels": ["a", "b"]},
    ),
    e.SessionActivated(),
    e.SessionStartFailed(
        failure=Failure(kind="handshake_failure", summary="no answer in 10 s", bundle="crash-7")
    ),
    e.SessionStopping(
        cause="hook_denied",
        reason="hook_stopped",
        detail="the budget hook said no",
        failure=Failure(kind="permission_failure", summary="budget"),
    ),
    e.SessionStopped(
        cause="process_exited",
        reason="agent_crashed",
        detail="exit status 139",
        failure=Failure(kind="crash", summary="the agent process ended"),
    ),
    e.SessionResumed(activation=2),
    e.ConversationCleared(epoch=1),
    e.ConversationRewound(to=7, epoch=2, set={"branch": "main"}, delete=("done",)),
    e.LegalHoldSet(reason="case 2026-4"),
    e.LegalHoldReleased(reason="case 2026-4 is closed"),
    e.SessionErased(reason="request 17", app="console", began_at=NOON, shared_keys="erased"),
    e.SessionDeleted(),
    e.SessionRenamed(title="Fix the build, again"),
    e.SessionStarred(),
    e.SessionUnstarred(),
    e.SessionTagged(tags=("ci",)),
    e.UsageRecorded(mode="add", input_tokens=11, output_tokens=7, cost=0.5),
    e.ModelOverridden(agent="coder", model="m-2", provider="acme", reasoning_effort="low"),
    e.ModelRestored(agent="coder"),
    e.SummaryAdded(summary_id="s1", text="They fixed the build.", first_kept="m1", tokens=41),
    e.PermissionsReplaced(
        permissions=PermissionRules(
            allow=("read_*",), ask=("shell:cmd=rm*",), deny=("curl",), mode="approve-reads"
        )
    ),
    e.ToolApprovalEnabled(),
    e.ToolApprovalDisabled(),
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
    e.TurnProgressNoted(turn_id="t1", elapsed_seconds=600, idle_seconds=12),
    e.InputQueued(
        input_id="i1",
        message_id="m3",
        parts=text("then test"),
        source="followup",
        generation=2,
        meta={"reason": "nightly"},
    ),
    e.InputStaged(input_id="i1", turn_id="t1"),
    e.InputSteered(
        input_id="i1", turn_id="t1", message_id="m3", parts=text("then test"), tool_call_id="c1"
    ),
    e.InputDispatched(input_id="i1", fallback=True),
    e.InputEdited(input_id="i1", parts=text("then lint")),
    e.InputCancelled(input_id="i1", reason="user_requested"),
    e.InputsFenced(generation=3, cancelled=("i1", "i2")),
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
    e.ElicitationRequested(
        request_id="q1",
        message="Which branch?",
        turn_id="t1",
        schema={"type": "object", "properties": {"branch": {"type": "string"}}},
        url="https://example.org/authorise",
        expires_at=NOON,
        meta={"from": "git"},
    ),
    e.ElicitationAnswered(
        request_id="q1", action="accept", content={"branch": "main"}, reason="asked twice"
    ),
    e.StatePatched(set={"branch": "fix", "app:motd": None, "list": [1, 2]}, delete=("depth",)),
    e.ChildSpawned(
        child_id=CHILD_ID, role="worker", depth=1, ttl_seconds=600, auto_stop=True, agent="helper"
    ),
    e.ChildReaped(child_id=CHILD_ID, reason="ttl_expired"),
    e.ChildResumed(child_id=CHILD_ID, role="worker", auto_stop=True),
    e.AttachmentAcquired(lease_id=LEASE_ID, holder="http:4711", expires_at=NOON),
    e.AttachmentReleased(lease_id=LEASE_ID, holder="http:4711", reason="released"),
    e.SessionStalled(turn_id="t1", reason="activity_timeout", idle_seconds=1800),
    e.SessionUnhealthy(detail="no heartbeat"),
    e.SessionRecovered(after="stalled"),
    e.SessionRepaired(
        repair_id="r1", report_digest="sha256:1", report={"issues": [], "actions": []}
    ),
    e.ProfileCaptured(digest="sha256:1", name="coder", body="Be brief.", profile={"tone": "dry"}),
    e.ProfileRefreshed(
        previous="sha256:1",
        digest="sha256:2",
        name="coder",
        body="Be kind.",
        profile={"tone": "warm"},
    ),
    e.SandboxReported(
        sandbox_id="box-1",
        operation="exec",
        outcome="failed",
        detail="exit 1",
        duration_ms=12,
        meta={"cpu": 2},
    ),
    e.PeerJoined(
        peer_id="coder.1",
        display_name="Coder",
        channel="build",
        capabilities=({"name": "review"}, {"name": "test"}),
    ),
    e.PeerLeft(peer_id="coder.1", reason="stopped"),
    e.RuntimeReported(
        runtime_session_id="thread-7",
        name="docker-agent",
        version="1.9",
        capabilities={"load_session": True},
        models=(
            OfferedModel(
                ref="fast",
                name="Fast",
                provider="acme",
                model="small-1",
                is_default=True,
                details={"context_limit": 200_000},
            ),
        ),
        switching="offered",
    ),
    ScopeOpened(app="console", user="ada"),
    ScopeErased(app="console", reason="request 17"),
    AccessGranted(
        to="audit_events",
        session_id=UUID("01890a5d-ac96-774b-bcce-b302099a8059"),
        webhook_id=UUID("01890a5d-ac96-774b-bcce-b302099a805a"),
        where={"actor": "user:ada"},
    ),
)
"""One event of every class, every field of it filled in that its first record had."""

GROWN: tuple[e.SessionEvent, ...] = (
    e.SessionCreated(
        owner=OWNER,
        type="spawned",
        agent=Agent(name="helper"),
        starting=True,
        tool_approval=True,
        permissions=PermissionRules(allow=("ls",), deny=("rm",), mode="approve-all"),
        grants=Grants(
            tools=("fs__read",),
            skills=("review",),
            mcp_servers=("git",),
            workspace_paths=("/src",),
            network_channels=("build",),
            sandbox_profiles=("small",),
        ),
        limits=SessionLimits(
            queued_inputs=5, input_bytes=512, turn_seconds=60, children=2, depth=3
        ),
        ttl_seconds=600,
        lineage=Lineage(
            parent_id=PARENT_ID,
            root_id=ROOT_ID,
            depth=2,
            role="worker",
            auto_stop=True,
            profile_digest="sha256:1",
        ),
        forked_from=Origin(session_id=SESSION_ID, sequence=41, digest="00ff"),
        ceiling=PermissionRules(allow=("ls", "cat"), deny=("rm",), mode="approve-all"),
        external_id="order/7",
    ),
    e.ToolReturned(tool_call_id="c1", output="done", called_in_turn="t0"),
    e.RuntimeEvent(
        kind="tool.result",
        data={"type": "tool.result", "data": {"tool_call_id": "c1"}},
        problem={"code": "invalid", "detail": "did you mean `tool.returned`?"},
    ),
    e.MessageAdded(message_id="m1", role="user", parts=text("hi"), meta={"trace": "4bf9"}),
    e.MessageRevised(message_id="c1", parts=text("[redacted]"), input={"cmd": "[redacted]"}),
    e.SessionResumed(
        activation=3, starting=True, crash=Failure(kind="process_exit", summary="139")
    ),
    e.ConversationRewound(
        to=7,
        epoch=2,
        summary=e.SummaryAdded(summary_id="s1", text="They met.", first_kept="m2", tokens=41),
    ),
    e.TurnStarted(
        turn_id="t1",
        source="synthetic",
        message_id="m2",
        parts=text("do it"),
        meta={"reason": "nightly"},
        agent="coder",
        model=ModelChoice(model="large", provider="acme", reasoning_effort="high"),
    ),
    e.InputQueued(
        input_id="i1",
        message_id="m3",
        parts=text("then test"),
        source="followup",
        generation=2,
        model=ModelChoice(model="large"),
    ),
    e.InputSteered(
        input_id="i1",
        turn_id="t1",
        message_id="m3",
        parts=text("then test"),
        source="synthetic",
        meta={"reason": "nightly"},
    ),
    e.UsageReported(total_tokens=30, cached_tokens=4, reasoning_tokens=5),
    e.PermissionRequested(
        request_id="r1",
        turn_id="t1",
        options=(ALLOW,),
        tool="shell",
        arguments={"cmd": "ls"},
        expires_at=NOON,
    ),
    e.PermissionDecided(
        request_id="r1",
        decision="allow_always",
        option_id="yes",
        grant="session",
        arguments={"cmd": "ls"},
    ),
    e.ChildSpawned(
        child_id=CHILD_ID,
        role="worker",
        depth=1,
        ttl_seconds=600,
        auto_stop=True,
        agent="helper",
        asked="sha256:3",
    ),
    e.SessionStalled(turn_id="t1", reason="activity_timeout", idle_seconds=1800, ends_at=NOON),
)
"""Events once more, with the optional fields that their first record does not have."""
