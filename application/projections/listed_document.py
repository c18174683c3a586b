"""The document of a list row, whatever has happened to the row."""

from collections.abc import Callable
from typing import Any, cast

from application.ports.session.listing import ListedSession
from application.projections.session_document import filled_document
from application.projections.session_row import PROJECTION_VERSION
from domain.values import rfc3339


def listed_document(row: ListedSession, read: Callable[[str], Any]) -> dict[str, Any]:
    """Return what a row keeps of what clients see of its session.

    Args:
        row: One of an older version has the values of a new session for what it lacks; one whose
            document was damaged has them for all that is in no column.
        read: Reads a JSON text, or raises `ValueError`.
    """
    try:
        document: Any = read(row.doc)
    except ValueError:
        document = None
    if not isinstance(document, dict) or not isinstance(document.get("id"), str):  # pyright: ignore[reportUnknownMemberType]
        return _of_columns(row)
    whole = cast("dict[str, Any]", document)
    return filled_document(whole) if row.projected_with < PROJECTION_VERSION else whole


def _of_columns(row: ListedSession) -> dict[str, Any]:
    """Return what the columns say; `cairn verify` names such a row, `cairn rebuild` mends it."""
    told = {
        "id": str(row.session_id),
        "external_id": row.external_id,
        "status": row.status,
        "app": row.app,
        "user": row.user,
        "title": row.title,
        "turn_id": row.turn_id,
        "created_at": rfc3339(row.created_at),
        "usage": {
            "input_tokens": row.input_tokens,
            "output_tokens": row.output_tokens,
            "cost": row.cost,
        },
    }
    return filled_document(told)
