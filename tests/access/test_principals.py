"""Who may enter and what is there for them: the table of routes itself is walked."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import uuid4

import httpx
import pytest

from api.http.routing import Route
from api.v1.route_table import ROUTES
from domain.principal import RIGHTS, Principal
from tests.support.api import HELLO, JSON
from tests.support.postgres import Server
from tests.support.server import running

GUARDED = [route for route in ROUTES if route.right is not None]
PLACES = {"session_id", "app", "webhook_id"}
"""What a path names that belongs to somebody."""


def name_of(route: Route) -> str:
    return f"{route.method} {route.path}"


def places_of(route: Route) -> set[str]:
    return {place for place in PLACES if f"{{{place}:" in route.path}


@dataclass
class World:
    """A server with two apps, of two users each, all of whose words hold the name of their app."""

    base: str
    owner: str
    names: Mapping[str, Mapping[str, str]]
    client: httpx.Client
    made: dict[str, str] = field(default_factory=dict[str, str])

    def ask(self, token: str | None, method: str, path: str, **how: Any) -> httpx.Response:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        headers |= how.pop("headers", {})
        return self.client.request(method, self.base + path, headers=headers, **how)

    def token(self, *rights: str, **whose: Any) -> str:
        """Return a token, the same one to whoever asks for the same."""
        key = repr((rights, whose))
        if key not in self.made:
            body = {"allow": list(rights), **whose}
            made = self.ask(self.owner, "POST", "/v1/tokens", json=body)
            assert made.status_code == 201, made.text
            self.made[key] = made.json()["token"]
        return self.made[key]

    def walk(self, token: str | None, route: Route, names: Mapping[str, str]) -> httpx.Response:
        path = route.path.replace(":str}", "}").replace(":path}", "}")
        filled = path.format_map(defaultdict(lambda: "1", names))
        body = {} if route.method == "GET" else {"content": b"{}", "headers": JSON}
        return self.ask(token, route.method, filled, **body)


def furnish(ask: Callable[..., httpx.Response], app: str) -> Mapping[str, str]:
    """Make what can be named of an app, of which all that can be read has the app in it."""
    mark = f"{app}-secret"
    sessions = [
        ask("POST", "/v1/sessions", json={
            "app": app, "user": user, "title": mark, "tags": [mark], "metadata": {"m": mark},
            "state": {"k": mark, "app:k": mark, "user:k": mark},
            "messages": [{"role": "user", "parts": [{"type": "text", "text": mark}]}],
        }).json()["session"]
        for user in ("ada", "bob")
    ]  # fmt: skip
    hook = {"url": "http://127.0.0.1:9/", "app": app, "description": mark}
    webhook = ask("POST", "/v1/webhooks", json=hook).json()
    gone = ask("POST", "/v1/sessions", json={"app": app, "user": "ada"}).json()["session"]["id"]
    ask("POST", f"/v1/sessions/{gone}/erase", json={"reason": mark})
    return {
        "session_id": sessions[0]["id"], "app": app, "user": "ada", "key": "k",
        "webhook_id": webhook["id"], "erased": gone,
    }  # fmt: skip


def heard(answer: httpx.Response) -> tuple[int, Mapping[str, Any], Mapping[str, str]]:
    """Return all that an answer tells, but for what is of every request alone."""
    of_each = {"date", "x-request-id", "x-cairn-worker"}
    headers = {name: value for name, value in answer.headers.items() if name not in of_each}
    return answer.status_code, answer.json() | {"request_id": ""}, headers


@pytest.fixture(scope="module")
def world(postgres_server: Server) -> Iterator[World]:
    with (
        postgres_server.database() as url,
        running(url, webhook_private_targets=True) as base,
        httpx.Client(timeout=60) as client,
    ):
        made = client.post(f"{base}/v1/tokens", json={"allow": list(RIGHTS), "name": "owner"})
        world = World(base, made.json()["token"], {}, client)

        def ask(method: str, path: str, **how: Any) -> httpx.Response:
            answer = world.ask(world.owner, method, path, **how)
            assert answer.is_success, answer.text
            return answer

        names: dict[str, Mapping[str, str]] = {}
        for app in ("qshop", "qbank"):
            names[app] = furnish(ask, app)
        yield World(base, world.owner, names, client)


@pytest.mark.parametrize("route", GUARDED, ids=name_of)
def test_who_shows_no_token_or_a_wrong_one_is_not_let_in(world: World, route: Route):
    expired = world.token(*RIGHTS, expires_in_seconds=0.001)
    for token in (None, "x", "cairn_" + "x" * 43, expired, world.owner[:-1]):
        answer = world.walk(token, route, world.names["qshop"])
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), token


@pytest.mark.parametrize("route", GUARDED, ids=name_of)
def test_what_belongs_to_another_app_or_user_does_not_exist(world: World, route: Route):
    strangers = [
        world.token(*RIGHTS, app="qbank"),
        world.token(*RIGHTS, app="qbank", user="ada"),
    ]
    if places_of(route) & {"session_id", "webhook_id"} or "user" in route.path:
        strangers.append(world.token(*RIGHTS, app="qshop", user="bob"))
    nobody = {
        **world.names["qshop"],
        "session_id": str(uuid4()), "webhook_id": str(uuid4()), "app": "nowhere",
    }  # fmt: skip
    for token in strangers:
        answer = world.walk(token, route, world.names["qshop"])
        if not places_of(route):
            assert "qshop-secret" not in answer.text
            continue
        # As if it had never been there, to the last letter.
        never = world.walk(token, route, nobody)
        assert answer.status_code == 404, answer.text
        assert heard(answer) == heard(never)
        if "session_id" in places_of(route):
            # Not even that it was erased is told, or by which name it is called.
            erased = {**nobody, "session_id": world.names["qshop"]["erased"]}
            assert heard(world.walk(token, route, erased)) == heard(never)


@pytest.mark.parametrize("route", GUARDED, ids=name_of)
def test_what_is_seen_but_not_allowed_names_the_right_that_is_missing(world: World, route: Route):
    others = [right for right in RIGHTS if right != route.right]
    for whose in ({}, {"app": "qshop"}, {"app": "qshop", "user": "ada"}):
        if route.whole_store and whose:
            continue
        answer = world.walk(world.token(*others, **whose), route, world.names["qshop"])
        if "webhook_id" in places_of(route) and "user" in whose:
            # It tells of all users, so it is not there for one.
            continue
        assert answer.status_code == 403, answer.text
        told = answer.json()
        assert (told["code"], told["right"]) == ("forbidden", route.right)


@pytest.mark.parametrize("route", GUARDED, ids=name_of)
def test_one_right_is_enough_for_a_route_that_declares_it(world: World, route: Route):
    # Its own: what is allowed is done.
    names = furnish(partial(world.ask, world.owner), "qshop")
    allowed = world.walk(world.token(route.right, app="qshop"), route, names)
    if route.whole_store:
        assert allowed.status_code == 403
        allowed = world.walk(world.token(route.right), route, names)
    assert allowed.status_code not in (401, 403), allowed.text
    # There may be a hundred of them.
    world.ask(world.owner, "DELETE", f"/v1/webhooks/{names['webhook_id']}")


@pytest.mark.parametrize(
    "route", [route for route in GUARDED if route.method == "GET"], ids=name_of
)
def test_no_read_tells_a_word_of_another_app_or_user(world: World, route: Route):
    if route.whole_store:
        return
    for whose in ({"app": "qbank"}, {"app": "qbank", "user": "ada"}):
        token = world.token(*RIGHTS, **whose)
        for query in ("", "?app=qshop", "?user=bob"):
            path = route.path.replace(":str}", "}").replace(":path}", "}")
            filled = path.format_map(defaultdict(lambda: "1", world.names["qbank"]))
            answer = world.ask(token, "GET", filled + query)
            assert "qshop" not in answer.text.replace('"app=qshop"', ""), answer.text
            assert world.names["qshop"]["session_id"] not in answer.text
            if "user" in whose:
                assert '"bob"' not in answer.text


def test_a_new_route_without_a_right_cannot_be_declared():
    assert all(route.right in RIGHTS for route in GUARDED)
    assert {name_of(route) for route in ROUTES if route.right is None} == {
        "GET /", "GET /health", "GET /ready", "GET /version",
    }  # fmt: skip


def test_a_path_that_names_something_names_whose_it_is():
    # Tokens have a test of their own below; the pieces of the documents belong to nobody.
    others = {"DELETE /v1/tokens/{token_id:str}", "GET /docs/assets/{asset:str}"}
    for route in GUARDED:
        if "{" in route.path and not route.whole_store and name_of(route) not in others:
            assert places_of(route), name_of(route)


# ── streams ──────────────────────────────────────────────────────────────────────────────────


def caught_up(world: World, token: str, path: str) -> str:
    """Return what a stream says until it has caught up."""
    said = ""
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    with httpx.stream("GET", world.base + path, headers=headers, timeout=60) as answer:
        assert answer.status_code == 200, answer.read()
        for line in answer.iter_lines():
            said += line + "\n"
            if line == "event: caught-up":
                return said
    raise AssertionError(said)


def test_streams_need_their_own_right_and_tell_only_what_is_seen(world: World):
    token = world.token("stream", "read", app="qbank")
    mine, theirs = world.names["qbank"]["session_id"], world.names["qshop"]["session_id"]
    feed = caught_up(world, token, "/v1/events")
    assert mine in feed
    assert "qshop" not in feed
    assert theirs not in feed
    assert "qbank-secret" in caught_up(world, token, f"/v1/sessions/{mine}/events")
    reader = world.token("read", app="qbank")
    for path in ("/v1/events", f"/v1/sessions/{mine}/events"):
        answer = world.ask(reader, "GET", path, headers={"Accept": "text/event-stream"})
        assert (answer.status_code, answer.json()["right"]) == (403, "stream")


def test_a_stream_ends_when_its_token_is_revoked(world: World):
    made = world.ask(
        world.owner, "POST", "/v1/tokens", json={"allow": ["read", "stream"], "app": "qshop"}
    ).json()
    path = f"/v1/sessions/{world.names['qshop']['session_id']}/events"
    headers = {"Authorization": f"Bearer {made['token']}", "Accept": "text/event-stream"}
    with httpx.stream("GET", world.base + path, headers=headers, timeout=60) as answer:
        lines = answer.iter_lines()
        assert any(line == "event: caught-up" for line in lines)
        gone = world.ask(world.owner, "DELETE", f"/v1/tokens/{made['id']}")
        assert gone.status_code == 200
        rest = "\n".join(lines)
    assert "event: error" in rest
    assert "no longer good" in rest
    assert world.ask(made["token"], "GET", path).status_code == 401


def test_tokens_of_another_program_in_this_process_end_no_stream(
    world: World, postgres_server: Server
):
    token = world.token("stream", "read", "write", app="qshop")
    path = f"/v1/sessions/{world.names['qshop']['session_id']}"
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    with (
        postgres_server.database() as url,
        running(url) as other,
        httpx.stream("GET", f"{world.base}{path}/events", headers=headers, timeout=60) as answer,
    ):
        lines = answer.iter_lines()
        assert any(line == "event: caught-up" for line in lines)
        # The other program looks through its tokens before it answers.
        made = httpx.post(f"{other}/v1/tokens", json={"allow": ["read"]}, timeout=60)
        assert made.status_code == 201, made.text
        said = {"role": "user", "parts": [{"type": "text", "text": "it goes on"}]}
        assert world.ask(token, "POST", f"{path}/messages", json=said).is_success
        assert any("it goes on" in line for line in lines)


# ── commands ─────────────────────────────────────────────────────────────────────────────────


def test_nobody_makes_a_session_that_they_would_not_see(world: World):
    token = world.token("write", app="qshop", user="ada")
    for owner in ({"app": "qbank", "user": "ada"}, {"app": "qshop", "user": "bob"}):
        refused = world.ask(token, "POST", "/v1/sessions", json=owner)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    made = world.ask(token, "POST", "/v1/sessions", json={"app": "qshop", "user": "ada"})
    assert made.status_code == 201


def test_what_all_users_share_is_changed_by_no_token_for_one(world: World):
    for_one, for_all = (
        world.token("read", "write", app="qshop", **of) for of in ({"user": "ada"}, {})
    )
    path = "/v1/apps/qshop/state"
    head = {"Idempotency-Key": "shared", **JSON}
    change = {"content": b'{"set": {"app:shared": 1}}', "headers": head}
    refused = world.ask(for_one, "PATCH", path, **change)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert "app:shared" not in world.ask(for_one, "GET", path).json()["state"]
    changed = world.ask(for_all, "PATCH", path, **change)
    assert changed.status_code == 200, changed.text
    assert world.ask(for_one, "GET", path).json()["state"]["app:shared"] == 1


def test_what_a_token_is_for_need_not_be_said_again(world: World):
    one_user, one_app = (world.token("write", app="qshop", **of) for of in ({"user": "ada"}, {}))
    for body in ({}, {"user": "ada"}, {"title": "x"}):
        made = world.ask(one_user, "POST", "/v1/sessions", json=body)
        assert made.status_code == 201, made.text
        shown = made.json()["session"]
        assert (shown["app"], shown["user"]) == ("qshop", "ada")
    empty = world.ask(one_user, "POST", "/v1/sessions")
    assert (empty.status_code, empty.json()["session"]["user"]) == (201, "ada")
    refused = world.ask(one_app, "POST", "/v1/sessions", json={"colour": "red"})
    assert refused.status_code == 422
    assert [one["field"] for one in refused.json()["errors"]] == ["user", "colour"]
    null = world.ask(one_user, "POST", "/v1/sessions", json={"user": None})
    assert null.status_code == 422


def test_nobody_has_a_webhook_made_for_somebody_else(world: World):
    bank = world.token("webhooks", app="qbank")
    ada = world.token("webhooks", app="qshop", user="ada")
    for token, whose in (
        (bank, {"app": "qshop"}),
        (bank, {"app": "qnobody"}),
        (ada, {"user": "bob"}),
        (ada, {"app": "qbank", "user": "ada"}),
    ):
        wanted = {"url": "http://127.0.0.1:9/", **whose}
        refused = world.ask(token, "POST", "/v1/webhooks", json=wanted)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden"), whose
        assert refused.json()["detail"] == "this token is for another app or user"


def test_a_token_a_ticket_and_a_webhook_are_for_whom_their_maker_is(world: World):
    bound = world.token("admin", "stream", "read", "webhooks", app="qshop", user="ada")
    made = world.ask(bound, "POST", "/v1/tokens", json={"allow": ["read"]})
    assert (made.json()["app"], made.json()["user"]) == ("qshop", "ada"), made.text
    assert world.ask(bound, "POST", "/v1/tickets", json={}).status_code == 201
    hook = world.ask(bound, "POST", "/v1/webhooks", json={"url": "https://example.com/x"})
    assert (hook.json().get("app"), hook.json().get("user")) == ("qshop", "ada"), hook.text


def test_the_actor_of_an_event_is_the_token_and_the_client_only_claims_another(world: World):
    token = world.token("write", "read", app="qshop", name="till")
    session = world.names["qshop"]["session_id"]
    for headers, claimed in (({}, None), ({"Cairn-Actor": "user:mallory"}, "user:mallory")):
        said = world.ask(
            token, "POST", f"/v1/sessions/{session}/messages",
            json={"role": "user", "parts": HELLO}, headers=headers,
        )  # fmt: skip
        assert said.status_code == 201
        event = world.ask(token, "GET", f"/v1/sessions/{session}/events?last=1").json()["events"][0]
        assert (event["actor"], event.get("claimed_actor")) == ("till", claimed)


def test_a_batch_deletes_nothing_of_somebody_else(world: World):
    token = world.token("write", app="qbank")
    theirs, never = world.names["qshop"]["session_id"], str(uuid4())
    answer = world.ask(
        token, "POST", "/v1/sessions/batch/delete", json={"session_ids": [theirs, never]}
    ).json()
    assert {one["status"] for one in answer["results"]} == {"not_found"}
    assert answer["results"][0] | {"session_id": never} == answer["results"][1]
    assert world.ask(world.owner, "GET", f"/v1/sessions/{theirs}").status_code == 200


def test_two_principals_may_use_one_idempotency_key(world: World):
    key = {"Idempotency-Key": "the-same"}
    ids = set()
    for app in ("qshop", "qbank"):
        token = world.token("write", app=app)
        made = world.ask(
            token, "POST", "/v1/sessions", json={"app": app, "user": "ada"}, headers=key
        )
        assert made.status_code == 201, made.text
        ids.add(made.json()["session"]["id"])
    assert len(ids) == 2


def test_a_cursor_of_another_principal_is_refused(world: World):
    for _ in range(2):
        world.ask(world.owner, "POST", "/v1/sessions", json={"app": "qshop", "user": "ada"})
    first = world.ask(world.token("read", app="qshop"), "GET", "/v1/sessions?limit=1").json()
    other = world.token("read", app="qbank")
    answer = world.ask(other, "GET", f"/v1/sessions?limit=1&cursor={first['next_cursor']}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


def sharing(world: World, app: str, *more: str) -> tuple[list[httpx.Response], Any]:
    """Set and take away a key of all users, in each way that a token for one user knows."""
    token = world.token("read", "write", *more, app=app, user="ada")
    ask = partial(world.ask, token)
    owner = {"app": app, "user": "ada"}
    made = ask("POST", "/v1/sessions", json={**owner, "state": {"own": 1, "user:k": 1}}).json()
    path = f"/v1/sessions/{made['session']['id']}"
    answers = [
        ask("PATCH", f"{path}/state", json={"set": {"app:k": "hers", "own": 2}}),
        ask("PATCH", f"{path}/state", json={"delete": ["app:gone"]}),
        ask("POST", "/v1/sessions", json={**owner, "state": {"app:k": "hers"}}),
        ask("PATCH", f"/v1/apps/{app}/state", json={"set": {"app:k": "hers"}}),
    ]
    return answers, ask("GET", f"{path}/state").json()["state"]


def test_what_all_users_of_an_app_share_is_not_for_a_token_of_one_to_change(world: World):
    app = uuid4().hex
    ours = {"app:k": "ours", "app:gone": 1}
    ask = partial(world.ask, world.token("write", app=app))
    assert ask("PATCH", f"/v1/apps/{app}/state", json={"set": ours}).is_success
    refused, seen = sharing(world, app)
    for answer in refused:
        told = answer.json()
        assert (answer.status_code, told["code"], told["right"]) == (403, "forbidden", "share")
        assert 'scope="cairn:share"' in answer.headers["WWW-Authenticate"]
    assert seen == {"own": 1, "user:k": 1} | ours
    allowed, seen = sharing(world, app, "share")
    assert [answer.status_code for answer in allowed] == [200, 200, 201, 200]
    assert seen == {"own": 2, "user:k": 1, "app:k": "hers"}


def test_a_patch_that_may_not_share_is_refused_alone_among_those_that_wait_with_it(world: World):
    app = uuid4().hex
    token = world.token("read", "write", app=app, user="ada")
    made = world.ask(token, "POST", "/v1/sessions", json={"app": app, "user": "ada"}).json()
    path = f"/v1/sessions/{made['session']['id']}/state"
    keys = [f"{'app:' if number % 2 else ''}k{number}" for number in range(12)]

    def patch(key: str) -> int:
        return world.ask(token, "PATCH", path, json={"set": {key: 1}}).status_code

    with ThreadPoolExecutor(len(keys)) as at_once:
        assert list(at_once.map(patch, keys)) == [200, 403] * 6
    assert world.ask(token, "GET", path).json()["state"] == dict.fromkeys(keys[::2], 1)


def test_the_history_of_a_shared_key_does_not_name_the_sessions_of_other_users(world: World):
    app = uuid4().hex
    ask = partial(world.ask, world.owner)
    bobs, adas = (
        ask(
            "POST", "/v1/sessions", json={"app": app, "user": user, "state": {"app:k": user}},
            headers={"Cairn-Actor": f"user:{user}"},
        ).json()["session"]["id"]
        for user in ("bob", "ada")
    )  # fmt: skip
    assert ask("PATCH", f"/v1/apps/{app}/state", json={"set": {"app:k": "all"}}).is_success
    for path in (f"/v1/apps/{app}/state", f"/v1/sessions/{adas}/state"):
        told = world.ask(
            world.token("read", app=app, user="ada"), "GET", f"{path}/app:k/history"
        ).json()["writes"]
        whole = ask("GET", f"{path}/app:k/history").json()["writes"]
        assert [one["value"] for one in told] == ["all", "ada", "bob"]
        # Hers, and what belongs to no session, is told to the letter.
        assert told[:2] == whole[:2]
        assert (whole[1]["session_id"], whole[2]["session_id"]) == (adas, bobs)
        nobody = {"actor": None, "session_id": None, "sequence": None}
        assert told[2] == whole[2] | nobody


def test_who_may_not_repair_may_not_repair_on_resuming(world: World):
    session = world.ask(world.owner, "POST", "/v1/sessions", json={"app": "qshop", "user": "ada"})
    path = f"/v1/sessions/{session.json()['session']['id']}"
    assert world.ask(world.owner, "POST", f"{path}/stop", json={}).status_code == 200
    writer = world.token("write", "read", app="qshop")
    refused = world.ask(writer, "POST", f"{path}/resume?repair=true")
    assert (refused.status_code, refused.json()["right"]) == (403, "repair")
    assert world.ask(writer, "POST", f"{path}/resume").status_code == 200


# ── tokens ───────────────────────────────────────────────────────────────────────────────────


def test_a_token_is_shown_once_and_never_again(world: World):
    made = world.ask(
        world.owner, "POST", "/v1/tokens", json={"allow": ["read"], "name": "once", "app": "qshop"}
    )
    listed = world.ask(world.owner, "GET", "/v1/tokens")
    one = next(one for one in listed.json()["tokens"] if one["id"] == made.json()["id"])
    assert made.json()["token"] not in listed.text
    assert one == {
        "id": made.json()["id"], "name": "once", "allow": ["read"], "app": "qshop", "user": None,
        "created_at": made.json()["created_at"], "expires_at": None, "last_used_at": None,
    }  # fmt: skip


def test_an_administrator_of_an_app_makes_and_sees_no_more_than_that(world: World):
    admin = world.token("admin", "read", app="qshop")

    def ask(method: str, path: str, **how: Any) -> httpx.Response:
        return world.ask(admin, method, path, **how)

    for body, named in (
        ({"allow": ["read"], "app": None}, "app"),
        ({"allow": ["read"], "app": "qbank"}, "app"),
        ({"allow": ["write"], "app": "qshop"}, "allow"),
        ({"allow": [], "app": "qshop"}, "allow"),
        ({"allow": ["fly"], "app": "qshop"}, "allow"),
        ({"allow": ["read"], "app": None, "user": "ada"}, "user"),
    ):
        refused = ask("POST", "/v1/tokens", json=body)
        assert refused.status_code == 422, body
        assert named in refused.text
    made = ask("POST", "/v1/tokens", json={"allow": ["read"], "app": "qshop", "user": "ada"}).json()
    foreign = world.ask(world.owner, "POST", "/v1/tokens", json={"allow": ["read"], "app": "qbank"})
    tokens = ask("GET", "/v1/tokens").json()["tokens"]
    assert {one["app"] for one in tokens} == {"qshop"}
    for token_id in (foreign.json()["id"], str(uuid4()), "x"):
        refused = ask("DELETE", f"/v1/tokens/{token_id}")
        assert (refused.status_code, refused.json()["code"]) == (404, "token_not_found")
    assert ask("DELETE", f"/v1/tokens/{made['id']}").status_code == 200


def test_what_a_principal_sees():
    ada = Principal(actor="a", app="qshop", user="ada")
    qshop = Principal(actor="a", app="qshop")
    everybody = Principal(actor="a")
    assert [one.sees("qshop", "ada") for one in (ada, qshop, everybody)] == [True, True, True]
    assert [one.sees("qshop", "bob") for one in (ada, qshop, everybody)] == [False, True, True]
    assert [one.sees("qbank", "ada") for one in (ada, qshop, everybody)] == [False, False, True]
    assert [one.covers("qshop", None) for one in (ada, qshop, everybody)] == [False, True, True]
    assert ada.narrowed(None, None) == ("qshop", "ada")
    assert qshop.narrowed(None, "bob") == ("qshop", "bob")
    assert qshop.narrowed("qbank", None) == ada.narrowed(None, "bob") == ("", "")


def test_an_external_id_means_the_session_of_the_app_of_the_token(world: World) -> None:
    name, apps = uuid4().hex, [uuid4().hex, uuid4().hex]
    made: list[str] = []
    for app in apps:
        body = {"app": app, "user": "ada", "external_id": name}
        made.append(
            world.ask(world.owner, "POST", "/v1/sessions", json=body).json()["session"]["id"]
        )
    path = f"/v1/sessions/ext:{name}"
    both = world.ask(world.owner, "GET", path)
    assert (both.status_code, len(both.json()["candidates"])) == (409, 2)
    for app, session_id in zip(apps, made, strict=True):
        seen = world.ask(world.token("read", app=app), "GET", path)
        assert seen.json()["session"]["id"] == session_id
    others = [{"app": uuid4().hex}, {"app": apps[0], "user": "bob"}]
    for whose in others:
        assert world.ask(world.token("read", **whose), "GET", path).status_code == 404
