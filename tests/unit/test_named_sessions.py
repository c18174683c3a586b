"""A name is found in few steps, however often it was free again."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest

from application.transfer.foreign import foreign_session_id
from application.use_cases.session.named_sessions import NamedSessions, SessionName
from domain.errors import SessionNotFound

WANTED = SessionName("app", "ada", "s")


@dataclass
class Rows:
    """The sessions of one name: all deleted, but the newest if it is alive."""

    ids: dict[UUID, int] = field(default_factory=dict[UUID, int])
    alive: int = 0
    asked: int = 0

    async def session(self, session_id: UUID) -> Any:
        self.asked += 1
        number = self.ids.get(session_id)
        if number is None:
            return None
        status = "idle" if number == self.alive else "deleted"
        return SimpleNamespace(session_id=session_id, app="app", user="ada", status=status)


class Handler:
    """Begins what it is asked to, and says which session that was."""

    async def handle(self, request: UUID) -> Any:
        return SimpleNamespace(changed=True, session_id=request)


class Caller:
    """Asks without a key."""

    keys_of_new_sessions = ""

    def key_in(self, _: str) -> None:
        return None

    def asks(self, session_id: UUID, _: Any) -> Any:
        def replaced(**_: Any) -> UUID:
            return session_id

        return SimpleNamespace(_replace=replaced)


def id_of(generation: int) -> UUID:
    return foreign_session_id("adk", *WANTED, *([str(generation)] if generation > 1 else []))


def names_of(rows: Rows, generations: int) -> NamedSessions:
    rows.ids = {id_of(number): number for number in range(1, generations + 1)}
    nothing, handler = cast("Any", None), cast("Any", Handler())
    return NamedSessions("adk", cast("Any", rows), nothing, nothing, handler)


@pytest.mark.parametrize("generations", [1, 2, 3, 4, 7, 8, 9, 1000, 3001])
async def test_the_newest_session_of_a_name_is_found(generations: int):
    rows = Rows(alive=generations)
    names = names_of(rows, generations)
    assert rows.ids[(await names.find(WANTED)).session_id] == generations
    assert rows.asked <= 25


@pytest.mark.parametrize("generations", [0, 1, 2, 3, 4, 7, 8, 9, 1000, 3001])
async def test_a_name_whose_sessions_are_all_deleted_is_free(generations: int):
    rows = Rows()
    names = names_of(rows, generations)
    with pytest.raises(SessionNotFound):
        await names.find(WANTED)
    assert rows.asked <= 25
    begun = await names.create(cast("Any", Caller()), *WANTED, state={})
    assert begun.session_id == id_of(generations + 1)
