"""Blobs in memory and on Postgres: whose they are, who names them, and when they go."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256
from uuid import uuid4

import psycopg
import pytest

from application.errors import (
    BlobDamaged,
    BlobNamed,
    BlobNotFound,
    BlobTooLarge,
    DigestMismatch,
    StoreUnavailable,
)
from application.memory_budget import MemoryBudget
from application.ports.blobs.blob import CHUNK, Blob, BlobOwner, KeptBlob
from application.ports.store import Store
from application.use_cases.blobs import Blobs
from domain.blobs import blob_name, digest_of_blob
from domain.errors import Invalid
from tests.support.appends import Chain, row

ADA, BOB = BlobOwner("shop", "ada"), BlobOwner("shop", "bob")
NOW, LATER = timedelta(0), timedelta(hours=1)
WORDS = b"A cairn is a stack of stones."
NAME = blob_name(sha256(WORDS).digest())
MISSING = blob_name(bytes(32))


async def pieces(*content: bytes) -> AsyncIterator[bytes]:
    for one in content:
        yield one


def over(store: Store, largest: int = 4 * CHUNK) -> Blobs:
    return Blobs(store.blobs, MemoryBudget().share("requests"), largest=largest)


async def put(store: Store, content: bytes = WORDS, owner: BlobOwner = ADA) -> KeptBlob:
    return await over(store).put(owner, pieces(content), media_type="text/plain")


async def bytes_of(store: Store, owner: BlobOwner, blob: Blob, **part: int) -> bytes:
    return b"".join([one async for one in over(store).read(owner, blob, **part)])


async def session(store: Store, **changes: object) -> Chain:
    chain = Chain()
    await store.log.append(chain.next(row=row(**changes)))
    return chain


async def say(store: Store, chain: Chain, name: str) -> None:
    await store.log.append(chain.next(data={"parts": [{"type": "file", "blob": name}]}))


async def sweep(store: Store, grace: timedelta = NOW, stalled: timedelta = LATER) -> int:
    return await store.blobs.sweep(grace, stalled, 100)


@pytest.mark.parametrize("size", [1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 5])
async def test_what_was_put_is_read_whole_and_in_part(store: Store, size: int):
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    cuts = [content[:7], content[7 : CHUNK + 9], b"", content[CHUNK + 9 :]]

    kept = await over(store).put(ADA, pieces(*cuts), media_type="image/png")

    assert kept == (Blob(blob_name(sha256(content).digest()), size, "image/png"), True)
    assert await store.blobs.find(ADA, kept.blob.name) == kept.blob
    assert await bytes_of(store, ADA, kept.blob) == content
    for start, end in ((0, 1), (size - 1, size), (size // 2, size), (CHUNK - 1, CHUNK + 1)):
        assert await bytes_of(store, ADA, kept.blob, start=start, end=end) == content[start:end]


async def test_put_again_it_is_the_same_and_what_was_said_first_of_it_stands(store: Store):
    first = await put(store)

    again = await over(store).put(ADA, pieces(WORDS), media_type="text/html", name=NAME)

    assert (first.is_new, again) == (True, KeptBlob(first.blob, is_new=False))


async def test_it_is_there_only_for_whom_it_is(store: Store):
    blob = (await put(store)).blob
    others = (BOB, BlobOwner("bank", "ada"))

    assert [await store.blobs.find(one, NAME) for one in others] == [None, None]
    assert [await store.blobs.read(one, NAME, 0) for one in others] == [None, None]
    for one in others:
        # Nothing tells them that it is there already, nor what was said of it.
        kept = await over(store).put(one, pieces(WORDS), media_type="text/html")
        assert kept == KeptBlob(Blob(NAME, len(WORDS), "text/html"), is_new=True)
    assert await store.blobs.find(ADA, NAME) == blob


async def test_what_is_not_what_it_was_said_to_be_is_not_kept(store: Store):
    blobs, other = over(store), sha256(b"other").digest()

    with pytest.raises(DigestMismatch, match="nothing was kept"):
        await blobs.put(ADA, pieces(WORDS), media_type="a/b", name=blob_name(other))
    with pytest.raises(DigestMismatch):
        await blobs.put(ADA, pieces(WORDS), media_type="a/b", name=NAME, digest=other)
    for name in ("sha256:x", NAME.upper(), "md5:" + NAME[7:]):
        with pytest.raises(Invalid):
            await blobs.put(ADA, pieces(WORDS), media_type="a/b", name=name)
    with pytest.raises(Invalid):
        await blobs.put(ADA, pieces(b""), media_type="a/b")

    assert await store.blobs.find(ADA, NAME) is None
    assert await sweep(store, stalled=NOW) == 0, "an upload was left behind"


async def test_one_that_is_too_large_is_given_up_where_it_is(store: Store):
    blobs, asked = over(store, largest=2 * CHUNK), 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal asked
        while True:
            asked += 1
            yield bytes(CHUNK)

    with pytest.raises(BlobTooLarge) as refused:
        await blobs.put(ADA, endless(), media_type="a/b")
    with pytest.raises(BlobTooLarge):
        await blobs.put(ADA, pieces(WORDS), media_type="a/b", size=2 * CHUNK + 1)

    assert (asked, refused.value.facts) == (3, {"limit": 2 * CHUNK})
    kept = await blobs.put(ADA, pieces(bytes(2 * CHUNK)), media_type="a/b")
    assert kept.blob.size == 2 * CHUNK
    assert await sweep(store, grace=LATER, stalled=NOW) == 0


async def test_an_upload_that_stands_still_is_swept_and_one_that_goes_on_is_not(store: Store):
    upload = await store.blobs.begin("shop")
    await store.blobs.add(upload, 0, b"x")
    assert await sweep(store) == 0

    assert await sweep(store, stalled=NOW) == 1

    with pytest.raises(StoreUnavailable):
        await store.blobs.add(upload, 1, b"y")
    with pytest.raises(StoreUnavailable):
        await store.blobs.keep(upload, ADA, sha256(b"x").digest(), 1, "a/b")


async def test_what_no_session_names_goes_after_a_while(store: Store):
    named, unnamed = (await put(store, b"1")).blob, (await put(store, b"2")).blob
    chain = await session(store)
    assert await store.blobs.name(chain.session_id, ADA, [named.name]) == {named.name: True}

    assert await sweep(store, grace=LATER) == 0
    assert await sweep(store) == 1

    assert await store.blobs.find(ADA, named.name) == named
    assert await store.blobs.find(ADA, unnamed.name) is None


async def test_a_session_names_only_what_is_there_for_its_owner(store: Store):
    await put(store, owner=BOB)
    chain = await session(store)

    assert await store.blobs.name(chain.session_id, ADA, [NAME, MISSING]) == {}

    assert await store.blobs.of_session(chain.session_id, limit=9) == []
    assert await store.blobs.in_session(chain.session_id, NAME) is None


async def test_what_a_session_names_is_listed_in_order(store: Store):
    chain, other = await session(store), await session(store)
    kept = [(await put(store, bytes([n]))).blob for n in range(5)]
    names = sorted(one.name for one in kept)
    for number, blob in enumerate(kept):
        assert await store.blobs.name(chain.session_id, ADA, [blob.name]) == {blob.name: True}
        again = await store.blobs.name(chain.session_id, ADA, [blob.name])
        assert again == {blob.name: False}, number

    listed = await store.blobs.of_session(chain.session_id, limit=3)

    assert [(one.name, one.owner, one.blob in kept) for one in listed] == [
        (name, ADA, True) for name in names[:3]
    ]
    rest = await store.blobs.of_session(chain.session_id, after=names[2], limit=3)
    assert [one.name for one in rest] == names[3:]
    assert await store.blobs.of_session(other.session_id, limit=3) == []


async def test_it_stays_until_the_last_session_lets_it_go(store: Store):
    blob = (await put(store)).blob
    one, other = await session(store), await session(store)
    for chain in (one, other):
        await store.blobs.name(chain.session_id, ADA, [NAME])

    assert await store.blobs.let_go(one.session_id, 9) == 1
    assert await store.blobs.find(ADA, NAME) == blob
    assert await store.blobs.let_go(other.session_id, 9) == 1

    assert await store.blobs.find(ADA, NAME) is None
    assert await store.blobs.let_go(other.session_id, 9) == 0


async def test_what_a_deleted_session_named_goes_after_a_while_but_not_from_its_fork(store: Store):
    names = [(await put(store, content)).blob.name for content in (b"1", b"2")]
    chain = await session(store)
    await store.blobs.name(chain.session_id, ADA, names[:1])
    await say(store, chain, names[0])
    fork = await session(store, forked_from=chain.session_id)
    assert await store.blobs.inherit(fork.session_id, chain.session_id) == {names[0]}
    await store.blobs.name(chain.session_id, ADA, names[1:])
    await say(store, chain, names[1])

    deleted = row(deleted=True, status="deleted")
    await store.log.append(chain.next(["session.deleted"], row=deleted))

    assert await sweep(store, grace=LATER) == 0
    assert await sweep(store) == 2
    assert [await store.blobs.find(ADA, name) is None for name in names] == [False, True]


async def test_a_legal_hold_keeps_what_a_deleted_session_named(store: Store):
    blob = (await put(store)).blob
    chain = await session(store)
    await store.blobs.name(chain.session_id, ADA, [NAME])
    deleted = row(deleted=True, status="deleted")
    await store.log.append(chain.next(["legal_hold.set", "session.deleted"], row=deleted))

    for _ in range(3):
        await sweep(store)
    assert await store.blobs.find(ADA, NAME) == blob
    await store.log.append(chain.next(["legal_hold.released"], row=deleted))
    await sweep(store)

    assert await store.blobs.find(ADA, NAME) is None


async def test_what_is_in_doubt_stays_if_the_log_names_it(store: Store):
    names = [(await put(store, content)).blob.name for content in (b"1", b"2")]
    chain, never = await session(store), uuid4()
    await store.blobs.name(chain.session_id, ADA, names)
    await store.blobs.name(never, ADA, names)
    await say(store, chain, names[0])

    await store.blobs.doubt(chain.session_id, names)
    await store.blobs.doubt(never, names)
    assert await sweep(store, grace=LATER) == 0
    assert await sweep(store) == 4

    assert [await store.blobs.find(ADA, name) is None for name in names] == [False, True]
    assert await sweep(store) == 0, "what was found is in doubt no more"


async def test_what_a_session_names_before_it_is_there_counts_once_it_is(store: Store):
    chain = await session(store)
    named = await store.blobs.name(chain.session_id, ADA, [NAME], even_missing=True)
    assert named == {}
    (listed,) = await store.blobs.of_session(chain.session_id, limit=9)
    assert (listed.name, listed.blob) == (NAME, None)

    blob = (await put(store)).blob

    assert await sweep(store) == 0
    (listed,) = await store.blobs.of_session(chain.session_id, limit=9)
    assert listed.blob == blob


async def test_one_that_no_session_names_can_be_deleted(store: Store):
    named, unnamed = (await put(store, b"1")).blob, (await put(store, b"2")).blob
    bobs = (await put(store, b"2", BOB)).blob
    chain = await session(store)
    await store.blobs.name(chain.session_id, ADA, [named.name])

    await over(store).delete(ADA, unnamed.name)

    for gone in (unnamed.name, MISSING, "sha256:none"):
        with pytest.raises(BlobNotFound):
            await over(store).delete(ADA, gone)
    assert await bytes_of(store, BOB, bobs) == b"2"
    with pytest.raises(BlobNamed):
        await over(store).delete(ADA, named.name)
    assert await bytes_of(store, ADA, named) == b"1"
    assert (await put(store, b"2")).is_new


async def test_who_is_forgotten_loses_what_no_session_names(store: Store):
    named, unnamed = (await put(store, b"1")).blob, (await put(store, b"2")).blob
    bobs = (await put(store, b"2", BOB)).blob
    chain = await session(store)
    await store.blobs.name(chain.session_id, ADA, [named.name])

    assert await store.blobs.forget_unnamed(ADA, 9) == 1

    assert await store.blobs.find(ADA, unnamed.name) is None
    assert await store.blobs.find(ADA, named.name) == named
    assert await bytes_of(store, BOB, bobs) == b"2"
    assert await store.blobs.forget_unnamed(ADA, 9) == 0


async def test_many_put_the_same_at_once_and_let_it_go(store: Store):
    chains = [await session(store) for _ in range(6)]

    async def live(chain: Chain) -> None:
        for _ in range(5):
            kept = await put(store)
            named = await store.blobs.name(chain.session_id, ADA, [NAME])
            if named:
                # From here on nobody takes it away.
                assert await bytes_of(store, ADA, kept.blob) == WORDS
                await store.blobs.let_go(chain.session_id, 9)

    await asyncio.gather(*map(live, chains))

    await sweep(store)
    assert await store.blobs.find(ADA, NAME) is None


async def test_an_app_stores_it_once_and_nothing_is_left_of_it(
    postgres_store: Store, database_url: str
):
    def stored() -> tuple[object, ...] | None:
        with psycopg.connect(database_url) as connection:
            return connection.execute(
                "select (select count(*) from blobs), (select count(*) from blob_chunks),"
                " (select count(*) from blob_holders), (select count(*) from blob_references)"
            ).fetchone()

    for owner in (ADA, BOB, BlobOwner("bank", "ada")):
        await put(postgres_store, bytes(CHUNK + 1), owner)
    await put(postgres_store, bytes(CHUNK + 1))

    assert stored() == (2, 4, 3, 0)
    await sweep(postgres_store)
    assert stored() == (0, 0, 0, 0)


async def test_bytes_that_have_changed_on_the_disk_are_not_given_out_as_whole(
    postgres_store: Store, database_url: str
):
    blob = (await put(postgres_store, bytes(2 * CHUNK))).blob
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "update blob_chunks set content = set_byte(content, 1, 1) where start = 0"
        )
    given = over(postgres_store).read(ADA, blob)

    assert len(await anext(given)) == CHUNK
    with pytest.raises(BlobDamaged):
        await anext(given)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("delete from blob_chunks where start > 0")
    with pytest.raises(BlobDamaged):
        await bytes_of(postgres_store, ADA, blob, start=CHUNK)


@pytest.mark.parametrize("name", ["", "sha256:", "sha256:" + "g" * 64, "SHA256:" + "a" * 64])
async def test_what_is_no_name_finds_nothing(store: Store, name: str):
    assert digest_of_blob(name) is None
    assert await store.blobs.find(ADA, name) is None
    assert await store.blobs.in_session(uuid4(), name) is None
    assert await store.blobs.name(uuid4(), ADA, [name]) == {}
