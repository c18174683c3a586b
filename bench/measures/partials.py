"""What is being written: how soon it is read, and what it costs the appends beside it."""

import asyncio
from collections.abc import Iterator
from itertools import count
from statistics import median
from time import perf_counter

from bench import cairn, load
from bench.figures import Figure, at_most
from bench.lab import Lab
from bench.load import send_all
from bench.servers import Server
from bench.wire import WORKER_HEADER, Client, Request, Stream, post

_SESSIONS = 200
_RATE = 50
_TOGETHER = 10
_IN_PROCESS_MS = 5.0
_ACROSS_MS = 15.0
_SLOWER = 1.05


class _Writing:
    """Agents that write, each a request of some pieces at a time, and what readers saw of it."""

    def __init__(self, server: Server, sessions: list[str], together: int) -> None:
        self._server = server
        self._sessions = sessions
        self._together = together
        self._marks = count()
        self.sent: dict[int, tuple[float, str]] = {}
        self.seen: list[tuple[float, bool]] = []
        self.pieces = 0
        self.late = 0
        self._answered = 0.0

    @property
    def rate(self) -> float:
        """Pieces a second, from the first that was sent to the last that was answered."""
        first = min(at for at, _ in self.sent.values())
        return self.pieces / (self._answered - first)

    async def run(self, seconds: float) -> None:
        """Write at a steady pace with readers on all sessions."""
        streams = [
            await Stream.open(self._server.port, cairn.subscribe(one), one, self._see)
            for one in self._sessions
        ]
        try:
            async with asyncio.TaskGroup() as group:
                for number, session in enumerate(self._sessions):
                    delay = number / len(self._sessions) * self._together / _RATE
                    group.create_task(self._write(session, delay, seconds))
            await asyncio.sleep(0.5)
        finally:
            for stream in streams:
                stream.close()

    async def _write(self, session: str, delay: float, seconds: float) -> None:
        client = await Client.connect(self._server.port)
        every, offset = self._together / _RATE, 0
        begin = perf_counter() + delay
        for number in range(int(seconds / every)):
            due = begin + number * every
            await asyncio.sleep(max(due - perf_counter(), 0.0))
            mark = next(self._marks)
            texts = ["word "] * (self._together - 1) + [f"mark-{mark}! "]
            request, offset = _pieces(session, texts, offset)
            at = perf_counter()
            self.late += at > due + every
            self.sent[mark] = (at, "")
            answer = (await client.send(request)).expect(200)
            self.sent[mark] = (at, answer.header(WORKER_HEADER) or "")
            self._answered = perf_counter()
            self.pieces += self._together
        client.close()

    def _see(self, stream: Stream, mark: int, now: float) -> None:
        at, worker = self.sent[mark]
        self.seen.append(((now - at) * 1e3, bool(worker) and worker != stream.worker))


def _pieces(session: str, texts: list[str], offset: int) -> tuple[Request, int]:
    events: list[dict[str, object]] = []
    for text in texts:
        parts = [{"type": "text", "text": text}]
        data = {"message_id": "m", "parts": parts}
        events.append({"type": "agent.message", "offset": offset, "data": data})
        offset += len(text)
    path = f"/v1/sessions/{session}/turns/t1/events"
    return post(path, {"partial": True, "events": events}), offset


async def one_process(lab: Lab) -> list[Figure]:
    """200 agents that write 50 pieces a second, 10 in a request; and appends beside ten of them."""
    server = await lab.cairn()
    writing = _Writing(server, await _in_turns(server, _SESSIONS), _TOGETHER)
    await writing.run(lab.sizes.seconds)
    return [
        _figure("partials", "1 worker", writing, _IN_PROCESS_MS),
        *await _beside(server, lab.sizes.rounds, lab.sizes.seconds),
    ]


async def two_processes(lab: Lab) -> list[Figure]:
    """Ten agents, one piece in a request, at two workers."""
    async with lab.own_cairn(workers=2) as server:
        writing = _Writing(server, await _in_turns(server, 10), 1)
        await writing.run(lab.sizes.seconds)
    return [_figure("partials-2", "2 workers", writing, _ACROSS_MS)]


async def _beside(server: Server, rounds: int, seconds: float) -> list[Figure]:
    """Appends of one client, with ten agents that write and without, in turns."""
    (target,) = await cairn.new_sessions(server, 1)
    alone: list[float] = []
    beside: list[float] = []
    for _ in range(rounds):
        alone += await _appends(server, target, seconds)
        writing = _Writing(server, await _in_turns(server, 10), _TOGETHER)
        task = asyncio.create_task(writing.run(seconds + 1))
        await asyncio.sleep(0.5)
        beside += await _appends(server, target, seconds)
        await task
    value, least = median(beside), median(alone)
    return [
        Figure(
            measure="partials",
            title=f"append beside 10 agents that write {_RATE} pieces/s each, 1 client, p50",
            value=value,
            unit="ms",
            floor=least,
            floor_name="the same without them",
            target=at_most(value / least, _SLOWER, "at most 5 % slower"),
        )
    ]


async def _appends(server: Server, session: str, seconds: float) -> list[float]:
    client = await Client.connect(server.port)
    taken: list[float] = []
    until = perf_counter() + seconds
    while (at := perf_counter()) < until:
        (await client.send(cairn.append(session))).expect(201)
        taken.append((perf_counter() - at) * 1e3)
        await asyncio.sleep(0.01)
    client.close()
    return taken


async def _in_turns(server: Server, number: int) -> list[str]:
    sessions = await cairn.new_sessions(server, number)

    def starts() -> Iterator[Request]:
        for session in sessions:
            parts = [{"type": "text", "text": "go"}]
            body = {"turn_id": "t1", "input": {"parts": parts}}
            yield post(f"/v1/sessions/{session}/turns", body)

    await send_all(server.port, starts())
    return sessions


def _figure(measure: str, how: str, writing: _Writing, limit: float) -> Figure:
    across = measure.endswith("2")
    times = [taken for taken, crossed in writing.seen if crossed or not across]
    value = load.percentile(times, 50)
    return Figure(
        measure=measure,
        title=f"piece to subscriber, {how}, {writing.rate:,.0f} pieces/s, p50",
        value=value,
        unit="ms",
        target=at_most(value, limit, f"at most {limit:g} ms"),
        detail={
            "p99": load.percentile(times, 99),
            "frames": len(times),
            "requests": len(writing.sent),
            "requests_late": writing.late,
        },
        note=f"p99 {load.percentile(times, 99):.1f} ms",
    )
