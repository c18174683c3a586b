"""Whatever is dropped, killed or joined in the middle: everybody reads exactly what was written.

Two processes over one store take numbered pieces of one agent, which sends again what was refused
or lost. What they tell each other comes late or never, and either may be killed at any moment.
Readers follow one of them, keep what they have through broken streams, and know no more than the
four lines of the guide.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.composition.over_store import (
    handler_over,
    partial_reader_over,
    repository_over,
    tails_over,
)
from api.composition.use_cases import pieces_over
from application.commands.request import Request
from application.errors import PieceMisplaced
from application.fan_out import FanOut
from application.partials.writer import PartialWriter
from application.ports.session.partials import KeptPiece
from application.ports.store import Store
from application.reads.streams.selecting import ALL
from application.reads.streams.stream_items import (
    CaughtUp,
    PartialText,
    Ping,
    StreamItem,
    StreamTiming,
)
from application.use_cases.turn.pieces import SentPiece
from domain.session.commands import Command, CreateSession, RecordActivity, StartTurn
from domain.session.events import AgentMessage
from infrastructure.memory.store import MemoryStore
from infrastructure.memory.tables import Tables
from tests.property.effort import examples
from tests.support.builders import OWNER, SESSION_ID
from tests.support.docs import ROOT

TURN = "t1"
GUIDE = (ROOT / "docs/http.md").read_text("utf-8")

Take = Callable[[dict[Any, str], Mapping[str, Any]], None]


def four_lines() -> Take:
    """Return the function of the guide, as it stands there."""
    found = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    (code,) = [one for one in found if "def take" in one]
    assert len([line for line in code.splitlines() if line.startswith("    ")]) == 4
    names: dict[str, Any] = {}
    exec(code, names)
    take: Take = names["take"]
    return take


TAKE = four_lines()


@dataclass
class Announced:
    """What one process has to tell the other."""

    pieces: list[KeptPiece] = field(default_factory=list[KeptPiece])
    others: bool = True

    def announce(self, position: int) -> None:
        """Nothing: the readers look at the log."""

    def announce_piece(self, kept: KeptPiece) -> None:
        self.pieces.append(kept)


class Process:
    """What one server process has in memory."""

    def __init__(self, tables: Tables) -> None:
        self.said = Announced()
        memory = MemoryStore(tables=tables)
        parts = {one.name: getattr(memory, one.name) for one in fields(Store)}
        self.store = Store(**{**parts, "announcer": self.said})
        self.fan_out = FanOut()
        repository = repository_over(self.store)
        self.handler = handler_over(self.store, repository, self.fan_out)
        self.writer = PartialWriter(self.store.partials, self.fan_out)
        self.pieces = pieces_over(self.store, repository, self.fan_out, self.writer, largest=10**6)
        self.tails = tails_over(self.store, self.fan_out, StreamTiming(ping=0.0))
        self.reader = partial_reader_over(self.store, self.fan_out)

    async def do(self, command: Command) -> None:
        await self.handler.handle(Request(SESSION_ID, command, actor="agent:a"))


class Reader:
    """A client that follows, by the rules of the guide."""

    def __init__(self, since: int) -> None:
        self.texts: dict[Any, str] = {}
        self.cursor = since
        self._stream: AsyncGenerator[StreamItem] | None = None

    async def follow(self, process: Process) -> None:
        await self.leave()
        self._stream = process.tails.stream(SESSION_ID, self.cursor, ALL)

    async def leave(self) -> None:
        if self._stream is not None:
            await self._stream.aclose()
            self._stream = None

    async def read(self) -> None:
        """Take all that there is now."""
        assert self._stream is not None
        async for item in self._stream:
            match item:
                case Ping():
                    return
                case CaughtUp():
                    pass
                case PartialText(piece=piece):
                    told = {
                        **piece.key._asdict(),
                        "index": piece.index,
                        "offset": piece.offset,
                        "text": piece.text,
                    }
                    TAKE(self.texts, told)
                case [*events]:
                    for event in events:
                        self.cursor = event.sequence
                        if event.type == "agent.message":
                            self.texts = {}
                case _:
                    raise AssertionError(item)


class World:
    """An agent, two processes, and those who read."""

    def __init__(self) -> None:
        self.tables = Tables()
        self.processes = [Process(self.tables) for _ in range(2)]
        self.readers: list[tuple[int, Reader]] = []
        self.text = ""
        self.index = 0

    async def begin(self) -> None:
        first = self.processes[0]
        await first.do(CreateSession(owner=OWNER))
        parts = ({"type": "text", "text": "go"},)
        await first.do(StartTurn(turn_id=TURN, message_id="in", parts=parts))

    async def send(self, at: int, text: str) -> None:
        """Say more, and again what the process does not have."""
        offset, index = len(self.text), self.index
        self.text += text
        while True:
            rest = self.text[offset:]
            event = AgentMessage(message_id="m", parts=({"type": "text", "text": rest},))
            sent = SentPiece("agent.message", event, rest, offset, index)
            try:
                taken = await self.processes[at].pieces.take(SESSION_ID, TURN, [sent])
            except PieceMisplaced as misplaced:
                expected = misplaced.facts["expected"]
                assert (expected["offset"], expected["index"]) != (offset, index)
                offset, index = expected["offset"], expected["index"]
                continue
            (goes_on,) = taken.next
            assert goes_on["offset"] == len(self.text)
            self.index = goes_on["index"]
            return

    async def record(self, at: int) -> None:
        """Record the message; the next one has the same id."""
        said = AgentMessage(message_id="m", parts=({"type": "text", "text": self.text},))
        await self.processes[at].do(RecordActivity(turn_id=TURN, events=(said,)))
        self.text, self.index = "", 0

    async def kill(self, at: int) -> None:
        self.processes[at] = Process(self.tables)
        for where, reader in self.readers:
            if where == at:
                await reader.follow(self.processes[at])

    async def join(self, at: int) -> None:
        """A new client: a snapshot, then the stream after it."""
        process = self.processes[at]
        row = await process.store.session_rows.session(SESSION_ID)
        assert row is not None
        reader = Reader(row.sequence)
        for piece in await process.reader.at(SESSION_ID, row.sequence, TURN):
            TAKE(reader.texts, {**piece.key._asdict(), "offset": piece.offset, "text": piece.text})
        await reader.follow(process)
        self.readers.append((at, reader))

    async def read(self, at: int) -> None:
        for where, reader in self.readers:
            if where == at:
                self.tell(at)
                await reader.read()
                for text in reader.texts.values():
                    assert self.text.startswith(text), (self.text, text)

    def tell(self, at: int) -> None:
        """Let a process hear how far the log has come."""
        self.processes[at].fan_out.advance(SESSION_ID, len(self.tables.logs[SESSION_ID]))

    def deliver(self, at: int, *, lost: bool) -> None:
        """Pass on, or lose, what a process has to say."""
        said = self.processes[at].said
        pieces, said.pieces = said.pieces, []
        for kept in () if lost else pieces:
            self.processes[1 - at].fan_out.hear(kept)

    async def move(self, at: int) -> None:
        """The readers of a process go to the other one, with what they have."""
        moved = [reader for where, reader in self.readers if where == at]
        self.readers = [(1 - at, reader) for _, reader in self.readers]
        for reader in moved:
            await reader.follow(self.processes[1 - at])
        for where, reader in self.readers:
            if reader not in moved:
                await reader.follow(self.processes[where])

    async def settle(self) -> None:
        """All that is on its way arrives: then everybody has everything."""
        await self.send(0, "")
        for process in self.processes:
            await process.writer._write()
        for at in (0, 1):
            self.deliver(at, lost=True)
            session = self.processes[at].fan_out.partials.get(SESSION_ID)
            if session is not None:
                self.processes[at].fan_out.partials.look_soon(session)
        for at in (0, 1):
            await self.read(at)
            await self.read(at)
        expected = {("agent.message", "text", "m"): self.text} if self.text else {}
        for _, reader in self.readers:
            assert {key: text for key, text in reader.texts.items() if text} == expected
            await reader.leave()
        for process in self.processes:
            kept = await process.reader.at(SESSION_ID, len(self.tables.logs[SESSION_ID]), TURN)
            assert [one.text for one in kept if one.text] == ([self.text] if self.text else [])


WHERE = st.integers(0, 1)
STEPS = st.one_of(
    st.tuples(st.just("send"), WHERE, st.text("aé🐢", max_size=4)),
    st.tuples(st.just("send"), WHERE, st.text("aé🐢", max_size=4)),
    st.tuples(st.sampled_from(["record", "kill", "join", "read", "read", "keep", "move"]), WHERE),
    st.tuples(st.sampled_from(["deliver", "lose"]), WHERE),
)


async def played(steps: list[tuple[Any, ...]]) -> None:
    world = World()
    await world.begin()
    await world.join(0)
    await world.join(1)
    for what, at, *rest in steps:
        match what:
            case "send":
                await world.send(at, *rest)
            case "keep":
                await world.processes[at].writer._write()
            case "deliver" | "lose":
                world.deliver(at, lost=what == "lose")
            case _:
                await getattr(world, what)(at)
    await world.settle()


@pytest.fixture(scope="module", autouse=True)
def at_once():
    """Nothing waits for a time: what is not there yet is refused, and looked for at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("application.partials.book.KEPT_WITHIN", 0.0)
        patch.setattr("application.use_cases.turn.pieces._PATIENCE", 0.0)
        patch.setattr("application.use_cases.turn.pieces._LOOK_EVERY", 0.0)
        yield


@examples(100)
@given(st.lists(STEPS, max_size=40))
def test_everybody_reads_exactly_what_was_written(steps: list[tuple[Any, ...]]):
    asyncio.run(played(steps))


def test_the_shortest_way_to_read_it_twice():
    """F5: two pieces, a snapshot, a piece, and the stream since the snapshot."""
    steps = [("send", 0, "The "), ("send", 0, "quick "), ("join", 0), ("send", 0, "fox")]
    for also in ([], [("read", 0)], [("keep", 0), ("kill", 0)], [("move", 0), ("read", 1)]):
        asyncio.run(played([*steps, *also]))
