"""Sessions with few events are read together, and what is found of each is the same as alone."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from itertools import product
from uuid import UUID

import psycopg
import pytest

from api.composition.over_store import repository_over
from api.composition.verifying import verification_of
from application.memory_budget import MEBIBYTE
from application.reads.evidence import verification
from infrastructure.postgres.log import inspection
from infrastructure.postgres.log.inspection import PostgresInspection, PostgresInspector
from infrastructure.postgres.store import open_store
from tests.support.api import Api


@pytest.fixture
def damaged(base_url: str, database_url: str) -> list[UUID]:
    """Six sessions of different lengths, of which each other one has a damage."""
    with closing(Api(base_url)) as api:
        made = [api.create(state={f"user:{number}": "Ada"}) for number in range(6)]
        for number, session in enumerate(made):
            for _ in range(number):
                session.say()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("alter table events disable trigger user")
        connection.execute(
            "update events set digest = sha256(digest)"
            " where originator_id = %s and originator_version = 2",
            (made[1].id,),
        )
        connection.execute("update sessions set title = 'x' where session_id = %s", (made[3].id,))
        connection.execute("delete from shared_state_history where session_id = %s", (made[5].id,))
    return [UUID(one.id) for one in made]


async def test_together_is_found_what_is_found_alone(
    damaged: list[UUID], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_store(database_url) as store:
        verifier = verification_of(store, store.database, repository_over(store), ())
        whole = [one async for one in verifier.all()]
        ids = [one.session_id for one in whole if one.session_id is not None]
        alone = [await verifier.verify(one) for one in ids]
        for together, size, short in product((1, 4, 100), (1, 1500, 4 * MEBIBYTE), (1, 3, 5, 32)):
            monkeypatch.setattr(verification, "_TOGETHER", together)
            monkeypatch.setattr(inspection, "_BYTES", size)
            monkeypatch.setattr(inspection, "_SHORT", short)
            found = [one async for one in verifier.all() if one.session_id is not None]
            assert found == alone, (together, size, short)
    of_ours = {one.session_id: [each.code for each in one.findings] for one in alone}
    assert [of_ours[one] for one in damaged] == [
        [],
        ["digest_mismatch", "event_head_mismatch"],
        [],
        ["read_model_mismatch"],
        [],
        ["shared_state_mismatch"],
    ]


async def test_one_look_is_enough_for_many_that_are_short(
    damaged: list[UUID], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone: list[UUID] = []
    look_at = PostgresInspector.look_at

    @asynccontextmanager
    async def counted(
        self: PostgresInspector, session_id: UUID
    ) -> AsyncGenerator[PostgresInspection]:
        alone.append(session_id)
        async with look_at(self, session_id) as looking:
            yield looking

    monkeypatch.setattr(PostgresInspector, "look_at", counted)
    monkeypatch.setattr(inspection, "_SHORT", 6)
    async with open_store(database_url) as store:
        verifier = verification_of(store, store.database, repository_over(store), ())
        verdicts = {one.session_id: one async for one in verifier.all()}
    # Only what is not short is looked at by itself.
    assert alone == [one for one in verdicts if one is not None and verdicts[one].events >= 6]
    assert 0 < len(alone) < len(damaged)
