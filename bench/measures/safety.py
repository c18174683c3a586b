"""What must hold while it is fast: nobody is refused or reordered, nothing acknowledged is lost."""

import asyncio
import re
from time import perf_counter

from bench import cairn, floors
from bench.cairn import Record
from bench.figures import Figure, Target
from bench.lab import Lab
from bench.servers import Server
from bench.wire import MARKER, Client, Request

_WRITERS = 32
_CLIENTS = 16
_LOAD_SECONDS = 2.0


async def burst(lab: Lab) -> list[Figure]:
    """32 appends at once to one session, with one worker and with two."""
    floor = await lab.floor()
    alone = await _bursts(lab, await lab.cairn())
    async with lab.own_cairn(workers=2) as server:
        shared = await _bursts(lab, server)
    inserts = [floors.write("insert", "burst") for _ in range(_WRITERS)]
    least = min([(await _at_once(floor.port, inserts))[1] for _ in range(lab.sizes.bursts)])
    figures = []
    for how, (accepted, wrong, fastest) in (("1 worker", alone), ("2 workers", shared)):
        wanted = _WRITERS * lab.sizes.bursts
        right = accepted == wanted and not wrong
        figures.append(
            Figure(
                measure="burst",
                title=f"{_WRITERS} appends at once to one session, {how}: accepted",
                value=100 * accepted / wanted,
                unit="%",
                target=Target("all, in contiguous order", right),
                note="; ".join(sorted(set(wrong))),
                detail={"bursts": lab.sizes.bursts, "accepted": accepted},
            )
        )
        figures.append(
            Figure(
                measure="burst",
                title=f"the same, {how}: time until the last is accepted",
                value=fastest,
                unit="ms",
                floor=least,
                floor_name=f"{_WRITERS} bare INSERTs at once",
            )
        )
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
                answer.expect(201)
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
    sound = lost == 0 and doubled == 0 and holes == 0
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


async def _bursts(lab: Lab, server: Server) -> tuple[int, list[str], float]:
    """How many appends were accepted, what was wrong, and the fastest burst in milliseconds."""
    accepted, wrong, fastest = 0, list[str](), float("inf")
    for session in await cairn.new_sessions(server, lab.sizes.bursts):
        requests = [cairn.append(session, mark) for mark in range(_WRITERS)]
        answers, took = await _at_once(server.port, requests)
        fastest = min(fastest, took)
        given = {mark: at for mark, (status, at) in enumerate(answers) if status == 201}
        wrong += [f"HTTP {status}" for status, _ in answers if status != 201]
        accepted += len(given)
        stored = await cairn.records(server, session)
        if not _contiguous(stored):
            wrong.append("a hole in the order")
        found = {mark: record.sequence for record in stored for mark in _marks([record])}
        if found != given:
            wrong.append("the log differs from the answers")
    return accepted, wrong, fastest


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
        (answer.status, answer.json()["sequence"] if answer.status == 201 else 0)
        for answer in answers
    ], took


def _contiguous(stored: list[Record]) -> bool:
    return [record.sequence for record in stored] == list(range(1, len(stored) + 1))


def _marks(stored: list[Record]) -> list[int]:
    found = (re.search(MARKER, bytes(record.data)) for record in stored)
    return [int(mark[1]) for mark in found if mark]
