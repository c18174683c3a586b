"""A process that goes on while an earlier backup is restored behind its back."""

from copy import deepcopy
from dataclasses import fields
from uuid import UUID

import pytest

from api.composition.over_store import handler_over, repository_over
from application.commands.request import Request
from application.errors import StaleSequence
from application.fan_out import FanOut
from domain.errors import TurnNotFound
from domain.session import commands as c
from domain.values import Failure
from infrastructure.memory.store import MemoryStore
from infrastructure.memory.tables import Tables
from tests.support.builders import OWNER, text

ID = UUID(int=1)


class Restored:
    """A session of three events, of which the backup has two, and the process in memory three."""

    def __init__(self) -> None:
        self.tables = Tables()
        store = MemoryStore(tables=self.tables)
        self.repository = repository_over(store)
        self.handler = handler_over(store, self.repository, FanOut())

    async def ask(self, command: c.Command, expected: int | None = None) -> int:
        allowed = None if expected is None else frozenset({expected})
        request = Request(ID, command, actor="user:ada", expected=allowed)
        return (await self.handler.handle(request)).sequence


@pytest.fixture
async def restored() -> Restored:
    it = Restored()
    await it.ask(c.CreateSession(owner=OWNER))
    await it.ask(c.AddMessage(message_id="m1", role="user", parts=text("kept")))
    backup = deepcopy(it.tables)
    await it.ask(c.AddMessage(message_id="m2", role="user", parts=text("lost")))
    for one in fields(Tables):
        setattr(it.tables, one.name, getattr(backup, one.name))
    return it


async def test_its_state_is_read_as_the_log_has_it(restored: Restored):
    session = (await restored.repository.load(ID)).session

    assert (session.sequence, set(session.messages)) == (2, {"m1"})


async def test_the_next_command_is_decided_on_what_is_left(restored: Restored):
    assert await restored.ask(c.AddMessage(message_id="m2", role="user", parts=text("again"))) == 3


async def test_a_command_is_refused_by_what_is_left(restored: Restored):
    with pytest.raises(TurnNotFound):
        await restored.ask(c.FailTurn(turn_id="t1", failure=Failure(kind="x")))


async def test_whoever_has_read_what_was_lost_is_told_what_to_do(restored: Restored):
    with pytest.raises(StaleSequence, match=r"ends at event 2.*backup was restored") as stale:
        await restored.ask(c.StopSession(), expected=3)

    assert stale.value.facts == {"head": 2}


async def test_whoever_has_read_less_is_told_to_read_what_came(restored: Restored):
    with pytest.raises(StaleSequence, match="has moved on"):
        await restored.ask(c.StopSession(), expected=1)
