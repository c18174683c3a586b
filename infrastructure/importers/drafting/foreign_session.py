"""The session that a reader yields: who owns it, how it begins, and the drafts that follow."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from application.transfer.foreign import Draft, ForeignSession, ForkPoint
from domain.session.events import SessionCreated
from domain.values import Agent, JsonObject, Lineage, Owner
from infrastructure.importers.choices import Choices
from infrastructure.importers.drafting.session import SessionDrafter


def foreign_session(
    drafter: SessionDrafter,
    drafts: Iterable[Draft],
    choices: Choices,
    *,
    key: Sequence[str],
    about: Mapping[str, Any] | None = None,
    app: str | None = None,
    user: str = "unknown",
    title: str | None = None,
    agent: Agent | None = None,
    state: JsonObject | None = None,
    lineage: Lineage | None = None,
    forked_from: ForkPoint | None = None,
) -> ForeignSession:
    """Return a session of another system.

    Args:
        drafter: Of the session, at its beginning.
        drafts: What happened; they are taken later.
        choices: How the session is placed.
        key: All that identifies it in its source; its metadata name it.
        about: What else its metadata say of where it comes from.
        app: Whose session it is, as the source says it; None is the kind of the source.
        user: The same.
        title: Its title, if it has one.
        agent: Who answers, if that is known.
        state: The keys that it begins with.
        lineage: Which session spawned it, if one did.
        forked_from: Where it leaves another session.
    """
    source = drafter.source
    created = SessionCreated(
        owner=Owner(app=choices.app or app or source, user=choices.user or user),
        type="user" if lineage is None else "spawned",
        title=title,
        agent=agent,
        state=state or {},
        lineage=lineage,
        metadata={"imported_from": {"kind": source, "key": list(key), **(about or {})}},
    )
    return ForeignSession(
        source=source,
        source_id=drafter.name,
        session_id=drafter.session_id,
        names_turns=True,
        created=created,
        created_at=drafter.at,
        drafts=drafts,
        forked_from=forked_from,
        tally=drafter.tally,
    )
