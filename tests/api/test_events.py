"""The JSON and CloudEvents forms of the tail and of the global feed; `tests/streams` has SSE."""

from concurrent.futures import ThreadPoolExecutor, wait
from hashlib import sha256
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from application.commands.request import BY_ITSELF
from tests.support.api import Api, SessionApi, done, refused

CLOUD = {"Accept": "application/cloudevents-batch+json"}


@pytest.fixture
def long(session: SessionApi) -> SessionApi:
    """Twelve events: created, 2 said, t1 (start, 3 inside, end), t2 (start, 2 inside, end)."""
    session.say()
    session.say()
    session.start()
    session.record(("a", 1), ("b", 2), ("a", 3))
    session.complete()
    session.start("t2")
    session.record(
        ("a", 4), ("agent.message", {"parts": [{"type": "text", "text": "x"}]}), turn_id="t2"
    )
    session.complete("t2")
    return session


def sequences(page: Any) -> list[int]:
    return [event["sequence"] for event in page["events"]]


def test_a_page_is_exclusive_and_says_where_to_go_on(long: SessionApi) -> None:
    for since in range(13):
        for limit in (1, 5, 12, 200):
            response = long.get("/events", params={"since": since, "limit": limit})
            page = done(response)
            assert sequences(page) == list(range(since + 1, 13))[:limit]
            assert page["next"] == min(since + limit, 12)
            assert (page["head"], page["closed"]) == (12, False)
            assert page["up_to_date"] == (page["next"] == 12)
            assert ("next" in response.links) == (not page["up_to_date"])
            assert response.headers["etag"] == '"12"'


def test_absent_zero_and_now(long: SessionApi) -> None:
    whole = done(long.get("/events"))
    assert done(long.get("/events?since=0")) == whole
    now = done(long.get("/events?since=now"))
    assert (now["events"], now["next"], now["up_to_date"]) == ([], 12, True)


def test_last_event_id_beats_since(long: SessionApi) -> None:
    page = done(long.get("/events?since=3", headers={"Last-Event-ID": "10"}))
    assert sequences(page) == [11, 12]
    page = done(long.get("/events?since=10", headers={"Last-Event-ID": ""}))
    assert sequences(page) == [11, 12]
    feed = done(long.api.get("/v1/events?after=0", headers={"Last-Event-ID": "1"}))
    assert feed["events"][0]["position"] == 2


def test_the_newest(long: SessionApi) -> None:
    for last in (1, 3, 12, 200):
        page = done(long.get("/events", params={"last": last}))
        assert sequences(page) == list(range(1, 13))[-last:]
        assert (page["next"], page["up_to_date"]) == (12, True)
    page = done(long.get("/events?last=1&types=runtime.event&turn=t1"))
    assert sequences(page) == [7]


def test_filters_keep_sequences_and_the_cursor_goes_on(long: SessionApi) -> None:
    def found(**query: Any) -> tuple[list[int], int, bool]:
        page = done(long.get("/events", params=query))
        return sequences(page), page["next"], page["up_to_date"]

    assert found(types="message.added") == ([2, 3], 12, True)
    assert found(types=" turn.started , turn.completed ") == ([4, 8, 9, 12], 12, True)
    assert found(turn="t2") == ([9, 10, 11, 12], 12, True)
    assert found(turn="t2", types="runtime.event") == ([10], 12, True)
    assert found(types="turn.*") == ([4, 8, 9, 12], 12, True)
    assert found(types="turn.comp*,message.added") == ([2, 3, 8, 12], 12, True)
    assert found(types="*") == found()
    assert found(types="turn.*", turn="t2", last=1) == ([12], 12, True)
    assert found(turn="none") == ([], 12, True)
    first, following, up_to_date = found(types="message.added", limit=1)
    assert (first, up_to_date) == ([2], False)
    assert found(types="message.added", limit=1, since=following)[0] == [3]


