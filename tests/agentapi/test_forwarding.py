"""Two Cairns: one forwards the sessions of its users to the other."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.agentapi.fake_manager import FakeManager
from tests.agentapi.proxied import Proxy
from tests.agentapi.signed import SECRET, SESSIONS, Signed
from tests.support.postgres import Server
from tests.support.server import running

Json = dict[str, Any]
UNREACHABLE = "x-session-managers-unreachable"


# ── both servers ─────────────────────────────────────────────────────────────────────────────


def test_a_session_is_begun_read_listed_and_deleted_at_the_other_server(
    proxy: Proxy, signed: Signed
):
    user = f"u-{uuid4().hex[:8]}"
    public = proxy.create(user, env={"KEY": "s3cr3t"}, initial_message="hello")
    (there,) = signed.listed(f"?user_id={user}")
    assert there["id"] != public
    info = proxy.ask("GET", f"{SESSIONS}/{public}").json()
    assert info == {**there, "id": public}
    assert proxy.listed(f"?user_id={user}&scope=user") == {public: info}
    assert proxy.listed(f"?user_id={user}&scope=team") == {}
    # It is kept there and not here, and what was sent is sealed there.
    events = signed.client.get(f"/v1/sessions/{there['id']}/events").text
    assert "hello" in events
    assert "s3cr3t" not in events
    assert proxy.ask("GET", f"/v1/sessions/{public}").status_code == 404
    gone = proxy.ask("DELETE", f"{SESSIONS}/{public}")
    assert (gone.status_code, gone.content) == (204, b"")
    assert signed.listed(f"?user_id={user}") == []
    assert proxy.ask("DELETE", f"{SESSIONS}/{public}").status_code == 404
    assert proxy.ask("GET", f"{SESSIONS}/{public}").status_code == 404


def test_many_alike_in_one_second_are_as_many_sessions(proxy: Proxy):
    made = {proxy.create("twin") for _ in range(8)}
    assert len(made) == 8
    assert made <= set(proxy.listed("?user_id=twin"))


def test_without_a_default_a_session_begins_here(proxy: Proxy):
    user = f"u-{uuid4().hex[:8]}"
    here, there = proxy.create(user, manager=None), proxy.create(user)
    assert set(proxy.listed(f"?user_id={user}")) == {here, there}
    assert proxy.ask("GET", f"/v1/sessions/{here}").is_success
    assert proxy.ask("GET", f"/{here}/events").json()["events"]
    assert proxy.ask("DELETE", f"{SESSIONS}/{here}").status_code == 204


def test_what_is_below_an_id_is_what_the_other_server_answers(proxy: Proxy, signed: Signed):
    user = f"u-{uuid4().hex[:8]}"
    public = proxy.create(user)
    (there,) = signed.listed(f"?user_id={user}")
    turn = {"turn_id": "a/b", "input": {"parts": [{"type": "text", "text": "go"}]}}
    begun = proxy.ask("POST", f"/{public}/turns", json=turn)
    assert begun.status_code == 201, begun.text
    assert proxy.ask("GET", f"{SESSIONS}/{public}").json()["status"] == "running"
    # Escapes and the order of parameters go through as they are, for they are signed.
    read = proxy.ask("GET", f"/{public}/turns/a%2Fb?x")
    native = signed.client.get(f"/v1/sessions/{there['id']}/turns/a%2Fb")
    assert (read.status_code, native.status_code) == (400, 200)
    assert "x" in read.json()["message"]
    read = proxy.ask("GET", f"/{public}/turns/a%2Fb")
    assert (read.json(), read.headers["etag"]) == (native.json(), native.headers["etag"])
    not_modified = proxy.ask("GET", f"/{public}", headers={"If-None-Match": read.headers["etag"]})
    assert not_modified.status_code == 404  # the session itself is at /api/v1/sessions
    head = proxy.ask("HEAD", f"/{public}/turns/a%2Fb")
    assert (head.status_code, head.content) == (200, b"")
    done = proxy.ask("POST", f"/{public}/turns/a%2Fb/complete", json={})
    assert done.is_success
    events = signed.client.get(f"/v1/sessions/{there['id']}/events").json()["events"]
    assert events[-1]["actor"] == f"agentapi:{user}"
    assert proxy.ask("PATCH", f"/{public}/no-such-path", json={}).status_code == 404


def test_events_stream_through_both_servers_as_they_come(proxy: Proxy, signed: Signed):
    user = f"u-{uuid4().hex[:8]}"
    public = proxy.create(user)
    (there,) = signed.listed(f"?user_id={user}")
    headers = {**proxy.headers, "Accept": "text/event-stream"}
    with proxy.client.stream("GET", f"/{public}/events", headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert any(line == "event: caught-up" for line in lines)
        said = {"role": "user", "parts": [{"type": "text", "text": "while it streams"}]}
        assert signed.client.post(f"/v1/sessions/{there['id']}/messages", json=said).is_success
        assert any("while it streams" in line for line in lines)
        cursor = int(signed.client.get(f"/v1/sessions/{there['id']}").json()["sequence"])
    # What was seen is not told again.
    resumed = {**headers, "Last-Event-ID": str(cursor)}
    with proxy.client.stream("GET", f"/{public}/events", headers=resumed) as answer:
        for line in answer.iter_lines():
            assert "while it streams" not in line
            if line == "event: caught-up":
                break
        else:
            raise AssertionError("it never caught up")


# ── lists over several servers ──────────────────────────────────────────────────────────────


def pages(proxy: Proxy, query: str) -> Iterator[tuple[list[Json], str]]:
    """Yield the sessions of each page, and which managers did not say what they have."""
    target: str | None = SESSIONS + query
    while target is not None:
        answer = proxy.ask("GET", target)
        assert answer.status_code == 200, answer.text
        yield answer.json()["sessions"], answer.headers.get(UNREACHABLE, "")
        target = answer.links["next"]["url"] if "next" in answer.links else None


def test_one_page_after_the_other_shows_what_all_servers_keep(proxy: Proxy):
    user = f"u-{uuid4().hex[:8]}"
    made = [proxy.create(user, manager=where) for where in ("b", None, "fake") * 2]
    for limit in (1, 4):
        listed = [shown for shown, _ in pages(proxy, f"?user_id={user}&limit={limit}")]
        assert [len(one) for one in listed] == ([1] * 6 if limit == 1 else [4, 2])
        assert [one["id"] for some in listed for one in some] == made[::-1]
    ((all_of_them, _),) = pages(proxy, f"?user_id={user}")
    assert [one["id"] for one in all_of_them] == made[::-1]
    # Those that began at a time or earlier, of all servers.
    fourth = all_of_them[2]["created_at"]
    ((older, _),) = pages(proxy, f"?user_id={user}&created_until={fourth}")
    assert {one["id"] for one in older} - {made[3]} == set(made[:3])


def test_a_manager_that_comes_and_goes_between_pages_leaves_the_rest_as_it_is(
    proxy: Proxy, fake: FakeManager
):
    user = f"u-{uuid4().hex[:8]}"
    made = {name: [] for name in ("b", None, "fake")}
    for where in ("b", "fake", None) * 3:
        made[where].append(proxy.create(user, manager=where))
    seen: list[str] = []
    try:
        for shown, unreachable in pages(proxy, f"?user_id={user}&limit=2"):
            assert ("fake;reason=status-503" in unreachable) == (fake.status == 503)
            seen += [one["id"] for one in shown]
            fake.status = 503 if fake.status == 200 else 200
    finally:
        fake.status = 200
    assert len(seen) == len(set(seen))
    assert {*made["b"], *made[None]} <= set(seen)


def test_a_cursor_is_good_for_its_filters_and_its_user_alone(proxy: Proxy):
    user = f"u-{uuid4().hex[:8]}"
    for where in ("b", None, "fake"):
        proxy.create(user, manager=where)
        proxy.create("ada", manager=where)
    first = proxy.ask("GET", f"{SESSIONS}?user_id={user}&limit=1")
    cursor = httpx.URL(first.links["next"]["url"]).params["cursor"]
    changed = ("A" if cursor[0] != "A" else "B") + cursor[1:]
    for query in (f"user_id=ada&cursor={cursor}", f"cursor={cursor}",
                  f"user_id={user}&status=active&cursor={cursor}",
                  f"user_id={user}&cursor={changed}"):  # fmt: skip
        assert proxy.ask("GET", f"{SESSIONS}?{query}").status_code == 400, query
    for who in ("ada", "bob", "shop"):
        refused = proxy.of(who).ask("GET", f"{SESSIONS}?user_id={user}&cursor={cursor}")
        assert (refused.status_code, "sessions" in refused.json()) == (400, False), who
    # What a user may go on with is what that user sees.
    mine = [one for shown, _ in pages(proxy.of("ada"), "?limit=1") for one in shown]
    assert {one["user_id"] for one in mine} == {"ada"}
    assert len(mine) == len({one["id"] for one in mine})


# ── who may ───────────────────────────────────────────────────────────────────────────────────


def test_what_is_another_users_is_not_there(proxy: Proxy):
    public = proxy.of("ada").create("ada")
    bob = proxy.of("bob")
    for method, path in (
        ("GET", f"{SESSIONS}/{public}"),
        ("DELETE", f"{SESSIONS}/{public}"),
        ("GET", f"/{public}/events"),
        ("POST", f"/{public}/turns"),
    ):
        missing = path.replace(public, str(uuid4()))
        there, nothing = bob.ask(method, path), bob.ask(method, missing)
        assert there.status_code == nothing.status_code == 404, path
        assert there.text.replace(public, "") == nothing.text.replace(missing.split("/")[-1], "")
    assert public not in bob.listed()
    assert public not in bob.listed("?user_id=ada")
    assert public in proxy.of("ada").listed()
    body = {"session": {"user_id": "ada"}, "params": {"manager_id": "b"}}
    assert bob.ask("POST", SESSIONS, json=body).status_code == 403
    assert proxy.of("shop").ask("POST", SESSIONS, json=body).status_code == 403
    assert proxy.of("shop").listed() == {}
    reader = proxy.of("reader")
    assert reader.ask("GET", f"/{public}/events").status_code == 200
    for refused in (
        reader.ask("POST", f"/{public}/turns", json={}),
        reader.ask("DELETE", f"{SESSIONS}/{public}"),
        reader.ask("GET", f"/{public}/events", headers={"Accept": "text/event-stream"}),
    ):
        assert refused.status_code == 403


def test_what_another_user_has_on_this_server_is_not_there(proxy: Proxy):
    ada, bob = proxy.of("ada"), proxy.of("bob")
    here = ada.create("ada", manager=None)
    for method, path in (
        ("GET", f"{SESSIONS}/{here}"),
        ("DELETE", f"{SESSIONS}/{here}"),
        ("GET", f"/{here}/events"),
        ("POST", f"/{here}/turns"),
    ):
        missing = str(uuid4())
        there, nothing = bob.ask(method, path), bob.ask(method, path.replace(here, missing))
        assert there.status_code == nothing.status_code == 404, path
        assert there.text.replace(here, "") == nothing.text.replace(missing, "")
    assert here not in bob.listed()
    assert ada.ask("GET", f"{SESSIONS}/{here}").status_code == 200


def test_who_shows_no_token_or_signs_with_no_secret_is_not_let_in(proxy: Proxy):
    public = proxy.create()
    for headers in ({}, {"Authorization": "Bearer x"}, Signed(proxy.client, "").headers("GET", "")):
        for path in (SESSIONS, f"{SESSIONS}/{public}", f"/{public}/events"):
            assert proxy.client.get(path, headers=headers).status_code == 401
    # What another server signs needs a secret of this one, which has none.
    assert Signed(proxy.client, SECRET).ask("GET", SESSIONS).status_code == 401


def test_a_signed_request_below_an_id_says_on_whose_behalf(signed: Signed):
    user = f"ü-{uuid4().hex[:8]}"
    session_id = signed.create(user, session={"scope": "team", "team_id": "org/core"})
    path = f"/{session_id}/events"
    assert signed.client.get(path).json() == {"message": "missing X-Hub-Signature-256 header"}

    def asked(**headers: Any) -> tuple[int, str]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = signed.headers("GET", path) | named
        answer = signed.client.get(path, headers=sent)
        return answer.status_code, answer.json().get("message", "")

    assert asked() == (401, "missing X-Forwarded-User header")
    assert asked(X_Forwarded_User="") == (401, "missing X-Forwarded-User header")
    assert asked(X_Forwarded_User=user.encode()) == (200, "")
    assert asked(X_Forwarded_User="bob") == (404, "session not found")
    assert asked(X_Forwarded_User="bob", X_Forwarded_Team="org/core") == (200, "")
    assert asked(X_Forwarded_User="bob", X_Forwarded_Team="org") == (404, "session not found")
    assert asked(X_Forwarded_User=b"\xff")[0] == 400
    for rest in ("erase", "repair"):
        target = f"/{session_id}/{rest}"
        headers = {**signed.headers("POST", target), "X-Forwarded-User": user.encode()}
        assert signed.client.post(target, headers=headers).status_code == 403


def test_a_team_sees_of_others_nothing_but_the_sessions_of_the_team(signed: Signed):
    team = signed.create("ada", session={"scope": "team", "team_id": "org/core"})
    private = signed.create("bob")
    key = f"app:{uuid4().hex}"
    for number, session_id in enumerate((team, private)):
        sent = {"set": {key: number}}
        done = signed.client.patch(f"/v1/sessions/{session_id}/state", json=sent)
        assert done.is_success, done.text
    path = f"/{team}/state/{key}/history"
    headers = {"X-Forwarded-User": "carl", "X-Forwarded-Team": "org/core"}
    answer = signed.client.get(path, headers={**signed.headers("GET", path), **headers})
    assert [write["value"] for write in answer.json()["writes"]] == [1, 0], answer.text
    assert team in answer.text
    assert private not in answer.text


# ── what goes wrong ───────────────────────────────────────────────────────────────────────────


def test_a_manager_that_cannot_be_reached_is_named_and_the_rest_is_told(proxy: Proxy):
    public = proxy.create()
    answer = proxy.ask("GET", SESSIONS)
    assert public in {one["id"] for one in answer.json()["sessions"]}
    assert answer.headers[UNREACHABLE] == (
        "stranger;reason=status-401, nobody;reason=connection-refused"
    )


@pytest.mark.parametrize(
    ("manager_id", "status", "says"),
    [
        ("nobody", 502, "the session manager nobody gives no answer (connection-refused)"),
        ("stranger", 502, "the session manager stranger answered 401: invalid signature"),
        ("no-such", 400, "there is no session manager 'no-such'"),
    ],
)
def test_a_session_that_cannot_begin_there_begins_nowhere(
    proxy: Proxy, manager_id: str, status: int, says: str
):
    before = set(proxy.listed())
    body = {"session": {"user_id": "ada"}, "params": {"manager_id": manager_id}}
    answer = proxy.ask("POST", SESSIONS, json=body)
    assert (answer.status_code, answer.json()) == (status, {"message": says})
    assert set(proxy.listed()) == before


def test_what_the_other_server_does_not_take_is_told_as_it_says(proxy: Proxy):
    body = {"session": {"user_id": "u" * 201}, "params": {"manager_id": "b"}}
    answer = proxy.ask("POST", SESSIONS, json=body)
    assert answer.status_code == 400
    assert "invalid request body" in answer.json()["message"]
    large = {**body, "session": {"user_id": "u"}, "initial_message": "x" * 70_000}
    assert proxy.ask("POST", SESSIONS, json=large).status_code == 413


def test_a_session_whose_manager_is_gone_is_told_of_and_not_lost(
    postgres_server: Server, sealing_key: Path, tmp_path: Path
):
    """The other server stops, comes back, and is taken out of the settings."""
    file = tmp_path / "managers"

    def write(name: str, url: str) -> None:
        table = f'[[manager]]\nid = "{name}"\nurl = "{url}/"\nhmac_secret = "s"\ndefault = true\n'
        file.write_text(table)
        file.chmod(0o600)

    token = tmp_path / "token"
    token.write_text("t" * 32)
    token.chmod(0o600)
    settings: Json = {
        "doors": "agentapi",
        "secrets_key_file": sealing_key,
        "session_managers_file": file,
        "auth_token_file": token,
    }
    headers = {"Authorization": f"Bearer {'t' * 32}"}
    body = json.dumps({"session": {"user_id": "ada"}}).encode()
    sent = {**headers, "Content-Type": "application/json"}
    with postgres_server.database() as near, postgres_server.database() as far:
        with running(
            far, doors="agentapi", session_manager_hmac_secret="s", secrets_key_file=sealing_key
        ) as base:
            write("far", base)
            with running(near, **settings) as proxy:
                made = httpx.post(proxy + SESSIONS, content=body, headers=sent)
                assert made.status_code == 201, made.text
                path = f"{SESSIONS}/{made.json()['session_id']}"
                with httpx.stream(
                    "GET",
                    f"{proxy}/{made.json()['session_id']}/events",
                    headers={**headers, "Accept": "text/event-stream"},
                ) as stream:
                    seen: list[str] = []
                    for line in stream.iter_lines():
                        seen.append(line)
                        if line == "event: caught-up":
                            break
                    assert seen[-1:] == ["event: caught-up"], seen
        write("far", "http://127.0.0.1:9")
        with running(near, **settings) as proxy:
            for method in ("GET", "DELETE"):
                answer = httpx.request(method, proxy + path, headers=headers)
                assert answer.status_code == 502, answer.text
            listed = httpx.get(proxy + SESSIONS, headers=headers)
            assert listed.headers[UNREACHABLE] == "far;reason=connection-refused"
        write("other", "http://127.0.0.1:9")
        with running(near, **settings) as proxy:
            answer = httpx.get(proxy + path, headers=headers)
            assert answer.status_code == 503
            assert "far" in answer.json()["message"]
