"""What is allowed in describing a session: title, mark and tags, whatever runs meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.checks import require_name, require_title
from domain.errors import Invalid
from domain.replacing import replace
from domain.session.declarations import Command, decides, evolves
from domain.session.events import (
    Recorded,
    SessionEvent,
    SessionRenamed,
    SessionStarred,
    SessionTagged,
    SessionUnstarred,
)
from domain.session.guards import require_present
from domain.session.state import Changes, Session
from domain.values import MAX_TAGS

__all__ = ["DescribeSession"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeSession(Command):
    """Change the title, the mark or the tags; what is not named in `fields` stays."""

    fields: frozenset[str]
    title: str | None = None
    starred: bool = False
    tags: tuple[str, ...] = ()


@decides(DescribeSession)
def describe(session: Session, command: DescribeSession) -> list[SessionEvent]:
    """Record one event for each field that really changes."""
    require_present(session)
    now = session.description
    events: list[SessionEvent] = []
    if "title" in command.fields:
        require_title(command.title)
        if command.title != now.title:
            events.append(SessionRenamed(title=command.title))
    if "starred" in command.fields and command.starred != now.starred:
        events.append(SessionStarred() if command.starred else SessionUnstarred())
    if "tags" in command.fields:
        require_tags(command.tags)
        if command.tags != now.tags:
            events.append(SessionTagged(tags=command.tags))
    return events


def require_tags(tags: Sequence[str]) -> None:
    """Refuse tags that are too many, repeated or no names."""
    if len(tags) > MAX_TAGS:
        raise Invalid(f"{len(tags)} tags; at most {MAX_TAGS}", field="tags")
    if len(set(tags)) != len(tags):
        raise Invalid("a tag is given twice", field="tags")
    for index, tag in enumerate(tags):
        require_name(tag, f"tags[{index}]")


@evolves(SessionRenamed)
def _renamed(session: Session, event: SessionRenamed, _: Recorded) -> Changes:
    return {"description": replace(session.description, title=event.title)}


@evolves(SessionStarred)
def _starred(session: Session, _: SessionStarred, __: Recorded) -> Changes:
    return {"description": replace(session.description, starred=True)}


@evolves(SessionUnstarred)
def _unstarred(session: Session, _: SessionUnstarred, __: Recorded) -> Changes:
    return {"description": replace(session.description, starred=False)}


@evolves(SessionTagged)
def _tagged(session: Session, event: SessionTagged, _: Recorded) -> Changes:
    return {"description": replace(session.description, tags=event.tags)}
