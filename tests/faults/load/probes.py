"""What is asked and measured all the time: readiness and memory."""

import asyncio
import os
from contextlib import suppress
from itertools import count

from tests.faults.history import Memory, Processor, Ready
from tests.faults.load.recorder import Recorder, worker_of
from tests.faults.making.server import Server, memory_of, processor_of
from tests.support.sse import Answer, Connection, Lost

_EVERY = 0.5
_LOOK_EVERY = 0.25
_ASKED_EVERY = 1.0
_READY_WITHIN = 5.0
_USED_FOR = 8
"""Questions over one connection: which worker gets another one is up to the system."""


async def watch_readiness(server: Server, recorder: Recorder, number: int) -> None:
    """Ask `/ready` again and again.

    Args:
        server: Who is asked.
        recorder: Where it is noted.
        number: Of this probe; they ask at different moments.
    """
    connection = Connection(server.port)
    await asyncio.sleep(number * _ASKED_EVERY / 4)
    try:
        for turn in count(number):
            called, answer = recorder.now(), None
            with suppress(Lost, TimeoutError):
                async with asyncio.timeout(_READY_WITHIN):
                    answer = await connection.request("GET", "/ready")
            told = _told(answer, called, recorder.now())
            recorder.add(told)
            if answer is None or turn % _USED_FOR == 0:
                connection.close()
            await asyncio.sleep(_ASKED_EVERY)
    finally:
        connection.close()


def _told(answer: Answer | None, called: float, returned: float) -> Ready:
    if answer is None:
        return Ready(worker=0, called=called, returned=returned, status=0)
    return Ready(
        worker=worker_of(answer.headers),
        called=called,
        returned=returned,
        status=answer.status,
        reasons=answer.json.get("reasons", []) if answer.status == 503 else [],
    )


async def watch_memory(server: Server, recorder: Recorder) -> None:
    """Measure the workers again and again."""
    while True:
        workers = server.workers()
        for worker, size in memory_of(workers).items():
            recorder.add(Memory(worker=worker, at=recorder.now(), bytes=size))
        await asyncio.sleep(_EVERY)


async def watch_processors(server: Server, recorder: Recorder) -> None:
    """Look again and again at what the harness and the workers have of the processors."""
    before: dict[int, tuple[float, float, float]] = {}
    own = os.getpid()
    while True:
        seen: dict[int, tuple[float, float, float]] = {}
        for process in (own, *server.workers()):
            at, found = recorder.now(), processor_of(process)
            if found is None:
                continue
            ran, starved = found
            seen[process] = at, ran, starved
            since, ran_before, starved_before = before.get(process, seen[process])
            recorder.add(
                Processor(
                    worker=0 if process == own else process,
                    since=since,
                    at=at,
                    ran=ran - ran_before,
                    starved=starved - starved_before,
                )
            )
        before = seen
        await asyncio.sleep(_LOOK_EVERY)
