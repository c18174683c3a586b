"""What is allowed with what surrounds an agent: its persona, its sandbox and its peers."""

from dataclasses import dataclass, field
from typing import Any

from domain.canonical import digest_of
from domain.errors import Invalid, LimitReached, PeerNotFound, ProfileChanged
from domain.redaction import redacted
from domain.replacing import replace
from domain.session.declarations import Command, decides, evolves
from domain.session.events import (
    PeerJoined,
    PeerLeft,
    ProfileCaptured,
    ProfileRefreshed,
    Recorded,
    SandboxReported,
    SessionEvent,
)
from domain.session.guards import require_active, require_idle, require_present
from domain.session.state import Changes, Peer, Profile, Sandbox, Session
from domain.values import JsonObject, require_name, require_summary

__all__ = ["RefreshProfile", "ReportContext"]

MAX_BODY = 32 * 1024
MAX_PEERS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshProfile(Command):
    """Set the persona; `expected_digest` is what it must be now, a null body takes it away."""

    digest: str | None
    name: str | None = None
    body: str | None = None
    profile: JsonObject = field(default_factory=dict[str, Any])
    expected_digest: str | None = None


@decides(RefreshProfile)
def refresh_profile(session: Session, command: RefreshProfile) -> list[SessionEvent]:
    """Set the persona, between turns, if it is the one that is expected; as it is, nothing."""
    require_active(session)
    now = session.surroundings.profile
    if command.expected_digest is not None and (
        now is None or now.digest != command.expected_digest
    ):
        raise ProfileChanged(None, digest=now.digest if now else None)
    if command.digest == (now.digest if now else None):
        return []
    require_idle(session)
    if command.digest is None or command.body is None or command.name is None:
        if now is None:
            return []
        return [ProfileRefreshed(previous=now.digest)]
    require_name(command.name, "name")
    if len(command.body.encode("utf-8", "surrogatepass")) > MAX_BODY:
        raise Invalid(f"body has more than {MAX_BODY} bytes", field="body")
    if now is None:
        return [
            ProfileCaptured(
                digest=command.digest,
                name=command.name,
                body=command.body,
                profile=command.profile,
            )
        ]
    return [
        ProfileRefreshed(
            previous=now.digest,
            digest=command.digest,
            name=command.name,
            body=command.body,
            profile=command.profile,
        )
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportContext(Command):
    """Record news of the sandbox or of peers."""

    event: SandboxReported | PeerJoined | PeerLeft


@decides(ReportContext)
def report(session: Session, command: ReportContext) -> list[SessionEvent]:
    """Record news of the sandbox or of peers; who has joined already, has."""
    require_present(session)
    event = command.event
    peers = session.surroundings.peers
    match event:
        case SandboxReported():
            require_name(event.sandbox_id, "sandbox_id")
            require_name(event.operation, "operation")
            require_summary(event.detail, "detail")
            return [replace(event, detail=redacted(event.detail))]
        case PeerJoined():
            require_active(session)
            for field in ("peer_id", "display_name", "channel"):
                require_name(getattr(event, field), field)
            known = peers.get(event.peer_id)
            if known is not None and known == _peer(event, known.sequence):
                return []
            if event.peer_id not in peers and len(peers) >= MAX_PEERS:
                raise LimitReached(f"a session has at most {MAX_PEERS} peers")
        case PeerLeft():
            require_name(event.reason, "reason")
            if event.peer_id not in peers:
                raise PeerNotFound(None, peer_id=event.peer_id)
    return [event]


def _peer(event: PeerJoined, sequence: int) -> Peer:
    return Peer(
        peer_id=event.peer_id,
        display_name=event.display_name,
        channel=event.channel,
        capabilities=digest_of(event.capabilities),
        sequence=sequence,
    )


@evolves(ProfileCaptured)
def _captured(session: Session, event: ProfileCaptured, recorded: Recorded) -> Changes:
    profile = Profile(digest=event.digest, name=event.name, sequence=recorded.sequence)
    return {"surroundings": replace(session.surroundings, profile=profile)}


@evolves(ProfileRefreshed)
def _refreshed(session: Session, event: ProfileRefreshed, recorded: Recorded) -> Changes:
    profile = None
    if event.digest is not None:
        profile = Profile(digest=event.digest, name=event.name or "", sequence=recorded.sequence)
    return {"surroundings": replace(session.surroundings, profile=profile)}


@evolves(SandboxReported)
def _reported(session: Session, event: SandboxReported, recorded: Recorded) -> Changes:
    sandbox = Sandbox(
        sandbox_id=event.sandbox_id,
        operation=event.operation,
        outcome=event.outcome,
        sequence=recorded.sequence,
    )
    return {"surroundings": replace(session.surroundings, sandbox=sandbox)}


@evolves(PeerJoined)
def _joined(session: Session, event: PeerJoined, recorded: Recorded) -> Changes:
    peers = session.surroundings.peers.put(event.peer_id, _peer(event, recorded.sequence))
    return {"surroundings": replace(session.surroundings, peers=peers)}


@evolves(PeerLeft)
def _left(session: Session, event: PeerLeft, _: Recorded) -> Changes:
    peers = session.surroundings.peers.drop(event.peer_id)
    return {"surroundings": replace(session.surroundings, peers=peers)}
