"""A server with the ADK door open, shared by the tests of that door."""

from collections.abc import Iterator

import httpx
import pytest

from tests.support.postgres import Server
from tests.support.server import running


@pytest.fixture(scope="package")
def adk_server(postgres_server: Server) -> Iterator[str]:
    with (
        postgres_server.database() as url,
        running(
            url, doors="adk", adk_apps="golden,raw", driver_seconds=0.2, max_artifact_bytes=2**20
        ) as base,
    ):
        yield base


@pytest.fixture
def adk(adk_server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=adk_server, timeout=60) as client:
        yield client


@pytest.fixture(scope="package")
def driven_server(postgres_server: Server) -> Iterator[str]:
    """One whose runs wait for a driver for as long as a slow machine needs to start one."""
    with (
        postgres_server.database() as url,
        running(url, doors="adk", driver_seconds=60) as base,
    ):
        yield base
