"""Sessions in the shapes of docker-agent: rows of a list, details, snapshots and exports."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from api.docker_agent.shapes.messages import messages_of
from api.docker_agent.shapes.questions import pending_events
from api.http.outgoing.responses import from_json
from api.services import Services
from application.ports.session.listing import ListedSession
from application.projections.listed_document import listed_document
from application.reads.query_results import Snapshot
from domain.permissions.permission_rules import PermissionRules
from domain.session.state import ABSENT, Session

WORKING_DIR, CUSTOM_MODELS, OLD_TOKENS = (
    "working_dir",
    "custom_models_used",
    "max_old_tool_call_tokens",
)
"""Keys of the metadata that hold what a session of docker-agent has and ours has not."""


def agent_of(session: Session) -> str | None:
    """Return the name of the agent that answers in a session, if it is known."""
    agent = session.description.agent
    return None if agent is None else agent.name


def row_document(row: ListedSession) -> dict[str, Any]:
    """Return a session as lists show it.

    Args:
        row: Of the list.
    """
    shown = listed_document(row, from_json)
    working_dir = shown["metadata"].get(WORKING_DIR)
    document = {
        "id": str(row.session_id),
        "title": row.title or "",
        "created_at": row.created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "num_messages": row.activity.num_messages,
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "cost": row.cost or 0,
        "starred": shown.get("starred", False),
    }
    return document | ({"working_dir": working_dir} if working_dir else {})


def messages_in(snapshot: Snapshot) -> list[dict[str, Any]]:
    """Return the messages of a session.

    Args:
        snapshot: Of the session.
    """
    return messages_of(str(snapshot.document["id"]), snapshot.transcript)


def detail(snapshot: Snapshot, messages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a session as `GET /api/sessions/{id}` shows it.

    Args:
        snapshot: Of the session.
        messages: As docker-agent has them.
    """
    session = snapshot.session
    document: dict[str, Any] = {
        "id": str(snapshot.document["id"]),
        "title": session.description.title or "",
        "messages": messages or None,
        "created_at": snapshot.document["created_at"],
        "tools_approved": session.policy.tool_approval,
        "input_tokens": session.totals.input_tokens,
        "output_tokens": session.totals.output_tokens,
        "cost": session.totals.cost or 0,
        "starred": session.description.starred,
    }
    return document | _working_dir(session) | permissions_of(session)


def export(snapshot: Snapshot, *, whole: bool = False) -> dict[str, Any]:
    """Return a session as an export has it.

    Args:
        snapshot: Of the session.
        whole: With its rules, as the export for a recovery has it.
    """
    shown = detail(snapshot, messages_in(snapshot))
    if not whole:
        shown.pop("permissions", None)
    shown["messages"] = shown["messages"] or []
    return shown


async def snapshot_document(services: Services, snapshot: Snapshot) -> dict[str, Any]:
    """Return a session with all that a client needs to go on from its events.

    Args:
        services: Of the program.
        snapshot: Of the session.
    """
    session, session_id = snapshot.session, UUID(str(snapshot.document["id"]))
    turn = session.turns.running
    shown = detail(snapshot, messages_in(snapshot))
    agent = agent_of(session)
    written = (
        await services.partials.at(session_id, snapshot.sequence, turn.turn_id) if turn else []
    )
    return {
        **shown,
        "streaming": turn is not None,
        **({"agent": agent} if agent else {}),
        "last_event_seq": snapshot.sequence,
        "pending": pending_events(session),
        "in_flight": [
            {"message_id": one.key.message_id, "kind": one.key.kind, "content": one.text}
            for one in written
        ],
    }


def whole_document(session_id: UUID, session: Session, created_at: str) -> dict[str, Any]:
    """Return a session that has only just begun, with every field of its type.

    Args:
        session_id: Which.
        session: Its state.
        created_at: When it began, as RFC 3339.
    """
    limits, metadata = session.lifecycle.limits, session.description.metadata
    document: dict[str, Any] = {
        "id": str(session_id),
        "title": session.description.title or "",
        "messages": None,
        "created_at": created_at,
        "tools_approved": session.policy.tool_approval,
        "hide_tool_results": False,
        "SendUserMessage": True,
        "max_iterations": limits.iterations or 0,
        "starred": session.description.starred,
        "input_tokens": session.totals.input_tokens,
        "output_tokens": session.totals.output_tokens,
        "cost": session.totals.cost or 0,
    }
    more = {
        "max_consecutive_tool_calls": limits.consecutive_tool_calls,
        OLD_TOKENS: metadata.get(OLD_TOKENS),
        CUSTOM_MODELS: metadata.get(CUSTOM_MODELS),
        "agent_model_overrides": {
            agent: model_ref(one.provider, one.model)
            for agent, one in sorted(session.description.models.items())
        },
    }
    document |= {name: value for name, value in more.items() if value}
    return document | _working_dir(session) | permissions_of(session)


def model_ref(provider: str | None, model: str) -> str:
    """Return how a model is named there: `provider/model`, or the name of one that is set up."""
    return model if provider is None else f"{provider}/{model}"


def permissions_of(session: Session) -> dict[str, Any]:
    """Return `permissions` of a session that has rules; nothing when it has none."""
    rules = session.policy.rules
    if rules == ABSENT.policy.rules:
        return {}
    return {"permissions": _lists_of(rules)}


def _lists_of(rules: PermissionRules) -> dict[str, Any]:
    named = {"allow": rules.allow, "ask": rules.ask, "deny": rules.deny}
    return {name: list(patterns) for name, patterns in named.items() if patterns}


def _working_dir(session: Session) -> dict[str, Any]:
    working_dir = session.description.metadata.get(WORKING_DIR)
    return {WORKING_DIR: working_dir} if working_dir else {}
