"""Erasure: how long a session takes, and what writers of other sessions feel of it."""

import asyncio
from collections.abc import Awaitable
from itertools import cycle
from statistics import median
from time import perf_counter
from typing import Self
from uuid import UUID

import httpx

from bench import cairn
from bench.figures import Figure, at_most
from bench.lab import Lab
from bench.measures.audit import database_of, long_session, services_of
from bench.servers import HOST, Server
from bench.wire import Client

_WRITERS = 16
_SECONDS = 2.0
_SLOWER = 10.0
_ROUNDS = 5


async def erase(lab: Lab) -> list[Figure]:
    """Sessions erased one after the other, while others are appended to as fast as can be."""
    rounds, events = max(_ROUNDS, lab.sizes.rounds), lab.sizes.erased
    with database_of(lab, "bench_erase") as url:
        async with services_of(url) as services:
            sessions = [await long_session(services, events) for _ in range(rounds)]
        async with lab.cairn_on(url) as server, _Writers(server) as writers:
            took, slower = list[float](), list[float]()
            async with httpx.AsyncClient(timeout=120) as client:
                for session in sessions:
                    before = await writers.rate_while(asyncio.sleep(_SECONDS))
                    began = perf_counter()
                    during = await writers.rate_while(_erase(client, server, session))
                    took.append(perf_counter() - began)
                    after = await writers.rate_while(asyncio.sleep(_SECONDS))
                    slower.append(100 - 100 * during / ((before + after) / 2))
    what = f"a session of {events:,} events, {_WRITERS} writers beside it"
    return [
        Figure(
            measure="erase",
            title=f"erase {what}",
            value=median(took),
            unit="s",
            target=at_most(median(took), _SECONDS, f"under {_SECONDS:g} s"),
            detail={"seconds": took},
        ),
        Figure(
            measure="erase",
            title="appends of these writers meanwhile, fewer than before and after",
            value=median(slower),
            unit="%",
            target=at_most(median(slower), _SLOWER, f"at most {_SLOWER:g} % fewer"),
            detail={"fewer": slower},
        ),
    ]


async def _erase(client: httpx.AsyncClient, server: Server, session: UUID) -> None:
    url = f"http://{HOST}:{server.port}/v1/sessions/{session}/erase"
    (await client.post(url, json={"reason": "bench"})).raise_for_status()


class _Writers:
    """Clients that append to sessions of their own, one message after the other.

    Args:
        server: To which server.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._tasks: list[asyncio.Task[None]] = []
        self._written = 0

    async def __aenter__(self) -> Self:
        sessions = await cairn.new_sessions(self._server, 4 * _WRITERS, "writer")
        for number in range(_WRITERS):
            mine = sessions[number::_WRITERS]
            self._tasks.append(asyncio.create_task(self._write(mine)))
        await asyncio.sleep(_SECONDS)
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def rate_while(self, something: Awaitable[None]) -> float:
        """Return how many were appended a second while something was done."""
        began, before = perf_counter(), self._written
        await something
        return (self._written - before) / (perf_counter() - began)

    async def _write(self, sessions: list[str]) -> None:
        client = await Client.connect(self._server.port)
        try:
            for session in cycle(sessions):
                (await client.send(cairn.append(session))).expect(201)
                self._written += 1
        finally:
            client.close()
