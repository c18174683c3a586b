"""What is allowed with peers: the other agents that the agent of a session can reach."""

from dataclasses import dataclass

from domain.checks import require_name
from domain.errors import LimitReached, PeerNotFound
from domain.log.canonical import digest_of
from domain.session.declarations import Command, decides, evolves
from domain.session.events import PeerJoined, PeerLeft, Recorded, SessionEvent
from domain.session.guards import INACTIVE, require_active, require_present
from domain.session.state import Changes, Peer, Session

__all__ = ["ReportPeer"]

MAX_PEERS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportPeer(Command):
    """Record that a peer can be reached, or no longer."""

    event: PeerJoined | PeerLeft


@decides(ReportPeer, refuses=(*INACTIVE, LimitReached, PeerNotFound))
def report(session: Session, command: ReportPeer) -> list[SessionEvent]:
    """Record that a peer joined or left; who has joined already, has."""
    require_present(session)
    event = command.event
    if isinstance(event, PeerJoined):
        return _join(session, event)
    require_name(event.reason, "reason")
    if event.peer_id not in session.peers:
        raise PeerNotFound(None, peer_id=event.peer_id)
    return [event]


def _join(session: Session, event: PeerJoined) -> list[SessionEvent]:
    require_active(session)
    for field in ("peer_id", "display_name", "channel"):
        require_name(getattr(event, field), field)
    known = session.peers.get(event.peer_id)
    if known is not None and known == _peer(event, known.sequence):
        return []
    if known is None and len(session.peers) >= MAX_PEERS:
        raise LimitReached(f"a session has at most {MAX_PEERS} peers")
    return [event]


def _peer(event: PeerJoined, sequence: int) -> Peer:
    return Peer(
        peer_id=event.peer_id,
        display_name=event.display_name,
        channel=event.channel,
        capabilities=digest_of(event.capabilities),
        sequence=sequence,
    )


@evolves(PeerJoined)
def _joined(session: Session, event: PeerJoined, recorded: Recorded) -> Changes:
    return {"peers": session.peers.put(event.peer_id, _peer(event, recorded.sequence))}


@evolves(PeerLeft)
def _left(session: Session, event: PeerLeft, _: Recorded) -> Changes:
    return {"peers": session.peers.drop(event.peer_id)}
