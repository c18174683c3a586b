"""The promises of `events.md`, kept by the real command path whatever is asked of it."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis.stateful import run_state_machine_as_test

from application.commands.states import kept_states
from application.ports.store import Store
from domain.session import commands as c
from domain.session.declarations import RULES
from infrastructure.postgres.store import open_store
from tests.property.effort import attempts, examples
from tests.property.sessions import How, Sessions
from tests.support.strategies import COMMANDS

Place = tuple[asyncio.AbstractEventLoop, Store]


@pytest.fixture(autouse=True)
def snapshots_are_kept_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_states, "KEPT_EVERY", 4)


@pytest.fixture
def postgres(database_url: str) -> Iterator[Place]:
    loop = asyncio.new_event_loop()
    opened = open_store(database_url)
    yield loop, loop.run_until_complete(opened.__aenter__())
    loop.run_until_complete(opened.__aexit__(None, None, None))
    loop.close()


def run(machine: type[Sessions], percent: int, steps: int, *wanted: str) -> Counter[str]:
    """Run a machine until it has met all that is wanted, and return how often it met what."""
    machine.seen = Counter()
    for _ in attempts(machine, lambda: all(machine.seen[what] for what in wanted)):
        run_state_machine_as_test(machine, settings=examples(percent, steps=steps))
    return machine.seen


def play(machine: type[Sessions], kind: type, percent: int, *wanted: str) -> Counter[str]:
    """Play the scene of a command a few times, each time with fresh sessions, like `run`."""
    machine.seen = Counter()

    @examples(percent)
    @given(COMMANDS[kind])
    def once(command: Any) -> None:
        sessions = machine()
        sessions.begin_plainly()
        # The third session is there for those who begin one.
        at = 2 if kind is c.CreateSession else 0
        sessions.play(at, command, How())
        sessions.everything_is_as_it_must_be()
        sessions.teardown()

    for _ in attempts(once, lambda: all(machine.seen[what] for what in wanted)):
        once()
    return machine.seen


def good_end(kind: type) -> str:
    # The logs of the machine are whole: a repair finds nothing to close in them.
    return f"{kind.__name__} {'already so' if kind is c.RepairSession else 'accepted'}"


@pytest.mark.parametrize("kind", COMMANDS, ids=lambda kind: kind.__name__)
def test_every_command_is_accepted_and_comes_to_what_it_must(kind: type):
    end = good_end(kind)
    assert play(Sessions, kind, 10, end)[end]


@pytest.mark.parametrize(
    ("kind", "refusal", "percent"),
    [(c.RecordActivity, "ToolCallNotOpen", 60), (c.AddSummary, "MessageNotFound", 30)],
    ids=["the return of a call that is not open", "a summary up to a message that is not there"],
)
def test_what_names_a_thing_that_is_not_there_is_refused(kind: type, refusal: str, percent: int):
    """Too rare among all commands to be sure of, so it has a scene of its own."""
    assert play(Sessions, kind, percent, refusal)[refusal]


# It would prove nothing if nothing of this had happened.
MUST_HAPPEN = (
    "replayed", "key reused", "StaleSequence", "race", "shared",
    "PatchScope accepted", "PatchScope already so", "PatchScope refused",
    "race for shared keys",
    "state moved on", "transcript moved on",
    "SessionNotFound", "SessionExists", "SessionIsStopped", "SessionIsDeleted", "Invalid",
    "TurnNotFound", "TurnInProgress",
)  # fmt: skip


def test_in_memory():
    class InMemory(Sessions):
        pass

    seen = run(InMemory, 60, 40, *MUST_HAPPEN)

    for command in RULES:
        name = command.__name__
        ends = [f"{name} {end}" for end in ("accepted", "already so", "refused")]
        if not any(seen[end] for end in ends):
            # Chance leaves one of so many out now and then: it gets a scene of its own.
            seen.update(play(Sessions, command, 10))
        assert any(seen[end] for end in ends), name
    assert not [what for what in MUST_HAPPEN if not seen[what]]


def test_in_memory_with_processes_that_lag_behind_each_other():
    class Lagging(Sessions):
        lagging = True

    wanted = "transcript moved on"
    assert run(Lagging, 20, 40, wanted)[wanted]


def test_on_postgres(postgres: Place):
    class OnPostgres(Sessions):
        place = postgres
        lagging = True

    assert run(OnPostgres, 16, 30, "state moved on")["state moved on"]


def test_every_command_is_accepted_on_postgres(postgres: Place):
    class OnPostgres(Sessions):
        place = postgres

    for kind in COMMANDS:
        end = good_end(kind)
        assert play(OnPostgres, kind, 4, end)[end], kind
