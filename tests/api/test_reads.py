"""Lists, snapshots, transcripts, history and status, as clients page and follow them."""

import threading
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from time import monotonic
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit
from uuid import uuid4

import pytest

from tests.support.api import HELLO, Api, Json, SessionApi, done, refused

LIVE = {"partial"}


def listed(api: Api, **query: Any) -> list[str]:
    sessions = done(api.get("/v1/sessions", params={"limit": 200, **query}))["sessions"]
    return [session["title"] for session in sessions]


# ── lists ────────────────────────────────────────────────────────────────────────────────────


def test_every_filter(api: Api) -> None:
    app = uuid4().hex
    common: Json = {"app": app, "user": "u"}
    full = {"user": "ada", "workspace": "w", "team": "t", "scope": "s", "agent": {"name": "n"}}
    api.create(**{**common, **full, "title": "Blue 100%_\\ Sky", "tags": ["x", "y"]})
    starred = api.create(**common, title="starred", tags=["y"])
    starred.patch("", {"starred": True})
    running = api.create(**common, title="running")
    running.start()
    waiting = api.create(**common, title="waiting")
    waiting.start()
    waiting.ask()
    stopped = api.create(**common, title="stopped")
    stopped.post("/stop")
    api.create(**common, title="deleted").delete()

    def found(**query: Any) -> set[str]:
        return set(listed(api, app=app, **query))

    blue = "Blue 100%_\\ Sky"
    assert found() == {blue, "starred", "running", "waiting", "stopped"}
    for name in ("workspace", "team", "scope"):
        assert found(**{name: full[name]}) == {blue}
        assert found(**{name: "other"}) == set()
    assert (found(user="ada"), found(agent="n"), found(tag="x")) == ({blue}, {blue}, {blue})
    assert found(tag="y") == {blue, "starred"}
    assert found(starred="true") == {"starred"}
    assert found(starred="false") == {blue, "running", "waiting", "stopped"}
    assert found(status="idle") == {blue, "starred"}
    for status in ("running", "waiting", "stopped"):
        assert found(status=status) == {status}
    assert found(type="user") == found()
    assert found(type="dream") == set()
    assert found(type="dream,user") == found(type=["user", "dream"]) == found()
    for text in ("blue", "SKY", "100%_", "%_\\", " s"):
        assert found(text=text) == {blue}
    assert found(text="_e") == set()
    assert found(user="u", tag="y", starred="true", status="idle", text="star") == {"starred"}


def test_a_filter_takes_several_states(api: Api) -> None:
    app = uuid4().hex
    api.create(app=app, title="idle")
    api.create(app=app, title="running").start()
    api.create(app=app, title="stopped").post("/stop")
    for status in ("idle,running", ["idle", "running"], ["running,idle", "idle"]):
        assert set(listed(api, app=app, status=status)) == {"idle", "running"}
    assert set(listed(api, app=app, badge=["idle,stopped", "running"])) == {
        "idle", "running", "stopped"
    }  # fmt: skip
    for wrong in ("idle,x", ["idle", "deleted"], ","):
        refused(
            api.get("/v1/sessions", params={"status": wrong}),
            400, "invalid_parameter", field="status",
        )  # fmt: skip


def test_metadata_is_a_filter(api: Api) -> None:
    app = uuid4().hex
    api.create(
        app=app,
        title="one",
        metadata={"k": "x", "n": 4711, "a.b": True, "": "", "deep": {"k": "x"}},
    )
    api.create(app=app, title="two", metadata={"k": "x", "lines": "a\nb", "none": None})
    api.create(app=app, title="three", metadata={"k": "100%_"})

    def found(query: dict[str, str]) -> set[str]:
        return set(listed(api, app=app, **{f"metadata.{name}": query[name] for name in query}))

    assert found({"k": "x"}) == {"one", "two"}
    assert found({"k": "100%_"}) == {"three"}
    assert found({"k": "X"}) == found({"k": ""}) == found({"K": "x"}) == set()
    assert found({"k": "x", "n": "4711"}) == found({"a.b": "true"}) == found({"": ""}) == {"one"}
    assert found({"lines": "a\nb"}) == found({"none": "null"}) == {"two"}
    assert found({"deep": '{"k":"x"}'}) == set()


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("metadata.k=a&metadata.k=b", "metadata.k"),
        ("metadata.k=a%00b", "metadata.k"),
        ("metadata.k=" + "x" * 501, "metadata.k"),
        ("metadata=x", "metadata"),
        ("metadatas.k=x", "metadatas.k"),
        ("roots=1", "roots"),
        ("roots=", "roots"),
    ],
)
def test_a_filter_of_metadata_or_roots_that_makes_no_sense(
    api: Api, query: str, field: str
) -> None:
    refused(api.get(f"/v1/sessions?{query}"), 400, "invalid_parameter", field=field)


