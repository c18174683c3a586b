"""Rows that an older version of the projection made are made anew."""

from dataclasses import replace
from uuid import UUID

import pytest

from api.http.outgoing.responses import from_json, session_json
from application.ports.session.listing import ListedSession
from application.projections.rebuild import RowRebuilder
from application.projections.session_row import PROJECTION_VERSION
from domain.timers import Timers
from tests.support.in_memory_app import InMemoryApp

MANY = 130


@pytest.fixture
async def office() -> InMemoryApp:
    made = InMemoryApp()
    for number in range(1, MANY + 1):
        await made.create(UUID(int=number), title=f"T{number}")
    return made


def age(office: InMemoryApp, session_id: UUID) -> None:
    """Leave of a row what an older release would have known."""
    listed = office.store.session_rows._tables.listed  # type: ignore[attr-defined]
    row = replace(listed[session_id].row, doc='{"id":"x","usage":{}}', projected_with=0)
    listed[session_id] = replace(listed[session_id], row=row)


async def listed(office: InMemoryApp, session_id: UUID) -> ListedSession:
    row = await office.store.session_rows.session(session_id)
    assert row is not None
    return row


async def test_all_rows_of_an_older_version_are_made_as_they_are_now(office: InMemoryApp):
    ids = [UUID(int=number) for number in range(1, MANY + 1)]
    before = [await listed(office, one) for one in ids]
    for one in ids:
        age(office, one)
    job = RowRebuilder(office.store.session_rows, office.store.codec, office.repository, Timers())

    assert await job.round() == 0
    assert await job.round() > 0

    assert [await listed(office, one) for one in ids] == before
    assert {row.projected_with for row in before} == {PROJECTION_VERSION}


async def test_a_log_that_cannot_be_folded_keeps_no_other_row_from_being_made(
    office: InMemoryApp, monkeypatch: pytest.MonkeyPatch
):
    broken, whole = UUID(int=1), UUID(int=2)
    age(office, broken)
    age(office, whole)
    load = office.repository.load_at

    async def fail(session_id: UUID, sequence: int):
        if session_id == broken:
            raise ValueError("not JSON")
        return await load(session_id, sequence)

    monkeypatch.setattr(office.repository, "load_at", fail)
    job = RowRebuilder(office.store.session_rows, office.store.codec, office.repository, Timers())

    for _ in range(2):
        assert await job.round() > 0

    assert (await listed(office, whole)).projected_with == PROJECTION_VERSION
    assert (await listed(office, broken)).projected_with == 0


async def test_until_then_a_row_is_answered_with_the_values_of_a_new_session(office: InMemoryApp):
    one = UUID(int=1)
    now = from_json(session_json(await listed(office, one)))
    age(office, one)

    older = from_json(session_json(await listed(office, one)))

    assert older.keys() == now.keys()
    assert older["id"] == "x"
    assert older["usage"] == {"input_tokens": 0, "output_tokens": 0, "cost": None}
    assert (older["starred"], older["inputs"]) == (False, {"generation": 0, "pending": 0})
