"""All that follows from the log is made anew, compared, and put in its place."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from api.composition.database import open_read_models
from application.errors import StoreUnavailable
from application.ports.read_models.progress import Difference, RebuildRuns
from application.projections.read_models import Rebuilding, Rebuilt, StillDifferent
from domain.timers import Timers
from tests.support.api import HELLO, Api, done
from tests.support.in_process import said_by
from tests.support.postgres import Server
from tests.support.server import running

LONG = 600
"""Events of a session that has a kept state."""


def rebuild(url: str, *, verify: bool = False, between: Callable[[], object] = int) -> Rebuilt:
    """Run it to its end; something may happen after each of its steps."""

    async def run() -> Rebuilt:
        async with open_read_models(url, Timers()) as read_models:
            async for step in read_models.run(verify=verify):
                if not isinstance(step, Rebuilding):
                    return step
                await asyncio.to_thread(between)
        raise AssertionError

    return asyncio.run(run())


def differences(url: str) -> list[Difference]:
    return list(rebuild(url, verify=True).differences)


@pytest.fixture(scope="module")
def lived_in(postgres_server: Server) -> Any:
    """A store in which something of everything has happened."""
    with postgres_server.database() as url:
        with running(url, auth_token_file=None) as base:
            api = Api(base)
            fill(api)
            api.close()
        yield url


def fill(api: Api) -> None:
    session = api.create(state={"k": 1, "app:theme": "dark"}, title="One", metadata={"a": "b"})
    session.say(id="first")
    session.patch("/state", {"set": {"k": 2, "user:name": "Ada", "app:n": 1}, "delete": ["k"]})
    session.start()
    call = {"tool_call_id": "c1", "name": "grep", "input": {"q": "x"}}
    session.record(("agent.message", {"parts": HELLO}), ("tool.called", call))
    session.complete()
    session.patch("", {"title": "Two", "tags": ["a", "b"]})
    fork = done(session.post("/fork", {"title": "Fork"}), 201)["session"]["id"]
    done(api.post(f"/v1/sessions/{fork}/messages", {"role": "user", "parts": HELLO}), 201)
    done(session.post("/stop", {}))
    running_one = api.create()
    running_one.start()
    running_one.record(("tool.called", call))
    done(api.create().delete())
    owner = {"app": session.document()["app"], "user": session.document()["user"]}
    done(api.patch(f"/v1/apps/{owner['app']}/state", {"set": {"app:own": [1, 2], "app:n": 2}}))
    done(api.patch(f"/v1/apps/{owner['app']}/state", {"delete": ["app:own"]}))
    done(api.get("/v1/audit/events"))
    long = api.create()
    long.start()
    for _ in range(LONG // 100):
        events = [{"type": "agent.message", "data": {"parts": HELLO}}] * 100
        done(long.post("/turns/t1/events", {"events": events}))


def test_what_a_server_has_written_is_what_the_log_says(lived_in: str) -> None:
    verified = rebuild(lived_in, verify=True)

    assert list(verified.differences) == []
    assert verified.events >= rows(lived_in, "select head from log_head")[0][0]
    assert rows(lived_in, "select count(*) from snapshots") != [(0,)]
    again = rebuild(lived_in)
    assert (list(again.differences), again.changed) == ([], 0)
    assert (
        rows(lived_in, "select 1 from rebuilt_sessions union select 1 from rebuilt_history") == []
    )


DAMAGE = {
    "others": (
        "update sessions set title = 'Other' where title = 'Two'",
        "update shared_state set value = '1' where key = 'app:n'",
        "update shared_state_history set value = '1' where key = 'app:theme'",
    ),
    "gone": (
        "delete from sessions where title = 'Two'",
        "delete from shared_state where key = 'app:theme'",
        "delete from shared_state_history where key = 'app:own'",
    ),
    "too many": (
        """insert into sessions select (json_populate_record(s, json_build_object(
             'session_id', gen_random_uuid(), 'external_id', null))).*
           from sessions as s where title = 'Two'""",
        """insert into shared_state select scope_id, 'app:z', value, position
           from shared_state where key = 'app:n'""",
        """insert into shared_state_history select scope_id, key, 2, value, session_id, sequence
           from shared_state_history where key = 'app:theme'""",
    ),
    "documents and versions": (
        "update sessions set doc = '{}' where title = 'Two'",
        "update shared_scopes set version = version + 1",
    ),
    "heads": (
        "update sessions set sequence = 3 where title = 'Two'",
        "update sessions set updated_at = now(), num_messages = 99 where title = 'Fork'",
    ),
}
READ_MODELS = ("sessions", "shared_state", "shared_state_history", "shared_scopes")
A_TITLE = DAMAGE["others"][0]
LIVE = (
    "select to_jsonb(s) - 'due_at' from sessions as s order by 1",
    "select * from shared_state order by 1, 2",
    "select * from shared_state_history order by 1, 2, 3",
    "select * from shared_scopes order by 1",
    "select session_id, sequence from snapshots order by 1, 2",
)


def live(url: str) -> list[Any]:
    return [rows(url, statement) for statement in LIVE]


@pytest.mark.parametrize("what", DAMAGE)
def test_what_was_damaged_is_found_and_mended(lived_in: str, what: str) -> None:
    before = live(lived_in)
    touched: set[str] = set()
    for damage in DAMAGE[what]:
        damaged = live(lived_in)
        execute(lived_in, damage)
        assert live(lived_in) != damaged
        touched.add(next(word for word in damage.split() if word in READ_MODELS))
    damaged = live(lived_in)

    found = differences(lived_in)
    assert touched <= {one.read_model for one in found}
    # To look changes nothing.
    assert live(lived_in) == damaged
    rebuilt = rebuild(lived_in)
    assert list(rebuilt.differences) == found
    assert rebuilt.changed > 0
    assert live(lived_in) == before


@pytest.mark.parametrize("wrong", ["80", "ff"], ids=["of nothing", "that cannot be read"])
def test_a_kept_state_that_is_wrong_is_found_and_mended(lived_in: str, wrong: str) -> None:
    newest = "where sequence = (select max(sequence) from snapshots)"
    (before,) = rows(lived_in, f"select state from snapshots {newest}")
    execute(lived_in, f"update snapshots set state = '\\x{wrong}' {newest}")

    (found,) = differences(lived_in)
    assert (found.read_model, "kept state" in found.detail) == ("snapshots", True)
    assert rebuild(lived_in).changed == 1
    assert differences(lived_in) == []
    assert rows(lived_in, f"select state from snapshots {newest}") == [before]
    # It would outlive an erasure.
    assert rows(lived_in, "select 1 from rebuilt_snapshots") == []


def test_a_row_of_an_older_release_is_no_fault_and_is_made_anew(lived_in: str) -> None:
    before = live(lived_in)
    execute(
        lived_in,
        "update sessions set title = 'Old', projected_with = projected_with - 1"
        " where title = 'Two'",
    )

    assert differences(lived_in) == []
    assert rebuild(lived_in).changed == 1
    assert live(lived_in) == before


def test_a_session_that_is_held_waits_for_no_clock_when_its_row_was_mended(lived_in: str) -> None:
    running_one = "where turn_id is not null and due_at is not null"
    assert rows(lived_in, f"select 1 from sessions {running_one}")
    execute(
        lived_in,
        "update sessions set held = 'quarantine', due_at = null, num_messages = 99, tags = '{held}'"
        f" where session_id = (select session_id from sessions {running_one} limit 1)",
    )
    held = "select due_at, num_messages from sessions where held = 'quarantine'"
    try:
        rebuild(lived_in)
        ((due, messages),) = rows(lived_in, held)
        assert (due, messages != 99) == (None, True)
    finally:
        execute(lived_in, "update sessions set held = null where held = 'quarantine'")
        rebuild(lived_in)


def test_a_database_that_is_lost_is_said_to_be(lived_in: str) -> None:
    ended = (
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where application_name = 'cairn rebuild' and datname = current_database()"
    )

    with pytest.raises(StoreUnavailable):
        rebuild(lived_in, verify=True, between=lambda: rows(lived_in, ended))
    assert differences(lived_in) == []


def test_it_is_equal_at_its_end_whatever_was_written_meanwhile(database_url: str) -> None:
    with running(database_url) as base:
        api = Api(base)
        fill(api)
        sessions = [api.create() for _ in range(3)]
        execute(database_url, "update sessions set title = 'Wrong'")
        count = 0

        def write() -> None:
            nonlocal count
            count += 1
            sessions[0].say(f"m{count}")
            sessions[1].patch("/state", {"set": {"app:n": count, "user:name": str(count)}})
            api.create(title=f"New {count}")

        rebuilt = rebuild(database_url, between=write)
        assert count > 1
        assert {one.read_model for one in rebuilt.differences} == {"sessions"}
        assert rows(database_url, "select count(*) from sessions where title = 'Wrong'") == [(0,)]
        write()
        assert list(rebuild(database_url, verify=True, between=write).differences) == []
        api.close()


class Killed(BaseException):
    """As good as a kill: nothing is cleared up but the connection."""


@pytest.mark.parametrize("steps", [2, 6])
def test_ended_in_the_middle_it_goes_on_where_it_was(
    lived_in: str, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("application.projections.read_models._PUT_AT", 1)
    monkeypatch.setattr("infrastructure.postgres.log.read_models._EVENTS", 7)
    before = live(lived_in)
    execute(lived_in, A_TITLE)
    left = steps

    def die() -> None:
        nonlocal left
        left -= 1
        if not left:
            raise Killed

    with pytest.raises(Killed):
        rebuild(lived_in, between=die)
    ((reached,),) = rows(lived_in, "select events from rebuild_progress")
    assert reached <= LONG + 100
    # A long log is read in many pages, and its state is the same.
    rebuilt = rebuild(lived_in)
    assert rebuilt.changed == 1
    assert live(lived_in) == before


def test_what_another_release_has_begun_begins_anew(
    lived_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("application.projections.read_models._PUT_AT", 1)
    monkeypatch.setattr("infrastructure.postgres.log.read_models._EVENTS", 7)
    before = live(lived_in)
    execute(lived_in, A_TITLE)
    left = 3

    def die() -> None:
        nonlocal left
        left -= 1
        if not left:
            raise Killed

    with monkeypatch.context() as other:
        other.setattr("application.projections.read_models._PROGRAM", "another")
        with pytest.raises(Killed):
            rebuild(lived_in, between=die)
    # What it has put in may be of another shape.
    wrong = "update rebuilt_sessions set title = 'of another release' returning 1"
    assert rows(lived_in, wrong)

    rebuild(lived_in)

    assert live(lived_in) == before


def test_what_cannot_be_put_right_is_told_and_nothing_is_changed(lived_in: str) -> None:
    execute(lived_in, A_TITLE)
    before = live(lived_in)
    execute(
        lived_in,
        """create function spoil() returns trigger language plpgsql as $$
        begin new.title := 'Spoiled'; return new; end $$;
        create trigger spoil before insert or update on sessions
        for each row execute function spoil()""",
    )
    try:
        with pytest.raises(StillDifferent, match="title"):
            rebuild(lived_in)
        assert live(lived_in) == before
    finally:
        execute(lived_in, "drop trigger spoil on sessions; drop function spoil()")
    rebuild(lived_in)
    assert differences(lived_in) == []


def test_another_one_is_refused_meanwhile(lived_in: str) -> None:
    def another() -> None:
        with pytest.raises(RebuildRuns):
            rebuild(lived_in)

    assert list(rebuild(lived_in, verify=True, between=another).differences) == []


ERASE = """
update events set erased_hash = sha256(state), state = erased_record_v1(topic, state)
where originator_id = (select session_id from sessions where title = 'Two')
"""


def test_what_is_erased_meanwhile_does_not_come_back(database_url: str) -> None:
    with running(database_url) as base:
        api = Api(base)
        fill(api)
        api.close()

    def erase() -> None:
        if rows(database_url, "select 1 from events where erased_hash is not null"):
            return
        execute(database_url, ERASE)
        execute(database_url, "delete from shared_state_history where key = 'user:name'")
        execute(database_url, "update shared_state set value = null where key = 'user:name'")
        execute(database_url, "update sessions set doc = '{}' where title = 'Two'")

    rebuilt = rebuild(database_url, between=erase)

    assert rows(database_url, "select doc from sessions where title = 'Two'") == [("{}",)]
    assert "user:name" not in str(rows(database_url, LIVE[2]))
    assert {one.read_model for one in rebuilt.differences} <= {"shared_state", "shared_scopes"}


def test_a_log_that_is_damaged_leaves_its_row_as_it_is(database_url: str) -> None:
    with running(database_url) as base:
        api = Api(base)
        fill(api)
        api.close()
    execute(
        database_url,
        "alter table events disable trigger user;"
        "update events set state = 'nothing' where originator_version = 2 and originator_id ="
        " (select session_id from sessions where title = 'Two');"
        "alter table events enable trigger user",
    )
    before = live(database_url)

    assert differences(database_url) == []
    assert rebuild(database_url).changed == 0
    assert live(database_url) == before


def test_the_command_says_what_it_came_to(
    lived_in: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAIRN_DATABASE_URL", lived_in)

    def said(*arguments: str) -> tuple[int, str]:
        return said_by(capsys, "rebuild", *arguments)[:2]

    assert said("--verify")[0] == 0
    execute(lived_in, A_TITLE)
    code, output = said("--verify")
    assert (code, output.count("another title")) == (1, 1)
    code, output = said("--verify", "--json")
    assert (code, json.loads(output)["ok"]) == (1, False)
    code, output = said("--json")
    assert code == 0
    assert (json.loads(output)["ok"], json.loads(output)["changed"]) == (False, 1)
    assert said("--verify", "--json")[0] == 0


def rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement).fetchall()  # type: ignore[call-overload,no-any-return]


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(statement)  # type: ignore[call-overload]


def test_what_was_erased_stays_erased(database_url: str) -> None:
    with running(database_url) as base:
        api = Api(base)
        fill(api)
        for (session_id,) in rows(
            database_url, "select session_id from sessions where title = 'Two'"
        ):
            done(api.post(f"/v1/sessions/{session_id}/erase", {"reason": "asked for"}))
        api.close()
    before = live(database_url)

    assert differences(database_url) == []
    assert rebuild(database_url).changed == 0
    assert live(database_url) == before