def test_pages_of_a_filter_by_metadata(api: Api) -> None:
    app = uuid4().hex
    for title in "abc":
        api.create(app=app, title=title, metadata={"k": "ü&=", "m": "1"})
    query = {"app": app, "metadata.k": "ü&=", "metadata.m": "1", "sort": "title", "limit": 2}
    first = api.get("/v1/sessions", params=query)
    assert [one["title"] for one in done(first)["sessions"]] == ["a", "b"]
    rest = done(api.get(first.links["next"]["url"]))
    assert ([one["title"] for one in rest["sessions"]], rest["next_cursor"]) == (["c"], None)
    cursor = done(first)["next_cursor"]
    other = {**query, "metadata.m": "2", "cursor": cursor}
    refused(api.get("/v1/sessions", params=other), 400, "invalid_cursor")


def test_roots_alone_and_their_children(api: Api) -> None:
    app = uuid4().hex
    root = api.create(app=app, title="root")
    child = {"agent": {"name": "helper"}, "title": "child", "ttl_seconds": 60}
    done(root.post("/spawn", child), 201)
    done(root.post("/fork", {"title": "fork"}), 201)
    assert set(listed(api, app=app)) == {"root", "child", "fork"}
    assert set(listed(api, app=app, roots="true")) == {"root", "fork"}
    assert set(listed(api, app=app, roots="false")) == {"child"}


def test_ranges_of_time(api: Api) -> None:
    app = uuid4().hex
    sessions = [api.create(app=app, title=str(i)) for i in range(3)]
    sessions[0].say()
    rows = {i: done(one.get())["session"] for i, one in enumerate(sessions)}
    created = datetime.fromisoformat(rows[1]["created_at"])
    updated = datetime.fromisoformat(rows[0]["updated_at"])
    tick = timedelta(microseconds=1)

    def found(**query: datetime) -> set[str]:
        return set(listed(api, app=app, **{k: v.isoformat() for k, v in query.items()}))

    assert found(created_after=created - tick) == {"1", "2"}
    assert found(created_before=created + tick) == {"0", "1"}
    assert found(created_after=created + tick) == {"2"}
    assert found(updated_after=updated - tick) == {"0"}
    assert found(updated_before=updated - tick) == {"1", "2"}


@pytest.mark.parametrize(
    "sort", [None, "updated_at", "-updated_at", "created_at", "-created_at", "title", "-title"]
)
@pytest.mark.parametrize("limit", [1, 3, 200])
def test_pages_follow_their_links_to_the_end(api: Api, sort: str | None, limit: int) -> None:
    app = f"sorted-{sort}-{limit}"
    titles = ["b", None, "a", "é", "B", None, "a"]
    sessions = [api.create(app=app, **({"title": t} if t else {})) for t in titles]
    for index in (4, 1):
        sessions[index].say()
    query = {"app": app, "limit": str(limit), **({"sort": sort} if sort else {})}
    rows: list[Json] = []
    where: str | None = f"/v1/sessions?{urlencode(query)}"
    while where is not None:
        response = api.get(where)
        page = done(response)
        assert len(page["sessions"]) <= limit
        rows += page["sessions"]
        assert ("link" in response.headers) == (page["next_cursor"] is not None)
        where = response.links["next"]["url"] if "next" in response.links else None

    assert {row["id"] for row in rows} == {session.id for session in sessions}
    assert len(rows) == len(titles)
    key = (sort or "-updated_at").removeprefix("-")
    values = [(row[key] or "", row["id"]) for row in rows]
    assert values == sorted(values, reverse=(sort or "-").startswith("-"))


def test_the_link_to_the_next_page_keeps_the_query_in_its_order(api: Api) -> None:
    app = uuid4().hex
    for _ in range(2):
        api.create(app=app, tags=["b"])
    query = f"tag=b&sort=title&app={app}&limit=1&status=idle&starred=false"

    response = api.get(f"/v1/sessions?{query}")

    cursor = quote_plus(done(response)["next_cursor"])
    assert urlsplit(response.links["next"]["url"]).query == f"{query}&cursor={cursor}"


def test_pages_stay_whole_while_rows_change(api: Api) -> None:
    app = uuid4().hex
    sessions = [api.create(app=app) for _ in range(9)]
    query: Json = {"app": app, "limit": 2, "sort": "created_at"}
    seen: list[str] = []
    while True:
        page = done(api.get("/v1/sessions", params=query))
        seen += [row["id"] for row in page["sessions"]]
        sessions[len(seen) % 9].say()
        sessions[0].patch("", {"title": f"{len(seen)}"})
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]

    assert seen == [session.id for session in sessions]


# ── snapshots ────────────────────────────────────────────────────────────────────────────────


