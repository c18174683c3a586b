"""What is allowed with the erasure of a session: once, for good, and not under a legal hold."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from domain.checks import require_summary
from domain.errors import Erased, Invalid, SessionNotFound, UnderLegalHold
from domain.replacing import replace
from domain.session.declarations import Command, decides, evolves
from domain.session.events import (
    LegalHoldReleased,
    LegalHoldSet,
    Recorded,
    SessionErased,
    SessionEvent,
)
from domain.session.interaction.interactions import cancelled_with_session
from domain.session.state import ABSENT, Changes, LegalHold, Lifecycle, Session
from domain.session.turn.turn_endings import close_turn
from domain.values import Owner, rfc3339

__all__ = ["EraseSession", "ReleaseLegalHold", "SetLegalHold"]

_UNKNOWN = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class EraseSession(Command):
    """Have everything that the session holds erased.

    Args:
        reason: Why; it stays for ever, so it names no person.
        shared_keys: What becomes of values in force that it has given to keys it shares.
    """

    reason: str
    shared_keys: Literal["kept", "erased"] = "kept"


@decides(EraseSession, refuses=(UnderLegalHold,))
def erase(session: Session, command: EraseSession) -> list[SessionEvent]:
    """Say that everything is erased, ending whatever runs; once erased it is already so."""
    lifecycle = session.lifecycle
    if lifecycle.phase == "erased":
        return []
    _require_held_or_not(session, command.reason)
    if lifecycle.legal_hold is not None:
        since = rfc3339(lifecycle.legal_hold.since)
        raise UnderLegalHold(None, reason=lifecycle.legal_hold.reason, since=since)
    return [
        *close_turn(session, "cancelled", reason="session_erased"),
        *cancelled_with_session(session, "session_erased"),
        SessionErased(
            reason=command.reason,
            app=lifecycle.owner.app,
            began_at=lifecycle.created_at or _UNKNOWN,
            shared_keys=command.shared_keys,
        ),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLegalHold(Command):
    """Keep the session from being erased, whoever asks; also one that is stopped or deleted."""

    reason: str


@decides(SetLegalHold)
def hold(session: Session, command: SetLegalHold) -> list[SessionEvent]:
    """Set the hold; one that is set stays, and the first reason stands."""
    _require_held_or_not(session, command.reason)
    if session.lifecycle.phase == "erased":
        raise Erased
    return [] if session.lifecycle.legal_hold else [LegalHoldSet(reason=command.reason)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseLegalHold(Command):
    """Let the session be erased again."""

    reason: str


@decides(ReleaseLegalHold)
def release(session: Session, command: ReleaseLegalHold) -> list[SessionEvent]:
    """Release the hold; without one it is already so."""
    _require_held_or_not(session, command.reason)
    return [LegalHoldReleased(reason=command.reason)] if session.lifecycle.legal_hold else []


def _require_held_or_not(session: Session, reason: str) -> None:
    if session.lifecycle.phase == "absent" and not session.sequence:
        raise SessionNotFound
    require_summary(reason, "reason")
    if not reason.strip():
        raise Invalid("say why: the reason is blank", field="reason")


@evolves(SessionErased)
def _erased(_: Session, event: SessionErased, __: Recorded) -> Changes:
    # The same whether the events before it are still there or not.
    return {
        "unrecognised": 0,
        "begins_unread": False,
        "lifecycle": Lifecycle(
            phase="erased",
            owner=Owner(app=event.app, user=""),
            created_at=event.began_at,
        ),
        "description": ABSENT.description,
        "totals": ABSENT.totals,
        "messages": ABSENT.messages,
        "said": ABSENT.said,
        "turns": ABSENT.turns,
        "interactions": ABSENT.interactions,
        "state": ABSENT.state,
        "state_version": 0,
        "policy": ABSENT.policy,
        "inputs": ABSENT.inputs,
        "health": ABSENT.health,
        "attachment": None,
        "profile": None,
        "sandbox": None,
        "runtime": None,
        "peers": ABSENT.peers,
        "children": ABSENT.children,
    }


@evolves(LegalHoldSet)
def _held(session: Session, event: LegalHoldSet, recorded: Recorded) -> Changes:
    held = LegalHold(reason=event.reason, since=recorded.at)
    return {"lifecycle": replace(session.lifecycle, legal_hold=held)}


@evolves(LegalHoldReleased)
def _released(session: Session, _: LegalHoldReleased, __: Recorded) -> Changes:
    return {"lifecycle": replace(session.lifecycle, legal_hold=None)}
