"""Webhooks over HTTP: made, changed, read, replayed, refused; deliveries to a real receiver."""

import base64
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from tests.support.api import Api, Json, SessionApi, done, refused
from tests.support.postgres import Server
from tests.support.receiver import Answer, Receiver, receiving_in_a_thread
from tests.support.server import running

HOOK = "https://hooks.example.invalid/cairn"
SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()
PATIENCE = 60.0


@pytest.fixture(scope="module")
def api(postgres_server: Server) -> Iterator[Api]:
    """A server whose log grows by nothing but what these tests do."""
    with postgres_server.database() as url, running(url) as base:
        api = Api(base)
        yield api
        api.close()


@pytest.fixture(scope="module")
def open_api(postgres_server: Server) -> Iterator[Api]:
    """A server that may call this machine."""
    settings: Any = {"webhook_private_targets": True, "webhook_attempts": 1}
    with postgres_server.database() as url, running(url, **settings) as base:
        api = Api(base)
        yield api
        api.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving_in_a_thread() as one:
        yield one


@pytest.fixture
def session(open_api: Api) -> SessionApi:
    return open_api.create()


@pytest.fixture(autouse=True)
def none_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """At most 100 may be there, and those of other tests are told of everything."""
    yield
    for name in ("api", "open_api"):
        if name in request.fixturenames:
            one: Api = request.getfixturevalue(name)
            for webhook in done(one.get("/v1/webhooks?limit=200"))["webhooks"]:
                done(one.delete(f"/v1/webhooks/{webhook['id']}"))


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it does not come to be"
        time.sleep(0.01)


def make(api: Api, url: str = HOOK, **rest: Any) -> Json:
    return done(api.post("/v1/webhooks", {"url": url, **rest}), 201)


def read(api: Api, webhook: Json) -> Json:
    return done(api.get(f"/v1/webhooks/{webhook['id']}"))


def settled(api: Api, webhook: Json) -> Json:
    """Wait until it has been told of all there is."""
    until(lambda: read(api, webhook)["checkpoint"] == api.feed_head())
    return read(api, webhook)


# ── made, read, changed ──────────────────────────────────────────────────────────────────────


def test_a_webhook_with_all_that_can_be_said(api: Api) -> None:
    api.create()
    head = api.feed_head()
    body = {
        "url": HOOK + "?a=b",
        "types": ["turn.*", "message.added"],
        "app": "shop",
        "user": "ada",
        "description": "for billing",
        "batch": 500,
        "secret": SECRET,
        "from": 1,
    }
    created = api.post("/v1/webhooks", body)

    made = done(created, 201)
    assert created.headers["location"] == f"/v1/webhooks/{made['id']}"
    shown = {key: value for key, value in body.items() if key not in ("secret", "from")}
    assert shown.items() <= made.items()
    assert "secret" not in made
    assert (made["state"], made["checkpoint"], made["lag"]) == ("active", 1, head - 1)
    assert made["counts"] == dict.fromkeys(
        ("delivered_events", "delivered_batches", "failed_attempts", "dead_letters"), 0
    )
    found = read(api, made)
    assert found.keys() == made.keys()
    assert shown.items() <= found.items()


def test_a_secret_is_made_and_shown_once(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        one, other = make(api), make(api)
        secrets = [one["secret"], other["secret"]]
        assert secrets[0] != secrets[1]
        for secret in secrets:
            assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
        path = f"/v1/webhooks/{one['id']}"
        said = [
            api.get(path).text,
            api.get("/v1/webhooks").text,
            api.patch(path, {"description": "x"}).text,
            api.patch(path, {"secret": SECRET}).text,
        ]
        renewed = done(api.patch(path, {"secret": None}))["secret"]
        said += [api.get(path).text, api.delete(path).text]

    assert renewed not in secrets
    for secret in (*secrets, renewed, SECRET):
        assert not any(secret in one for one in said)
        assert secret not in caplog.text


def test_the_secret_before_a_new_one_is_good_for_a_while(api: Api) -> None:
    made = make(api)
    path = f"/v1/webhooks/{made['id']}"
    assert made["old_secret_until"] is None

    for body, seconds in (
        ({"secret": None}, 24 * 3600),
        ({"secret": SECRET, "old_secret_seconds": 604_800}, 604_800),
        ({"secret": SECRET, "old_secret_seconds": 0}, 604_800),
    ):
        changed = done(api.patch(path, body))
        until = datetime.fromisoformat(changed["old_secret_until"])
        left = (until - datetime.now(UTC)).total_seconds()
        assert seconds - 60 < left < seconds + 60
    # One that has leaked is good for nothing any more.
    assert done(api.patch(path, {"secret": None, "old_secret_seconds": 0}))[
        "old_secret_until"
    ] is None  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        {"secret": None, "old_secret_seconds": -1},
        {"secret": None, "old_secret_seconds": 604_801},
        {"secret": None, "old_secret_seconds": "5"},
        {"secret": None, "old_secret_seconds": None},
        {"old_secret_seconds": 5},
    ],
)
def test_how_long_an_old_secret_may_be_good(api: Api, body: dict[str, Any]) -> None:
    made = make(api)

    problem = refused(api.patch(f"/v1/webhooks/{made['id']}", body), 422, "invalid")
    assert problem["errors"][0]["field"] == "old_secret_seconds"
    assert read(api, made)["old_secret_until"] is None


