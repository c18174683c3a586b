"""Mixed load on a server: clients, readers, followers and probes, and what is stored in the end."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any

import psycopg

from tests.crash.evidence import examine
from tests.faults.history import (
    FOR_EVER,
    WHOLE_LOG,
    Finding,
    Finish,
    FollowedTo,
    Record,
    Row,
    Serving,
    Stored,
)
from tests.faults.load.clients import ASK_FOR, GIVE_UP, Client, Known, Reader
from tests.faults.load.followers import Follower
from tests.faults.load.probes import watch_memory, watch_processors, watch_readiness
from tests.faults.load.recorder import Recorder
from tests.faults.making.server import Server, is_alive, until
from tests.support.sse import Connection, Lost

_PROBES = 4
_STOP_WITHIN = 30.0
QUIET = 90.0
"""Seconds within which what is expected when nothing is wrong any more must happen."""
_KEPT = frozenset(
    {
        "session.created",
        "session.renamed",
        "session.tagged",
        "permission.requested",
        "permission.decided",
    }
)
"""Types whose data a check needs."""
_STORED = """
select notification_id, originator_id::text, originator_version, topic, state
from events order by notification_id
"""
_HEADS = "select originator_id::text, max(originator_version) from events group by 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """How much load there is.

    Args:
        seed: Of what clients do.
        clients: How many write; a quarter as many read.
        followers: How many follow a session, at most; two follow the whole log.
        spread: Seconds over which they begin.
        pace: The most seconds that a client thinks.
    """

    seed: int
    clients: int = 12
    followers: int = 16
    spread: float = 30.0
    pace: float = 0.15


class MixedLoad:
    """What clients do to a server, and what they have seen of it.

    Args:
        mix: How much.
        recorder: Where it is noted.
        server: Who is asked.
        relay: The port of a relay before it, for a third of the clients; None is none.
    """

    def __init__(
        self, mix: Mix, recorder: Recorder, server: Server, relay: int | None = None
    ) -> None:
        self._mix = mix
        self._recorder = recorder
        self._server = server
        self._relay = relay
        self._known = Known(recorder)
        self._followers: list[Follower] = []
        self._following: list[asyncio.Task[None]] = []

    @asynccontextmanager
    async def running(self, database_url: str) -> AsyncIterator[None]:
        """Have the load go on while the context lasts, then let everybody come to an end.

        Args:
            database_url: Where readers have come to is compared with what is stored there.
        """
        writing = [asyncio.create_task(one.run()) for one in self._clients()]
        writing += [asyncio.create_task(one.run()) for one in self._readers()]
        watching = [
            asyncio.create_task(watch_readiness(self._server, self._recorder, probe))
            for probe in range(_PROBES)
        ]
        watching.append(asyncio.create_task(watch_memory(self._server, self._recorder)))
        watching.append(asyncio.create_task(watch_processors(self._server, self._recorder)))
        watching.append(asyncio.create_task(self._have_followers()))
        try:
            yield
        finally:
            self._known.over.set()
            await self._end(writing, GIVE_UP + ASK_FOR + 10, "a client")
            await self._end_followers(database_url)
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)

    async def until_accepted(self, more: int, what: str) -> None:
        """Wait until so many more commands were accepted.

        Raises:
            AssertionError: It takes too long.
        """
        wanted = self._known.accepted + more
        await until(lambda: self._known.accepted >= wanted, what, QUIET)

    async def finish(self, database_url: str) -> None:
        """Note what is listed and stored now that nobody writes any more, and stop the server.

        Args:
            database_url: As the owner of the schema.
        """
        await self._note_what_is_there(database_url)
        try:
            await asyncio.to_thread(examine, database_url)
        except AssertionError as error:
            self.find(f"the database is not sound: {str(error)[:500]}")
        except psycopg.Error as error:
            self.find(f"the database cannot be examined: {error}")
        await self._stop_the_server()
        for worker, at in self._server.serving().items():
            self._recorder.add(Serving(worker=worker, at=at - self._recorder.began))
        self._recorder.add(Finish(at=self._recorder.now()))

    def find(self, words: str) -> None:
        """Note that something is wrong."""
        self._recorder.add(Finding(words=words))

    def _clients(self) -> list[Client]:
        mix, clients = self._mix, list[Client]()
        for number in range(mix.clients):
            relay = self._relay if number % 3 == 0 else None
            rng = Random(f"{mix.seed}/client/{number}")
            clients.append(
                Client(
                    self._known,
                    f"{mix.seed}.{number}",
                    relay or self._server.port,
                    direct=relay is None,
                    rng=rng,
                    pace=mix.pace,
                )
            )
        return clients

    def _readers(self) -> list[Reader]:
        mix, readers = self._mix, list[Reader]()
        for number in range(max(mix.clients // 4, 1)):
            relay = self._relay if number % 3 == 0 else None
            rng = Random(f"{mix.seed}/reader/{number}")
            port = relay or self._server.port
            reader = Reader(self._known, port, direct=relay is None, rng=rng, pace=mix.pace)
            readers.append(reader)
        return readers

    async def _have_followers(self) -> None:
        """Have two follow all, and one each a session, of which most begin in the midst of it."""
        self._follow("feed 1", WHOLE_LOG)
        self._follow("feed 2", WHOLE_LOG)
        followed = 0
        for number in range(self._mix.followers):
            await until(
                lambda: len(self._known.all_sessions) > followed,  # noqa: B023
                "there is another session",
                FOR_EVER,
            )
            self._follow(f"reader {number}", self._known.all_sessions[-1])
            followed = len(self._known.all_sessions)
            await asyncio.sleep(0 if number < 6 else self._mix.spread / self._mix.followers)

    def _follow(self, name: str, log: str) -> None:
        ports = [(self._server.port, True)]
        ports.append(ports[0] if self._relay is None else (self._relay, False))
        follower = Follower(self._known, name, log, ports, Random(f"{self._mix.seed}/{name}"))
        self._followers.append(follower)
        self._following.append(asyncio.create_task(follower.run()))

    async def _end(self, tasks: list[asyncio.Task[None]], within: float, who: str) -> None:
        _, late = await asyncio.wait(tasks, timeout=within)
        for task in late:
            self.find(f"{who} has not come to an end")
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                self.find(f"{who} met {result!r}")

    async def _end_followers(self, database_url: str) -> None:
        """Let readers come to the end of what they follow."""

        heads: dict[str, int] = {}

        async def have_all() -> bool:
            heads.update(await _rows(database_url, _HEADS))
            heads.pop(WHOLE_LOG, None)
            heads[WHOLE_LOG] = sum(heads.values())
            return all(one.cursor == heads.get(one.log) for one in self._followers)

        # Who has not come to the end is found by a check.
        with suppress(AssertionError):
            await until(have_all, "all readers have all", QUIET)
        for log, head in heads.items():
            self._recorder.add(FollowedTo(log=log, head=head))
        for task in self._following:
            task.cancel()
        for result in await asyncio.gather(*self._following, return_exceptions=True):
            if isinstance(result, Exception):
                self.find(f"a reader met {result!r}")

    async def _note_what_is_there(self, database_url: str) -> None:
        """Timers may still append: so the lists count when the log is the same before and after."""
        found: list[Record] = []
        before, listed = await _stored(database_url), list[Row]()
        try:
            async with asyncio.timeout(QUIET):
                while True:
                    listed = await self._listed()
                    after = await _stored(database_url)
                    if len(after) == len(before):
                        break
                    before = after
        except (Lost, TimeoutError, KeyError) as error:
            self.find(f"the sessions could not be listed in the end: {error!r}")
        found = [*before, *listed]
        for record in found:
            self._recorder.add(record)

    async def _listed(self) -> list[Row]:
        connection, found, cursor = Connection(self._server.port), list[Row](), ""
        try:
            while True:
                answer = await connection.request("GET", f"/v1/sessions?limit=100{cursor}")
                told = answer.json
                for row in told["sessions"]:
                    found.append(
                        Row(
                            session=row["id"],
                            sequence=row["sequence"],
                            position=row["position"],
                            title=row["title"],
                            status=row["status"],
                            starred=row["starred"],
                            tags=row["tags"],
                        )
                    )
                if told["next_cursor"] is None:
                    return found
                cursor = f"&cursor={told['next_cursor']}"
        finally:
            connection.close()

    async def _stop_the_server(self) -> None:
        workers = self._server.workers()
        try:
            status = await asyncio.to_thread(self._server.stop, _STOP_WITHIN)
        except subprocess.TimeoutExpired:
            self.find("the server does not end when it is asked to")
            return
        if status != 0:
            self.find(f"the server ended with the status {status}")
        left = [pid for pid in workers if is_alive(pid)]
        if left:
            self.find(f"workers are left behind: {left}")
        lines = self._server.log.read_text(errors="replace").splitlines()
        for number, line in enumerate(lines):
            if "Traceback" in line:
                told = "\n".join(lines[max(0, number - 3) : number + 60])
                self.find(f"a traceback in the log of the server: {told[:8000]}")
                break


async def _stored(database_url: str) -> list[Stored]:
    found: list[Stored] = []
    for position, session, sequence, topic, state in await _rows(database_url, _STORED):
        record = json.loads(state)
        found.append(
            Stored(
                position=position,
                session=session,
                sequence=sequence,
                type=topic,
                id=record["id"],
                at=datetime.fromisoformat(record["at"]).timestamp(),
                key=record.get("idempotency_key") or "",
                data=record["data"] if topic in _KEPT else {},
            )
        )
    return found


async def _rows(database_url: str, query: str) -> list[tuple[Any, ...]]:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        return await (await connection.execute(query)).fetchall()
