"""The answer to whoever reads an erased session: who erased it, when and why."""

from typing import Any
from uuid import UUID

from application.ports.session.listing import ListedSession
from application.ports.store import Store
from domain.errors import Erased


async def gone(store: Store, session_id: UUID) -> Erased:
    """Return the refusal to read an erased session, with who erased it, when and why.

    Args:
        store: Where it was.
        session_id: Which.
    """
    newest = await store.log.read_newest(session_id, last=1)
    if not newest:
        return Erased()
    record: dict[str, Any] = store.codec.from_json(newest[0].record)
    told = {name: record.get(name) for name in ("at", "actor")}
    data: dict[str, Any] = record.get("data") or {}
    return Erased(
        None,
        erased={"sequence": newest[0].sequence, **told, "reason": data.get("reason")},
    )


async def refuse_erased(store: Store, row: ListedSession) -> None:
    """Refuse to read a session that is erased.

    Args:
        store: Where it was.
        row: What lists have of it.

    Raises:
        Erased: It is.
    """
    if row.status == "erased":
        raise await gone(store, row.session_id)
