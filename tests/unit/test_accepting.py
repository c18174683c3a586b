"""Connections that come together are shared by all workers that are able to take them."""

import asyncio
import errno
import os
import socket
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from api.cli.serving.accepting import Accepting
from api.cli.serving.connection_counts import ConnectionCounts, Place

PATIENCE = 60


class Connection(asyncio.Protocol):
    """Says which worker it is of, and counts itself out."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.ended = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(b"%d" % self._place.number)  # type: ignore[attr-defined]

    def connection_lost(self, _: Exception | None) -> None:
        self._place.end()
        self.ended.set()


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def worker(self) -> int:
        async with asyncio.timeout(PATIENCE):
            return int(await self._reader.readexactly(1))

    async def leave(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


class Scene:
    """A listening socket, the places of its workers, and its clients."""

    def __init__(self, listening: socket.socket, counts: ConnectionCounts) -> None:
        self.listening, self.counts = listening, counts
        self.clients: list[Client] = []
        self._served: list[Connection] = []
        self._workers: list[tuple[Accepting, socket.socket]] = []

    def begin(
        self,
        number: int,
        make: Callable[[Place], Connection] = Connection,
        kind: type[socket.socket] = socket.socket,
    ) -> Place:
        place = Place(self.counts, number)
        # A loop has one reader for each descriptor; workers have a loop each.
        own = kind(fileno=os.dup(self.listening.fileno()))

        def connection() -> asyncio.Protocol:
            made = make(place)
            self._served.append(made)
            return made

        self._workers.append((Accepting(own, connection, place), own))
        return place

    async def come(self, many: int) -> list[Client]:
        address = self.listening.getsockname()
        opened = await asyncio.gather(*(asyncio.open_connection(*address) for _ in range(many)))
        come = [Client(*streams) for streams in opened]
        self.clients += come
        return come

    async def end(self) -> None:
        for worker, own in self._workers:
            worker.close()
            await worker.wait_closed()
            own.close()
        await self.leave()

    async def leave(self) -> None:
        for client in self.clients:
            await client.leave()
        self.clients.clear()
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(one.ended.wait() for one in self._served))


@asynccontextmanager
async def scene() -> AsyncGenerator[Scene]:
    with (
        socket.create_server(("127.0.0.1", 0), backlog=128) as listening,
        closing(ConnectionCounts.make(3)) as counts,
    ):
        made = Scene(listening, counts)
        try:
            yield made
        finally:
            await made.end()


async def shares_of(clients: list[Client]) -> list[int]:
    workers = await asyncio.gather(*(client.worker() for client in clients))
    return [workers.count(number) for number in range(2)]


@pytest.mark.parametrize(("many", "least"), [(2, 1), (4, 1), (16, 5)])
async def test_what_comes_together_is_shared(many: int, least: int) -> None:
    async with scene() as made:
        places = [made.begin(0), made.begin(1)]
        shares = await shares_of(await made.come(many))
        assert min(shares) >= least
        assert [place.own() for place in places] == shares


async def test_who_has_fewer_catches_up() -> None:
    async with scene() as made:
        made.begin(0)
        first = await made.come(8)
        assert await shares_of(first) == [8, 0]
        made.begin(1)
        # A quarter more than the others is not ahead of them.
        assert await shares_of(await made.come(8)) in ([0, 8], [1, 7])


async def test_who_has_left_takes_none_and_nobody_waits_for_it() -> None:
    async with scene() as made:
        made.begin(0)
        gone = Place(made.counts, 1)
        gone.enter()
        gone.leave()
        assert await shares_of(await made.come(16)) == [16, 0]
        assert Place(made.counts, 0).taken_by_those_behind(1) == {}
        # What ends after its worker has left is no longer counted.
        gone.end()
        assert gone.own() < 0
        assert Place(made.counts, 0).taken_by_those_behind(1) == {}


async def test_nobody_is_left_to_a_worker_that_stands_still() -> None:
    async with scene() as made:
        made.begin(0)
        Place(made.counts, 1).enter()
        assert await shares_of(await made.come(40)) == [40, 0]


async def test_only_those_that_have_fewer_show_that_they_take_what_is_left_to_them() -> None:
    async with scene() as made:
        busy = Place(made.counts, 1)
        busy.enter()
        Place(made.counts, 2).enter()
        for _ in range(100):
            busy.begin()

        async def go_on_taking() -> None:
            while True:
                busy.begin()
                await asyncio.sleep(0)

        taking = asyncio.create_task(go_on_taking())
        made.begin(0)
        # The busy one has more than this one, and the third, which has none, stands still.
        assert await shares_of(await made.come(40)) == [40, 0]
        taking.cancel()


def test_an_end_is_no_taking() -> None:
    with closing(ConnectionCounts.make(2)) as counts:
        own, other = Place(counts, 0), Place(counts, 1)
        own.enter()
        other.enter()
        for _ in range(3):
            own.begin()
        other.begin()
        seen = own.taken_by_those_behind(1.25)
        assert len(seen) == 1
        other.end()
        assert not own.has_taken(seen)
        other.begin()
        assert own.has_taken(seen)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has memory with a descriptor")
def test_counting_waits_for_no_disk() -> None:
    with closing(ConnectionCounts.make(2)) as counts:
        memory = Path(f"/proc/self/fd/{counts.descriptor}").readlink()
        assert str(memory).startswith("/memfd:")


async def test_connections_that_end_make_room_again() -> None:
    async with scene() as made:
        places = [made.begin(0), made.begin(1)]
        assert sum(await shares_of(await made.come(8))) == 8
        await made.leave()
        assert [place.own() for place in places] == [0, 0]
        assert min(await shares_of(await made.come(4))) >= 1


class _Full(socket.socket):
    """Has no room for another descriptor, the first time."""

    is_full = True

    def accept(self) -> tuple[socket.socket, object]:
        if self.is_full:
            self.is_full = False
            raise OSError(errno.EMFILE, "too many open files")
        return super().accept()


async def test_without_room_it_is_tried_again() -> None:
    async with scene() as made:
        made.begin(0, kind=_Full)
        assert await shares_of(await made.come(3)) == [3, 0]


async def test_a_connection_that_cannot_begin_is_not_counted() -> None:
    told: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    refused = ValueError("no protocol")

    def make(place: Place) -> Connection:
        if not told:
            raise refused
        return Connection(place)

    async with scene() as made:
        place = made.begin(0, make)
        (refused_client,) = await made.come(1)
        with pytest.raises(asyncio.IncompleteReadError):
            await refused_client.worker()
        assert [context["exception"] for context in told] == [refused]
        assert place.own() == 0
        assert await shares_of(await made.come(1)) == [1, 0]
