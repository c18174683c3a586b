"""Sub-sessions that have ended, told to whoever follows their parent: each is read from its log."""

from uuid import UUID

from api.docker_agent.shapes.sessions import detail, messages_in, whole_document
from api.docker_agent.stream.translation import Translation
from api.services import Services
from application.ports.log.events import StoredEvent
from domain.errors import CairnError


async def frames_of(services: Services, translation: Translation, stored: StoredEvent) -> bytes:
    """Return the next event of a session as frames, a sub-session that ends with it as a whole.

    Args:
        services: Of the program.
        translation: Says the events of the session.
        stored: The event after the last one.
    """
    frames = translation.frames(stored)
    if stored.type != "child.reaped":
        return frames
    data = services.store.codec.from_json(stored.record)["data"]
    try:
        # What becomes of it later is no part of this: however late it is read, it is the same.
        snapshot = await services.queries.snapshot(UUID(data["child_id"]), translation.at)
    except CairnError:
        # It was deleted, or is erased: what it said is told to nobody any more.
        return frames
    messages = messages_in(snapshot)
    shown = detail(snapshot, messages)
    child = whole_document(UUID(data["child_id"]), snapshot.session, shown["created_at"])
    word = {
        "type": "sub_session_completed",
        "parent_session_id": str(stored.session_id),
        "sub_session": {**child, "messages": messages},
    }
    return frames + translation.frame(stored, word)
