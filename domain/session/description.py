"""What is allowed in describing a session: title, mark and tags, whatever runs meanwhile."""

from collections.abc import Sequence

from domain.errors import Invalid
from domain.session.commands import DescribeSession
from domain.session.events import (
    SessionEvent,
    SessionRenamed,
    SessionStarred,
    SessionTagged,
    SessionUnstarred,
)
from domain.session.guards import require_present
from domain.session.state import Session
from domain.values import MAX_TAGS, MAX_TITLE, require_name


def describe(session: Session, command: DescribeSession) -> list[SessionEvent]:
    """Record one event for each field that really changes."""
    require_present(session)
    now = session.description
    events: list[SessionEvent] = []
    if "title" in command.fields:
        require_name(command.title, "title", most=MAX_TITLE)
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
