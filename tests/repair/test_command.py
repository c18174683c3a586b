"""`cairn repair` of live sessions: what it is asked is done, and no more, and its status says how.

The sessions of a list are looked at one by one, whatever becomes of one of them.
"""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from api.cli.json_client import JsonClient
from api.cli.repairing import repair
from tests.repair.damage import Damage, crashed, left_open
from tests.support.api import Api, SessionApi, done
from tests.support.in_process import status_of

Damaging = Callable[[SessionApi], Damage]


@pytest.fixture(scope="module")
def api(shared_api: Api) -> Api:
    return shared_api


@pytest.fixture
def damage(shared_url: str) -> Damaging:
    return lambda session: Damage(shared_url, session)


def cairn(api: Api, *arguments: str) -> int:
    return status_of("repair", *arguments, "--url", api.base_url)


def test_a_dry_run_appends_nothing(api: Api, open_session: SessionApi) -> None:
    with open_session.nothing_recorded():
        assert cairn(api, open_session.id, "--dry-run") == 1
        assert cairn(api, "--all", "--app", open_session.app, "--dry-run") == 1


def test_force_is_passed_on(api: Api, damage: Damaging) -> None:
    session = api.create()
    session.start("t1")
    done(session.post("/stop"))
    damage(session).hole(3)

    with session.nothing_recorded():
        assert cairn(api, session.id) == 1
    assert cairn(api, session.id, "--force") == 0
    assert session.types()[-1] == "session.repaired"


def test_the_scope_is_passed_on(
    api: Api, damage: Damaging, capsys: pytest.CaptureFixture[str]
) -> None:
    session = api.create()
    for turn in ("t1", "t2"):
        session.start(turn)
        session.complete(turn, stop_reason="end_turn")
    done(session.post("/stop", {"cause": "process_exited"}))
    ends = [number for number, name in enumerate(session.types(), 1) if name == "turn.completed"]
    for sequence in ends:
        damage(session).hole(sequence)

    def closed(*arguments: str) -> list[str]:
        cairn(api, session.id, "--json", *arguments)
        report = json.loads(capsys.readouterr().out)
        return [action["turn_id"] for action in report["actions"]]

    assert closed("--dry-run") == ["t2"]
    assert closed("--dry-run", "--scope", "all") == ["t1", "t2"]
    assert closed("--scope", "all") == ["t1", "t2"]
    assert closed("--scope", "all") == []


def test_all_of_a_list_are_repaired_and_the_status_is_that_of_the_worst(
    api: Api,
    damage: Damaging,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(repair, "_PAGE", 1)
    app = uuid4().hex
    bad = api.create(app=app)
    bad.say()
    damage(bad).record(2, b"not json")
    opened = [open_in(api, damage, app) for _ in range(2)]
    fine = api.create(app=app)
    elsewhere = left_open(damage(crashed(api)))

    before = elsewhere.head

    assert cairn(api, "--all", "--app", app) == 1
    assert elsewhere.head == before

    lines = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines] == [bad.id, *(one.id for one in opened), fine.id]
    assert [line[1].partition(":")[0] for line in lines] == [
        "blocked", "repaired", "repaired", "nothing wrong",
    ]  # fmt: skip
    for one in opened:
        assert one.types()[-1] == "session.repaired"


def test_one_that_cannot_be_looked_at_keeps_no_other_from_being_repaired(
    api: Api,
    damage: Damaging,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = uuid4().hex
    gone, opened = api.create(app=app), open_in(api, damage, app)
    ask = JsonClient.ask

    def deleted_meanwhile(client: JsonClient, method: str, path: str, *more: Any) -> Any:
        if path == f"/v1/sessions/{gone.id}/repair":
            done(gone.delete())
        return ask(client, method, path, *more)

    monkeypatch.setattr(JsonClient, "ask", deleted_meanwhile)

    assert cairn(api, "--all", "--app", app) == 2

    said = capsys.readouterr()
    assert said.err.startswith(f"cairn: {gone.id}: ")
    assert said.out.startswith(f"{opened.id}  repaired: ")
    assert opened.types()[-1] == "session.repaired"


def open_in(api: Api, damage: Damaging, app: str) -> SessionApi:
    """Return a session of an app that has lost the end of its turn."""
    session = api.create(app=app)
    session.start("t1")
    done(session.post("/stop", {"cause": "process_exited"}))
    (end,) = [number for number, name in enumerate(session.types(), 1) if name == "turn.cancelled"]
    damage(session).hole(end)
    return session
