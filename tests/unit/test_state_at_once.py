"""What one patch wrote to all three scopes is seen in all of them or in none."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import pytest

from api.composition.over_store import handler_over, queries_over, repository_over, transcripts_over
from application.commands.request import Request
from application.fan_out import FanOut
from domain.session import commands as c
from infrastructure.memory.store import MemoryStore
from tests.support.builders import OWNER

SESSION = UUID(int=1)


class Place:
    """A session that somebody writes to whenever it is read."""

    def __init__(self, writes: int) -> None:
        self.store = MemoryStore()
        self.repository = repository_over(self.store)
        self.handler = handler_over(self.store, self.repository, FanOut())
        self.queries = queries_over(self.store, self.repository, transcripts_over(self.store))
        self.shared_with = self.store.shared_state.shared_with
        self.written, self.most = 0, writes

    async def patch(self) -> None:
        n = self.written
        command = c.PatchState(set={"n": n, "app:n": n, "user:n": n})
        await self.handler.handle(Request(SESSION, command, actor="user:ada"))

    async def write_and_look(
        self, session_id: UUID, scope_ids: Sequence[UUID]
    ) -> tuple[int, Mapping[str, bytes]]:
        if self.written < self.most:
            self.written += 1
            await self.patch()
        return await self.shared_with(session_id, scope_ids)


@pytest.mark.parametrize("writes", [0, 1, 4, 5, 20])
@pytest.mark.parametrize("read", ["state", "snapshot"])
async def test_state_is_that_of_one_moment_while_others_write(
    monkeypatch: pytest.MonkeyPatch, writes: int, read: str
):
    place = Place(writes)
    create = c.CreateSession(owner=OWNER)
    await place.handler.handle(Request(SESSION, create, actor="user:ada"))
    await place.patch()
    monkeypatch.setattr(place.store.shared_state, "shared_with", place.write_and_look)

    state: Mapping[str, Any]
    if read == "state":
        loaded, state = await place.queries.state(SESSION)
        sequence = loaded.session.sequence
    else:
        snapshot = await place.queries.snapshot(SESSION)
        sequence, state = snapshot.sequence, snapshot.state

    n = sequence - 2
    assert state == {"n": n, "app:n": n, "user:n": n}


@pytest.mark.parametrize("at", [1, 2, 3])
async def test_at_the_newest_event_too_shared_keys_are_those_of_its_moment(at: int):
    place = Place(0)
    create = c.CreateSession(owner=OWNER, state={"app:n": 1})
    await place.handler.handle(Request(SESSION, create, actor="user:ada"))
    for n in (2, 3):
        patch = c.PatchState(set={"app:n": n})
        await place.handler.handle(Request(SESSION, patch, actor="user:ada"))
    other = UUID(int=2)
    create = c.CreateSession(owner=OWNER, state={"app:n": 4})
    await place.handler.handle(Request(other, create, actor="user:ada"))

    snapshot = await place.queries.snapshot(SESSION, at)
    _, state = await place.queries.state(SESSION, at)

    assert (snapshot.sequence, snapshot.state) == (at, state) == (at, {"app:n": at})