def switch_to(session: SessionApi, name: str) -> None:
    session.record(("agent.switched", {"agent": {"name": name}}))


@pytest.fixture
def shared(api: Api) -> SessionApi:
    """Twelve events: those from 4 to 6 and from 9 to 12 are of bob, the others of ada."""
    session = api.create(agent={"name": "ada"})
    session.start()
    session.record(("a", {}))
    switch_to(session, "bob")
    session.record(("a", {}))
    session.say()
    switch_to(session, "ada")
    session.complete()
    session.start("t2")
    done(session.post("/turns/t2/events", {"events": [
        {"type": "agent.switched", "data": {"agent": {"name": "bob"}}}]}))  # fmt: skip
    session.complete("t2")
    session.say()
    return session


ADA, BOB = [1, 2, 3, 7, 8, 9], [4, 5, 6, 10, 11, 12]


def test_events_are_filtered_by_the_agent_that_answered(shared: SessionApi) -> None:
    def found(**query: Any) -> list[int]:
        """Follow the cursor to the end, as far as it goes."""
        seen: list[int] = []
        while True:
            page = done(shared.get("/events", params=query))
            seen += sequences(page)
            if page["up_to_date"] or "last" in query:
                assert page["next"] == page["head"] == 12
                return seen
            query["since"] = page["next"]

    assert (found(agent="ada"), found(agent="bob"), found(agent="nobody")) == (ADA, BOB, [])
    for limit in (1, 2, 5):
        assert (found(agent="ada", limit=limit), found(agent="bob", limit=limit)) == (ADA, BOB)
    for since in range(13):
        assert found(agent="bob", since=since) == [one for one in BOB if one > since]
        assert found(agent="ada", since=since) == [one for one in ADA if one > since]
    for last in (1, 3, 6, 200):
        assert (found(agent="ada", last=last), found(agent="bob", last=last)) == (
            ADA[-last:], BOB[-last:],
        )  # fmt: skip
    assert found(agent="bob", types="agent.switched") == [4, 10]
    assert found(agent="bob", types="turn.*") == [11]
    assert found(agent="bob", types="turn.*", last=2) == [11]
    assert found(agent="ada", turn="t1") == [2, 3, 7, 8]
    assert found(agent="bob", turn="t1", last=1) == [5]
    refused(shared.get("/events?agent="), 400, "invalid_parameter", field="agent")


def test_the_feed_is_filtered_by_the_agent_that_answered(api: Api) -> None:
    start = api.feed_head()
    one = api.create(agent={"name": "ada"})
    two, none = api.create(app=one.app, agent={"name": "bob"}), api.create(app=one.app)
    one.start()
    two.say()
    middle = api.feed_head()
    switch_to(one, "bob")
    none.say()
    one.complete()

    def found(after: int, **query: Any) -> list[tuple[str, int]]:
        seen: list[tuple[str, int]] = []
        up_to_date = False
        while not up_to_date:
            page = done(api.get("/v1/events", params={"after": after, "app": one.app, **query}))
            seen += [(event["session_id"], event["sequence"]) for event in page["events"]]
            after, up_to_date = page["next"], page["up_to_date"]
        return seen

    bobs = [(two.id, 1), (two.id, 2), (one.id, 3), (one.id, 4)]
    for limit in (1, 200):
        assert found(start, agent="bob", limit=limit) == bobs
        assert found(start, agent="ada", limit=limit) == [(one.id, 1), (one.id, 2)]
        assert found(middle, agent="bob", limit=limit) == bobs[2:]
    assert found(middle, agent="ada") == found(start, agent="nobody") == []
    assert found(start, agent="bob", types="turn.*") == [(one.id, 4)]
    assert found(middle, agent="bob", types="session.created") == []


