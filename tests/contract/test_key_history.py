"""The history of a key, in the form in which readers see it, on every store."""

from application.ports.session.shared_state import KeyWrite
from application.ports.store import Store
from application.reads.key_history import Write, own_write, writes_to_shared
from tests.support.appends import Chain, at


async def own_writes(
    store: Store, chain: Chain, *, before: int | None = None, limit: int
) -> list[Write]:
    events = await store.log.key_writes(chain.session_id, "k", before=before, limit=limit)
    found = [own_write(event, "k", store.codec) for event in events]
    return [one for one in found if one is not None]


async def test_every_event_that_writes_a_key_is_a_write(store: Store) -> None:
    chain = Chain()

    async def write(name: str, data: dict[str, object]) -> None:
        await store.log.append(chain.next([name], data=data))

    await write("session.created", {"state": {"k": None, "x": 1}})
    await write("state.patched", {"set": {"k": {"n": 0.5}}, "delete": ["x"]})
    await write("state.patched", {"delete": ["k"]})
    await write("conversation.rewound", {"to": 2, "epoch": 1, "set": {"k": {"n": 0.5}}})
    await write("conversation.rewound", {"to": 1, "epoch": 2, "delete": ["k"]})
    await write("message.added", {"set": {"k": 9}})

    writes = await own_writes(store, chain, limit=9)
    assert [(one.sequence, one.deleted, one.value) for one in writes] == [
        (5, True, None), (4, False, {"n": 0.5}), (3, True, None), (2, False, {"n": 0.5}),
        (1, False, None),
    ]  # fmt: skip
    assert {one.session_id for one in writes} == {chain.session_id}
    assert [one.position for one in writes] == [5, 4, 3, 2, 1]
    stored = {event.sequence: event for event in await store.log.read(chain.session_id, limit=9)}
    for one in writes:
        record = store.codec.from_json(stored[one.sequence].record)
        assert (one.at, one.actor) == (record["at"], record["actor"])
    older = await own_writes(store, chain, before=4, limit=2)
    assert [one.sequence for one in older] == [3, 2]


async def test_shared_writes_have_the_same_form(store: Store) -> None:
    session_id = Chain().session_id
    found = [
        KeyWrite(7, session_id, 3, None, at(2), "user:ada"),
        KeyWrite(5, session_id, 2, b'{"a":[1]}', at(1), "user:bob", "bob"),
    ]

    gone, there = writes_to_shared(found, store.codec)
    assert gone == (True, None, at(2), "user:ada", session_id, 3, 7, None)
    assert there == (False, {"a": [1]}, at(1), "user:bob", session_id, 2, 5, "bob")
