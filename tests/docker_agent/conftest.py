"""A server with the docker-agent door open, shared by the tests of that door."""

from collections.abc import Iterator

import httpx
import pytest

from tests.support.postgres import Server
from tests.support.server import running


@pytest.fixture(scope="package")
def agent_server(postgres_server: Server) -> Iterator[str]:
    """One whose runs wait for a driver for as long as a slow machine needs to start one."""
    with (
        postgres_server.database() as url,
        running(url, doors="docker-agent,adk", driver_seconds=60, ping_seconds=0.2) as base,
    ):
        yield base


@pytest.fixture
def agent(agent_server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=agent_server, timeout=60) as client:
        yield client


@pytest.fixture(scope="package")
def lonely_server(postgres_server: Server) -> Iterator[str]:
    """One whose runs wait for nobody."""
    with (
        postgres_server.database() as url,
        running(url, doors="docker-agent", driver_seconds=0.2) as base,
    ):
        yield base


@pytest.fixture
def lonely(lonely_server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=lonely_server, timeout=60) as client:
        yield client
