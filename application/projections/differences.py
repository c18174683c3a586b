"""What is kept beside the log, held against the log: list rows, and keys that sessions share."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from application.ports.log.codec import Codec
from application.ports.log.inspection import FoundEvent, FoundRow, Inspection, OwnWrite
from application.projections.session_document import kept_document
from application.projections.session_row import session_row
from application.projections.shared_state import shared_writes
from domain.repair.rows import object_of
from domain.session.events import SessionCreated, StatePatched
from domain.session.state import Session
from domain.values import Owner

_WRITERS = ("session.created", "state.patched")
_DERIVED = ("doc", "created_at", "due_at", "projected_with")
"""What of a row is compared in another way, or not at all."""
_NOTHING = object()
_LEFT_TO_ERASURE = (
    *("app", "user", "workspace", "team", "scope", "type", "external_id", "facets"),
    *("parent_id", "root_id", "forked_from"),
)
"""What the row of a session keeps until the erasure is carried out."""


class SharedWrites:
    """Remembers the last write of a log to each key that sessions share.

    Args:
        codec: Reads the records.
    """

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._owner: Owner | None = None
        self._last: dict[tuple[UUID, str], OwnWrite] = {}

    @property
    def last(self) -> list[OwnWrite]:
        """The writes, in order of the keys' first ones."""
        return list(self._last.values())

    def take(self, found: FoundEvent) -> None:
        """Look at an event of the log.

        Args:
            found: As it lies there.
        """
        if found.type not in _WRITERS:
            return
        try:
            event = self._codec.decode(found).event
        except ValueError:
            return
        if isinstance(event, SessionCreated):
            self._owner = event.owner
        if self._owner is None or not isinstance(event, SessionCreated | StatePatched):
            return
        for write in shared_writes(self._owner.app, self._owner.user, event, 0, self._codec):
            own = OwnWrite(write.scope_id, write.key, found.position, write.value)
            self._last[write.scope_id, write.key] = own


async def key_differences(
    inspection: Inspection, writes: Sequence[OwnWrite]
) -> list[tuple[str, str]]:
    """Return a code and a detail for each shared key that is not what log and history say.

    Args:
        inspection: Reads what is kept.
        writes: The last write of a log to each key.
    """
    found: list[tuple[str, str]] = []
    for written, kept in zip(writes, await inspection.keys(writes), strict=True):
        if kept.own != (written.position, written.value):
            detail = f"the history of {kept.key} does not have the write at {written.position}"
        elif kept.current != kept.newest:
            detail = f"{kept.key} is not what the newest write of its history says"
        else:
            continue
        found.append(("shared_state_mismatch", detail))
    return found


def row_differences(
    session_id: UUID, row: FoundRow, session: Session, codec: Codec
) -> Iterator[tuple[str, str]]:
    """Give the code and the detail when lists show something else than the log says.

    Args:
        session_id: Whose row.
        row: As it was found.
        session: What the log comes to.
        codec: Reads the row's document.
    """
    should = session_row(session_id, session, codec)
    unasked = _DERIVED if session.lifecycle.phase != "erased" else (*_DERIVED, *_LEFT_TO_ERASURE)
    wrong = [
        name
        for name, value in row.shown.items()
        if name not in unasked and getattr(should, name) != value
    ]
    try:
        document = object_of(codec.from_json(row.shown["doc"]))
    except ValueError:
        document = None
    if document is not None:
        fresh: Mapping[str, Any] = codec.from_json(
            codec.to_json(kept_document(session_id, session))
        )
        names = dict.fromkeys([*fresh, *document])
        wrong += [
            f"doc.{name}"
            for name in names
            if fresh.get(name, _NOTHING) != document.get(name, _NOTHING)
        ]
    else:
        wrong.append("doc")
    if wrong:
        yield "read_model_mismatch", f"the list row has another {', '.join(wrong)}"