def test_where_a_webhook_begins(api: Api) -> None:
    api.create()
    head = api.feed_head()

    # That a secret was made and shown is an event itself.
    assert make(api)["checkpoint"] == head
    assert make(api, secret=SECRET, **{"from": "now"})["checkpoint"] == head + 1
    head = api.feed_head()
    assert make(api, secret=SECRET, **{"from": 0})["checkpoint"] == 0
    assert make(api, secret=SECRET, **{"from": head})["checkpoint"] == head
    beyond = api.post("/v1/webhooks", {"url": HOOK, "from": head + 1})
    refused(beyond, 409, "cursor_ahead", head=head, cursor=head + 1)


def test_webhooks_are_listed_page_by_page(api: Api) -> None:
    made = [make(api, description=f"number {n}")["id"] for n in range(5)]

    found: list[str] = []
    path = "/v1/webhooks?limit=2"
    while path:
        response = api.get(path)
        page = done(response)
        assert len(page["webhooks"]) <= 2
        found += [webhook["id"] for webhook in page["webhooks"]]
        link = response.headers.get("link", "")
        assert bool(link) == (page["next_cursor"] is not None)
        path = link.partition(">")[0].lstrip("<")
    assert found == made
    cursor = done(api.get("/v1/webhooks?limit=1"))["next_cursor"]
    changed = cursor[:-1] + ("A" if cursor[-1] != "A" else "B")
    refused(api.get("/v1/webhooks", params={"cursor": changed}), 400, "invalid_cursor")
    letters = f"/v1/webhooks/{made[0]}/dead-letters"
    refused(api.get(letters, params={"cursor": cursor}), 400, "invalid_cursor")


def test_a_webhook_is_changed(api: Api) -> None:
    made = make(api, types=["turn.*"], description="one", batch=5)
    path = f"/v1/webhooks/{made['id']}"

    assert done(api.patch(path, {}))["updated_at"] == made["updated_at"]
    changed = done(
        api.patch(
            path,
            {"url": HOOK + "/2", "types": None, "description": None, "batch": 7, "state": "paused"},
        )
    )
    assert changed["url"] == HOOK + "/2"
    assert (changed["types"], changed["description"], changed["batch"]) == (None, None, 7)
    assert (changed["state"], changed["paused_because"]) == ("paused", "asked")
    again = done(api.patch(path, {"state": "active", "types": ["tool.called"]}))
    assert (again["state"], again["paused_because"]) == ("active", None)
    assert (again["types"], again["url"], again["batch"]) == (["tool.called"], HOOK + "/2", 7)
    assert read(api, made)["types"] == ["tool.called"]


def test_a_webhook_that_is_taken_away_is_no_more(api: Api) -> None:
    path = f"/v1/webhooks/{make(api)['id']}"
    assert done(api.delete(path)) == {"id": path.rpartition("/")[2]}

    for method, where, body in (
        ("GET", "", None),
        ("PATCH", "", {"batch": 1}),
        ("DELETE", "", None),
        ("POST", "/replay", {"from": 0}),
        ("GET", "/dead-letters", None),
        ("POST", "/dead-letters/1/retry", None),
        ("DELETE", "/dead-letters/1", None),
    ):
        for one in (path, f"/v1/webhooks/{uuid4()}", "/v1/webhooks/none"):
            response = (
                api.request(method, one + where, json=body)
                if body
                else api.request(method, one + where)
            )
            refused(response, 404, "webhook_not_found")


