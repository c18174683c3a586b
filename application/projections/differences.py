"""What is kept beside the log, held against the log: list rows, and keys that sessions share."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from application.ports.log.codec import Codec
from application.ports.log.inspection import FoundEvent, FoundKey, FoundRow, OwnWrite
from application.projections.session_document import kept_document
from application.projections.session_row import session_row
from application.projections.shared_state import shared_writes
from domain.repair.integrity import Placed
from domain.repair.rows import object_of
from domain.scope.events import ScopeErased, ScopeOpened
from domain.session.events import SessionCreated, StatePatched
from domain.session.state import Session

WRITERS = frozenset({"session.created", "state.patched", "scope.opened", "scope.erased"})
"""The types of the events that write keys, say whose keys they are, or erase them."""

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
        self._app: str | None = None
        self._user: str | None = None
        self._last: dict[tuple[UUID, str], OwnWrite] = {}

    @property
    def last(self) -> list[OwnWrite]:
        """The writes, in order of the keys' first ones."""
        return list(self._last.values())

    def page(self, page: Iterable[Placed]) -> None:
        """Look at the next events of the log.

        Args:
            page: As they lie there.
        """
        for placed in page:
            if placed[2] in WRITERS:
                self._look(placed)

    def _look(self, placed: Placed) -> None:
        found = FoundEvent(*placed)
        try:
            event = self._codec.decode(found).event
        except ValueError:
            return
        self.note(found.position, event)

    def note(self, position: int, event: object) -> None:
        """Look at an event that was read.

        Args:
            position: Where it is in the whole log.
            event: The event, of a session or of a scope.
        """
        match event:
            case SessionCreated(owner=owner):
                self._app, self._user = owner.app, owner.user
            case ScopeOpened(app=app, user=user):
                self._app, self._user = app, user
            case ScopeErased():
                self._last.clear()
                return
            case StatePatched():
                pass
            case _:
                return
        if self._app is None:
            # The event that says whose log it is was erased, or lost.
            return
        for write in shared_writes(self._app, self._user, event, 0, self._codec):
            own = OwnWrite(write.scope_id, write.key, position, write.value)
            self._last[write.scope_id, write.key] = own


def key_differences(
    writes: Sequence[OwnWrite], found: Sequence[FoundKey]
) -> Iterator[tuple[str, str]]:
    """Give a code and a detail for each shared key that is not what log and history say.

    Args:
        writes: The last write of a log to each key.
        found: What the store has of these keys, in their order.
    """
    for written, kept in zip(writes, found, strict=True):
        if kept.own != (written.position, written.value):
            detail = f"the history of {kept.key} does not have the write at {written.position}"
        elif kept.current != kept.newest:
            detail = f"{kept.key} is not what the newest write of its history says"
        else:
            continue
        yield "shared_state_mismatch", detail


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
