"""Commands made to fit the session they are for.

What is made up at random mostly names what is not there. Aimed, a command names what is: the
turn that runs, a request that waits, an id that is new. What else is wrong with it stays wrong.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from domain.session import commands as c
from domain.session import events as e
from domain.session.life.supervision import next_deadline
from domain.session.state import Session
from domain.session.work import Interaction
from tests.support.builders import NOON


def aimed(command: Any, session: Session) -> Any:
    """Return a command made to fit a session.

    Args:
        command: As it was made up.
        session: The state that it will be decided in, as far as the caller knows.
    """
    names = {field.name for field in fields(command)}
    running = session.turns.running
    changes: dict[str, Any] = {}
    if "turn_id" in names and running is not None and command.turn_id is not None:
        changes["turn_id"] = running.turn_id
    if "expected_turn_id" in names and command.expected_turn_id is not None:
        changes["expected_turn_id"] = running.turn_id if running else None
    fitted = replace(command, **changes)
    special = _FITS.get(type(command))
    return fitted if special is None else special(fitted, session)


def lacks(schema: Mapping[str, Any], content: Any) -> Sequence[str]:
    """Tell what is missing, as a validator would, of a schema that says no more than that."""
    return [name for name in schema.get("required", ()) if name not in content]


def _one_of(known: Sequence[Any], hint: Any) -> Any:
    """Return one of what is known, the same one for the same hint."""
    return sorted(known, key=str)[sum(map(ord, str(hint))) % len(known)]


def _start_turn(command: c.StartTurn, session: Session) -> Any:
    n = session.sequence
    return replace(command, turn_id=f"turn-{n}", message_id=f"message-{n}")


def _queue(command: c.QueueInputs, session: Session) -> Any:
    n = session.sequence
    inputs = tuple(
        replace(one, input_id=f"turn-{n}-{at}", message_id=f"message-{n}-{at}")
        for at, one in enumerate(command.inputs)
    )
    return replace(command, inputs=inputs)


def _input(command: Any, session: Session) -> Any:
    waiting = session.inputs.waiting
    if not waiting:
        return command
    return replace(command, input_id=_one_of(list(waiting), command.input_id))


def _add_message(command: c.AddMessage, session: Session) -> Any:
    return replace(command, message_id=f"message-{session.sequence}")


def _revise(command: c.ReviseMessage, session: Session) -> Any:
    if not session.messages:
        return command
    return replace(command, message_id=_one_of(list(session.messages), command.message_id))


def _activity(command: c.RecordActivity, session: Session) -> Any:
    turn, n = session.turns.running, session.sequence
    is_open = sorted(turn.open_calls) if turn else []
    fitted: list[e.ActivityEvent] = []
    for at, event in enumerate(command.events):
        if isinstance(event, e.ToolCalled):
            is_open.append(f"call-{n}-{at}")
            fitted.append(replace(event, tool_call_id=is_open[-1]))
        elif isinstance(event, e.ToolProgressed | e.ToolReturned) and is_open:
            returned = isinstance(event, e.ToolReturned)
            call = is_open.pop(0) if returned else is_open[0]
            fitted.append(replace(event, tool_call_id=call))
        else:
            fitted.append(event)
    return replace(command, events=tuple(fitted))


def _request(command: c.RequestPermission | c.RequestElicitation, session: Session) -> Any:
    fitted = replace(command, request_id=f"request-{session.sequence}")
    if isinstance(fitted, c.RequestElicitation) and fitted.schema is not None:
        fitted = replace(fitted, url=None)
    return fitted


def _pending(command: Any, session: Session, kind: str | None = None) -> Interaction | None:
    ids = [one.request_id for one in session.interactions.pending.values()
           if kind in (None, one.kind)]  # fmt: skip
    return session.interactions.pending[_one_of(ids, command.request_id)] if ids else None


def _decide(command: c.DecidePermission, session: Session) -> Any:
    asked = _pending(command, session, "permission")
    if asked is None:
        return command
    option = next((o for o in asked.options if o.option_id == command.option_id), asked.options[0])
    may_grant = option.kind.startswith("allow") and (asked.tool or command.grant == "session")
    return replace(
        command,
        request_id=asked.request_id,
        option_id=option.option_id,
        grant=command.grant if may_grant else "once",
        at=None if command.reason is None else command.at,
    )


def _answer(command: c.AnswerElicitation, session: Session) -> Any:
    asked = _pending(command, session, "elicitation")
    if asked is None:
        return command
    content, violations = command.content, None
    if command.action != "accept" or asked.schema is None:
        content = None
    else:
        content = {"a": 1} if content is None else content
        violations = tuple(lacks(asked.schema, content))
    return replace(command, request_id=asked.request_id, content=content, violations=violations)


def _cancel_interaction(command: c.CancelInteraction, session: Session) -> Any:
    asked = _pending(command, session)
    return command if asked is None else replace(command, request_id=asked.request_id)


def _summary(command: c.AddSummary, session: Session) -> Any:
    kept = command.first_kept
    # Now and then it is a message that there is not.
    if kept is not None and kept != "m4":
        kept = _one_of(list(session.messages), kept) if session.messages else None
    return replace(command, summary_id=f"summary-{session.sequence}", first_kept=kept)


def _reap(command: c.ReapChild, session: Session) -> Any:
    children = [child.child_id for child in session.children.values()]
    return replace(command, child_id=_one_of(children, command.child_id)) if children else command


def _spawn(command: c.SpawnSession, session: Session) -> Any:
    held = session.policy
    return replace(
        command,
        role="worker" if command.role == "coordinator" else command.role,
        allow_stopped_parent=False,
        grants=held.grants if command.auto_stop else command.grants,
        permissions=held.rules if command.permissions else None,
        limits=None,
        ttl_seconds=command.ttl_seconds or 60,
    )


def _release(command: c.ReleaseAttachment, session: Session) -> Any:
    held = session.attachment
    return command if held is None else replace(command, lease_id=held.lease_id)


def _profile(command: c.RefreshProfile, session: Session) -> Any:
    now = session.profile
    expected = now.digest if now and command.expected_digest else None
    if command.digest is None:
        return replace(command, expected_digest=expected, name=None, body=None)
    return replace(
        command, expected_digest=expected, name=command.name or "x", body=command.body or ""
    )


def _report(command: c.ReportPeer, session: Session) -> Any:
    peers = session.peers
    if isinstance(command.event, e.PeerLeft) and peers:
        peer_id = _one_of(list(peers), command.event.peer_id)
        return c.ReportPeer(event=replace(command.event, peer_id=peer_id))
    return command


def _patch(command: c.PatchState, session: Session) -> Any:
    expected = None if command.expected is None else session.state_version
    return replace(command, expected=expected)


def _meet(command: c.ExpireDue, session: Session) -> Any:
    due = next_deadline(session, command.timers)
    return replace(command, at=due or NOON)


def _usage(command: c.RecordUsage, _: Session) -> Any:
    return replace(command, input_tokens=command.input_tokens or 0)


def _model(command: c.OverrideModel, session: Session) -> Any:
    if command.model is not None:
        return command
    overridden = list(session.description.models)
    agent = _one_of(overridden, command.agent) if overridden else command.agent
    return c.OverrideModel(agent=agent, model=None)


_FITS: dict[type, Callable[[Any, Session], Any]] = {
    c.StartTurn: _start_turn,
    c.QueueInputs: _queue,
    c.EditInput: _input,
    c.PromoteInput: _input,
    c.CancelInput: _input,
    c.AddMessage: _add_message,
    c.ReviseMessage: _revise,
    c.RecordActivity: _activity,
    c.RequestPermission: _request,
    c.RequestElicitation: _request,
    c.DecidePermission: _decide,
    c.AnswerElicitation: _answer,
    c.CancelInteraction: _cancel_interaction,
    c.AddSummary: _summary,
    c.ReapChild: _reap,
    c.SpawnSession: _spawn,
    c.ReleaseAttachment: _release,
    c.RefreshProfile: _profile,
    c.ReportPeer: _report,
    c.PatchState: _patch,
    c.ExpireDue: _meet,
    c.RecordUsage: _usage,
    c.OverrideModel: _model,
}
