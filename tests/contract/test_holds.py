"""Logs that are held: whoever imports them appends, and nobody else."""

from datetime import timedelta
from uuid import UUID

import pytest

from application.errors import SessionHeld
from application.ports.log.append import Append
from application.ports.session.listing import SessionFilter, SessionOrder
from application.ports.session.session_row import Hold
from application.ports.store import Store
from tests.support.appends import START, Chain, row


def imported(append: Append, hold: Hold | None) -> Append:
    append.by_import, append.hold = True, hold
    append.row = append.row or row()
    return append


async def held_of(store: Store, session_id: UUID) -> Hold | None:
    (listed,) = await store.session_rows.sessions(SessionFilter(), SessionOrder(), None, 10)
    found = await store.session_rows.session(session_id)
    assert found == listed
    return listed.held


@pytest.mark.parametrize("hold", ["import", "quarantine"])
async def test_nobody_but_the_importer_appends_to_a_log_that_is_held(
    store: Store, hold: Hold
) -> None:
    chain = Chain()
    await store.log.append(imported(chain.next(2), hold))
    for append in (chain.fork().next(), chain.fork().next(row=row(title="new"))):
        with pytest.raises(SessionHeld) as refused:
            await store.log.append(append)
        assert refused.value.facts == {"reason": hold}
    assert await held_of(store, chain.session_id) == hold
    await store.log.append(imported(chain.next(2), None))
    assert await held_of(store, chain.session_id) is None
    assert await store.log.append(chain.next()) == 5


async def test_a_refusal_of_one_leaves_those_that_were_written_with_it(store: Store) -> None:
    held, other, child = Chain(), Chain(), Chain()
    await store.log.append(imported(held.next(), "quarantine"))
    with pytest.raises(SessionHeld):
        await store.log.append(other.next(companions=[held.fork().next()]))
    assert not await store.log.read(other.session_id, limit=10)
    assert await store.log.append(child.next()) == 2


async def test_the_clock_leaves_alone_what_is_held(store: Store) -> None:
    chain = Chain()
    late = row(status="running", due_at=START - timedelta(days=1), parent_id=UUID(int=7))
    await store.log.append(imported(chain.next(row=late), "import"))
    assert not await store.deadlines.due(10)
    assert not await store.deadlines.orphans(10)
    await store.deadlines.mark_due_now(0.0)
    assert not await store.deadlines.due(10)
    await store.log.append(imported(chain.next(row=late), None))
    assert [one.session_id for one in await store.deadlines.due(10)] == [chain.session_id]
    assert [one.session_id for one in await store.deadlines.orphans(10)] == [chain.session_id]
