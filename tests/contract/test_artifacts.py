"""Artifacts, in memory and on Postgres."""

import asyncio
from uuid import UUID, uuid4

import psycopg
import pytest

from application.errors import ArtifactsFull
from application.ports.session.artifacts import ArtifactDraft, ArtifactPlace
from application.ports.store import Store
from domain.errors import SessionNotFound
from tests.support.appends import Chain, row
from tests.support.locks import until_somebody_waits

MOST = 1_000_000
ABOUT = b'{"a":1}'


async def begun(store: Store, status: str = "idle") -> UUID:
    chain = Chain()
    await store.log.append(chain.next(1, row=row(status=status)))
    return chain.session_id


def draft(content: bytes = b"hello", media_type: str | None = "text/plain") -> ArtifactDraft:
    return ArtifactDraft(media_type, ABOUT, content)


def alone(owner: UUID) -> list[ArtifactPlace]:
    return [ArtifactPlace(owner)]


async def test_versions_are_counted_from_zero_and_come_back_as_they_were(store: Store):
    artifacts, session = store.artifacts, await begun(store)
    everything = bytes(range(256)) * 40

    first = await artifacts.save(session, alone(session), "a", draft(), MOST)
    second = await artifacts.save(session, alone(session), "a", draft(everything, None), MOST)
    other = await artifacts.save(session, alone(session), "dir/é", draft(b""), MOST)

    assert [one.version for one in (first, second, other)] == [0, 1, 0]
    assert await artifacts.load(alone(session), "a") == (second, everything)
    assert await artifacts.load(alone(session), "a", 0) == (first, b"hello")
    assert await artifacts.load(alone(session), "a", 2) is None
    assert await artifacts.load(alone(session), "none") is None
    assert await artifacts.versions(alone(session), "a") == [first, second]
    assert await artifacts.versions(alone(session), "none") == []
    assert (first.media_type, first.about, first.size) == ("text/plain", ABOUT, 5)
    assert first.created_at <= second.created_at


async def test_of_many_at_once_each_has_a_number_of_its_own(store: Store):
    session = await begun(store)
    made = await asyncio.gather(
        *(store.artifacts.save(session, alone(session), "a", draft(), MOST) for _ in range(12))
    )
    assert sorted(one.version for one in made) == list(range(12))


async def test_a_list_has_those_of_all_who_are_named_by_code_points(store: Store):
    session, user, stranger = await begun(store), uuid4(), uuid4()
    for owner, name in ((session, "b"), (session, "B"), (user, "user:u"), (stranger, "x")):
        await store.artifacts.save(session, alone(owner), name, draft(), MOST)
    await store.artifacts.save(session, alone(session), "b", draft(), MOST)
    assert await store.artifacts.names([*alone(session), *alone(user)]) == [
        "B",
        "b",
        "user:u",
    ]
    assert await store.artifacts.names([]) == []


async def test_what_is_taken_away_is_gone_and_its_name_begins_anew(store: Store):
    session = await begun(store)
    for _ in range(2):
        await store.artifacts.save(session, alone(session), "a", draft(), MOST)
    await store.artifacts.save(session, alone(session), "b", draft(), MOST)
    await store.artifacts.delete(session, alone(session), "a")
    await store.artifacts.delete(session, alone(session), "a")
    assert await store.artifacts.names(alone(session)) == ["b"]
    assert (await store.artifacts.save(session, alone(session), "a", draft(), MOST)).version == 0


async def text_of(store: Store, line: list[ArtifactPlace], name: str = "a") -> list[bytes]:
    """Return what is seen of each version of an artifact."""
    found = [
        await store.artifacts.load(line, name, one.version)
        for one in await store.artifacts.versions(line, name)
    ]
    return [content for _, content in filter(None, found)]


