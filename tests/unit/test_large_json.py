"""What is large is written while others have their turn."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any

from api.http.outgoing.large_json import object_json


async def test_the_loop_turns_while_a_large_object_is_written():
    members = {f"k{number}": "x" * 100_000 for number in range(30)}
    turns = 0

    class Watched(Mapping[str, Any]):
        seen: list[int] = []

        def __len__(self) -> int:
            return len(members)

        def __getitem__(self, name: str) -> Any:
            return members[name]

        def __iter__(self) -> Iterator[str]:
            for name in members:
                self.seen.append(turns)
                yield name

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    watched = Watched()
    written = await object_json(watched)
    task.cancel()

    assert json.loads(written) == members
    assert max(map(watched.seen.count, watched.seen)) <= 4


async def test_an_object_is_written_as_json():
    for members in ({}, {"a": 1}, {'"': [None], "é": {"b": "\n"}}):
        assert json.loads(await object_json(members)) == members
