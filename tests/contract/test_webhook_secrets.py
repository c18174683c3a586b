"""Secrets of webhooks in the database: sealed, sealed anew, and useless to who has a dump alone."""

import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from application.ports.webhooks.changes import Change, NewWebhook
from infrastructure.keys.sealing import CannotOpen, Sealer, make_sealing_key, rotate_sealing_key
from infrastructure.postgres.connecting.database import Database
from infrastructure.postgres.webhooks import PostgresWebhooks
from tests.contract.test_webhooks import AT, new

SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(range(1, 25))).decode()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, readers=2)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    make_sealing_key(tmp_path / "k")
    return tmp_path / "k"


def kept(url: str) -> dict[UUID, tuple[str, str | None]]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("select webhook_id, secret, old_secret from webhooks").fetchall()
    return {row[0]: (row[1], row[2]) for row in rows}


async def test_secrets_are_sealed_and_sign_as_before(
    database: Database, database_url: str, path: Path
):
    store = PostgresWebhooks(database, Sealer(path))
    one = new(secret=SECRET)
    assert await store.create(one)
    until = AT + timedelta(hours=1)
    again = Change(secret=SECRET, old_secret_until=until)
    other = Change(secret=OTHER, old_secret_until=until)
    # The same again takes the place of none.
    assert await store.change(one.id, again, AT)
    assert kept(database_url)[one.id][1] is None
    assert await store.change(one.id, other, AT)
    read = await store.get(one.id)
    assert read is not None
    assert read.secrets(AT) == (OTHER, SECRET)
    assert [w.secrets(AT) for w in await store.page(after=0, limit=10)] == [(OTHER, SECRET)]
    row = kept(database_url)[one.id]
    assert all(value is not None and value.startswith("sealed:") for value in row)
    assert "whsec" not in repr(row)


async def test_what_was_kept_plain_or_with_an_old_key_is_sealed_anew(
    database: Database, database_url: str, path: Path
):
    made: list[NewWebhook] = [new(secret=SECRET) for _ in range(2)]
    for one in made:
        assert await PostgresWebhooks(database).create(one)
    sealing = PostgresWebhooks(database, Sealer(path))
    assert await sealing.reseal() == 2
    before = kept(database_url)
    assert "whsec" not in repr(before)
    assert await sealing.reseal() == 0
    rotate_sealing_key(path)
    assert await sealing.reseal() == 2
    after = kept(database_url)
    assert all(before[key] != after[key] for key in before)
    read = await sealing.get(made[0].id)
    assert read is not None
    assert read.secrets(AT) == (SECRET,)


async def test_a_secret_that_was_moved_or_whose_key_is_gone_signs_nothing(
    database: Database, database_url: str, path: Path, tmp_path: Path
):
    store = PostgresWebhooks(database, Sealer(path))
    one, two = new(secret=SECRET), replace(new(secret=OTHER), url="https://evil.test/")
    for webhook in (one, two):
        assert await store.create(webhook)
    stolen = kept(database_url)[one.id][0]
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "update webhooks set secret = %s where webhook_id = %s", (stolen, two.id)
        )
    read = await store.get(two.id)
    assert read is not None
    assert read.secrets(AT) == ()
    make_sealing_key(tmp_path / "other")
    for without in (
        PostgresWebhooks(database),
        PostgresWebhooks(database, Sealer(tmp_path / "other")),
    ):
        found = await without.get(one.id)
        assert found is not None
        assert (found.secret, found.secrets(AT)) == ("", ())
        with pytest.raises(CannotOpen):
            await without.reseal()
    # A new secret mends it.
    assert await store.change(two.id, Change(secret=OTHER), AT)
    mended = await store.get(two.id)
    assert mended is not None
    assert mended.secrets(AT) == (OTHER,)
