"""Access tokens in memory and on Postgres, and how every process comes to know them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from time import monotonic
from uuid import UUID, uuid4

import pytest

from application.errors import StoreUnavailable, TokenNotFound
from application.fan_out import FanOut, Signal
from application.ports.access.access_tokens import AccessToken, AccessTokens
from application.tokens import known as known_tokens
from application.tokens.known import KnownTokens
from application.tokens.manage import PREFIX, TokenRegistry, hash_of
from domain.errors import Invalid
from domain.principal import Principal, Right
from infrastructure.clock import SystemClock
from infrastructure.memory.access.access_tokens import MemoryAccessTokens
from infrastructure.postgres.access.access_tokens import PostgresAccessTokens
from infrastructure.postgres.connecting.database import Database
from infrastructure.postgres.store import open_store
from tests.support.sse import eventually

READ: frozenset[Right] = frozenset({"read"})
EVERYBODY = Principal(actor="somebody")


@pytest.fixture(params=["memory", "postgres"])
async def tokens(request: pytest.FixtureRequest) -> AsyncIterator[AccessTokens]:
    if request.param == "memory":
        yield MemoryAccessTokens(SystemClock())
        return
    database = Database(request.getfixturevalue("database_url"), readers=2)
    await database.open()
    yield PostgresAccessTokens(database)
    await database.close()


@pytest.fixture
def registry(tokens: AccessTokens) -> TokenRegistry:
    return TokenRegistry(tokens, SystemClock())


async def test_a_token_is_kept_by_its_hash_alone(tokens: AccessTokens, registry: TokenRegistry):
    assert await tokens.revision() == 0
    secret, kept = await registry.create(name="till", rights=READ, app="shop", user="ada")
    assert secret.startswith(PREFIX)
    assert len(secret) > 48
    assert await tokens.hashes() == [(hash_of(secret), (await tokens.hashes())[0][1])]
    assert secret not in repr(await tokens.all())
    assert (kept.name, kept.rights, kept.app, kept.user) == ("till", READ, "shop", "ada")
    assert (kept.expires_at, kept.expires_in, kept.last_used_at) == (None, None, None)


async def test_each_change_has_a_revision_of_its_own(tokens: AccessTokens, registry: TokenRegistry):
    _, first = await registry.create(name=None, rights=READ)
    _, second = await registry.create(name=None, rights=READ)
    assert await tokens.revision() == 2
    assert [one.token_id for one in await tokens.all()] == [first.token_id, second.token_id]
    assert await tokens.revoke(first.token_id)
    assert not await tokens.revoke(first.token_id)
    assert await tokens.revision() == 3
    assert [one.token_id for one in await registry.all(EVERYBODY)] == [second.token_id]
    with pytest.raises(TokenNotFound):
        await registry.revoke(first.token_id, EVERYBODY)


async def test_who_lists_tokens_is_shown_those_that_see_no_more_than_they(registry: TokenRegistry):
    for app, user in ((None, None), ("a", None), ("a", "ada"), ("a", "bob"), ("b", "ada")):
        await registry.create(name=f"{app} {user}", rights=READ, app=app, user=user)

    async def named(**sight: str) -> list[str]:
        return [one.name for one in await registry.all(Principal(actor="x", **sight))]

    assert len(await named()) == 5
    assert await named(app="a") == ["a None", "a ada", "a bob"]
    assert await named(app="a", user="ada") == ["a ada"]
    assert await named(app="c") == []
    (foreign,) = [one for one in await registry.all(EVERYBODY) if one.name == "a bob"]
    with pytest.raises(TokenNotFound):
        await registry.revoke(foreign.token_id, Principal(actor="x", app="a", user="ada"))
    assert len(await named()) == 5


async def test_what_has_run_out_is_listed_and_lets_nobody_in(
    tokens: AccessTokens, registry: TokenRegistry
):
    _, kept = await registry.create(name=None, rights=READ, lifetime=timedelta(microseconds=1))
    _, later = await registry.create(name=None, rights=READ, lifetime=timedelta(days=1))
    assert kept.expires_at is not None
    assert {one.token_id for one in await tokens.all()} == {kept.token_id, later.token_id}
    ((_, good),) = await tokens.hashes()
    assert good.token_id == later.token_id
    assert good.expires_in is not None
    assert timedelta(hours=23) < good.expires_in < timedelta(days=1)


async def test_use_is_noted_at_most_once_a_minute(tokens: AccessTokens, registry: TokenRegistry):
    _, kept = await registry.create(name=None, rights=READ)
    await tokens.used([kept.token_id, uuid4()])
    (first,) = await tokens.all()
    assert first.last_used_at is not None
    await tokens.used([kept.token_id])
    assert await tokens.all() == [first]


@pytest.mark.parametrize(
    ("how", "wrong"),
    [
        ({"rights": frozenset()}, "at least one right"),
        ({"rights": READ, "user": "ada"}, "name the app"),
        ({"rights": READ, "name": ""}, "blank"),
        ({"rights": READ, "name": "x" * 101}, "at most 100"),
        ({"rights": READ, "app": "a\n"}, "control"),
        ({"rights": READ, "app": "a", "user": "a\n"}, "control"),
        ({"rights": READ, "lifetime": timedelta(0)}, "at most"),
        ({"rights": READ, "lifetime": timedelta(days=3651)}, "at most"),
    ],
)
async def test_a_token_that_makes_no_sense_is_refused(
    tokens: AccessTokens, registry: TokenRegistry, how: dict[str, object], wrong: str
):
    with pytest.raises(Invalid, match=wrong):
        await registry.create(**{"name": None, **how})  # type: ignore[arg-type]
    assert await tokens.revision() == 0


async def test_a_process_knows_what_was_made_and_what_is_gone(
    tokens: AccessTokens, registry: TokenRegistry
):
    ended: list[str] = []
    known = KnownTokens(tokens, Signal(), lambda: ended.append("looked"))
    await known.start()
    try:
        assert not known.are_asked_for
        assert await known.principal("cairn_x") is None
        secret, kept = await registry.create(name="till", rights=READ, app="shop")
        await known.refresh()
        assert known.are_asked_for
        assert await known.principal(secret) == Principal(
            actor="till", rights=READ, app="shop", token_id=str(kept.token_id), is_named=True
        )
        assert known.is_good(str(kept.token_id))
        assert await known.principal(secret + "x") is None
        await registry.revoke(kept.token_id, EVERYBODY)
        await known.refresh()
        assert await known.principal(secret) is None
        assert not known.is_good(str(kept.token_id))
        # Whoever made one does not want to be open again.
        assert known.are_asked_for
        assert ended
    finally:
        await known.stop()


async def test_a_token_that_runs_out_while_it_is_known_lets_nobody_in_any_more(
    tokens: AccessTokens, registry: TokenRegistry, monkeypatch: pytest.MonkeyPatch
):
    secret, kept = await registry.create(name=None, rights=READ, lifetime=timedelta(days=1))
    known = KnownTokens(tokens, Signal())
    await known.start()
    try:
        assert await known.principal(secret) is not None
        assert known.is_good(str(kept.token_id))
        tomorrow = monotonic() + timedelta(days=1).total_seconds()
        monkeypatch.setattr(known_tokens, "monotonic", lambda: tomorrow)
        assert not known.is_good(str(kept.token_id))
        assert await known.principal(secret) is None
    finally:
        await known.stop()


async def test_another_process_hears_at_once_and_a_deaf_one_within_a_second(database_url: str):
    fan_out = FanOut()
    async with open_store(database_url, fan_out=fan_out) as here, open_store(database_url) as there:
        registry = TokenRegistry(PostgresAccessTokens(there.database), SystemClock())
        heard = KnownTokens(PostgresAccessTokens(here.database), fan_out.access)
        deaf = KnownTokens(PostgresAccessTokens(here.database), Signal())
        await heard.start()
        await deaf.start()
        try:
            secret, kept = await registry.create(name=None, rights=READ)
            for known in (heard, deaf):
                # A token that is not known yet is looked for.
                await eventually(
                    lambda known=known: known.is_good(str(kept.token_id)), "it is known"
                )
                assert await known.principal(secret) is not None
            rung = asyncio.create_task(fan_out.access.wait(20))
            await asyncio.sleep(0)
            await registry.revoke(kept.token_id, EVERYBODY)
            assert await rung
            for known in (heard, deaf):
                await eventually(
                    lambda known=known: not known.is_good(str(kept.token_id)), "it is gone"
                )
                assert await known.principal(secret) is None
        finally:
            await heard.stop()
            await deaf.stop()


async def test_a_slow_look_does_not_bring_back_a_token_that_was_revoked_meanwhile(
    tokens: AccessTokens, registry: TokenRegistry, monkeypatch: pytest.MonkeyPatch
):
    _, kept = await registry.create(name=None, rights=READ)
    known, read_hashes = KnownTokens(tokens, Signal()), tokens.hashes
    has_read, may_go_on = asyncio.Event(), asyncio.Event()

    async def slowly() -> Sequence[tuple[bytes, AccessToken]]:
        found = await read_hashes()
        has_read.set()
        await may_go_on.wait()
        return found

    monkeypatch.setattr(tokens, "hashes", slowly)
    slow = asyncio.create_task(known.refresh())
    await has_read.wait()
    monkeypatch.setattr(tokens, "hashes", read_hashes)
    await registry.revoke(kept.token_id, EVERYBODY)
    await known.refresh()
    assert not known.is_good(str(kept.token_id))
    may_go_on.set()
    await slow
    assert not known.is_good(str(kept.token_id))


async def test_a_token_is_known_at_once_wherever_it_was_made(
    tokens: AccessTokens, registry: TokenRegistry, monkeypatch: pytest.MonkeyPatch
):
    known, read_revision = KnownTokens(tokens, Signal()), tokens.revision
    await known.refresh()
    secret, _ = await registry.create(name=None, rights=READ)
    assert await known.principal(secret) is not None

    # The same while a look is under way that began before.
    has_read, may_go_on = asyncio.Event(), asyncio.Event()

    async def slowly() -> int:
        revision = await read_revision()
        has_read.set()
        await may_go_on.wait()
        return revision

    monkeypatch.setattr(tokens, "revision", slowly)
    slow = asyncio.create_task(known.refresh())
    await has_read.wait()
    monkeypatch.setattr(tokens, "revision", read_revision)
    secret, _ = await registry.create(name=None, rights=READ)
    asked = asyncio.create_task(known.principal(secret))
    may_go_on.set()
    await slow
    assert await asked is not None


async def test_tokens_that_nobody_knows_are_looked_for_together(
    tokens: AccessTokens, monkeypatch: pytest.MonkeyPatch
):
    known, read_revision, looks = KnownTokens(tokens, Signal()), tokens.revision, 0

    async def counted() -> int:
        nonlocal looks
        looks += 1
        return await read_revision()

    monkeypatch.setattr(tokens, "revision", counted)
    found = await asyncio.gather(*(known.principal(f"cairn_{one}") for one in range(50)))
    assert found == [None] * 50
    assert looks == 1
    assert await known.principal("of somebody else") is None
    assert looks == 1


async def test_the_last_use_is_noted_at_the_end(tokens: AccessTokens, registry: TokenRegistry):
    secret, _ = await registry.create(name=None, rights=READ)
    known = KnownTokens(tokens, Signal())
    await known.start()
    assert await known.principal(secret) is not None
    assert [one.last_used_at for one in await tokens.all()] == [None]
    await known.stop()
    assert [one.last_used_at is None for one in await tokens.all()] == [False]


async def test_a_process_that_cannot_ask_keeps_what_it_knows(
    registry: TokenRegistry, tokens: AccessTokens
):
    secret, kept = await registry.create(name=None, rights=READ)

    class Lost(MemoryAccessTokens):
        def __init__(self) -> None:
            self.lost = False

        async def revision(self) -> int:
            if self.lost:
                raise StoreUnavailable
            return await tokens.revision()

        async def hashes(self):
            return await tokens.hashes()

        async def used(self, token_ids: object) -> None:
            raise StoreUnavailable

    store = Lost()
    known = KnownTokens(store, Signal())
    await known.start()
    try:
        store.lost = True
        await known.refresh()
        found = await known.principal(secret)
        assert found is not None
        assert found.token_id == str(kept.token_id)
        assert UUID(found.token_id) == kept.token_id
    finally:
        await known.stop()
