"""Faults as they are made: each one does its harm, waits, and makes good what it can."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg

from infrastructure.embedded_postgres.layout import Layout
from infrastructure.embedded_postgres.processes import server_processes
from tests.faults.history import Standing
from tests.faults.load.hostile import ATTACKS, NOTHING, attack
from tests.faults.load.recorder import Recorder
from tests.faults.making.relay import Silent
from tests.faults.making.schedule import Plan
from tests.faults.making.server import START_WITHIN, WORKERS, until
from tests.faults.making.world import World
from tests.support.processes import frozen_postgres, kill_postmaster
from tests.support.sse import Lost, Stream, open_stream

_NAMES = ("cairn writer", "cairn reader", "cairn listener", "cairn announcer", "cairn")
_END = (
    "select count(pg_terminate_backend(pid)) from pg_stat_activity"
    " where application_name like '{name}%' and pid <> pg_backend_pid()"
)
_SERVE_WITHIN = 90.0
"""Seconds that a busy machine may take to have a worker replaced."""
_STALLED = 8
_HALF_OPEN = 60
_SMALL_BUFFER = 4096
_BALLAST = "ballast"
_SKEWS = (-7200.0, -30.0, -3.0, 3.0, 30.0, 7200.0)


class NotAllowed(Exception):
    """This machine does not allow a fault; the message says why."""


class Saboteur:
    """Makes faults.

    Args:
        world: Where.
        recorder: Whose clock is used.
    """

    def __init__(self, world: World, recorder: Recorder) -> None:
        self._world = world
        self._recorder = recorder
        self._alone: dict[str, asyncio.Lock] = {}

    async def make(self, plan: Plan) -> tuple[float, str]:
        """Make one fault, and return when it began, and how it was made.

        Two of a kind never overlap: the end of one would be the end of both.

        Raises:
            NotAllowed: It cannot be made here.
        """
        lock = self._alone.setdefault(plan.kind, asyncio.Lock())
        async with lock:
            began = self._recorder.now()
            return began, await _ACTIONS[plan.kind](self, plan) or ""

    # ── workers ──────────────────────────────────────────────────────────────────────────────

    async def kill_worker(self, plan: Plan) -> str:
        """Kill one of two: that nobody is left to answer is another fault."""
        with suppress(AssertionError):
            await until(self._both_serve, "both workers serve", _SERVE_WITHIN)
        victim = await self._worker(plan)
        _send(victim, signal.SIGKILL)
        await self._world.server.both_are_there(victim)
        return str(victim)

    async def stop_worker(self, plan: Plan) -> str:
        victim = await self._worker(plan)
        began = self._recorder.now()
        _send(victim, signal.SIGSTOP)
        try:
            await asyncio.sleep(plan.seconds)
        finally:
            _send(victim, signal.SIGCONT)
            ended = self._recorder.now()
            self._recorder.add(Standing(worker=victim, began=began, ended=ended))
        # Who stood still for too long is killed, and replaced.
        await self._world.server.both_are_there()
        return str(victim)

    async def kill_server(self, _: Plan) -> str:
        server = self._world.server
        workers = server.workers()
        server.kill()
        for worker in workers:
            _send(worker, signal.SIGKILL)
        server.start()
        await server.serves_again()
        return f"supervisor and {len(workers)} workers"

    def _both_serve(self) -> bool:
        workers = self._world.server.workers()
        return len(workers) == WORKERS and self._world.server.serving().keys() >= {*workers}

    async def _worker(self, plan: Plan) -> int:
        await until(self._world.server.workers, "there is a worker", START_WITHIN)
        workers = self._world.server.workers()
        return workers[int(plan.choice * len(workers))]

    # ── Postgres ─────────────────────────────────────────────────────────────────────────────

    async def kill_postmaster(self, _: Plan) -> None:
        with suppress(ProcessLookupError, AssertionError):
            kill_postmaster(self._world.data_dir)
        await self._world.sql("select 1")

    async def kill_backend(self, plan: Plan) -> str:
        """Postgres takes this for a crash, and starts all of itself again."""
        name = _NAMES[int(plan.choice * 2)]
        found = await self._world.sql(
            f"select pid from pg_stat_activity where application_name = '{name}'"
        )
        # They are told by the numbers that this machine gives them.
        own = set(server_processes(Layout.of(self._world.data_dir).pgdata))
        victims = [pid for (pid,) in found if pid in own]
        if victims:
            _send(victims[0], signal.SIGKILL)
        await self._world.sql("select 1")
        return name

    async def stop_postgres(self, plan: Plan) -> None:
        # There may be none just now, when another fault has killed it.
        with (
            suppress(AssertionError, ProcessLookupError),
            frozen_postgres(self._world.data_dir),
        ):
            await asyncio.sleep(plan.seconds)

    async def end_backends(self, plan: Plan) -> str:
        name = _NAMES[int(plan.choice * len(_NAMES))]
        ((ended,),) = await self._world.sql(_END.format(name=name))
        return f"{ended} of {name}"

    async def read_only(self, plan: Plan) -> None:
        alter = "alter database cairn {} default_transaction_read_only"
        await self._world.sql(alter.format("set") + " = on")
        try:
            # Connections that there are keep their setting: end them, as a failover does.
            await self._world.sql(_END.format(name="cairn"))
            await asyncio.sleep(plan.seconds)
        finally:
            await self._world.sql(alter.format("reset"))

    async def lock_head(self, plan: Plan) -> None:
        url = self._world.cluster.superuser_url().replace("/postgres?", "/cairn?")
        with suppress(psycopg.Error):
            async with await psycopg.AsyncConnection.connect(url) as connection:
                await connection.execute("select head from log_head for update")
                await asyncio.sleep(plan.seconds)
                await connection.rollback()

    async def fill_disk(self, plan: Plan) -> None:
        disk = self._world.disk
        if disk is None:
            raise NotAllowed(self._world.why_no_disk)
        ballast = disk / _BALLAST
        try:
            await asyncio.to_thread(_fill, ballast)
            await asyncio.sleep(plan.seconds)
        finally:
            ballast.unlink(missing_ok=True)
        # A log that could not be written has Postgres start again.
        await self._world.sql("select 1")

    # ── the network ──────────────────────────────────────────────────────────────────────────

    async def freeze_database(self, plan: Plan) -> None:
        await self._freeze("those there are", plan)

    async def cut_database(self, plan: Plan) -> None:
        await self._freeze("all", plan)

    async def _freeze(self, silent: Silent, plan: Plan) -> None:
        thaw = self._world.database.freeze(silent)
        try:
            await asyncio.sleep(plan.seconds)
        finally:
            thaw()

    async def drop_database(self, _: Plan) -> str:
        return f"{await self._world.database.drop()} connections"

    async def slow_database(self, plan: Plan) -> str:
        delay = round(0.02 + 0.15 * plan.choice, 3)
        self._world.database.delay = delay
        try:
            await asyncio.sleep(plan.seconds)
        finally:
            self._world.database.delay = 0.0
        return f"{delay} s"

    async def freeze_clients(self, plan: Plan) -> None:
        thaw = self._world.clients.freeze("all" if plan.choice < 0.3 else "those there are")
        try:
            await asyncio.sleep(plan.seconds)
        finally:
            thaw()

    async def drop_clients(self, _: Plan) -> str:
        return f"{await self._world.clients.drop()} connections"

    # ── clocks ───────────────────────────────────────────────────────────────────────────────

    async def skew_clock(self, plan: Plan) -> str:
        skew = _SKEWS[int(plan.choice * len(_SKEWS))]
        clock = self._world.server.clock
        _set(clock, str(skew))
        try:
            await asyncio.sleep(plan.seconds)
        finally:
            _set(clock, "0")
        return f"{skew:+g} s"

    # ── clients ──────────────────────────────────────────────────────────────────────────────

    async def stall_readers(self, plan: Plan) -> str:
        streams = [await self._feed() for _ in range(_STALLED)]
        await asyncio.sleep(plan.seconds)
        for stream in filter(None, streams):
            stream.close()
        return f"{_STALLED} readers"

    async def slow_readers(self, plan: Plan) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(_STALLED // 2):
                group.create_task(self._read_slowly(plan.seconds))

    async def _read_slowly(self, seconds: float) -> None:
        stream = await self._feed()
        if stream is None:
            return
        until = self._recorder.now() + seconds
        try:
            while self._recorder.now() < until:
                await stream.next()
                await asyncio.sleep(0.05)
        except (Lost, TimeoutError, Exception):  # noqa: BLE001
            pass
        finally:
            stream.close()

    async def _feed(self) -> Stream | None:
        try:
            async with asyncio.timeout(10):
                return await open_stream(
                    self._world.server.port,
                    "/v1/events?after=0",
                    receive_buffer=_SMALL_BUFFER,
                    limit=_SMALL_BUFFER,
                )
        except (Lost, TimeoutError, AssertionError):
            return None

    async def hostile_headers(self, plan: Plan) -> str:
        kind = [*ATTACKS][int(plan.choice * len(ATTACKS))]
        await attack(self._recorder, self._world.server.port, kind)
        return kind

    async def half_open(self, plan: Plan) -> str:
        kind = ("half a head", "half a body", NOTHING)[int(plan.choice * 3)]
        port = self._world.server.port
        async with asyncio.TaskGroup() as group:
            for _ in range(_HALF_OPEN):
                group.create_task(attack(self._recorder, port, kind))
        return f"{_HALF_OPEN} times {kind}"


_ACTIONS: dict[str, Callable[[Saboteur, Plan], Awaitable[Any]]] = {
    "kill worker": Saboteur.kill_worker,
    "kill server": Saboteur.kill_server,
    "stop worker": Saboteur.stop_worker,
    "kill postmaster": Saboteur.kill_postmaster,
    "kill backend": Saboteur.kill_backend,
    "stop postgres": Saboteur.stop_postgres,
    "end backends": Saboteur.end_backends,
    "freeze database": Saboteur.freeze_database,
    "cut database": Saboteur.cut_database,
    "drop database": Saboteur.drop_database,
    "slow database": Saboteur.slow_database,
    "freeze clients": Saboteur.freeze_clients,
    "drop clients": Saboteur.drop_clients,
    "read only": Saboteur.read_only,
    "lock head": Saboteur.lock_head,
    "fill disk": Saboteur.fill_disk,
    "skew clock": Saboteur.skew_clock,
    "stall readers": Saboteur.stall_readers,
    "slow readers": Saboteur.slow_readers,
    "hostile headers": Saboteur.hostile_headers,
    "half open": Saboteur.half_open,
}


def _send(process: int, request: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, request)


def _set(clock: Path, seconds: str) -> None:
    """Write in one step, as workers may read it at any moment."""
    new = clock.with_suffix(".new")
    new.write_text(seconds)
    new.replace(clock)


def _fill(ballast: Path) -> None:
    """Take all the room there is."""
    descriptor = os.open(ballast, os.O_WRONLY | os.O_CREAT, 0o600)
    size = 0
    try:
        for step in (16 << 20, 1 << 20, 1 << 12):
            with suppress(OSError):
                while True:
                    os.posix_fallocate(descriptor, size, step)
                    size += step
    finally:
        os.close(descriptor)
