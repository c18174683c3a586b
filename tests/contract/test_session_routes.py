"""Where sessions are that another server keeps, in memory and on Postgres."""

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import pytest

from application.ports.managers.session_routes import SessionRoute, SessionRoutes
from infrastructure.memory.managers.session_routes import MemorySessionRoutes
from infrastructure.postgres.connecting.database import Database
from infrastructure.postgres.managers.session_routes import PostgresSessionRoutes


@pytest.fixture(params=["memory", "postgres"])
async def routes(request: pytest.FixtureRequest) -> AsyncIterator[SessionRoutes]:
    if request.param == "memory":
        yield MemorySessionRoutes()
        return
    database = Database(request.getfixturevalue("database_url"), readers=2)
    await database.open()
    yield PostgresSessionRoutes(database)
    await database.close()


async def test_a_route_is_found_by_both_of_its_names_until_it_is_taken_away(routes: SessionRoutes):
    one = SessionRoute(
        public_id=uuid4(), manager="b", remote_id="r1", app="a", user="ü", scope="user", team=None
    )
    other = replace(one, public_id=uuid4(), manager="c", team="org/core", scope="team")
    for route in (one, one, other):  # the second after a lost answer
        await routes.add(route)
    assert await routes.get(one.public_id) == one
    assert await routes.get(other.public_id) == other
    assert await routes.get(uuid4()) is None
    assert await routes.of_manager("b", ["r1", "r2"]) == [one]
    assert await routes.of_manager("b", []) == []
    assert await routes.of_manager("c", ["r2"]) == []
    await routes.delete(one.public_id)
    await routes.delete(one.public_id)
    assert await routes.get(one.public_id) is None
    assert await routes.of_manager("b", ["r1"]) == []
    assert await routes.of_manager("c", ["r1"]) == [other]


async def test_the_routes_of_a_user_are_forgotten_and_no_others(routes: SessionRoutes) -> None:
    one = SessionRoute(
        public_id=uuid4(), manager="b", remote_id="r1", app="a", user="ada", scope="user", team=None
    )
    again = replace(one, public_id=uuid4(), remote_id="r2")
    others = [
        replace(one, public_id=uuid4(), remote_id="r3", user="bob"),
        replace(one, public_id=uuid4(), remote_id="r4", app="other"),
    ]
    for route in (one, again, *others):
        await routes.add(route)
    await routes.forget_user("a", "ada")
    await routes.forget_user("a", "nobody")
    assert await routes.of_manager("b", ["r1", "r2", "r3", "r4"]) == others
