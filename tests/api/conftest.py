"""One server for the tests of a run that do not need one of their own."""

from collections.abc import Iterator

import pytest

from tests.support.api import Api, SessionApi
from tests.support.postgres import Server
from tests.support.server import running


@pytest.fixture(scope="session")
def base_url(postgres_server: Server) -> Iterator[str]:
    with postgres_server.database() as url, running(url) as base:
        yield base


@pytest.fixture(scope="session")
def api(base_url: str) -> Iterator[Api]:
    api = Api(base_url)
    yield api
    api.close()


@pytest.fixture
def session(api: Api) -> SessionApi:
    return api.create()
