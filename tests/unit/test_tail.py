"""What is recorded between two reads of a stream reaches its reader, whichever two these are."""

from typing import Any

import pytest

from api.composition.over_store import tails_over
from application.fan_out import FanOut
from application.reads.streams.selecting import ALL
from application.reads.streams.stream_items import Closed
from infrastructure.memory.store import MemoryStore
from tests.support.appends import Chain


@pytest.mark.parametrize("reads", range(3))
async def test_an_end_that_comes_behind_a_read_is_told_whole(
    reads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, fan_out, chain = MemoryStore(), FanOut(), Chain()
    await store.log.append(chain.next(3))
    read, count = store.log.read, 0

    async def read_and_then(*which: Any, **wanted: Any) -> Any:
        nonlocal count
        found = await read(*which, **wanted)
        if count == reads:
            last = chain.next(["turn.cancelled", "session.deleted"])
            fan_out.publish(chain.session_id, last, await store.log.append(last))
        count += 1
        return found

    monkeypatch.setattr(store.log, "read", read_and_then)
    told: list[int] = []
    async for item in tails_over(store, fan_out).stream(chain.session_id, 0, ALL):
        if isinstance(item, list | tuple):
            told += [event.sequence for event in item]
        elif isinstance(item, Closed):
            assert item.sequence == 5

    assert told == [1, 2, 3, 4, 5]