@pytest.mark.hunt
def test_there_are_as_many_webhooks_as_there_may_be(api: Api) -> None:
    made = [make(api) for _ in range(100)]

    refused(api.post("/v1/webhooks", {"url": HOOK}), 429, "limit_reached", limit=100)
    done(api.delete(f"/v1/webhooks/{made[41]['id']}"))
    make(api)
    refused(api.post("/v1/webhooks", {"url": HOOK}), 429, "limit_reached")


def test_webhooks_are_not_in_the_log(api: Api) -> None:
    with api.nothing_recorded():
        made = make(api, secret=SECRET)
        done(api.patch(f"/v1/webhooks/{made['id']}", {"state": "paused"}))
        done(api.delete(f"/v1/webhooks/{made['id']}"))


# ── bad input ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "url",
    [
        "", "x", "/hooks", "//example.com/", "https://", "https:///x", "ftp://example.com/",
        "file:///etc/passwd", "javascript:alert(1)", "https://user@example.com/",
        "https://user:pw@example.com/", "https://@example.com/", "https://example.com/#part",
        "https://example.com/a b", "https://example.com/\n", "https://exam\tple.com/",
        "https://ex\u00e4mple.com/", "https://example.com\\@127.0.0.1/", "https://[::1/",
        "https://example.com:0/", "https://example.com:65536/", "https://example.com:x/",
        "https://example.com/" + "x" * 2000, "https://example.com/\u0000", 7, None, ["x"],
    ],
)  # fmt: skip
def test_a_url_that_makes_no_sense(api: Api, url: Any) -> None:
    problem = refused(api.post("/v1/webhooks", {"url": url}), 422, "invalid")
    assert problem["errors"][0]["field"] == "url"
    made = make(api)
    problem = refused(api.patch(f"/v1/webhooks/{made['id']}", {"url": url}), 422, "invalid")
    assert problem["errors"][0]["field"] == "url"
    assert read(api, made)["url"] == HOOK


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8080/", "http://localhost/", "http://[::1]/", "http://10.0.0.1/",
     "http://192.168.0.1/", "http://172.16.5.5/", "http://169.254.169.254/latest/", "http://0/",
     "http://2130706433/", "http://127.1/", "https://[fd00::1]/"],
)  # fmt: skip
def test_a_url_of_a_neighbour_is_refused(api: Api, url: str) -> None:
    problem = refused(api.post("/v1/webhooks", {"url": url}), 422, "webhook_target_refused")
    assert "CAIRN_WEBHOOK_PRIVATE_TARGETS" in problem["detail"]
    made = make(api)
    patched = api.patch(f"/v1/webhooks/{made['id']}", {"url": url})
    refused(patched, 422, "webhook_target_refused")
    assert read(api, made)["url"] == HOOK


@pytest.mark.parametrize(
    ("field", "value", "where"),
    [
        ("types", [], "types"), ("types", "turn.*", "types"), ("types", [1], "types[0]"),
        ("types", ["turn.started", "turn.startd"], "types[1]"), ("types", ["Turn.*"], "types[0]"),
        ("types", ["nothing.*"], "types[0]"), ("types", [""], "types[0]"),
        ("types", ["turn.started\u0000"], "types[0]"), ("types", ["turn.*"] * 101, "types"),
        ("types", ["*.started"], "types[0]"), ("app", "", "app"), ("app", 1, "app"),
        ("app", "x" * 201, "app"), ("app", "a\u0000", "app"), ("user", "\n", "user"),
        ("user", " ", "user"), ("description", "", "description"),
        ("description", "x" * 501, "description"), ("description", "a\u0000b", "description"),
        ("batch", 0, "batch"), ("batch", 501, "batch"), ("batch", "5", "batch"),
        ("batch", 1.5, "batch"), ("batch", None, "batch"), ("secret", "", "secret"),
        ("secret", "whsec_", "secret"), ("secret", SECRET.removeprefix("whsec_"), "secret"),
        ("secret", "whsec_" + "A" * 28, "secret"), ("secret", "whsec_" + "A" * 31, "secret"),
        ("secret", "whsec_" + "!" * 32, "secret"), ("secret", "whsec_" + "A" * 88, "secret"),
        ("secret", 1, "secret"), ("from", -1, "from"), ("from", "start", "from"),
        ("from", 2**63, "from"), ("from", 1.5, "from"), ("from", True, "from"),
        ("from", None, "from"), ("start", 0, "start"), ("state", "paused", "state"),
        ("id", "01890a5d-ac96-774b-bcce-b302099a8057", "id"),
    ],
)  # fmt: skip
def test_a_field_that_makes_no_sense(api: Api, field: str, value: Any, where: str) -> None:
    body = {"url": HOOK, field: value}
    problem = refused(api.post("/v1/webhooks", body), 422, "invalid")
    assert problem["errors"][0]["field"] == where
    assert not isinstance(value, str) or len(value) < 20 or value not in json.dumps(problem)
    if field not in ("app", "user", "from", "start", "id", "state"):
        made = make(api)
        patched = api.patch(f"/v1/webhooks/{made['id']}", {field: value})
        problem = refused(patched, 422, "invalid")
        assert problem["errors"][0]["field"] == where
    assert len(done(api.get("/v1/webhooks"))["webhooks"]) <= 1


