"""The promises of `events.md`, kept by the real command path whatever is asked of it."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import get_args

import pytest
from hypothesis.stateful import run_state_machine_as_test

from application import handle
from application.ports import Store
from domain.session.commands import Command
from tests.property.effort import examples
from tests.property.sessions import Sessions
from tests.support.stores import open_postgres_store

Place = tuple[asyncio.AbstractEventLoop, Store]


@pytest.fixture(autouse=True)
def snapshots_are_kept_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handle, "_SNAPSHOT_EVERY", 4)


@pytest.fixture
def postgres(database_url: str) -> Iterator[Place]:
    loop = asyncio.new_event_loop()
    opened = open_postgres_store(database_url)
    yield loop, loop.run_until_complete(opened.__aenter__())
    loop.run_until_complete(opened.__aexit__(None, None, None))
    loop.close()


def run(machine: type[Sessions], percent: int, steps: int) -> Counter[str]:
    machine.seen = Counter()
    run_state_machine_as_test(machine, settings=examples(percent, steps=steps))
    return machine.seen


def test_in_memory():
    seen = run(Sessions, 150, 40)

    # It would prove nothing if nothing had happened.
    for command in get_args(Command):
        assert seen[f"{command.__name__} accepted"], command
    for what in (
        "replayed", "key reused", "StaleSequence", "race", "shared",
        "state moved on", "transcript moved on",
        "SessionNotFound", "SessionExists", "SessionStopped", "SessionDeleted", "Invalid",
        "TurnNotFound", "TurnInProgress", "MessageNotFound", "ToolCallNotOpen",
    ):  # fmt: skip
        assert seen[what], what


def test_in_memory_with_processes_that_lag_behind_each_other():
    class Lagging(Sessions):
        lagging = True

    assert run(Lagging, 30, 40)["transcript moved on"]


def test_on_postgres(postgres: Place):
    class OnPostgres(Sessions):
        place = postgres
        lagging = True

    assert run(OnPostgres, 8, 30)["state moved on"]
