"""What must hold while it is fast: nobody is refused or reordered, nothing acknowledged is lost."""

import asyncio
import re
from dataclasses import dataclass
from functools import partial
from statistics import median
from time import perf_counter

from bench import cairn, floors, load
from bench.cairn import Record
from bench.figures import Figure, Target
from bench.lab import Lab
from bench.servers import Server
from bench.wire import MARKER, Client, Request

_WRITERS = 32
_CLIENTS = 16
_LOAD_SECONDS = 2.0
_CREATED = 201


@dataclass(frozen=True, slots=True)
class _Burst:
    """One burst: how many were accepted, what was wrong, and the milliseconds until the last."""

    accepted: int
    took: float
    wrong: tuple[str, ...] = ()


async def burst(lab: Lab) -> list[Figure]:
    """32 appends at once to one session, with one worker and with two."""
    floor, server = await lab.floor(), await lab.cairn()
    async with lab.own_cairn(workers=2) as pair:
        alone, shared, inserts = await load.alternate(
            lab.sizes.bursts,
            partial(_burst, server),
            partial(_burst, pair),
            partial(_floor_burst, floor),
        )
    figures = []
    for how, bursts in (("1 worker", alone), ("2 workers", shared)):
        wanted = _WRITERS * len(bursts)
        accepted = sum(one.accepted for one in bursts)
        wrong = sorted({what for one in bursts for what in one.wrong})
        figures += [
            Figure(
                measure="burst",
                title=f"{_WRITERS} appends at once to one session, {how}: accepted",
                value=100 * accepted / wanted,
                unit="%",
                target=Target("all, in contiguous order", accepted == wanted and not wrong),
                note="; ".join(wrong),
                detail={"bursts": len(bursts), "accepted": accepted},
            ),
            Figure(
                measure="burst",
                title=f"the same, {how}: time until the last is accepted",
                value=median(one.took for one in bursts),
                unit="ms",
                floor=median(one.took for one in inserts),
                floor_name=f"{_WRITERS} bare INSERTs at once",
            ),
        ]
    return figures


async def kill_nine(lab: Lab) -> list[Figure]:
    """The server is killed under load and started again; the log is compared with the answers."""
    acknowledged: list[tuple[str, int]] = []
    numbers = iter(range(10**9))
    async with lab.own_cairn() as server:
        sessions = await cairn.new_sessions(server, _CLIENTS)

        async def append(session: str) -> None:
            client = await Client.connect(server.port)
            for mark in numbers:
                try:
                    answer = await client.send(cairn.append(session, mark))
                except OSError:
                    return
                answer.expect(_CREATED)
                acknowledged.append((session, mark))

        async with asyncio.TaskGroup() as group:
            for session in sessions:
                group.create_task(append(session))
            await asyncio.sleep(_LOAD_SECONDS)
            await server.kill()
        await server.start()
        lost, doubled, holes = len(acknowledged), 0, 0
        for session in sessions:
            stored = await cairn.records(server, session)
            marks = _marks(stored)
            lost -= len({mark for own, mark in acknowledged if own == session} & set(marks))
            doubled += len(marks) - len(set(marks))
            holes += not _contiguous(stored)
    sound = bool(acknowledged) and lost == 0 and doubled == 0 and holes == 0
    return [
        Figure(
            measure="kill",
            title="kill -9 under load: acknowledged and lost",
            value=float(lost),
            unit="events",
            target=Target("0, none doubled, no hole", sound),
            note=f"of {len(acknowledged):,} acknowledged; {doubled} doubled, {holes} with holes",
            detail={"acknowledged": len(acknowledged), "doubled": doubled, "holes": holes},
        )
    ]


async def _burst(server: Server) -> _Burst:
    """A burst to a new session, and whether the log then says what the answers said."""
    (session,) = await cairn.new_sessions(server, 1)
    requests = [cairn.append(session, mark) for mark in range(_WRITERS)]
    answers, took = await _at_once(server.port, requests)
    wrong = [f"HTTP {status}" for status, _ in answers if status != _CREATED]
    given = {mark: at for mark, (status, at) in enumerate(answers) if status == _CREATED}
    stored = await cairn.records(server, session)
    if not _contiguous(stored):
        wrong.append("a hole in the order")
    if given != {mark: record.sequence for record in stored for mark in _marks([record])}:
        wrong.append("the log differs from the answers")
    return _Burst(len(given), took, tuple(wrong))


async def _floor_burst(floor: Server) -> _Burst:
    inserts = [floors.write("insert", "burst") for _ in range(_WRITERS)]
    answers, took = await _at_once(floor.port, inserts)
    return _Burst(len(answers), took)


async def _at_once(port: int, requests: list[Request]) -> tuple[list[tuple[int, int]], float]:
    """Send all at the same time; each one's status and sequence, and the milliseconds it took."""
    clients = await asyncio.gather(*(Client.connect(port) for _ in requests))
    data = [request.render() for request in requests]
    started = perf_counter()
    answers = await asyncio.gather(
        *(client.send(part) for client, part in zip(clients, data, strict=True))
    )
    took = (perf_counter() - started) * 1e3
    for client in clients:
        client.close()
    return [
        (answer.status, answer.json()["sequence"] if answer.status == _CREATED else 0)
        for answer in answers
    ], took


def _contiguous(stored: list[Record]) -> bool:
    return [record.sequence for record in stored] == list(range(1, len(stored) + 1))


def _marks(stored: list[Record]) -> list[int]:
    found = (re.search(MARKER, bytes(record.data)) for record in stored)
    return [int(mark[1]) for mark in found if mark]
