"""Records that this and earlier versions have written, and what they are read as.

`golden/records` has one record for each stored version of each event, and where its optional fields
came later one more (`-grown`). A record that was written once never changes, so a file here never
does: what writes differently is a new version, and gets a new file.
"""

from dataclasses import fields
from pathlib import Path

import pytest

from application.ports.log.events import Envelope, StoredEvent
from domain.log.catalogue import NAMES
from domain.session.events import Recorded, SessionCreated, SessionEvent
from domain.values import Agent, Owner
from infrastructure.records.codec import JsonCodec
from infrastructure.records.upcasters import _STEPS, upcast
from tests.support.builders import EVENT_ID, GROWN, NOON, SAMPLES, SESSION_ID

RECORDS = Path(__file__).parent / "golden" / "records"
CODEC = JsonCodec()
ENVELOPE = Envelope(EVENT_ID, NOON, "user:ada", "http", "t1", "request-1", "key-1")

CURRENT: dict[str, SessionEvent] = {
    "{}.v{}".format(*NAMES[type(event)]): event for event in SAMPLES
} | {"{}.v{}-grown".format(*NAMES[type(event)]): event for event in GROWN}
OLDER: dict[str, SessionEvent] = {
    "session.created.v1": SessionCreated(
        owner=Owner(app="console", user="ada", workspace="w1", team="core", scope="private"),
        title="Fix the build",
        tags=("urgent", "ci"),
        agent=Agent(name="coder", provider="acme", model="m-1", reasoning_effort="high"),
        state={"branch": "main", "app:motd": "hi"},
        metadata={"ticket": "C-7"},
    ),
}


def record_of(name: str) -> bytes:
    return (RECORDS / f"{name}.json").read_bytes().removesuffix(b"\n")


def test_there_is_a_record_of_every_version_of_every_event():
    every = {f"{name}.v{v}" for name, newest in NAMES.values() for v in range(1, newest + 1)}

    found = {name.removesuffix("-grown") for name in CURRENT} | OLDER.keys()

    assert every - found == set(), "write its record into tests/unit/golden/records"
    assert found <= every
    assert {path.stem for path in RECORDS.iterdir()} == CURRENT.keys() | OLDER.keys()


@pytest.mark.parametrize("kind", NAMES, ids=lambda kind: kind.__name__)
def test_every_field_of_an_event_is_in_a_record(kind):
    mine = [event for event in CURRENT.values() if type(event) is kind]

    for field in fields(kind):
        assert any(getattr(event, field.name) is not None for event in mine), field.name


@pytest.mark.parametrize("name", [*CURRENT, *OLDER])
def test_a_record_of_any_version_is_read_as_the_event_it_stands_for(name):
    stored = StoredEvent(SESSION_ID, 3, 30, name.rpartition(".")[0], record_of(name), b"")

    assert CODEC.decode(stored) == Recorded(3, NOON, (CURRENT | OLDER)[name], "t1", "user:ada")


@pytest.mark.parametrize("name", CURRENT)
def test_an_event_is_written_as_it_always_was(name):
    stored_name, record = CODEC.encode(CURRENT[name], ENVELOPE)

    assert (stored_name, record) == (name.rpartition(".")[0], record_of(name))


def test_every_older_version_has_a_step_to_the_next():
    older = {(name, v) for name, newest in NAMES.values() for v in range(1, newest)}

    assert set(_STEPS) == older


def test_a_creation_of_version_1_gets_its_owner_together():
    data = {"app": "a", "user": "u", "team": "t", "title": "T"}

    assert upcast("session.created", 1, data, 2) == {
        "owner": {"app": "a", "user": "u", "team": "t"},
        "title": "T",
    }


def test_the_newest_version_is_left_as_it_is():
    assert upcast("session.created", 2, {"owner": {}}, 2) == {"owner": {}}
