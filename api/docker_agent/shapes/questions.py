"""What waits for a person, in the words of docker-agent; each says by which id it is answered."""

from typing import Any

from api.docker_agent.shapes.messages import call_document
from domain.session.state import Session
from domain.session.work import Interaction
from domain.values import JsonObject


def confirmation(
    session: Session,
    request_id: str,
    tool_call_id: str | None,
    tool: str | None,
    arguments: JsonObject | None,
) -> dict[str, Any]:
    """Return the question whether a tool may be called.

    Args:
        session: In which it is asked.
        request_id: By which it is answered.
        tool_call_id: The call that waits for it.
        tool: The name of the tool.
        arguments: What it is to be called with.
    """
    turn = session.turns.running
    called = turn.open_calls.get(tool_call_id) if turn and tool_call_id else None
    name = tool or (called.name if called else "")
    value = arguments if arguments is not None else (called.input if called else None)
    return {
        "type": "tool_call_confirmation",
        "tool_call": call_document(tool_call_id or request_id, name, value),
        "tool_definition": {"name": name},
        "request_id": request_id,
    }


def elicitation(
    request_id: str,
    message: str | None,
    schema: JsonObject | None,
    url: str | None,
    meta: JsonObject | None,
) -> dict[str, Any]:
    """Return the question for content of a form, or for something done at a page.

    Args:
        request_id: By which it is answered.
        message: For the person.
        schema: What the content must be.
        url: The page.
        meta: What the agent says of it.
    """
    asked = {
        "type": "elicitation_request",
        "message": message or "",
        "mode": "form" if url is None else "url",
        "schema": schema,
        "url": url,
        "elicitation_id": request_id,
        "meta": meta,
    }
    return {name: value for name, value in asked.items() if value is not None}


def pending_events(session: Session) -> list[dict[str, Any]]:
    """Return what waits in a session, the oldest first.

    Args:
        session: Its state.
    """
    waiting = session.interactions.pending.values()
    return [_question(session, one) for one in sorted(waiting, key=lambda one: one.sequence)]


def _question(session: Session, one: Interaction) -> dict[str, Any]:
    if one.kind == "permission":
        return confirmation(session, one.request_id, one.tool_call_id, one.tool, one.arguments)
    return elicitation(one.request_id, one.message, one.schema, one.url, one.meta)