@pytest.mark.parametrize(
    ("types", "said"),
    [
        ("nosuch", "no type of event is called 'nosuch'; write one such as turn.completed"),
        ("turn.started,nosuch", "no type of event is called 'nosuch'"),
        ("turn", "did you mean `turn.*`?"),
        ("turn.compleet", "did you mean `turn.completed`?"),
        ("Turn.Completed", "did you mean `turn.completed`?"),
        ("turn_completed", "did you mean `turn.completed`?"),
        ("tool.result", "did you mean `tool.returned`?"),
        ("trun.*", "did you mean `turn.*`?"),
        ("turn*ed", "no type of event is called 'turn*ed'"),
    ],
)
def test_a_type_that_there_is_not_is_refused_wherever_types_are_named(
    long: SessionApi, types: str, said: str
) -> None:
    stream = {"Accept": "text/event-stream"}
    for path in (f"{long.path}/events", "/v1/events", "/v1/audit/events"):
        for headers in ({}, stream) if path != "/v1/audit/events" else ({},):
            response = long.api.get(path, params={"types": types}, headers=headers)
            problem = refused(response, 400, "invalid_parameter", field="types")
            assert said in problem["detail"]
    body = {"url": "https://example.com/x", "types": types.split(",")}
    problem = refused(long.api.post("/v1/webhooks", body), 422, "invalid")
    assert said in problem["errors"][0]["message"]


def test_a_list_of_types_names_at_least_one(long: SessionApi) -> None:
    for path in (f"{long.path}/events", "/v1/events", "/v1/audit/events"):
        for types in ("", ",", " , "):
            refused(long.api.get(path, params={"types": types}), 400, "invalid_parameter")


@pytest.mark.parametrize("form", [{}, CLOUD])
def test_links_lead_through_filters(long: SessionApi, form: dict[str, str]) -> None:
    where: str | None = f"{long.path}/events?limit=1&types=turn.started%2Cturn.completed"
    seen: list[int] = []
    while where is not None:
        response = long.api.get(where, headers=form)
        body = response.json()
        records = [one["data"] for one in body] if form else body["events"]
        seen += [record["sequence"] for record in records]
        where = response.links["next"]["url"] if "next" in response.links else None
    assert seen == [4, 8, 9, 12]


def test_records_are_a_chain(long: SessionApi) -> None:
    digest = sha256(UUID(long.id).bytes).digest()
    places = {"session_id", "sequence", "position", "digest"}
    for event in long.events():
        stored = msgspec.json.encode({k: v for k, v in event.items() if k not in places})
        digest = sha256(digest + sha256(stored).digest()).digest()
        assert event["digest"] == digest.hex()
        assert event["session_id"] == long.id


def test_a_long_poll_answers_as_soon_as_there_is_something(session: SessionApi) -> None:
    with ThreadPoolExecutor() as pool:
        api = Api(session.api.base_url)
        where, query = (
            f"{session.path}/events",
            {"since": "1", "wait": "20s", "types": "turn.started"},
        )
        waiting = pool.submit(api.get, where, params=query)
        feed = pool.submit(
            session.api.get,
            "/v1/events",
            params={"after": "now", "wait": "20s", "app": session.app},
        )
        session.say()
        # Until it waits, its `now` may be after the next event.
        while not wait([feed], 0.3).done:
            session.say()
        assert not waiting.done()
        session.start()
        page = done(waiting.result(timeout=60))
        assert (sequences(page), page["next"]) == ([session.head], session.head)
        assert done(feed.result(timeout=60))["events"][0]["type"] == "message.added"
        api.close()


def test_a_long_poll_that_is_in_vain_is_an_empty_page(session: SessionApi) -> None:
    feed = f"/v1/events?after=now&wait=200ms&app={session.app}"
    for path in (f"{session.path}/events?since=now&wait=200ms", feed):
        began = monotonic()
        page = done(session.api.get(path))
        assert (page["events"], page["up_to_date"]) == ([], True)
        assert 0.15 < monotonic() - began < 20
    began = monotonic()
    assert sequences(done(session.get("/events?wait=50s"))) == [1]
    assert monotonic() - began < 40


