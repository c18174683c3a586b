"""What docker-agent says of a session itself: its name, its agent, its summaries and its end."""

from collections.abc import Mapping
from typing import Any

from domain.session.events import (
    AgentSwitched,
    ContextCompacted,
    ConversationCleared,
    ConversationRewound,
    ModelOverridden,
    ModelRestored,
    RuntimeNotice,
    SessionCreated,
    SessionDeleted,
    SessionErased,
    SessionEvent,
    SessionRenamed,
    SessionStalled,
    SummaryAdded,
)
from domain.session.state import Session
from domain.values import Agent

_FORKED = "the session begins with what another one has said; take a snapshot"
EXITED: Mapping[str, Any] = {"type": "session_exited", "reason": "session ended"}


def about_session(session: str, before: Session, event: SessionEvent) -> list[dict[str, Any]]:
    """Return what docker-agent says for an event of a session itself.

    Args:
        session: The id of the session.
        before: Its state before the event.
        event: What happened.
    """
    match event:
        case SessionCreated(title=title, agent=agent, forked_from=origin):
            named = {"type": "session_title", "session_id": session, "title": title}
            begun = [*([named] if title else []), *([_agent_info(agent)] if agent else [])]
            return begun if origin is None else [*begun, _warned(_FORKED)]
        case SessionRenamed(title=title):
            return [{"type": "session_title", "session_id": session, "title": title or ""}]
        case SummaryAdded(text=text):
            return [{"type": "session_summary", "session_id": session, "summary": text}]
        case ContextCompacted():
            kind = {"type": "session_compaction", "session_id": session}
            return [{**kind, "status": "started"}, {**kind, "status": "completed"}]
        case AgentSwitched(agent=agent):
            old = before.description.agent
            names = {"from_agent": old.name if old else "", "to_agent": agent.name}
            switching = {"type": "agent_switching", **names}
            return [
                {**switching, "switching": True},
                {**switching, "switching": False},
                _agent_info(agent),
            ]
        case ModelOverridden():
            model = event.model if event.provider is None else f"{event.provider}/{event.model}"
            return [_info(event.agent, model)]
        case ModelRestored(agent=name):
            own = before.description.agent
            return [_agent_info(own) if own and own.name == name else _info(name, "")]
        case SessionDeleted() | SessionErased():
            return [dict(EXITED)]
        case _:
            return _warning(event)


def _warning(event: SessionEvent) -> list[dict[str, Any]]:
    match event:
        case RuntimeNotice(level="warning" | "warn" | "error", text=text):
            message = text
        case SessionStalled(idle_seconds=seconds):
            message = f"the turn has shown no sign of life for {seconds} s"
        case ConversationCleared():
            message = "the conversation was cleared; take a new snapshot"
        case ConversationRewound():
            message = "the conversation went back to an earlier point; take a new snapshot"
        case _:
            return []
    return [_warned(message)]


def _warned(message: str) -> dict[str, Any]:
    return {"type": "warning", "message": message}


def _agent_info(agent: Agent) -> dict[str, Any]:
    model = agent.model or ""
    return _info(agent.name, f"{agent.provider}/{model}" if agent.provider and model else model)


def _info(name: str, model: str) -> dict[str, Any]:
    return {"type": "agent_info", "agent_name": name, "model": model, "description": ""}
