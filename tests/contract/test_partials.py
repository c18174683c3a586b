"""What is kept of messages that are being written, in memory and on Postgres."""

import asyncio

import psycopg

from application.fan_out import FanOut
from application.partials.partial import Mark, Partial
from application.partials.writer import PartialWriter
from application.ports.session.partials import Ending, KeptPiece, Key, Piece
from application.ports.store import Store
from tests.support.appends import Chain, row

SAID = Key("agent.message", "m1", "text")
THOUGHT = Key("agent.thought", "m1", "reasoning")
INPUT = Key("tool.called", "c" * 4096, "tool_input")


async def running(store: Store, turn: str | None = "t1") -> Chain:
    chain = Chain()
    await store.log.append(chain.next(2, row=row(status="running", turn_id=turn)))
    return chain


def piece(key: Key = SAID, index: int = 0, offset: int = 0, text: str = "a", **rest: str) -> Piece:
    return Piece(key, index, 1, offset, text, 2, **rest)


async def test_pieces_are_read_in_order_as_they_were_kept(store: Store):
    chain, other = await running(store), await running(store)
    pieces = [
        piece(index=1, offset=3, text="🐢\0"),
        piece(text="Zoë", half="\ud83d"),
        piece(INPUT, text='{"a"', name="look"),
        piece(THOUGHT, index=7, text=""),
    ]

    await store.partials.keep([KeptPiece(chain.session_id, "t1", one) for one in pieces])
    await store.partials.keep([KeptPiece(other.session_id, "t1", piece())])

    kept = await store.partials.read(chain.session_id)
    assert {(one.session_id, one.turn_id) for one in kept} == {(chain.session_id, "t1")}
    order = [(one.piece.offset, one.piece.index) for one in kept]
    assert order == sorted(order)
    assert sorted(one.piece.text for one in kept) == sorted(one.text for one in pieces)
    assert {one.piece for one in kept} == set(pieces)
    assert len(await store.partials.read(other.session_id)) == 1


async def test_what_comes_twice_is_there_twice(store: Store):
    chain = await running(store)

    for text in ("The ", "The quick "):
        await store.partials.keep([KeptPiece(chain.session_id, "t1", piece(text=text))])

    kept = await store.partials.read(chain.session_id)
    assert sorted(one.piece.text for one in kept) == ["The ", "The quick "]


async def test_nothing_is_kept_of_a_turn_that_does_not_run(store: Store):
    chain, idle = await running(store), await running(store, None)

    await store.partials.keep(
        [
            KeptPiece(chain.session_id, "t0", piece()),
            KeptPiece(idle.session_id, "t1", piece()),
            KeptPiece(Chain().session_id, "t1", piece()),
            KeptPiece(chain.session_id, "t1", piece(text="b")),
        ]
    )

    assert [one.piece.text for one in await store.partials.read(chain.session_id)] == ["b"]
    assert await store.partials.read(idle.session_id) == []


async def test_an_ending_forgets_its_message_and_what_began_before_it_only(store: Store):
    chain, other = await running(store), await running(store)
    again = Piece(SAID, 0, 1, 0, "again", 9)
    for session_id in (chain.session_id, other.session_id):
        pieces = [piece(), piece(THOUGHT), piece(INPUT), again]
        await store.partials.keep([KeptPiece(session_id, "t1", one) for one in pieces])

    await store.partials.forget([Ending(chain.session_id, 9, "agent.message", "m1")])

    left = {one.piece for one in await store.partials.read(chain.session_id)}
    assert left == {piece(THOUGHT), piece(INPUT), again}
    await store.partials.forget([Ending(chain.session_id, 9), Ending(other.session_id, 10)])
    assert [one.piece for one in await store.partials.read(chain.session_id)] == [again]
    assert await store.partials.read(other.session_id) == []


async def test_a_sweep_forgets_what_belongs_to_turns_that_have_ended(store: Store):
    over, goes_on = await running(store), await running(store)
    for chain in (over, goes_on):
        await store.partials.keep([KeptPiece(chain.session_id, "t1", piece())])
    await store.log.append(over.next(row=row()))

    assert await store.partials.sweep() == 1

    assert await store.partials.read(over.session_id) == []
    assert len(await store.partials.read(goes_on.session_id)) == 1


async def test_what_is_written_is_kept_together_and_forgotten_with_its_turn(store: Store):
    fan_out, chains = FanOut(), [await running(store) for _ in range(3)]
    writer = PartialWriter(store.partials, fan_out)
    await writer.start()
    for chain in chains:
        with fan_out.partials.used(chain.session_id) as session:
            session.run("t1")
            session.checked = 2
            partial = session.messages[SAID] = Partial(SAID, 2, own=True)
            for word in ("The ", "quick ", "fox"):
                partial.append(word)
            fan_out.partials.keep(session)

    await writer.kept()

    for chain in chains:
        (kept,) = await store.partials.read(chain.session_id)
        assert kept.piece == partial.after(Mark())
    fan_out.partials.publish(chains[0].session_id, 2, chains[0].next(["turn.completed"]).events)
    await writer.kept()
    assert await store.partials.read(chains[0].session_id) == []
    with fan_out.partials.used(chains[1].session_id) as session:
        session.messages[SAID].append("!")
        fan_out.partials.keep(session)
    await writer.stop()
    kept_all = await store.partials.read(chains[1].session_id)
    assert [one.piece.text for one in kept_all] == ["The quick fox", "!"]


async def test_what_is_written_waits_for_no_append_and_makes_none_wait(
    postgres_store: Store, database_url: str
):
    """A transaction that holds the row of a session, as an append does, and a piece beside it."""
    chain = await running(postgres_store)

    async with (
        await psycopg.AsyncConnection.connect(database_url) as appending,
        appending.transaction(),
    ):
        await appending.execute(
            "update sessions set sequence = sequence where session_id = %s", [chain.session_id]
        )
        async with asyncio.timeout(60):
            await postgres_store.partials.keep([KeptPiece(chain.session_id, "t1", piece())])
            assert len(await postgres_store.partials.read(chain.session_id)) == 1


async def test_pieces_cost_no_wal(postgres_store: Store, database_url: str):
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        found = await connection.execute(
            "select relpersistence::text from pg_class where relname = 'partials'"
        )
        assert await found.fetchone() == ("u",)
