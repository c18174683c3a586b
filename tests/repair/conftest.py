"""A database of each test's own, for whoever damages it; a session that a crash has left open."""

from collections.abc import Callable, Iterator

import pytest

from tests.repair.damage import Damage
from tests.support.api import Api, SessionApi
from tests.support.server import running


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
    """One that crashed in a turn, with a call open: 1 created, 2 started, 3 said, 4 called, 5 to 7
    the end of all that."""
    session = api.create()
    session.start("t1")
    session.record(
        ("agent.message", {"parts": [{"type": "text", "text": "Looking"}]}),
        ("tool.called", {"tool_call_id": "c1", "name": "grep"}),
    )
    assert session.post("/stop", {"cause": "process_exited"}).status_code == 200
    assert session.types()[4:] == ["tool.returned", "turn.cancelled", "session.stopped"]
    return session


@pytest.fixture
def open_session(session: SessionApi, damage: Callable[[SessionApi], Damage]) -> SessionApi:
    """The same, but its last turn has lost its end, as a partial restore leaves it."""
    broken = damage(session)
    broken.hole(6)
    broken.hole(5)
    return session