def without_what_is_live(snapshot: Json) -> Json:
    state = {k: v for k, v in snapshot["state"].items() if not k.startswith(("app:", "user:"))}
    turn = snapshot["turn"] and {k: v for k, v in snapshot["turn"].items() if k not in LIVE}
    return {**snapshot, "state": state, "turn": turn}


def test_a_snapshot_of_any_past_sequence_is_what_it_was_then(api: Api) -> None:
    session = api.create(
        title="T", state={"k": 0, "app:k": 0}, messages=[{"role": "user", "parts": HELLO}]
    )
    neighbour = api.create(app=session.app, user=session.user)
    taken: dict[int, Json] = {}
    states: dict[int, Json] = {}

    def take() -> None:
        snapshot = done(session.get("/snapshot"))
        assert snapshot["sequence"] == session.head
        taken[snapshot["sequence"]] = snapshot

    text = [{"type": "text", "text": "x"}]
    piece, call = {"parts": text, "message_id": "m"}, {"tool_call_id": "c"}
    used = {"input_tokens": 3, "cost": 0.5}
    steps: list[Any] = [
        lambda: session.patch("", {"title": "U", "tags": ["a"]}),
        lambda: session.start(),
        lambda: session.record(("agent.thought", {"parts": text}), ("agent.message", piece)),
        lambda: session.record(("agent.message", {"parts": HELLO}), partial=True),
        lambda: session.record(("agent.message", piece)),
        lambda: session.record(("tool.called", {**call, "name": "n", "input": {"a": 1}})),
        lambda: session.ask(),
        lambda: session.record(("tool.progressed", {**call, "title": "t", "content": 1})),
        lambda: session.post("/interactions/r1/decision", {"option_id": "no"}),
        lambda: neighbour.patch("/state", {"set": {"app:k": 1, "user:n": 1}}),
        lambda: session.record(("tool.returned", {"tool_call_id": "c", "output": [1]})),
        lambda: session.record(("plan.updated", {"entries": [{"a": 1}]}), ("usage.reported", used)),
        lambda: session.record(("agent.switched", {"agent": {"name": "b"}}), ("vendor.kind", 1)),
        lambda: session.complete(),
        lambda: session.patch("/state", {"set": {"k": 1, "user:k": 1}, "delete": ["app:k"]}),
        lambda: session.say(id="s"),
        lambda: session.patch("/messages/s", {"parts": text}),
        lambda: session.start("t2"),
        lambda: session.record(("tool.called", {"tool_call_id": "c", "name": "n"}), turn_id="t2"),
        lambda: session.ask("r2", "t2"),
        lambda: session.post("/stop", {"cause": "failed", "failure": {"kind": "k"}}),
        lambda: session.post("/resume"),
        lambda: session.patch("", {"starred": True, "title": None}),
    ]  # fmt: skip
    take()
    for step in steps:
        step()
        take()

    head = session.head
    for at in range(1, head + 1):
        past = done(session.get("/snapshot", params={"at": at}))
        assert past["sequence"] == at
        states[at] = past["state"]
        if at in taken:
            assert without_what_is_live(past) == without_what_is_live(taken[at])
    last = done(session.get("/snapshot", params={"at": head}))
    assert last == taken[head]
    # Shared keys are as they were at the position of the event, whoever wrote them.
    assert states[1]["app:k"] == 0
    before_end = next(e["sequence"] for e in session.events() if e["type"] == "turn.completed") - 1
    assert states[before_end] == {"k": 0, "app:k": 1, "user:n": 1}


def test_a_snapshot_and_the_tail_after_it_are_the_whole(session: SessionApi) -> None:
    session.start()
    session.record(("agent.message", {"parts": HELLO}))
    snapshot = done(session.get("/snapshot"))
    session.complete()
    after = session.events(since=snapshot["sequence"])

    assert [event["type"] for event in after] == ["turn.completed"]
    assert snapshot["turn"]["turn_id"] == "t1"
    assert [entry["role"] for entry in snapshot["transcript"]] == ["user", "agent"]


# ── transcript and history ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("form", ["entries", "ui"])
def test_the_transcript_in_pages(session: SessionApi, order: str, form: str) -> None:
    for number in range(7):
        session.say(str(number))
    where: str | None = f"{session.path}/messages?limit=3&order={order}&format={form}"
    seen: list[str] = []
    while where is not None:
        response = session.api.get(where)
        seen += [one["parts"][0]["text"] for one in done(response)["messages"]]
        where = response.links["next"]["url"] if "next" in response.links else None
        if len(seen) == 3:
            session.say("7")

    whole = [str(number) for number in range(8)]
    assert seen == (whole if order == "asc" else whole[:7][::-1])


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_page_of_the_transcript_is_full_by_bytes_too(session: SessionApi, order: str) -> None:
    for number in range(5):
        session.say("x" * 600_000, id=f"m{number}")
    pages, query = list[list[str]](), {"order": order}
    while True:
        page = done(session.get("/messages", params=query))
        pages.append([entry["id"] for entry in page["messages"]])
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]

    ids = [f"m{number}" for number in range(5)][:: 1 if order == "asc" else -1]
    assert pages == [ids[:2], ids[2:4], ids[4:]]


