"""Places to export from and import into: in memory, and on Postgres."""

from collections.abc import AsyncIterator, Iterator

import pytest

from application.fan_out import FanOut
from infrastructure.postgres.log.census import PostgresCensus
from infrastructure.postgres.store import open_store
from tests.support.postgres import Server
from tests.support.transfers import Place, memory_place


@pytest.fixture
def other_url(postgres_server: Server) -> Iterator[str]:
    """A second database."""
    with postgres_server.database() as url:
        yield url


@pytest.fixture(params=["memory", "postgres"])
async def places(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Place, Place]]:
    """Two stores that have nothing of each other."""
    if request.param == "memory":
        yield memory_place(), memory_place()
        return
    database_url, other_url = map(request.getfixturevalue, ("database_url", "other_url"))
    async with (
        open_store(database_url, fan_out=FanOut()) as one,
        open_store(other_url, fan_out=FanOut()) as two,
    ):
        yield (
            Place(one, PostgresCensus(one.database)),
            Place(two, PostgresCensus(two.database)),
        )


@pytest.fixture
def origin(places: tuple[Place, Place]) -> Place:
    """Where things come from."""
    return places[0]


@pytest.fixture
def copy(places: tuple[Place, Place]) -> Place:
    """Where things go."""
    return places[1]
