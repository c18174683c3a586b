"""A process that writes with several tasks at once: `python -m tests.support.writers URL HOW ...`.

`log` appends through the real log; `count` and `merge` write to one shared scope besides, `count`
only at the version that it has read. `naive` inserts rows with a `bigserial`, as a reader by
position must not be served: it is there to show that the test of the real one can fail.
"""

import asyncio
import os
import random
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from psycopg import AsyncConnection

from application.errors import StaleScope
from application.ports.session.shared_state import SharedWrite
from infrastructure.postgres.store import open_store
from tests.support import forking
from tests.support.appends import Chain

NAIVE_TABLE = "create table naive (id bigserial primary key, record text not null)"
NAIVE_INSERT = "insert into naive (record) select 'x' from generate_series(1, %s)"


async def write_log(url: str, tasks: int, appends: int, largest: int) -> None:
    """Append through the log, each task to sessions of its own."""
    async with open_store(url) as store:

        async def write() -> None:
            chain = Chain()
            for number in range(appends):
                if number % 20 == 19:
                    chain = Chain()
                await store.log.append(chain.next(random.randint(1, largest)))

        await asyncio.gather(*(write() for _ in range(tasks)))


SCOPE = UUID(int=77)


async def write_count(url: str, tasks: int, appends: int, largest: int) -> None:
    """Have a shared number grow by one with each append, which is tried again on what it was."""
    async with open_store(url) as store:

        async def write() -> None:
            chain, left = Chain(), appends
            while left:
                version, values = await store.shared_state.scope(SCOPE)
                grown = b"%d" % (int(values.get("app:n", b"0")) + 1)
                events = random.randint(1, largest)
                shared = [SharedWrite(SCOPE, "app:n", grown, random.randrange(events))]
                tried = chain.fork()
                try:
                    await store.log.append(
                        tried.next(events, shared=shared, expects={SCOPE: version})
                    )
                except StaleScope:
                    continue
                chain, left = tried, left - 1

        await asyncio.gather(*(write() for _ in range(tasks)))


async def write_merge(url: str, tasks: int, appends: int, largest: int) -> None:
    """Set keys of a shared scope, one that is this writer's own and one that is everybody's."""
    async with open_store(url) as store:

        async def write() -> None:
            chain = Chain()
            for number in range(appends):
                own, last = f"app:{chain.session_id}", chain.sequence + 1
                events = random.randint(1, largest)
                shared = [
                    SharedWrite(SCOPE, own, b"%d" % number, 0),
                    SharedWrite(SCOPE, "app:last", b'["%s",%d]' % (own.encode(), last), 0),
                ]
                await store.log.append(chain.next(events, shared=shared))

        await asyncio.gather(*(write() for _ in range(tasks)))


async def write_naive(url: str, tasks: int, appends: int, largest: int) -> None:
    """Insert with ids from a sequence, each task in transactions of its own."""

    async def write() -> None:
        async with await AsyncConnection.connect(url, autocommit=True) as connection:
            for _ in range(appends):
                async with connection.transaction():
                    await connection.execute(NAIVE_INSERT, (random.randint(1, largest),))

    await asyncio.gather(*(write() for _ in range(tasks)))


@contextmanager
def writing(url: str, how: str, *, processes: int, **sizes: int) -> Iterator[Callable[[], bool]]:
    """Start writers, and yield what tells whether they have all finished.

    Args:
        url: Of the database.
        how: `log`, `count`, `merge` or `naive`.
        processes: How many.
        sizes: `tasks` and `appends` of each, and the `largest` append.
    """
    numbers = [str(sizes[name]) for name in ("tasks", "appends", "largest")]
    command = forking.writers(url, how, *numbers)
    started = [forking.start(command, os.environ, cwd=forking.ROOT) for _ in range(processes)]
    try:
        yield lambda: all(process.poll() is not None for process in started)
        assert [process.wait(30) for process in started] == [0] * processes
    finally:
        for process in started:
            process.kill()
            process.wait()


async def follow(
    read: Callable[[int], Awaitable[Sequence[int]]], finished: Callable[[], bool]
) -> list[int]:
    """Poll for positions beyond the last one seen until the writers have finished.

    Args:
        read: Returns a page of positions after one.
        finished: Whether nothing more will come.
    """
    seen, cursor = list[int](), 0
    while True:
        is_last = finished()
        page = await read(cursor)
        if page:
            seen += page
            cursor = page[-1]
        elif is_last:
            return seen
        await asyncio.sleep(0)


def main(arguments: Sequence[str]) -> None:
    """Write.

    Args:
        arguments: A URL, how, and the numbers that this takes.
    """
    url, how, *numbers = arguments
    write = {
        "log": write_log,
        "count": write_count,
        "merge": write_merge,
        "naive": write_naive,
    }[how]
    asyncio.run(write(url, *map(int, numbers)))


if __name__ == "__main__":
    main(sys.argv[1:])
