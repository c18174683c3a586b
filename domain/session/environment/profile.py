"""What is allowed with the persona that an agent runs with."""

from dataclasses import dataclass, field
from typing import Any

from domain.checks import require_name
from domain.errors import Invalid, ProfileChanged, TurnInProgress
from domain.session.declarations import Command, decides, evolves
from domain.session.events import ProfileCaptured, ProfileRefreshed, Recorded, SessionEvent
from domain.session.guards import INACTIVE, require_active, require_idle
from domain.session.state import Changes, Profile, Session
from domain.values import JsonObject

__all__ = ["RefreshProfile"]

MAX_BODY = 32 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshProfile(Command):
    """Set the persona; `expected_digest` is what it must be now, a null body takes it away."""

    digest: str | None
    name: str | None = None
    body: str | None = None
    profile: JsonObject = field(default_factory=dict[str, Any])
    expected_digest: str | None = None


@decides(RefreshProfile, refuses=(*INACTIVE, ProfileChanged, TurnInProgress))
def refresh_profile(session: Session, command: RefreshProfile) -> list[SessionEvent]:
    """Set the persona, between turns, if it is the one that is expected; as it is, nothing."""
    require_active(session)
    now = session.profile
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


@evolves(ProfileCaptured)
def _captured(_: Session, event: ProfileCaptured, recorded: Recorded) -> Changes:
    profile = Profile(digest=event.digest, name=event.name, sequence=recorded.sequence)
    return {"profile": profile}


@evolves(ProfileRefreshed)
def _refreshed(_: Session, event: ProfileRefreshed, recorded: Recorded) -> Changes:
    profile = None
    if event.digest is not None:
        profile = Profile(digest=event.digest, name=event.name or "", sequence=recorded.sequence)
    return {"profile": profile}
