"""The tree over the log on Postgres: what is kept, what is proven, and what is found out."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from hashlib import sha256

import psycopg
import pytest
from psycopg import AsyncConnection

from application.errors import AuditKeyMissing, BeyondTheLog
from application.fan_out import FanOut
from application.ports.log.transparency import SignedHead
from application.ports.store import Store
from application.projections import log_tiles
from application.projections.log_tiles import CONSUMER, TileKeeper
from application.reads.evidence.transparency import AuditKeys, TransparencyLog
from domain.errors import LogDamaged
from domain.transparency.notes import parse_note, parse_tree_head
from domain.transparency.proofs import goes_on
from domain.transparency.tiles import WIDTH, TileId, completed
from domain.transparency.tree import EMPTY_ROOT, Frontier, leaf_hash
from infrastructure.keys.ed25519 import Ed25519
from infrastructure.postgres.connecting.database import Database
from infrastructure.postgres.log.checkpoints import PostgresCheckpoints
from infrastructure.postgres.log.transparency import PostgresSignedHeads, PostgresTiles
from infrastructure.postgres.store import open_store
from tests.support.appends import Chain
from tests.support.inclusion import includes

KEY = Ed25519().new_key("cairn.example/test")


@dataclass
class Kept:
    """A log with its tree, the digests that were appended, and the way to the database."""

    url: str
    store: Store
    database: Database
    digests: list[bytes]
    chain: Chain

    def keeper(self) -> TileKeeper[AsyncConnection]:
        return TileKeeper(
            PostgresTiles(self.database), PostgresCheckpoints(self.database), FanOut()
        )

    def tree(self, keys: AuditKeys | None = None) -> TransparencyLog:
        return TransparencyLog(
            self.store.log,
            PostgresTiles(self.database),
            PostgresSignedHeads(self.database),
            self.keeper(),
            Ed25519(),
            AuditKeys((KEY,)) if keys is None else keys,
        )

    async def grow(self, events: int) -> None:
        append = self.chain.next(events)
        await self.store.log.append(append)
        self.digests += [event.digest for event in append.events]

    def root(self, size: int) -> bytes:
        frontier = Frontier()
        frontier.extend(map(leaf_hash, self.digests[:size]))
        return frontier.root()

    def tamper(self, statement: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("alter table events disable trigger user")
            connection.execute(statement.encode())


@pytest.fixture
async def kept(database_url: str) -> AsyncIterator[Kept]:
    database = Database(database_url, readers=4)
    await database.open()
    try:
        async with open_store(database_url) as store:
            yield Kept(database_url, store, database, [], Chain())
    finally:
        await database.close()


async def test_roots_and_proofs_are_those_of_the_log(kept: Kept) -> None:
    tree = kept.tree()
    assert await tree.root(0) == EMPTY_ROOT
    for grown in (1, 1, 253, 1, 1, 511, 300):
        await kept.grow(grown)
        size = len(kept.digests)
        assert await tree.root(size) == kept.root(size)
    size = len(kept.digests)
    for position in (1, 2, 256, 257, 768, size):
        found = await tree.inclusion(position, size)
        leaf = leaf_hash(kept.digests[position - 1])
        assert found.digest == kept.digests[position - 1]
        assert includes(position - 1, size, leaf, found.proof, kept.root(size))
    for old in (0, 1, 255, 256, 512, 700, size):
        proof = await tree.consistency(old, size)
        assert goes_on(old, size, kept.root(old), kept.root(size), proof.proof)


@pytest.mark.parametrize(("position", "size"), [(0, 5), (6, 5), (1, 0), (0, 0), (1, 6), (7, 6)])
async def test_there_is_no_proof_of_what_is_not_there(kept: Kept, position: int, size: int) -> None:
    await kept.grow(5)
    with pytest.raises(BeyondTheLog):
        await kept.tree().inclusion(position, size)


@pytest.mark.parametrize(("old", "new"), [(0, 6), (6, 6), (4, 3)])
async def test_there_is_no_consistency_with_what_is_not_there(
    kept: Kept, old: int, new: int
) -> None:
    await kept.grow(5)
    with pytest.raises(BeyondTheLog):
        await kept.tree().consistency(old, new)


async def test_tiles_are_there_when_they_are_full_enough(kept: Kept) -> None:
    await kept.grow(600)
    tree = kept.tree()
    leaves = list(map(leaf_hash, kept.digests))
    assert await tree.tile(TileId(0, 0), 256) == b"".join(leaves[:256])
    assert await tree.tile(TileId(0, 1), 3) == b"".join(leaves[256:259])
    assert await tree.tile(TileId(0, 2), 88) == b"".join(leaves[512:])
    assert await tree.tile(TileId(0, 2), 89) is None
    assert await tree.tile(TileId(0, 2), 256) is None
    assert await tree.tile(TileId(1, 0), 2) is not None
    assert await tree.tile(TileId(1, 0), 3) is None
    assert await tree.tile(TileId(7, 0), 1) is None
    bundle = await tree.entries(2, 88)
    assert bundle == b"".join(b"\0\x20" + digest for digest in kept.digests[512:])
    assert await tree.entries(2, 89) is None


async def test_a_checkpoint_is_signed_once_for_each_size(kept: Kept) -> None:
    tree = kept.tree()
    empty = await tree.checkpoint()
    assert empty.head == (KEY.verifier.name, 0, EMPTY_ROOT)
    await kept.grow(300)
    first = await tree.checkpoint()
    assert await tree.checkpoint() == first
    assert parse_tree_head(parse_note(first.note.encode()).text) == first.head
    assert first.head.root == kept.root(300)
    await kept.grow(1)
    second = await tree.checkpoint()
    assert second.head.size == 301
    assert await tree.history(None, 10) == [second, first, empty]
    assert await tree.history(301, 1) == [first]


async def test_a_new_key_signs_beside_the_old_one_and_then_alone(kept: Kept) -> None:
    await kept.grow(3)
    new = Ed25519().new_key(KEY.verifier.name)
    both = await kept.tree(AuditKeys((new, KEY))).checkpoint()
    note = parse_note(both.note.encode())
    for key, signature in zip((new, KEY), note.signatures, strict=True):
        assert Ed25519().holds(key.verifier, note.text, signature)
    alone = await kept.tree(AuditKeys((new,), (KEY.verifier,))).checkpoint()
    assert [one.key_id for one in parse_note(alone.note.encode()).signatures] == [
        new.verifier.key_id
    ]
    assert await kept.tree(AuditKeys((new, KEY))).checkpoint() == both


async def test_checkpoints_of_one_size_are_on_one_page(kept: Kept) -> None:
    keys = [Ed25519().new_key(KEY.verifier.name) for _ in range(3)]
    signed = [await kept.tree().checkpoint()]
    for grown in (1, 2):
        await kept.grow(grown)
        signed += [await kept.tree(AuditKeys((key,))).checkpoint() for key in keys]
    assert len({one.note for one in signed}) == 7

    tree = kept.tree()
    assert await tree.history(None, 10) == signed[::-1]
    found: list[SignedHead] = []
    before: int | None = None
    while page := await tree.history(before, 2):
        found += page
        before = page[-1].head.size
    assert found == signed[::-1]

    heads = PostgresSignedHeads(kept.database)
    assert await heads.between(0, 3) == signed[1:]
    assert await heads.between(0, 1) == await heads.between(0, 2) == signed[1:4]
    assert await heads.between(1, 3) == signed[4:]


async def test_nothing_is_signed_without_a_key(kept: Kept) -> None:
    with pytest.raises(AuditKeyMissing):
        await kept.tree(AuditKeys()).checkpoint()


async def test_keepers_in_two_processes_keep_each_tile_once(kept: Kept) -> None:
    await kept.grow(2000)
    await asyncio.gather(*(kept.keeper().catch_up(2000) for _ in range(4)))
    rows = await kept.database.fetch("select count(*), max(number) from log_tiles", {})
    assert rows == [(7, 6)]
    assert await PostgresCheckpoints(kept.database).position(CONSUMER) == 1792


async def test_a_tree_kept_in_many_batches_is_the_one_of_the_log(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_tiles, "_BATCH", 2 * WIDTH)
    same = kept.keeper()
    for grown in (5 * WIDTH + 7, 4 * WIDTH, 1, 3 * WIDTH):
        await kept.grow(grown)
        size = len(kept.digests)
        # The first one goes on with the edge that it remembers, the other one with what is kept.
        await (same if size % 2 else kept.keeper()).catch_up(size)
        leaves = b"".join(map(leaf_hash, kept.digests[: size - size % WIDTH]))
        wanted = completed(0, {}, leaves)
        tiles = await PostgresTiles(kept.database).kept([tile.at for tile in wanted])
        assert sorted(tiles) == wanted
        assert await kept.database.fetch("select count(*) from log_tiles", {}) == [(len(wanted),)]
        assert await kept.tree().root(size) == kept.root(size)


async def test_keepers_in_two_processes_share_many_batches(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_tiles, "_BATCH", WIDTH)
    await kept.grow(3000)
    await asyncio.gather(*(kept.keeper().catch_up(3000) for _ in range(3)))
    assert await PostgresCheckpoints(kept.database).position(CONSUMER) == 2816
    assert await kept.tree().root(3000) == kept.root(3000)


async def test_of_a_tile_come_as_many_hashes_as_are_asked_for(kept: Kept) -> None:
    leaves = b"".join(sha256(b"%d" % number).digest() for number in range(WIDTH * (WIDTH + 2)))
    made = completed(0, {}, leaves)
    whole = {tile.at: tile.hashes for tile in made}
    roots = {tile.at.number: tile.root for tile in made if tile.at.level == 0}
    tiles = PostgresTiles(kept.database)
    await kept.database.transact(lambda inside: tiles.keep(inside, made), patience=60)

    lowest, above, beside = TileId(0, 1), TileId(1, 0), TileId(1, 1)
    assert await tiles.hashes({above: WIDTH, lowest: WIDTH}) == {
        above: whole[above],
        lowest: whole[lowest],
    }
    # A tree that was smaller has a part of them, though all are kept by now.
    assert await tiles.hashes({above: 3, lowest: 3}) == {above: roots[0] + roots[1] + roots[2]}
    assert await tiles.hashes({beside: 1}) == {beside: roots[WIDTH]}
    assert await tiles.hashes({beside: 2}) == {beside: roots[WIDTH] + roots[WIDTH + 1]}
    with pytest.raises(LogDamaged, match="1 tiles of level 0"):
        await tiles.hashes({beside: 3})


async def test_what_is_kept_cannot_be_changed(kept: Kept) -> None:
    await kept.grow(256)
    await kept.tree().checkpoint()
    with psycopg.connect(kept.url, autocommit=True) as connection:
        for table in ("log_tiles", "signed_heads"):
            for statement in (f"delete from {table}", f"truncate {table}"):
                with pytest.raises(psycopg.DatabaseError, match="append-only"):
                    connection.execute(statement.encode())
        with pytest.raises(psycopg.DatabaseError, match="append-only"):
            connection.execute("update signed_heads set size = size + 1")


async def test_a_cut_tail_is_not_signed_over(kept: Kept) -> None:
    await kept.grow(300)
    await kept.tree().checkpoint()
    kept.tamper("delete from events where notification_id > 290")
    kept.tamper("update log_head set head = 290")
    with pytest.raises(LogDamaged, match="cut off"):
        await kept.tree().checkpoint()


async def test_a_tail_that_is_cut_where_a_checkpoint_was_signed_is_told(kept: Kept) -> None:
    await kept.grow(290)
    await kept.tree().checkpoint()
    await kept.grow(10)
    await kept.tree().checkpoint()
    kept.tamper("delete from events where notification_id > 290")
    kept.tamper("update log_head set head = 290")
    with pytest.raises(LogDamaged, match="cut off"):
        await kept.tree().checkpoint()


async def test_a_rewritten_digest_is_not_signed_over(kept: Kept) -> None:
    await kept.grow(300)
    await kept.tree().checkpoint()
    await kept.grow(1)
    kept.tamper("update events set digest = sha256('other') where notification_id = 290")
    with pytest.raises(LogDamaged, match="has changed"):
        await kept.tree().checkpoint()


async def test_a_rewritten_digest_below_a_kept_tile_has_no_proof(kept: Kept) -> None:
    await kept.grow(300)
    await kept.tree().root(300)
    kept.tamper("update events set digest = sha256('other') where notification_id = 17")
    with pytest.raises(LogDamaged, match="position 17"):
        await kept.tree().inclusion(17, 300)
    assert (await kept.tree().inclusion(18, 300)).root == kept.root(300)


async def test_a_hole_in_the_log_is_not_hashed_over(kept: Kept) -> None:
    await kept.grow(300)
    kept.tamper("delete from events where notification_id = 100")
    with pytest.raises(LogDamaged, match="1 of the positions"):
        await kept.tree().root(300)
