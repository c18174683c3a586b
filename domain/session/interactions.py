"""What is allowed with requests that wait for a person: asked in a turn, decided exactly once."""

from domain.errors import (
    InteractionDecided,
    InteractionExists,
    InteractionNotFound,
    Invalid,
    OptionNotOffered,
    TooMany,
)
from domain.session.commands import DecidePermission, RequestPermission
from domain.session.events import PermissionDecided, PermissionRequested, SessionEvent
from domain.session.guards import require_active, require_running
from domain.session.state import Session
from domain.values import MAX_TITLE, require_name

MAX_PENDING = 100
MAX_OPTIONS = 20


def request(session: Session, command: RequestPermission) -> list[SessionEvent]:
    """Ask, on behalf of the agent whose turn runs."""
    require_running(session, command.turn_id)
    require_name(command.request_id, "request_id")
    require_name(command.tool_call_id, "tool_call_id")
    require_name(command.title, "title", most=MAX_TITLE)
    options = [option.option_id for option in command.options]
    if not options or len(options) > MAX_OPTIONS or len(set(options)) != len(options):
        raise Invalid(f"1 to {MAX_OPTIONS} different options are needed", field="options")
    interactions = session.interactions
    if command.request_id in interactions.pending or command.request_id in interactions.decided:
        raise InteractionExists(None, request_id=command.request_id)
    if len(interactions.pending) >= MAX_PENDING:
        raise TooMany(f"{MAX_PENDING} interactions are pending; decide one first")
    return [
        PermissionRequested(
            request_id=command.request_id,
            turn_id=command.turn_id,
            options=command.options,
            tool_call_id=command.tool_call_id,
            title=command.title,
            meta=command.meta,
        )
    ]


def decide(session: Session, command: DecidePermission) -> list[SessionEvent]:
    """Answer a pending request; a second answer is refused and told the first."""
    require_active(session)
    interactions = session.interactions
    pending = interactions.pending.get(command.request_id)
    if pending is None:
        first = interactions.decided.get(command.request_id)
        if first is not None:
            raise InteractionDecided(None, request_id=command.request_id, decision=first)
        raise InteractionNotFound(None, request_id=command.request_id)
    option = next((o for o in pending.options if o.option_id == command.option_id), None)
    if option is None:
        offered = [o.option_id for o in pending.options]
        raise OptionNotOffered(None, request_id=command.request_id, offered=offered)
    return [
        PermissionDecided(
            request_id=command.request_id, decision=option.kind, option_id=option.option_id
        )
    ]
