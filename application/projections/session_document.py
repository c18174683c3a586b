"""What clients see of a session: what its row keeps, and what moves with most appends."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from application.ports.session.session_row import NEVER, Activity
from domain.badges import Badge, Info, badge_for_log, state_of
from domain.session.state import ABSENT, MARKS, Session
from domain.values import rfc3339

_NOBODY = UUID(int=0)


def session_document(session_id: UUID, session: Session) -> dict[str, Any]:
    """Return what clients see of a session, less its sequence, position and time of change.

    Args:
        session_id: Whose state it is.
        session: The state.
    """
    return kept_document(session_id, session) | activity_document(activity_of(session))


def activity_document(
    activity: Activity, moment: Callable[[datetime], Any] = rfc3339
) -> dict[str, Any]:
    """Return what clients see of what moves with most appends.

    Args:
        activity: How much was said, when last, and which tool runs.
        moment: Returns a time as it is put into the document.
    """
    return {
        "last_activity_at": moment(activity.last_activity_at),
        "num_messages": activity.num_messages,
        "current_tool": activity.current_tool,
    }


def activity_of(session: Session) -> Activity:
    """Return how much was said in a session, when last, and which tool runs."""
    running = session.turns.running
    tool = None
    if running is not None and running.newest_call is not None:
        tool = running.open_calls[running.newest_call].name
    return Activity(session.last_activity_at or NEVER, session.spoken.messages, tool)


def kept_document(session_id: UUID, session: Session) -> dict[str, Any]:
    """Return what a row keeps of what clients see of a session: all that few events change.

    Args:
        session_id: Whose state it is.
        session: The state.
    """
    lifecycle, description, totals = session.lifecycle, session.description, session.totals
    owner, agent = lifecycle.owner, description.agent
    running = session.turns.running
    document: dict[str, Any] = {
        "id": session_id,
        "external_id": lifecycle.external_id,
        "status": session.status,
        "type": lifecycle.type,
        "app": owner.app,
        "user": owner.user,
        "workspace": owner.workspace,
        "team": owner.team,
        "scope": owner.scope,
        "title": description.title,
        **{mark: getattr(description, mark) for mark in MARKS},
        "tags": description.tags,
        "agent": None
        if agent is None
        else {
            "name": agent.name,
            "provider": agent.provider,
            "model": agent.model,
            "reasoning_effort": agent.reasoning_effort,
        },
        "metadata": description.metadata,
        "turn_id": running.turn_id if running else None,
        "activation": lifecycle.activation,
        "epoch": lifecycle.epoch,
        "turns": totals.turns,
        "usage": {
            "input_tokens": totals.input_tokens,
            "output_tokens": totals.output_tokens,
            "cost": totals.cost,
        },
        "stop": None
        if lifecycle.stop_cause is None
        else {
            "cause": lifecycle.stop_cause,
            "reason": lifecycle.stop_reason,
            "detail": lifecycle.stop_detail,
        },
        "failure": None
        if lifecycle.failure is None
        else {
            "kind": lifecycle.failure.kind,
            "summary": lifecycle.failure.summary,
            "bundle": lifecycle.failure.bundle,
        },
        "created_at": rfc3339(lifecycle.created_at or NEVER),
        "badge": badge_of(session),
        **_policy_document(session),
        **_lineage_document(session),
        **_agent_document(session),
    }
    return document


def filled_document(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document of an older version with the values of a new session where it has none.

    Args:
        document: What clients see of a session, by an older version of the projection.
    """
    return _filled(document, kept_document(_NOBODY, ABSENT))


def _filled(document: dict[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    filled = {**defaults, **document}
    for name, value in defaults.items():
        if isinstance(value, dict) and isinstance(filled[name], dict):
            filled[name] = _filled(filled[name], value)  # pyright: ignore[reportUnknownArgumentType]
    return filled


def _policy_document(session: Session) -> dict[str, Any]:
    rules, description, summary = (
        session.policy.rules,
        session.description,
        session.description.summary,
    )
    limits = session.lifecycle.limits
    return {
        "permissions": {
            "mode": rules.mode,
            "allow": rules.allow,
            "ask": rules.ask,
            "deny": rules.deny,
        },
        "tool_approval": session.policy.tool_approval,
        "limits": {
            "queued_inputs": limits.queued_inputs,
            "input_bytes": limits.input_bytes,
            "turn_seconds": limits.turn_seconds,
            "children": limits.children,
            "depth": limits.depth,
            "iterations": limits.iterations,
            "consecutive_tool_calls": limits.consecutive_tool_calls,
        },
        "models": {
            agent: {
                "model": chosen.model,
                "provider": chosen.provider,
                "reasoning_effort": chosen.reasoning_effort,
            }
            for agent, chosen in sorted(description.models.items())
        },
        "summary": None
        if summary is None
        else {
            "summary_id": summary.summary_id,
            "first_kept": summary.first_kept,
            "tokens": summary.tokens,
        },
        "inputs": {
            "generation": session.inputs.generation,
            "pending": len(session.inputs.waiting),
        },
    }


def _lineage_document(session: Session) -> dict[str, Any]:
    lifecycle = session.lifecycle
    lineage, origin = lifecycle.lineage, lifecycle.forked_from
    return {
        "expires_at": None if lifecycle.expires_at is None else rfc3339(lifecycle.expires_at),
        "lineage": None
        if lineage is None
        else {
            "parent_id": lineage.parent_id,
            "root_id": lineage.root_id,
            "depth": lineage.depth,
            "role": lineage.role,
            "auto_stop": lineage.auto_stop,
            "profile_digest": lineage.profile_digest,
        },
        "forked_from": None
        if origin is None
        else {
            "session_id": origin.session_id,
            "sequence": origin.sequence,
            "digest": origin.digest,
        },
        "live_children": len(session.children),
        "legal_hold": None
        if lifecycle.legal_hold is None
        else {"reason": lifecycle.legal_hold.reason, "since": rfc3339(lifecycle.legal_hold.since)},
    }


def _agent_document(session: Session) -> dict[str, Any]:
    profile, sandbox, runtime = session.profile, session.sandbox, session.runtime
    return {
        "stalled": session.health.stalled,
        "unhealthy": session.health.unhealthy,
        "profile": None
        if profile is None
        else {"digest": profile.digest, "name": profile.name, "sequence": profile.sequence},
        "sandbox": None
        if sandbox is None
        else {
            "sandbox_id": sandbox.sandbox_id,
            "operation": sandbox.operation,
            "outcome": sandbox.outcome,
            "sequence": sandbox.sequence,
        },
        "runtime": None
        if runtime is None
        else {
            "runtime_session_id": runtime.runtime_session_id,
            "name": runtime.name,
            "version": runtime.version,
            "switching": runtime.switching,
            "sequence": runtime.sequence,
        },
        "peers": len(session.peers),
    }


def badge_of(session: Session) -> Badge:
    """Return the one word for a session, by what its log says; leases and presence aside."""
    lifecycle, health = session.lifecycle, session.health
    running = session.turns.running
    info = Info(
        state=state_of(session.status),
        failure_kind=lifecycle.failure.kind if lifecycle.failure else "",
        stall_state="stalled" if health.stalled is not None else "",
        turn_id=running.turn_id if running else "",
    )
    return badge_for_log(info, unhealthy=health.unhealthy)
