"""What a list shows of a row, beside the document that the row keeps."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import product
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from api.http.outgoing.responses import from_json, moment, session_json, to_json
from application.ports.session.listing import ListedSession
from application.ports.session.session_row import Activity
from application.projections.session_row import PROJECTION_VERSION
from application.reads.health import Checkups, facts_of
from domain.badges import drivable
from domain.values import rfc3339
from tests.support.builders import at
from tests.support.in_memory_app import InMemoryApp

ROW = ListedSession(
    UUID(int=1),
    7,
    9,
    b"d",
    at(1),
    at(3),
    "idle",
    "app",
    "ada",
    '{"id":"1","title":"ä"}',
    "ä",
    activity=Activity(at(2), 3, "grep"),
    projected_with=PROJECTION_VERSION,
)


@pytest.mark.parametrize("zone", [UTC, ZoneInfo("Europe/Berlin"), timezone(timedelta(hours=-3.5))])
@pytest.mark.parametrize("micros", [0, 1, 500_000, 999_999])
@pytest.mark.parametrize("year", [2, 1970, 2026, 9998])
def test_a_time_is_written_the_same_by_the_encoder(year: int, micros: int, zone: ZoneInfo) -> None:
    time = datetime(year, 3, 4, 5, 6, 7, micros, tzinfo=zone)
    assert to_json(moment(time)) == to_json(rfc3339(time))


def test_a_row_is_shown_as_its_document_what_moves_and_what_is_added() -> None:
    shown = session_json(ROW, attachable=True)
    assert shown.startswith(ROW.doc.encode()[:-1])
    assert list(from_json(shown).items()) == [
        ("id", "1"),
        ("title", "ä"),
        ("last_activity_at", rfc3339(at(2))),
        ("num_messages", 3),
        ("current_tool", "grep"),
        ("sequence", 7),
        ("position", 9),
        ("updated_at", rfc3339(at(3))),
        ("attachable", True),
    ]


async def test_sessions_are_attachable_as_their_facts_say() -> None:
    office = InMemoryApp()
    checkups: Checkups = office.checkups
    statuses = ("idle", "running", "waiting", "starting", "stopping", "stopped", "deleted", "odd")
    kinds = (None, "", " ", "crash", "cancellation", "provider_auth_failure")
    rows = [
        ROW._replace(status=status, failure_kind=kind, stalled=stalled, turn_id=turn)
        for status, kind, stalled, turn in product(statuses, kinds, (True, False), (None, "t"))
    ]
    told = [one.attachable for one in await checkups.standing(rows)]
    assert told == [drivable(facts_of(row).info) for row in rows]
    assert set(told) == {True, False}
