"""`cairn sessions`, `cairn show`, and ids of which only the beginning is given."""

import json
import socket
import unicodedata
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest

from api.cli.json_client import JsonClient
from api.cli.options import Failure
from api.cli.reading.session_ids import find_session, shortened
from api.cli.screen import fitted
from tests.cli.conftest import Served, run


def columns(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in line)


def make(server: Served, **body: object) -> str:
    session_id: str = server.post("/v1/sessions", {"app": "a", "user": "u", **body})["session"][
        "id"
    ]
    return session_id


def ask(server: Served, *arguments: str, status: int = 0) -> str:
    done = run(*arguments, env={"CAIRN_URL": server.url})
    assert done.returncode == status, done
    return done.stdout if status == 0 else done.stderr


def test_a_list_fits_80_columns_whatever_is_in_it(server: Served) -> None:
    app = f"app-{uuid4().hex}"
    long = [make(server, app=app, title=title) for title in ("x" * 400, "見" * 200, "a\u202eb\nc")]

    lines = ask(server, "sessions", "--app", app).splitlines()

    assert lines[0].split() == ["ID", "STATUS", "AGE", "OF", "TITLE"]
    assert max(map(columns, lines)) <= 80
    assert "\u202e" not in "".join(lines)
    shown = [line.split()[0] for line in lines[1:]]
    assert len(set(shown)) == 3
    assert all(any(one.startswith(short) for one in long) for short in shown)
    for short in shown:
        assert json.loads(ask(server, "show", short, "--json"))["session"]["id"].startswith(short)


def test_a_list_in_json_goes_over_pages_to_its_limit(server: Served) -> None:
    app = f"app-{uuid4().hex}"
    made = {make(server, app=app) for _ in range(3)}

    lines = ask(server, "sessions", "--app", app, "--json").splitlines()
    assert {json.loads(line)["id"] for line in lines} == made
    assert len(ask(server, "sessions", "--app", app, "--json", "--limit", "2").splitlines()) == 2
    assert "more than these 2" in ask(server, "sessions", "--app", app, "--limit", "2")
    assert ask(server, "sessions", "--app", "nobody") == "There are no such sessions.\n"
    assert "status" in ask(server, "sessions", "--status", "bored", status=1)


def test_a_session_is_shown_with_its_last_turns(server: Served) -> None:
    session_id = make(server, title="Where is order 7?", tags=["orders"])
    path = f"/v1/sessions/{session_id}"
    for turn in ("t1", "t2"):
        said = {"parts": [{"type": "text", "text": f"Question of {turn}"}]}
        server.post(f"{path}/turns", {"turn_id": turn, "input": said})
        call = {"tool_call_id": turn, "name": "find", "input": {"order": 7}}
        server.post(
            f"{path}/turns/{turn}/events", {"events": [{"type": "tool.called", "data": call}]}
        )
        server.post(f"{path}/turns/{turn}/complete", {"stop_reason": "end_turn"})

    shown = ask(server, "show", session_id)

    for words in ("Where is order 7?", "idle", "orders", "turn t1", "Question of t2", "find"):
        assert words in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert "Question of t1" not in ask(server, "show", session_id, "--turns", "1")
    told = json.loads(ask(server, "show", session_id, "--json"))
    assert told["session"]["id"] == session_id
    assert [one["turn_id"] for one in told["messages"]] == ["t1", "t1", "t2", "t2"]


ONE_SESSION = [("show",), ("tail", "--json"), ("repair", "--dry-run"), ("verify",)]


@pytest.mark.parametrize("command", ONE_SESSION, ids=lambda command: command[0])
def test_a_session_is_named_by_the_beginning_of_its_id(
    server: Served, command: tuple[str, ...]
) -> None:
    begin = uuid4().hex[:8]
    first, second = (make(server, id=f"{begin}-0000-4000-8000-00000000000{n}") for n in (1, 2))

    wrong = ask(server, command[0], *command[1:], begin, status=2)
    assert wrong.startswith(f"cairn: Several sessions have ids that begin with {begin}")
    assert first in wrong
    assert second in wrong
    server.post("/v1/sessions/batch/delete", {"session_ids": [second]})
    if command[0] == "tail":
        words = ask(server, *command, begin, "--since", "9", status=1)
        assert "409" in words
    else:
        assert first in ask(server, *command, begin) or command[0] == "verify"
    unable = 1 if command[0] in {"show", "tail"} else 2
    assert "No session" in ask(server, *command, "ffffffff-ffff-ffff", status=unable)
    assert "is no session id" in ask(server, *command, "no-id", status=2)


@pytest.mark.parametrize(
    ("named", "path"),
    [("ext:order/7", "/v1/sessions/ext:order%2F7"), ("ext:é ?", "/v1/sessions/ext:%C3%A9%20%3F")],
)
def test_a_session_is_named_by_its_external_id(named: str, path: str) -> None:
    asked: list[str] = []

    class Client(JsonClient):
        def ask(self, method: str, path: str, *_: object, **__: object) -> Any:
            asked.append(f"{method} {path}")
            return {"session": {"id": "01890a5d-ac96-774b-bcce-000000000001"}}

    with closing(Client("http://127.0.0.1:9", None)) as client:
        assert find_session(client, named) == "01890a5d-ac96-774b-bcce-000000000001"
    assert asked == [f"GET {path}"]


def test_ids_are_shortened_to_what_tells_them_apart() -> None:
    one, other = "01890a5d-ac96-774b-bcce-000000000001", "01890a5d-ac96-774b-bcce-000000000002"
    far = "ff890a5d-ac96-774b-bcce-000000000001"
    assert shortened([one]) == {one: "01890a5d-ac96"}
    assert shortened([other, far, one]) == {one: one, other: other, far: "ff890a5d-ac96"}
    assert shortened([]) == {}


def test_a_text_is_cut_to_its_columns() -> None:
    assert fitted("abc", 5) == "abc  "
    assert fitted("abcdef", 5) == "abcd…"
    assert fitted("見見見", 5) == "見見…"
    assert fitted("見見見", 4) == "見… "


def test_the_version_is_said() -> None:
    assert run("--version").stdout == run("version").stdout


def test_who_asks_where_nobody_answers_is_told_where_and_what_to_do() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        with pytest.raises(Failure) as failure:
            JsonClient(url, None).ask("GET", "/v1/sessions")
    assert f"Nobody answers at {url}" in str(failure.value)
    assert "`cairn serve`" in str(failure.value)
    assert "CAIRN_URL" in str(failure.value)
