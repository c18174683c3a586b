"""What every route about a session does: where the session is not there, and when asked again."""

from typing import Any
from uuid import uuid4

from tests.support.api import SessionApi, refused

NOWHERE = "/v1/sessions/00000000-0000-4000-8000-000000000000"
"""The path of a session that never was."""

NO_ID = "/v1/sessions/x"
"""A path in which no id stands where one should."""


def refuses_to_change_what_is_not_there(
    deleted: SessionApi, method: str, path: str, body: Any
) -> None:
    """Check that a command to a deleted session, or to none, is refused and records nothing.

    Args:
        deleted: The deleted session.
        method: Of the route.
        path: Behind that of the session.
        body: What is asked, as JSON.
    """
    api = deleted.api
    with deleted.nothing_recorded():
        refused(api.request(method, deleted.path + path, json=body), 409, "session_deleted")
        refused(api.request(method, NOWHERE + path, json=body), 404, "session_not_found")
        refused(api.request(method, NO_ID + path, json=body), 404, "session_not_found")


def refuses_to_read_what_is_not_there(deleted: SessionApi, path: str) -> None:
    """Check that a read of a deleted session, or of none, is refused.

    Args:
        deleted: The deleted session.
        path: Behind that of the session.
    """
    for session in (deleted.path, NOWHERE, NO_ID):
        refused(deleted.api.get(session + path), 404, "session_not_found")


def refuses_the_past_and_repeats_an_answer(
    session: SessionApi, method: str, path: str, body: Any
) -> None:
    """Check that a command holds to `If-Match`, and has one effect under one idempotency key.

    Args:
        session: Of two events.
        method: Of the route.
        path: Behind that of the session.
        body: What is asked, as JSON.
    """
    api, where = session.api, session.path + path
    with session.nothing_recorded():
        behind = api.request(method, where, json=body, headers={"If-Match": '"1"'})
        refused(behind, 412, "stale_sequence", head=2)
    headers = {"Idempotency-Key": uuid4().hex}
    first = api.request(method, where, json=body, headers=headers)
    assert first.status_code in (200, 201), first.text

    with session.nothing_recorded():
        again = api.request(method, where, json=body, headers=headers)
        assert (again.status_code, again.json()) == (first.status_code, first.json())
        assert again.headers["idempotent-replayed"] == "true"
