"""Two server processes over one database; their streams ping often."""

import resource
import time
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest

from tests.streams.agent import Agent, agents
from tests.support.measuring import measured as measured
from tests.support.postgres import Server
from tests.support.processes import Cairn, serving
from tests.support.sse import PATIENCE

PING_SECONDS = 0.4


@pytest.fixture(scope="package")
def pair_url(postgres_server: Server) -> Iterator[str]:
    with postgres_server.database() as url:
        yield url


def wait_until_both_listen(url: str) -> None:
    """Only who listens is told, and pieces are told only once."""
    deadline = time.monotonic() + PATIENCE
    with psycopg.connect(url, autocommit=True) as connection:
        while True:
            found = connection.execute(
                "select count(*) from pg_stat_activity where datname = current_database()"
                " and application_name = 'cairn listener' and query ilike '%pg_notify%'"
            ).fetchone()
            if found == (2,):
                return
            assert time.monotonic() < deadline, found
            time.sleep(0.01)


@pytest.fixture(scope="package")
def pair(pair_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Cairn]]:
    logs = tmp_path_factory.mktemp("pair")
    with serving(pair_url, logs, count=2, ping_seconds=PING_SECONDS) as servers:
        wait_until_both_listen(pair_url)
        yield servers


@pytest.fixture
async def agent(pair: list[Cairn]) -> AsyncIterator[Agent]:
    """Speaks to the first of the two."""
    async with agents(pair[0].port) as (one,):
        yield one


@pytest.fixture
async def other(pair: list[Cairn]) -> AsyncIterator[Agent]:
    """Speaks to the second of the two."""
    async with agents(pair[1].port) as (one,):
        yield one


@pytest.fixture(scope="package", autouse=True)
def many_files() -> Iterator[None]:
    """A thousand streams need a thousand sockets, here and in the servers started from here."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 8192 if hard == resource.RLIM_INFINITY else min(8192, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
