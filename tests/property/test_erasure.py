"""A store with erased sessions goes out and in again: the same bytes, whatever was in it."""

import asyncio
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.session.events import SessionCreated, SessionErased
from tests.erasure.test_transfer import erasable, erase
from tests.property.effort import examples
from tests.property.test_transfers import SESSIONS, first_events, made_steps, populate
from tests.support.builders import NOON
from tests.support.transfers import same_but_for_positions


@examples(25)
@given(first_events, made_steps, st.sets(st.sampled_from(SESSIONS), min_size=1))
def test_any_erased_session_goes_out_and_in(
    first: SessionCreated, steps: list[Any], gone: set[UUID]
) -> None:
    async def there_and_back() -> None:
        (origin, erasures), (copy, others) = erasable(), erasable()
        filled = await populate(origin, first, steps)
        # Forks go with their origin.
        chosen = sorted(gone | {SESSIONS[0]} if SESSIONS[1] in gone else gone)
        for log_id in chosen:
            if log_id in filled.ends:
                app = first.owner.app
                await filled.add(log_id, SessionErased(reason="r", app=app, began_at=NOON))
        await erase(erasures)
        if not steps:
            return
        bundle = await origin.export()
        await copy.take_in(bundle)
        await erase(others)
        again = await copy.export()
        assert same_but_for_positions(again) == same_but_for_positions(bundle)

    asyncio.run(there_and_back())