def test_sessions_are_found_by_the_beginning_of_their_id(api: Api) -> None:
    made = [
        api.create(id=f"0badcafe-0000-4000-8000-{number:012x}").id for number in (0x1A0, 0x1A1, 2)
    ]

    def found(prefix: str) -> set[str]:
        page = done(api.get("/v1/sessions", params={"id_prefix": prefix}))
        return {one["id"] for one in page["sessions"]}

    assert found("0badcafe-0000-4000-8000-0000000001a") == set(made[:2])
    assert found(made[2].upper()) == {made[2]}
    assert found("0badcafe-0001") == set()
    for wrong in ("", "0badcafe0", "g", made[0] + "0", "-"):
        refused(api.get("/v1/sessions", params={"id_prefix": wrong}), 400, "invalid_parameter")


def test_history_is_grouped_by_turn(session: SessionApi) -> None:
    session.say()
    for turn_id in ("t1", "t2"):
        session.start(turn_id)
        session.record(("x", {}), ("y", {}), turn_id=turn_id)
        session.complete(turn_id)
    session.say()

    page = done(session.get("/history", params={"limit": 200}))
    groups = [(group["turn_id"], len(group["events"])) for group in page["groups"]]
    assert groups == [(None, 2), ("t1", 4), ("t2", 4), (None, 1)]
    assert (page["next"], page["head"], page["up_to_date"]) == (11, 11, True)

    events: list[Json] = []
    where: str | None = f"{session.path}/history?limit=3"
    while where is not None:
        response = session.api.get(where)
        events += [event for group in done(response)["groups"] for event in group["events"]]
        where = response.links["next"]["url"] if "next" in response.links else None
    assert events == session.events()


# ── status ───────────────────────────────────────────────────────────────────────────────────


def test_status_waits_for_a_change_of_status(session: SessionApi) -> None:
    with ThreadPoolExecutor() as pool:
        api = Api(session.api.base_url)
        waiting = pool.submit(api.get, f"{session.path}/status", params={"wait": "20s"})
        session.say()
        assert not wait([waiting], 0.2).done
        session.start()
        if not wait([waiting], 5).done:
            # It was asked so late that it saw the turn: the next change is the end of that.
            session.complete()
        status = done(waiting.result(timeout=60))
        api.close()

    assert (status["status"], status["sequence"]) in {("running", 3), ("idle", 4)}


def test_status_answers_when_time_is_up(session: SessionApi) -> None:
    began = monotonic()
    assert done(session.get("/status?wait=200ms"))["status"] == "idle"
    assert 0.15 < monotonic() - began < 20
    assert done(session.get("/status?wait=0"))["status"] == "idle"


def test_status_waits_from_where_the_caller_looked(session: SessionApi) -> None:
    seen = session.get("/status")
    asked = {"If-None-Match": seen.headers["ETag"]}
    assert done(seen)["badge"] == "idle"
    assert session.get("/status?wait=50ms", headers=asked).status_code == 304

    session.start()
    # Between two waits nothing is missed.
    now = session.get("/status?wait=20s", headers=asked)

    assert [done(now)[name] for name in ("status", "badge", "sequence")] == [
        "running",
        "running",
        2,
    ]
    assert now.headers["ETag"] == '"2"'


def test_status_wait_ends_when_the_session_is_deleted(session: SessionApi) -> None:
    timer = threading.Timer(0.1, session.delete)
    timer.start()
    response = session.get("/status?wait=20s")
    timer.join()

    assert response.status_code == 404


def test_the_light_status_says_what_a_row_of_a_list_shows(api: Api):
    session = api.create(title="Orders", agent={"name": "clerk"})
    session.say()
    done(session.post("/usage", {"mode": "add", "input_tokens": 7, "output_tokens": 2}))
    shown = done(session.get())["session"]
    for query in ("", "?at=3"):
        status = done(session.get(f"/status{query}"))
        assert (status["title"], status["agent"]) == ("Orders", "clerk")
        assert status["usage"] == shown["usage"]
        assert status["num_messages"] == 1
    assert done(session.get("/status?at=1"))["num_messages"] == 0


def test_a_type_of_session_that_there_is_not_is_refused(api: Api) -> None:
    refused(api.get("/v1/sessions?type=usr"), 400, "invalid_parameter", field="type")
