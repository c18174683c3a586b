"""Servers that tests damage, of a test or of a file; a session that a crash has left open."""

from collections.abc import Callable, Iterator

import pytest

from tests.repair.damage import Damage, crashed, left_open
from tests.support.api import Api, SessionApi
from tests.support.postgres import Server
from tests.support.server import running


@pytest.fixture(scope="module")
def shared_url(postgres_server: Server) -> Iterator[str]:
    """A database of all tests of a file, each with sessions of its own."""
    with postgres_server.database() as url:
        yield url


@pytest.fixture(scope="module")
def shared_api(shared_url: str) -> Iterator[Api]:
    with running(shared_url) as base:
        api = Api(base)
        yield api
        api.close()


@pytest.fixture
def api(database_url: str) -> Iterator[Api]:
    with running(database_url) as base:
        api = Api(base)
        yield api
        api.close()


@pytest.fixture
def damage(database_url: str, api: Api) -> Callable[[SessionApi], Damage]:
    return lambda session: Damage(database_url, session)


@pytest.fixture
def session(api: Api) -> SessionApi:
    return crashed(api)


@pytest.fixture
def open_session(session: SessionApi, damage: Callable[[SessionApi], Damage]) -> SessionApi:
    return left_open(damage(session))
