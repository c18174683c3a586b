"""From a session's state to what lists and readers see of it."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from application.ports import Codec, SessionRow, SharedWrite
from domain.session.events import SessionCreated, SessionEvent, StatePatched
from domain.session.state import Session, scope_of
from domain.values import Owner, rfc3339

_SCOPES = uuid5(NAMESPACE_URL, "cairn:scopes")
_NEVER = datetime.fromtimestamp(0, UTC)


def session_document(session_id: UUID, session: Session) -> dict[str, Any]:
    """Return what clients see of a session, less its sequence, position and time of change.

    Args:
        session_id: Whose state it is.
        session: The state.
    """
    lifecycle, description, totals = session.lifecycle, session.description, session.totals
    owner, agent = lifecycle.owner, description.agent
    running = session.turns.running
    document: dict[str, Any] = {
        "id": session_id,
        "status": session.status,
        "type": lifecycle.type,
        "app": owner.app,
        "user": owner.user,
        "workspace": owner.workspace,
        "team": owner.team,
        "scope": owner.scope,
        "title": description.title,
        "starred": description.starred,
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
        else {"kind": lifecycle.failure.kind, "summary": lifecycle.failure.summary},
        "created_at": rfc3339(lifecycle.created_at or _NEVER),
    }
    return document


def session_row(session_id: UUID, session: Session, codec: Codec) -> SessionRow:
    """Return the list row of a session."""
    lifecycle, description, owner = (
        session.lifecycle,
        session.description,
        session.lifecycle.owner,
    )
    return SessionRow(
        app=owner.app,
        user=owner.user,
        workspace=owner.workspace,
        team=owner.team,
        scope=owner.scope,
        agent=description.agent.name if description.agent else None,
        type=lifecycle.type,
        status=session.status,
        title=description.title,
        starred=description.starred,
        tags=description.tags,
        created_at=lifecycle.created_at or _NEVER,
        deleted=lifecycle.phase == "deleted",
        doc=codec.to_json(session_document(session_id, session)).decode(),
    )


def listed_differently(before: Session, after: Session) -> bool:
    """Return whether anything that lists show is not the same; states share what did not change."""
    return not (
        before.lifecycle is after.lifecycle
        and before.description is after.description
        and before.totals is after.totals
        and before.status == after.status
    )


def app_scope(owner: Owner) -> UUID:
    """Return the scope of `app:` keys."""
    return uuid5(_SCOPES, f"app:{owner.app}")


def user_scope(owner: Owner) -> UUID:
    """Return the scope of `user:` keys: one user within one app."""
    return uuid5(_SCOPES, f"user:{len(owner.app)}:{owner.app}:{owner.user}")


def shared_writes(
    owner: Owner, event: SessionEvent, offset: int, codec: Codec
) -> Iterator[SharedWrite]:
    """Return what an event writes to the scopes that sessions share.

    Args:
        owner: Of the session.
        event: Only a creation or a patch writes any.
        offset: The index of the event in its append.
        codec: Makes the stored values.
    """
    match event:
        case SessionCreated():
            written: Mapping[str, Any] = event.state
            deleted: tuple[str, ...] = ()
        case StatePatched():
            written, deleted = event.set, event.delete
        case _:
            return
    for key, value in written.items():
        if scope_of(key) in ("app", "user"):
            yield SharedWrite(_scope(owner, key), key, codec.to_json(value), offset)
    for key in deleted:
        if scope_of(key) in ("app", "user"):
            yield SharedWrite(_scope(owner, key), key, None, offset)


def _scope(owner: Owner, key: str) -> UUID:
    return app_scope(owner) if scope_of(key) == "app" else user_scope(owner)