@pytest.mark.parametrize("field", ["app", "user", "from", "checkpoint", "id"])
def test_what_cannot_be_changed_is_named(api: Api, field: str) -> None:
    patched = api.patch(f"/v1/webhooks/{make(api)['id']}", {field: "x"})

    assert refused(patched, 422, "invalid")["errors"][0]["field"] == field


@pytest.mark.parametrize("name", ["If-Match", "Idempotency-Key"])
def test_conditions_that_a_webhook_cannot_meet_are_not_overlooked(api: Api, name: str) -> None:
    made = make(api)
    path = f"/v1/webhooks/{made['id']}"
    # Paused, nothing is delivered, so that no failed delivery changes the state meanwhile.
    done(api.patch(path, {"state": "paused"}))
    for method, where, body in (
        ("POST", "/v1/webhooks", {"url": HOOK}),
        ("PATCH", path, {"state": "active"}),
        ("DELETE", path, {}),
        ("POST", f"{path}/replay", {"from": 0}),
    ):
        response = api.request(method, where, json=body, headers={name: '"1"'})
        refused(response, 400, "malformed_header")
    assert read(api, made)["state"] == "paused"
    assert len(done(api.get("/v1/webhooks"))["webhooks"]) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [({}, "from"), ({"from": "now"}, "from"), ({"from": -1}, "from"),
     ({"from": 0, "upto": 0}, "upto"), ({"from": 3, "upto": 3}, "upto"),
     ({"from": 3, "upto": 2}, "upto"), ({"from": 0, "upto": "x"}, "upto"),
     ({"from": 0, "to": 1}, "to")],
)  # fmt: skip
def test_a_replay_that_makes_no_sense(api: Api, body: Json, field: str) -> None:
    session = api.create()
    for _ in range(5):
        session.say()
    made = make(api, **{"from": 5})
    problem = refused(api.post(f"/v1/webhooks/{made['id']}/replay", body), 422, "invalid")

    assert problem["errors"][0]["field"] == field
    for late in ({"from": 5}, {"from": 6, "upto": 9}):
        response = api.post(f"/v1/webhooks/{made['id']}/replay", late)
        refused(response, 409, "nothing_to_replay")
    assert read(api, made)["replaying"] is None


@pytest.mark.parametrize("number", ["1", "0", "x", "-1", "9" * 30, "٣", "1.0"])
def test_a_dead_letter_that_is_none(api: Api, number: str) -> None:
    path = f"/v1/webhooks/{make(api)['id']}/dead-letters/{number}"

    refused(api.post(f"{path}/retry"), 404, "dead_letter_not_found")
    refused(api.delete(path), 404, "dead_letter_not_found")


# ── told ─────────────────────────────────────────────────────────────────────────────────────


def test_a_receiver_is_told_of_what_happens(
    open_api: Api, session: SessionApi, receiver: Receiver
) -> None:
    made = make(open_api, receiver.url, app=session.app)
    session.say("one")
    session.start()
    session.complete()
    until(lambda: len(receiver.positions) == 3)

    told = [event for message in receiver.messages for event in message.json["events"]]
    assert told == session.events()[1:]
    assert all(message.is_signed_with(made["secret"]) for message in receiver.messages)
    now = settled(open_api, made)
    assert (now["lag"], now["counts"]["delivered_events"]) == (0, 3)
    assert now["last_delivered_at"] is not None


