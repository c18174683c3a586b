"""Which blobs a command or an event names, wherever it says something."""

import asyncio
from dataclasses import fields, is_dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any, get_args, get_type_hints

import pytest

from application.commands.request import Idempotency, Request
from application.errors import BlobMissing
from application.ports.blobs.blob import BlobOwner
from domain import blobs
from domain.blobs import NamedBlobs, blob_name, named_blobs
from domain.errors import TurnNotFound
from domain.session import commands, events
from domain.session.commands import (
    AddMessage,
    NewInput,
    QueueInputs,
    RecordActivity,
    RewindConversation,
)
from domain.session.events import AgentMessage, ToolReturned
from tests.support.builders import OWNER, SESSION_ID
from tests.support.in_memory_app import InMemoryApp

NAMES = [blob_name(bytes([n]) * 32) for n in range(5)]


def image(name: object, **rest: object) -> dict[str, object]:
    return {"type": "image", "blob": name, **rest}


def test_what_must_be_there_and_what_may() -> None:
    said = AddMessage(
        message_id="m",
        role="user",
        parts=(
            image(NAMES[0]),
            {"type": "file", "blob": NAMES[1]},
            {"type": "hologram", "blob": NAMES[2]},
            {"type": "tool_result", "tool_call_id": "c", "output": [image(NAMES[3]), "x", None]},
            image(NAMES[4], url="https://a.example"),
        ),
    )

    assert named_blobs(said) == NamedBlobs(frozenset(NAMES[:2]), frozenset(NAMES[2:]))


def test_what_is_no_name_names_nothing() -> None:
    for wrong in (None, 1, "", "sha256:", NAMES[0].upper(), NAMES[0] + "0", [NAMES[0]]):
        said = AddMessage(message_id="m", role="user", parts=(image(wrong),))
        assert named_blobs(said).all == frozenset()
    returned = ToolReturned(tool_call_id="c", output=NAMES[0])
    assert named_blobs(RecordActivity(turn_id="t", events=(returned,))).all == frozenset()
    assert named_blobs(RewindConversation(to=1, messages=3)).all == frozenset()


def test_what_is_within_something_else() -> None:
    new = NewInput(input_id="i", message_id="m", parts=(image(NAMES[0]),))
    assert named_blobs(QueueInputs(inputs=(new,))).required == {NAMES[0]}
    activity = RecordActivity(
        turn_id="t",
        events=(
            AgentMessage(parts=(image(NAMES[1]),)),
            ToolReturned(tool_call_id="c", output={"content": [image(NAMES[2])]}),
        ),
    )
    assert named_blobs(activity) == NamedBlobs(frozenset({NAMES[1]}), frozenset({NAMES[2]}))


def test_every_place_of_parts_is_looked_into() -> None:
    """A new command or event that has parts, or has what has them, is looked into as well."""
    known = {*blobs._SAID, *blobs._NESTED}

    def has_parts(hint: Any) -> bool:
        if is_dataclass(hint):
            # By the name: other objects have the same type.
            within = get_type_hints(hint).items()
            return any(name == "parts" or has_parts(one) for name, one in within)
        return any(map(has_parts, get_args(hint)))

    looked = 0
    for module in (commands, events):
        for kind in filter(is_dataclass, vars(module).values()):
            hints = get_type_hints(kind)
            for one in fields(kind):
                if one.name == "parts" or has_parts(hints[one.name]):
                    looked += 1
                    assert one.name in known, f"{kind.__name__}.{one.name}"
    assert looked > 10


async def test_what_was_done_while_it_was_there_stays_done() -> None:
    app = InMemoryApp()
    await app.create()
    owner, content = BlobOwner(OWNER.app, OWNER.user), b"stone"
    upload = await app.store.blobs.begin(owner.app)
    await app.store.blobs.add(upload, 0, content)
    kept = await app.store.blobs.keep(upload, owner, sha256(content).digest(), 5, "a/b")
    said = AddMessage(message_id="m", role="user", parts=(image(kept.blob.name),))
    key = Idempotency(scope=SESSION_ID, key="k", fingerprint=b"f")
    first = await app.handler.handle(Request(SESSION_ID, said, "user:ada", idempotency=key))
    assert await app.store.blobs.let_go(SESSION_ID, 9) == 1

    again = await app.handler.handle(Request(SESSION_ID, said, "user:ada", idempotency=key))

    assert (again.sequence, again.replayed) == (first.sequence, True)
    other = AddMessage(message_id="n", role="user", parts=(image(kept.blob.name),))
    with pytest.raises(BlobMissing):
        await app.do(other)


async def test_what_a_refused_command_named_is_in_doubt_until_a_sweep_frees_it() -> None:
    app = InMemoryApp()
    await app.create()
    owner, content = BlobOwner(OWNER.app, OWNER.user), b"stone"
    upload = await app.store.blobs.begin(owner.app)
    await app.store.blobs.add(upload, 0, content)
    kept = await app.store.blobs.keep(upload, owner, sha256(content).digest(), 5, "a/b")
    event = AgentMessage(parts=(image(kept.blob.name),))

    with pytest.raises(TurnNotFound):
        await app.do(RecordActivity(turn_id="never", events=(event,)))
    await asyncio.sleep(0)  # what nobody waits for

    app.clock.pass_time(hours=1)
    assert await app.store.blobs.sweep(timedelta(minutes=1), timedelta(minutes=1), 9) == 1
    assert await app.store.blobs.find(owner, kept.blob.name) is None
