"""What commands answer about a session as a whole."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from application.commands.answers.registry import NOTHING, Accepted, Answer, answers
from application.projections.session_document import session_document
from domain.session import commands as c
from domain.session.events import PeerJoined
from domain.session.state import Session
from domain.values import Failure, rfc3339

# ── the life of a session ────────────────────────────────────────────────────────────────────


@answers(c.CreateSession)
def _created(done: Accepted[c.CreateSession]) -> Answer:
    return {"session": _new_session(done.session_id, done.session)}


@answers(c.SpawnSession)
def _spawned(done: Accepted[c.SpawnSession]) -> Answer:
    child_id = done.command.child_id
    if not done.events:
        return {"session": {"id": child_id}}
    return {"session": _new_session(child_id, done.session)}


def _new_session(session_id: UUID, session: Session) -> dict[str, Any]:
    document = session_document(session_id, session)
    document["sequence"] = session.sequence
    document["updated_at"] = document["created_at"]
    return document


@answers(c.ActivateSession)
@answers(c.FailStart)
@answers(c.StopSession)
def _status(done: Accepted[Any]) -> Answer:
    session = done.session
    lifecycle = session.lifecycle
    return {
        "status": session.status,
        "activation": lifecycle.activation,
        "epoch": lifecycle.epoch,
        "cause": lifecycle.stop_cause,
        "reason": lifecycle.stop_reason,
        "failure": _failure(lifecycle.failure),
    }


@answers(c.ResumeSession)
def _resumed(done: Accepted[c.ResumeSession]) -> Answer:
    # What an active session shows as its failure is what the activation before it died of.
    return {**_status(done), "kept": {"crash": _failure(done.session.lifecycle.failure)}}


def _failure(failure: Failure | None) -> dict[str, Any] | None:
    if failure is None:
        return None
    return {"kind": failure.kind, "summary": failure.summary, "bundle": failure.bundle}


@answers(c.ClearConversation)
@answers(c.RewindConversation)
def _epoch(done: Accepted[Any]) -> Answer:
    return {"epoch": done.session.lifecycle.epoch}


@answers(c.AcquireAttachment)
def _attached(done: Accepted[c.AcquireAttachment]) -> Answer:
    command = done.command
    document = session_document(done.session_id, done.session)
    document["sequence"] = done.session.sequence
    return {
        "lease_id": command.lease_id,
        "holder": command.holder,
        "acquired_at": rfc3339(command.acquired_at),
        "expires_at": rfc3339(command.expires_at),
        "session": document,
    }


# ── what is said about a session ─────────────────────────────────────────────────────────────


@answers(c.RecordUsage)
def _usage(done: Accepted[c.RecordUsage]) -> Answer:
    totals = done.session.totals
    return {
        "usage": {
            "input_tokens": totals.input_tokens,
            "output_tokens": totals.output_tokens,
            "cost": totals.cost,
        }
    }


@answers(c.AddSummary)
def _summary(done: Accepted[c.AddSummary]) -> Answer:
    return {"summary_id": done.command.summary_id}


@answers(c.RefreshProfile)
def _profile(done: Accepted[c.RefreshProfile]) -> Answer:
    digest = done.command.digest
    return NOTHING if digest is None else {"digest": digest}


@answers(c.ReportPeer)
def _reported(done: Accepted[c.ReportPeer]) -> Answer:
    event = done.command.event
    return {"peer_id": event.peer_id} if isinstance(event, PeerJoined) else NOTHING


@answers(c.ReplacePermissions)
@answers(c.SwitchToolApproval)
def _policy(done: Accepted[Any]) -> Answer:
    return policy_document(done.session)


def policy_document(session: Session) -> Answer:
    """Return the rules about tool calls, and whether tool approval is on.

    Args:
        session: The state of the session that has them.
    """
    return {
        "permissions": asdict(session.policy.rules),
        "tool_approval": session.policy.tool_approval,
    }


@answers(c.PatchState)
def _version(done: Accepted[c.PatchState]) -> Answer:
    return {"version": done.session.state_version}
