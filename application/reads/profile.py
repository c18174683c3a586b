"""What surrounds an agent, as far as its events say more than the state keeps of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from application.reads.event_reader import EventReader
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


async def read_profile(events: EventReader, session_id: UUID, profile: Profile) -> Persona | None:
    """Return what a persona says; None if the log does not have it.

    Args:
        events: Reads the log.
        session_id: Whose persona.
        profile: What the state keeps of it.
    """
    recorded = await events.at(session_id, profile.sequence)
    if recorded is None:
        return None
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