async def test_a_fork_sees_what_its_origin_had_by_then_and_goes_on_from_there(store: Store):
    artifacts, chain = store.artifacts, Chain()
    await store.log.append(chain.next(1, row=row()))
    origin, fork, next_fork = chain.session_id, await begun(store), await begun(store)
    of_origin = alone(origin)
    await artifacts.save(origin, of_origin, "a", draft(b"0"), MOST)
    await store.log.append(chain.next(1))
    await artifacts.save(origin, of_origin, "a", draft(b"1"), MOST)
    await artifacts.save(origin, of_origin, "later", draft(), MOST)
    of_fork = [ArtifactPlace(fork), ArtifactPlace(origin, 1)]
    assert await artifacts.names(of_fork) == ["a"]
    assert await text_of(store, of_fork) == [b"0"]

    made = await artifacts.save(fork, of_fork, "a", draft(b"of the fork"), MOST)
    assert made.version == 1
    assert await text_of(store, of_fork) == [b"0", b"of the fork"]
    assert await text_of(store, of_origin) == [b"0", b"1"]
    assert await artifacts.load(of_fork, "a") == (made, b"of the fork")
    # Whatever comes to the origin, the newest of the fork stays the newest.
    assert await text_of(store, [of_fork[0], *of_origin]) == [b"0", b"of the fork"]
    of_next = [ArtifactPlace(next_fork), ArtifactPlace(fork, 1), of_fork[1]]
    assert await text_of(store, of_next) == [b"0", b"of the fork"]
    assert await text_of(store, [of_next[0], ArtifactPlace(fork, 0), of_fork[1]]) == [b"0"]


async def test_what_a_fork_takes_away_is_gone_there_alone(store: Store):
    artifacts = store.artifacts
    origin, fork = await begun(store), await begun(store)
    of_origin = alone(origin)
    of_fork = [ArtifactPlace(fork), ArtifactPlace(origin, 1)]
    for name in ("a", "b"):
        await artifacts.save(origin, of_origin, name, draft(b"0"), MOST)
    await artifacts.save(fork, of_fork, "a", draft(b"1"), MOST)
    for _ in range(2):
        await artifacts.delete(fork, of_fork, "a")
    await artifacts.delete(fork, of_fork, "nothing")
    assert await artifacts.names(of_fork) == ["b"]
    assert await artifacts.load(of_fork, "a") is None
    assert await artifacts.load(of_fork, "a", 0) is None
    assert await artifacts.load(of_fork, "a", -1) is None
    assert await text_of(store, of_origin) == [b"0"]
    assert (await artifacts.save(fork, of_fork, "a", draft(b"anew"), MOST)).version == 0
    assert await text_of(store, of_fork) == [b"anew"]
    await artifacts.delete(origin, of_origin, "b")
    assert await artifacts.names(of_fork) == ["a"]
    assert await artifacts.names(of_origin) == ["a"]


async def test_an_owner_has_no_more_than_it_may(store: Store):
    session = await begun(store)
    each = 1024 + len(ABOUT) + 100
    for name in ("a", "b"):
        await store.artifacts.save(session, alone(session), name, draft(bytes(100)), 2 * each)
    with pytest.raises(ArtifactsFull):
        await store.artifacts.save(session, alone(session), "a", draft(b""), 2 * each)
    assert len(await store.artifacts.versions(alone(session), "a")) == 1
    await store.artifacts.delete(session, alone(session), "b")
    await store.artifacts.save(session, alone(session), "a", draft(bytes(100)), 2 * each)
    with pytest.raises(ArtifactsFull):
        await store.artifacts.save(session, alone(session), "a", draft(bytes(100)), 2 * each)


@pytest.mark.parametrize("status", ["deleted", "erased", None])
async def test_nothing_is_kept_of_a_session_that_is_gone(store: Store, status: str | None):
    session = uuid4() if status is None else await begun(store, status)
    with pytest.raises(SessionNotFound):
        await store.artifacts.save(session, alone(session), "a", draft(), MOST)
    assert await store.artifacts.names(alone(session)) == []


async def test_one_that_is_saved_while_its_session_is_erased_goes_with_it(
    postgres_store: Store, database_url: str
):
    store, chain = postgres_store, Chain()
    await store.log.append(chain.next(1, row=row()))
    session = chain.session_id
    with (
        psycopg.connect(database_url) as saving,
        psycopg.connect(database_url, autocommit=True) as other,
    ):
        saved = saving.execute(
            "select is_there from save_artifact_v1(%s, %s, '{null}', 'a', null, %s, %s, %s)",
            [session, [session], ABOUT, b"hello", MOST],
        ).fetchone()
        assert saved == (True,)
        erased = chain.next(["session.erased"], row=row(status="erased", deleted=True))
        erasing = asyncio.create_task(store.log.append(erased))
        await asyncio.to_thread(until_somebody_waits, database_url)
        assert not erasing.done()
        saving.commit()
        await erasing
        assert await store.artifacts.names(alone(session)) == ["a"]
        other.execute("select finish_erasure_v1(%s)", [session])
    assert await store.artifacts.names(alone(session)) == []
    with pytest.raises(SessionNotFound):
        await store.artifacts.save(session, alone(session), "a", draft(), MOST)
