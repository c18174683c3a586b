"""A server whose job of recovery has an owner already, who does nothing."""

from collections.abc import Iterator

import psycopg
import pytest

from infrastructure.postgres.connecting.single_owner import lock_key
from tests.support.api import Api
from tests.support.server import running

SECONDS = 3600


@pytest.fixture
def no_job(database_url: str) -> Iterator[None]:
    """The job has an owner, who does nothing."""
    with psycopg.connect(database_url) as connection:
        connection.execute("select pg_advisory_lock(%s)", [lock_key("supervision")])
        yield


@pytest.fixture
def api(database_url: str, no_job: None) -> Iterator[Api]:
    with running(database_url, recovery_grace_seconds=SECONDS) as base:
        api = Api(base)
        yield api
        api.close()