def test_a_deleted_session_is_closed(session: SessionApi) -> None:
    session.delete()

    assert done(session.get("/events"))["closed"]
    assert done(session.get("/events?since=2"))["closed"]
    assert done(session.get("/events?since=now&wait=20s"))["closed"]
    assert done(session.get("/events?last=1"))["closed"]
    assert done(session.get("/events?types=peer.left"))["closed"]
    assert not done(session.get("/events?limit=1"))["closed"]


def test_cloudevents(long: SessionApi) -> None:
    response = long.get("/events?since=10", headers=CLOUD)
    batch = response.json()
    records = long.events(since=10)

    assert response.headers["content-type"] == "application/cloudevents-batch+json"
    assert [one["data"] for one in batch] == records
    for event, record in zip(batch, records, strict=True):
        assert event["id"] == record["id"]
        assert (event["type"], event["time"]) == ("dev.cairn." + record["type"], record["at"])
        assert event["source"] == long.path
        assert int(event["sequence"]) == record["sequence"]
    assert long.get("/events?since=12", headers=CLOUD).json() == []
    feed = long.api.get("/v1/events", headers=CLOUD, params={"app": long.app})
    assert len(feed.json()) == 12


def test_the_global_feed_is_in_order_and_filtered(api: Api) -> None:
    app, start = uuid4().hex, api.feed_head()
    one, two = api.create(app=app, user="ada"), api.create(app=app, user="bob")
    for _ in range(2):
        one.say()
        two.say()

    def found(**query: Any) -> list[tuple[str, int]]:
        page = done(api.get("/v1/events", params={"after": start, **query}))
        positions = [event["position"] for event in page["events"]]
        assert positions == sorted(set(positions))
        # The server may end meanwhile what a test of before has left open.
        by_clients = [event for event in page["events"] if event["origin"] not in BY_ITSELF]
        return [(event["session_id"], event["sequence"]) for event in by_clients]

    whole = [(one.id, 1), (two.id, 1), (one.id, 2), (two.id, 2), (one.id, 3), (two.id, 3)]
    assert found(app=app) == found() == whole
    assert found(app=app, user="bob") == whole[1::2]
    assert found(app=app, types="session.created") == whole[:2]
    assert found(app=app, types="session.created,peer.left", user="ada") == whole[:1]
    assert found(app=app, types="message.*") == whole[2:]
    assert found(app=app, types="peer.*") == []
    assert found(app="none") == found(user="none") == found(types="peer.left") == []

    where: str | None = f"/v1/events?after={start}&limit=2&app={app}"
    seen: list[Any] = []
    while where is not None:
        response = api.get(where)
        page = done(response)
        seen += page["events"]
        assert page["up_to_date"] == ("next" not in response.links)
        where = response.links["next"]["url"] if "next" in response.links else None
    assert [(event["session_id"], event["sequence"]) for event in seen] == whole


SSE = "text/event-stream"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", "application/json"), ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("application/json, text/event-stream;q=0.1", "application/json"),
        ("text/event-stream;q=0.1, application/json", "application/json"),
        ("text/event-stream ; Q=0.9 , */*;q=0.8", SSE), ("text/*", SSE), ("TEXT/Event-Stream", SSE),
        ("application/json;q=0, */*", SSE), ("text/html, */*;q=0.1", "application/json"),
        ("application/json, text/event-stream", "application/json"),
        ("text/event-stream, application/json", SSE), ("text/event-stream, */*", SSE),
        ("application/cloudevents-batch+json, application/json;q=0.9", CLOUD["Accept"]),
    ],
)  # fmt: skip
def test_accept_chooses_the_form(session: SessionApi, accept: str, form: str) -> None:
    for path in (f"{session.path}/events", "/v1/events?after=now"):
        response = session.api.request("HEAD", path, headers={"Accept": accept})
        assert response.status_code == 200
        assert response.headers["content-type"].partition(";")[0] == form
        assert response.headers["vary"] == "Accept"


