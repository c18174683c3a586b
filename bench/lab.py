"""What the measures are made on: one Postgres, the program, the floors, and how much of each."""

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bench import floors
from bench.servers import Postgres, Server, cairn_server, floor_server

WORK = Path(__file__).with_name(".work")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How long and how much. The figures of `docs/performance.md` come from the full sizes."""

    rounds: int = 6  # single runs cannot tell 1.1 from 1.3
    seconds: float = 3.0
    samples: int = 200
    prior_events: tuple[int, int, int] = (10, 1_000, 10_000)
    snapshot_events: int = 5_000
    listed: tuple[int, int] = (10_000, 100_000)
    listed_own: int = 1_000
    streams: int = 500
    stream_sessions: int = 50
    published: int = 1_000
    publish_rate: float = 100.0
    tail_events: int = 100_000
    idle_streams: int = 1_000
    touched: int = 10_000
    bursts: int = 10
    audited: int = 100_000
    since_checkpoint: int = 1_000_000
    leaves: int = 10_000_128
    imported: int = 100_000
    erased: int = 10_000
    transferred: tuple[int, int] = (10_000, 1_000_000)
    stalled_mb: int = 1_000
    stalled_readers: int = 200


QUICK = Sizes(
    rounds=2,
    seconds=2.0,
    samples=60,
    prior_events=(10, 300, 2_000),
    snapshot_events=1_000,
    listed=(2_000, 6_000),
    listed_own=500,
    streams=200,
    stream_sessions=20,
    published=200,
    tail_events=20_000,
    idle_streams=200,
    touched=1_000,
    bursts=3,
    audited=5_000,
    since_checkpoint=50_000,
    leaves=512_000,
    imported=20_000,
    erased=2_000,
    transferred=(2_000, 20_000),
    stalled_mb=100,
    stalled_readers=50,
)


class Lab:
    """Starts what a measure asks for when it first asks, and ends everything at the end."""

    def __init__(self, sizes: Sizes, postgres: Postgres, data_dir: Path, url: str | None) -> None:
        self.sizes = sizes
        self.postgres = postgres
        self.floor_database = floors.prepare(postgres)
        self._data_dir = data_dir
        self._url = url
        self._servers: dict[str, Server] = {}
        self._failed: dict[str, RuntimeError] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, sizes: Sizes, url: str | None) -> AsyncIterator[Self]:
        """A lab on a new data directory, or on the database behind `url`."""
        WORK.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="data-", dir=WORK) as folder:
            data_dir = Path(folder, "cairn")
            Path(folder).chmod(0o755)
            postgres = await Postgres.start(data_dir, url)
            try:
                lab = cls(sizes, postgres, data_dir, url)
                try:
                    yield lab
                finally:
                    await lab._close()
            finally:
                await postgres.stop()

    async def cairn(self) -> Server:
        """The program, one worker, as most measures use it."""
        server = await self._shared("cairn", self._cairn(1))
        if not self.postgres.is_used():
            raise RuntimeError("cairn is not connected to the Postgres of this run")
        return server

    async def floor(self) -> Server:
        """The bare app."""
        return await self._shared("asgi", self._floor("asgi", 1))

    async def rest(self) -> None:
        """Stop the program, until it is asked for again: one process has the jobs of all."""
        server = self._servers.pop("cairn", None)
        if server is not None:
            await server.stop()

    async def litestar(self) -> Server:
        """The framework with a validated POST that stores nothing."""
        return await self._shared("litestar", self._floor("litestar", 1))

    @asynccontextmanager
    async def own_cairn(
        self, workers: int = 1, environment: Mapping[str, str] | None = None
    ) -> AsyncIterator[Server]:
        """A program for one measure alone, with settings of its own."""
        async with _running(self._cairn(workers, environment)) as server:
            yield server

    @asynccontextmanager
    async def cairn_on(self, conninfo: str) -> AsyncIterator[Server]:
        """A program for one measure alone, on a database of its own."""
        server = cairn_server(1, self._data_dir, conninfo, WORK / "cairn.log", {})
        async with _running(server) as running:
            yield running

    @asynccontextmanager
    async def own_floor(self, workers: int = 1) -> AsyncIterator[Server]:
        """A bare app for one measure alone."""
        async with _running(self._floor("asgi", workers)) as server:
            yield server

    def _cairn(self, workers: int, environment: Mapping[str, str] | None = None) -> Server:
        log = WORK / "cairn.log"
        return cairn_server(workers, self._data_dir, self._url, log, environment or {})

    def _floor(self, kind: str, workers: int) -> Server:
        return floor_server(kind, workers, self.floor_database, WORK / f"floor-{kind}.log")

    async def _shared(self, name: str, server: Server) -> Server:
        if name in self._failed:
            raise self._failed[name]
        if name not in self._servers:
            try:
                self._servers[name] = await server.start()
            except RuntimeError as error:
                self._failed[name] = error
                raise
        return self._servers[name]

    async def _close(self) -> None:
        for server in self._servers.values():
            await server.stop()


@asynccontextmanager
async def _running(server: Server) -> AsyncIterator[Server]:
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
