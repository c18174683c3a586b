"""A store goes out and in again: the same bytes but for the positions, whatever is in it."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from application.ports.session.listing import SessionFilter, SessionOrder
from application.projections.shared_state import scope_id
from domain.access.events import AccessGranted
from domain.log.catalogue import NAMES
from domain.scope.events import ScopeOpened
from domain.session.events import SessionCreated, StatePatched
from domain.values import Origin
from tests.property.effort import examples
from tests.support.strategies import EVENTS, json_values
from tests.support.transfers import Place, Populated, memory_place, same_but_for_positions

SESSIONS = [UUID(int=number) for number in (1, 2, 3)]
SCOPES = [("console", None), ("console", "ada"), ("bot", None)]
_keys = st.sampled_from(["app:theme", "app:mode", "user:name", "user:zone", "own"])
_patches = st.builds(
    StatePatched,
    set=st.dictionaries(_keys, json_values, max_size=3),
    delete=st.lists(_keys, max_size=2).map(tuple),
)
_scoped = st.tuples(
    st.sampled_from(SCOPES), st.dictionaries(_keys, json_values, min_size=1, max_size=2)
)
_events = st.one_of(
    *(
        made
        for cls, made in EVENTS.items()
        if cls not in (SessionCreated, ScopeOpened, AccessGranted)
    )
)
made_steps = st.lists(
    st.tuples(st.sampled_from(SESSIONS), st.one_of(_events, _events, _patches))
    | st.tuples(st.just(None), _scoped),
    max_size=25,
)
first_events: Any = EVENTS[SessionCreated].map(lambda event: replace(event, forked_from=None))


async def populate(place: Place, first: SessionCreated, steps: list[Any]) -> Populated:
    """Fill a store with sessions and shared scopes, in the order of the steps."""
    filled = Populated(place.store)
    for log_id, step in steps:
        if log_id is not None:
            if log_id not in filled.ends:
                await filled.add(log_id, begun(first, log_id, filled))
            await filled.add(log_id, step)
            continue
        (app, user), values = step
        scope = scope_id(app, user)
        kind = "app:" if user is None else "user:"
        values = {key: value for key, value in values.items() if key.startswith(kind)}
        if scope not in filled.ends:
            await filled.add(scope, ScopeOpened(app=app, user=user))
        await filled.add(scope, StatePatched(set=values))
    return filled


def begun(first: SessionCreated, log_id: UUID, filled: Populated) -> SessionCreated:
    """Return the first event of a session; the first of them is a fork of the second, if it can."""
    there = filled.ends.get(SESSIONS[1])
    if log_id != SESSIONS[0] or there is None:
        return first
    sequence, digest, *_ = there
    origin = Origin(session_id=SESSIONS[1], sequence=sequence, digest=digest.hex())
    return replace(first, forked_from=origin)


async def shown(place: Place) -> Any:
    """Return what lists show, and the keys that sessions share."""
    rows = await place.store.session_rows.sessions(SessionFilter(), SessionOrder(), None, 100)
    keys = [
        (await place.store.shared_state.scope(scope_id(app, user))).values for app, user in SCOPES
    ]
    return [(row.session_id, row.sequence, row.digest, row.doc, row.held) for row in rows], keys


def test_every_event_of_a_session_can_be_in_a_store():
    assert EVENTS.keys() == NAMES.keys()


@examples(40)
@given(first_events, made_steps)
def test_a_store_that_goes_out_and_in_is_the_same(first: SessionCreated, steps: list[Any]):
    async def there_and_back() -> None:
        origin, copy = memory_place(), memory_place()
        await populate(origin, first, steps)
        bundle = await origin.export()
        if not steps:
            return
        await copy.take_in(bundle)
        again = await copy.export()
        assert same_but_for_positions(again) == same_but_for_positions(bundle)
        assert await shown(copy) == await shown(origin)
        plan = await copy.take_in(again)
        assert all(log.is_there for log in plan.logs.values())
        assert await copy.export() == again

    asyncio.run(there_and_back())


@examples(20)
@given(first_events, made_steps, st.integers(1, 5))
def test_an_import_that_was_ended_half_way_is_completed_by_the_next(
    first: SessionCreated, steps: list[Any], most: int
):
    async def in_two_parts() -> None:
        origin, copy = memory_place(), memory_place()
        await populate(origin, first, steps)
        if not steps:
            return
        bundle = await origin.export()
        await copy.take_in(bundle, most_steps=most)
        await copy.take_in(bundle)
        assert same_but_for_positions(await copy.export()) == same_but_for_positions(bundle)
        assert await shown(copy) == await shown(origin)

    asyncio.run(in_two_parts())