@pytest.mark.parametrize(
    "accept",
    ["text/html", "text/event-streams", "application/json;q=0", "nothing", "*/json", "image/*",
     "text/event-stream;q=0, application/*;q=0.000"],
)  # fmt: skip
def test_a_form_that_there_is_not(session: SessionApi, accept: str) -> None:
    for path in (f"{session.path}/events", "/v1/events", "/v1/audit/events"):
        response = session.api.get(path, headers={"Accept": accept})
        refused(response, 406, "not_acceptable")
        assert response.headers["vary"] == "Accept"


def test_an_answer_that_is_not_modified_varies_too(session: SessionApi) -> None:
    page = session.get("/events")
    again = session.get("/events", headers={"If-None-Match": page.headers["etag"]})
    assert (again.status_code, again.headers["vary"]) == (304, "Accept")


def test_a_page_of_large_events_ends_where_it_is_full_and_says_so(session: SessionApi) -> None:
    text = "x" * 400_000
    session.start("t1")
    for _ in range(6):
        session.record(("agent.message", {"parts": [{"type": "text", "text": text}]}))
    head = done(session.get("/events?since=now"))["head"]
    read: list[int] = []
    sizes: list[int] = []
    page: Any = {"next": 0, "up_to_date": False}
    while not page["up_to_date"]:
        response = session.get("/events", params={"since": page["next"], "limit": 1000})
        page = done(response)
        assert ("next" in response.links) == (not page["up_to_date"])
        read += sequences(page)
        sizes.append(len(response.content))
    assert read == list(range(1, head + 1))
    assert len(sizes) == 2
    assert max(sizes) < 1024 * 1024 + 500_000
    newest = done(session.get("/events?last=1000"))
    assert sequences(newest) == list(range(head - 2, head + 1))
    assert session.get("/events?limit=1001").status_code == 400


def test_events_from_a_time_on(session: SessionApi) -> None:
    for number in range(4):
        session.say(str(number))
    events = session.events()
    time = events[2]["at"]

    def found(**query: Any) -> list[int]:
        page = done(session.get("/events", params=query))
        return [event["sequence"] for event in page["events"]]

    assert found(after=time)[-3:] == [3, 4, 5]
    assert all(events[one - 1]["at"] >= time for one in found(after=time))
    assert found(after=time, since=4) == [5]
    assert found(after=time, last=1) == [5]
    assert found(after="2000-01-01T00:00:00Z") == [1, 2, 3, 4, 5]
    assert found(after="2999-01-01T00:00:00Z") == []
    page = session.get("/events", params={"after": time, "limit": 1})
    following = session.api.get(page.links["next"]["url"])
    first, second = done(page)["events"], done(following)["events"]
    assert second[0]["sequence"] == first[0]["sequence"] + 1
    refused(session.get("/events?after=5"), 400, "invalid_parameter", field="after")


def test_events_as_of_a_moment(session: SessionApi) -> None:
    for number in range(4):
        session.say(str(number))
    page = done(session.get("/events?at=3"))
    assert [event["sequence"] for event in page["events"]] == [1, 2, 3]
    assert (page["head"], page["up_to_date"], page["closed"]) == (3, True, False)
    last = done(session.get("/events", params={"at": session.events()[-1]["at"], "last": 2}))
    assert [event["sequence"] for event in last["events"]] == [4, 5]
    newest = done(session.get("/events?at=3&last=2"))
    assert ([event["sequence"] for event in newest["events"]], newest["head"]) == ([2, 3], 3)
    refused(session.get("/events?at=3&wait=1s"), 400, "invalid_parameter", field="at")
    refused(session.get("/events?at=9"), 409, "cursor_ahead")
    refused(session.get("/events?at=2000-01-01T00:00:00Z"), 404, "before_first_event")