def test_a_new_secret_signs_from_then_on(
    open_api: Api, session: SessionApi, receiver: Receiver
) -> None:
    made = make(open_api, receiver.url, app=session.app, secret=SECRET)
    session.say()
    until(lambda: len(receiver.messages) == 1)
    settled(open_api, made)
    renewed = done(open_api.patch(f"/v1/webhooks/{made['id']}", {"secret": None}))["secret"]
    session.say()
    # Whoever delivers hears of it in another process, maybe, but soon.
    until(lambda: len(receiver.messages) == 2)

    first, second = receiver.messages
    assert first.is_signed_with(SECRET)
    assert second.is_signed_with(renewed) or second.is_signed_with(SECRET)
    session.say()
    until(lambda: len(receiver.messages) == 3)
    assert receiver.messages[2].is_signed_with(renewed)


def test_what_was_given_up_is_listed_sent_again_and_taken_away(
    open_api: Api, session: SessionApi, receiver: Receiver
) -> None:
    receiver.always = Answer(500)
    made = make(open_api, receiver.url, app=session.app, batch=1)
    path = f"/v1/webhooks/{made['id']}"
    for number in range(3):
        session.say(f"{number}")
    until(lambda: read(open_api, made)["counts"]["dead_letters"] == 3)

    page = done(open_api.get(f"{path}/dead-letters?limit=2"))
    assert [letter["number"] for letter in page["dead_letters"]] == [1, 2]
    rest = done(
        open_api.get(f"{path}/dead-letters", params={"cursor": page["next_cursor"], "limit": 2})
    )
    assert [letter["number"] for letter in rest["dead_letters"]] == [3]
    assert rest["next_cursor"] is None
    letter = page["dead_letters"][1]
    assert (letter["events"], letter["attempts"], letter["queued"]) == (1, 1, False)
    assert letter["reason"] == "the receiver answered 500"

    done(open_api.delete(f"{path}/dead-letters/1"))
    refused(open_api.delete(f"{path}/dead-letters/1"), 404, "dead_letter_not_found")
    done(open_api.patch(path, {"state": "paused"}))
    refused(open_api.post(f"{path}/dead-letters/2/retry"), 409, "webhook_paused")
    done(open_api.patch(path, {"state": "active"}))
    receiver.always = Answer(204)
    queued = done(open_api.post(f"{path}/dead-letters/2/retry"), 202)
    assert (queued["number"], queued["queued"]) == (2, True)
    until(lambda: read(open_api, made)["counts"]["dead_letters"] == 1)

    position = session.events()[2]["position"]
    assert receiver.positions == [position]
    tries = [message for message in receiver.messages if message.positions == [position]]
    assert len({message.id for message in tries}) == 1


def test_a_replay_is_shown_while_it_runs(
    open_api: Api, session: SessionApi, receiver: Receiver
) -> None:
    made = make(open_api, receiver.url, app=session.app)
    path = f"/v1/webhooks/{made['id']}"
    for number in range(4):
        session.say(f"{number}")
    until(lambda: len(receiver.positions) == 4)
    before = settled(open_api, made)
    done(open_api.patch(path, {"state": "paused"}))

    begin, end = receiver.positions[0], receiver.positions[2]
    replayed = done(open_api.post(f"{path}/replay", {"from": begin, "upto": end}))
    assert (replayed["checkpoint"], replayed["state"]) == (begin, "paused")
    assert replayed["replaying"] == {"upto": end, "resume_at": before["checkpoint"]}
    done(open_api.patch(path, {"state": "active"}))
    until(lambda: len(receiver.positions) == 6)
    assert settled(open_api, made)["replaying"] is None
    assert receiver.positions[4:] == receiver.positions[1:3]

    done(open_api.post(f"{path}/replay", {"from": 0}))
    until(lambda: len(receiver.positions) == 11)
    # What was before the webhook itself is told too.
    assert receiver.positions[6:] == [event["position"] for event in session.events()]


def test_deliveries_are_counted_for_prometheus(
    open_api: Api, session: SessionApi, receiver: Receiver
) -> None:
    make(open_api, receiver.url, app=session.app)
    session.say()
    until(lambda: len(receiver.messages) == 1)

    assert 'cairn_webhook_attempts_total{outcome="delivered"}' in open_api.get("/metrics").text


def test_who_calls_and_whom_is_set_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    from api.settings import Settings

    for name in list(os.environ):
        if name.startswith("CAIRN_WEBHOOK"):
            monkeypatch.delenv(name)
    plain = Settings()
    assert (plain.webhook_private_targets, plain.webhook_attempts) == (False, 12)
    assert plain.webhook_timeout_seconds == 10.0
    monkeypatch.setenv("CAIRN_WEBHOOK_PRIVATE_TARGETS", "true")
    assert Settings().webhook_private_targets
