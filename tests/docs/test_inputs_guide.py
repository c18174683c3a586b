"""The examples of the guide to inputs work as they are shown, and so does its table of modes."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.api import HELLO, Api, SessionApi
from tests.support.docs import ROOT, agrees, examples, last_json, shell
from tests.support.postgres import Server
from tests.support.server import running

GUIDE = "docs/inputs.md"
TEXT = (ROOT / GUIDE).read_text("utf-8")
CELL = r"\| ([^|]+) "
_, *MODES = re.findall(rf"^\| (none|`\w+`) {CELL * 3}\|$", TEXT, re.MULTILINE)


def test_the_examples_work_and_say_what_is_shown(database_url: str) -> None:
    shown_at_all = 0
    with running(database_url) as base, shell() as sh:
        for example in examples(GUIDE):
            said = sh.run(example.commands.replace("http://127.0.0.1:8080", base))
            if example.shown:
                shown, answer = json.loads(example.shown), last_json(said)
                assert agrees(shown, answer), f"{example.commands}\n{said}"
                shown_at_all += 1
    assert shown_at_all == 7


def idle(session: SessionApi) -> None:
    pass


def waiting(session: SessionApi) -> None:
    session.queue("i1", hold=True)


def busy(session: SessionApi) -> None:
    session.start("t1")
    session.queue("i1")


@pytest.fixture(scope="module")
def api(postgres_server: Server) -> Iterator[Api]:
    with postgres_server.database() as url, running(url) as base:
        api = Api(base)
        yield api
        api.close()


def test_the_table_is_found() -> None:
    modes = ["none", "`queue`", "`steer`", "`interrupt`", "`interrupt_if_waiting`"]
    assert [row[0] for row in MODES] == modes
    assert all(len(row) == 4 for row in MODES)


@pytest.mark.parametrize("row", MODES, ids=lambda row: row[0].strip("`"))
@pytest.mark.parametrize(("column", "prepare"), [(1, idle), (2, waiting), (3, busy)])
def test_each_mode_does_what_the_table_says(
    api: Api, row: tuple[str, ...], column: int, prepare: Any
) -> None:
    session = api.create()
    prepare(session)
    says = row[column]
    if says == "as with `queue`":
        says = MODES[1][column]
    mode = None if row[0] == "none" else row[0].strip("`")
    response = session.post("/turns", {"input": {"parts": HELLO}, "turn_id": "new", "mode": mode})
    answer = response.json()

    status, code = re.search(r"(20\d)|409 `(\w+)`", says).groups()  # type: ignore[union-attr]
    assert response.status_code == int(status or 409), says
    assert answer.get("code") == code
    if status == "201":
        assert answer["disposition"] == "started"
        assert answer["cancelled_inputs"] == (["i1"] if "what waited" in says else [])
        assert answer["previous_turn_id"] == ("t1" if "cancels the turn" in says else None)
    if status == "202":
        assert answer["disposition"] == ("staged" if "staged" in says else "queued")
        assert answer["next_turn_id"] == ("i1" if "the oldest has its turn" in says else None)
