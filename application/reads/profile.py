"""What surrounds an agent, as far as its events say more than the state keeps of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from application.ports.store import Store
from domain.log.canonical import digest_of
from domain.session.events import ProfileCaptured, ProfileRefreshed
from domain.session.state import Profile


@dataclass(frozen=True, slots=True)
class Persona:
    """What a persona says, and which event said it.

    Args:
        digest: Of all that it says.
        name: Its name.
        body: Its text.
        profile: What is known of it beside the text.
        sequence: Of the event.
        at: When it was said.
    """

    digest: str
    name: str
    body: str
    profile: Mapping[str, Any]
    sequence: int
    at: datetime


def profile_digest(name: str, body: str, profile: Mapping[str, Any]) -> str:
    """Return the digest of a persona: the same wherever and whenever it says the same.

    Args:
        name: Its name.
        body: Its text.
        profile: JSON values.
    """
    return digest_of({"body": body, "name": name, "profile": profile})


async def read_profile(store: Store, session_id: UUID, profile: Profile) -> Persona | None:
    """Return what a persona says; None if the log does not have it.

    Args:
        store: Where the log is.
        session_id: Whose persona.
        profile: What the state keeps of it.
    """
    at = profile.sequence
    stored = await store.log.read(session_id, after=at - 1, upto=at, limit=1)
    if not stored:
        return None
    recorded = store.codec.decode(stored[0])
    match recorded.event:
        case ProfileCaptured() | ProfileRefreshed() as event:
            return Persona(
                digest=event.digest or "",
                name=event.name or "",
                body=event.body or "",
                profile=event.profile,
                sequence=recorded.sequence,
                at=recorded.at,
            )
        case _:
            return None
