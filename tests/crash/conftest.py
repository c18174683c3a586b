"""A data directory with a Postgres that is really durable, and servers over it."""

import asyncio
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infrastructure.embedded_postgres import EmbeddedPostgres
from tests.support.measuring import measured as measured
from tests.support.processes import Cairn


@pytest.fixture(scope="package")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """Held by this process too, so that it need not start anew after each server."""
    directory = tmp_path_factory.mktemp("crash") / "data"
    cluster = EmbeddedPostgres(directory)
    cluster.start()
    yield cluster
    cluster.stop()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="package")
def data_dir(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return next(tmp_path_factory.getbasetemp().glob("crash*/data"))


@pytest.fixture(scope="package")
def both(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Cairn]]:
    logs = tmp_path_factory.mktemp("logs")
    both = [Cairn(data_dir, logs / f"{i}.log", patience_seconds=2) for i in range(2)]
    try:
        yield both
    finally:
        for server in both:
            server.kill()


@pytest.fixture
def servers(both: list[Cairn]) -> list[Cairn]:
    """Two processes that serve, and with which each test does what it likes."""
    dead = [server for server in both if not server.is_alive]
    with ThreadPoolExecutor() as pool:
        list(pool.map(Cairn.start, dead))
    return both


async def start_again(server: Cairn) -> None:
    """Start a server that was killed, while the clients go on asking."""
    await asyncio.to_thread(server.start)
