"""Health, presence, attachment and waiting over HTTP; the client checks every answer."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic
from typing import Any, get_args
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from psycopg import sql

from domain.badges import Badge
from tests.support.api import Api, Json, SessionApi, done, openapi, refused
from tests.support.postgres import Server
from tests.support.server import running

NIL = str(UUID(int=0))
RECORDED = {"/v1/audit/events", "/v1/audit/verify", "/v1/sessions/{session_id}/verify"}
NOWHERE = f"/v1/sessions/{uuid4()}"


@pytest.fixture(scope="module")
def own(postgres_server: Server) -> Iterator[tuple[Api, psycopg.Connection[Any]]]:
    """A server of this module's own, and its database."""
    with (
        postgres_server.database() as url,
        running(url) as base,
        psycopg.connect(url, autocommit=True) as connection,
    ):
        api = Api(base)
        yield api, connection
        api.close()


@pytest.fixture
def aged(own: tuple[Api, psycopg.Connection[Any]]) -> tuple[Api, Callable[[str], None]]:
    """The module's own server, and what makes its leases and signs of life older."""
    api, connection = own

    def age(by: str) -> None:
        connection.execute(
            "update leases set acquired_at = acquired_at - %(by)s::interval,"
            " renewed_at = renewed_at - %(by)s::interval,"
            " expires_at = expires_at - %(by)s::interval",
            {"by": by},
        )
        connection.execute(
            "update presence set presence_at = presence_at - %(by)s::interval", {"by": by}
        )

    return api, age


def attach(session: SessionApi, holder: str = "cli:1", **rest: Any) -> Json:
    return done(session.post("/attach", {"holder": holder, **rest}), 201)


def present(session: SessionApi, process: str = "healthy", **rest: Any) -> Json:
    return done(session.post("/presence", {"reporter": "r", "process": process, **rest}))


def health(session: SessionApi) -> Json:
    return done(session.get("/health"))


# ── attach and detach ────────────────────────────────────────────────────────────────────────


def test_attach_renew_and_detach(session: SessionApi) -> None:
    response = session.post("/attach", {"holder": "cli:1", "ttl_seconds": 60})
    lease = done(response, 201)
    assert response.headers["location"] == f"{session.path}/health"
    assert response.headers["etag"] == '"2"'
    assert (lease["holder"], lease["sequence"], lease["session"]["id"]) == ("cli:1", 2, session.id)
    assert done(session.get(response.headers["location"].removeprefix(session.path)))

    held = {"holder": "cli:1", "lease_id": lease["lease_id"]}
    renewed = done(session.post("/attach", {**held, "ttl_seconds": 120}))
    assert renewed["acquired_at"] == lease["acquired_at"]
    assert renewed["expires_at"] > lease["expires_at"]
    assert renewed["sequence"] == 2
    shown = done(session.get())["session"]
    assert (shown["attached_to"], shown["attachable"]) == ("cli:1", False)
    assert shown["attach_expires_at"] == renewed["expires_at"]

    assert done(session.post("/detach", {"lease_id": lease["lease_id"]}))["sequence"] == 3
    shown = done(session.get())["session"]
    assert (shown["attached_to"], shown["attachable"]) == (None, True)
    assert shown["attach_expires_at"] is None
    assert session.types()[1:] == ["attachment.acquired", "attachment.released"]
    assert session.events()[-1]["data"] == {
        "lease_id": lease["lease_id"], "holder": "cli:1", "reason": "released"
    }  # fmt: skip


def test_a_lease_that_somebody_else_has(session: SessionApi) -> None:
    lease = attach(session)
    facts = {"holder": "cli:1", "expires_at": lease["expires_at"]}

    with session.nothing_recorded():
        for holder in ("cli:2", "cli:1"):
            refused(session.post("/attach", {"holder": holder}), 409, "lease_held", **facts)
        other = {"holder": "cli:2", "lease_id": lease["lease_id"]}
        refused(session.post("/attach", other), 409, "lease_not_held")
        unknown = str(uuid4())
        body = {"holder": "cli:1", "lease_id": unknown}
        refused(session.post("/attach", body), 409, "lease_not_held", lease_id=unknown)
        refused(
            session.post("/detach", {"lease_id": unknown}), 409, "lease_not_held", lease_id=unknown
        )
    assert done(session.get())["session"]["attach_expires_at"] == lease["expires_at"]


def test_a_session_that_cannot_be_driven(session: SessionApi) -> None:
    lease = attach(session)
    session.post("/stop", {"cause": "process_exited", "failure": {"kind": "crash"}})

    with session.nothing_recorded():
        problem = refused(session.post("/attach", {"holder": "cli:1"}), 409, "not_attachable")
        assert (problem["badge"], problem["session_status"]) == ("failed", "stopped")
        body = {"holder": "cli:1", "lease_id": lease["lease_id"]}
        refused(session.post("/attach", body), 409, "lease_not_held")
        refused(session.post("/detach", {"lease_id": lease["lease_id"]}), 409, "lease_not_held")
    session.delete()
    with session.nothing_recorded():
        refused(session.post("/attach", {"holder": "cli:1"}), 409, "session_deleted")
        refused(session.post("/detach", {"lease_id": lease["lease_id"]}), 409, "session_deleted")
        refused(session.get("/health"), 404, "session_not_found")


def test_a_lease_ends_by_the_clock_of_the_database(
    aged: tuple[Api, Callable[[str], None]],
) -> None:
    api, age = aged
    session = api.create()
    lease = attach(session)
    present(session)
    age("14 minutes")
    present(session)
    assert health(session)["attached_to"] == "cli:1"
    refused(session.post("/attach", {"holder": "cli:2"}), 409, "lease_held")
    age("1 minute")

    now = health(session)
    assert (now["attached_to"], now["attach_expires_at"]) == (None, None)
    assert (now["attachable"], now["eligible_for_wake"]) == (True, True)
    body = {"holder": "cli:1", "lease_id": lease["lease_id"]}
    with session.nothing_recorded():
        refused(session.post("/attach", body), 409, "lease_not_held")
    second = attach(session, "cli:2")
    assert second["lease_id"] != lease["lease_id"]
    assert health(session)["attached_to"] == "cli:2"


def test_of_many_who_attach_at_once_one_does(session: SessionApi) -> None:
    def ask(number: int) -> int:
        with httpx.Client(base_url=session.api.base_url) as client:
            return client.post(
                f"{session.path}/attach", json={"holder": f"cli:{number}"}
            ).status_code

    with ThreadPoolExecutor(16) as pool:
        statuses = sorted(pool.map(ask, range(16)))

    assert statuses == [201] + [409] * 15
    assert session.types() == ["session.created", "attachment.acquired"]


def test_the_same_attach_again(session: SessionApi) -> None:
    headers = {"Idempotency-Key": uuid4().hex}
    body = {"holder": "cli:1"}
    first = session.post("/attach", body, headers=headers)
    with session.nothing_recorded():
        again = session.post("/attach", body, headers=headers)
        assert again.json() == done(first, 201)
        assert (again.status_code, again.headers["idempotent-replayed"]) == (201, "true")
        other = session.post("/attach", {"holder": "cli:2"}, headers=headers)
        refused(other, 422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/attach", {}, "holder"),
        ("/attach", {"holder": ""}, "holder"),
        ("/attach", {"holder": " "}, "holder"),
        ("/attach", {"holder": "a\u0000"}, "holder"),
        ("/attach", {"holder": "x" * 201}, "holder"),
        ("/attach", {"holder": 1}, "holder"),
        ("/attach", {"holder": "h", "ttl_seconds": 0}, "ttl_seconds"),
        ("/attach", {"holder": "h", "ttl_seconds": -1}, "ttl_seconds"),
        ("/attach", {"holder": "h", "ttl_seconds": 86_401}, "ttl_seconds"),
        ("/attach", {"holder": "h", "ttl_seconds": 1.5}, "ttl_seconds"),
        ("/attach", {"holder": "h", "ttl_seconds": "60"}, "ttl_seconds"),
        ("/attach", {"holder": "h", "lease_id": "x"}, "lease_id"),
        ("/detach", {}, "lease_id"),
        ("/detach", {"lease_id": 7}, "lease_id"),
        ("/presence", {}, "reporter"),
        ("/presence", {"reporter": "\n"}, "reporter"),
        ("/presence", {"reporter": "r", "process": "fine"}, "process"),
        ("/presence", {"reporter": "r", "detail": "x" * 2049}, "detail"),
        ("/presence", {"reporter": "r", "detail": "a\u0000"}, "detail"),
    ],
)
def test_what_is_wrong_is_named(session: SessionApi, path: str, body: Json, field: str) -> None:
    with session.nothing_recorded():
        problem = refused(session.post(path, body), 422, "invalid")
    assert field in {one["field"] for one in problem["errors"]}


@pytest.mark.parametrize("seconds", [1, 86_400])
def test_the_bounds_of_a_lease_themselves(session: SessionApi, seconds: int) -> None:
    attach(session, ttl_seconds=seconds)


# ── presence and health ──────────────────────────────────────────────────────────────────────


def test_presence_is_no_event_unless_the_process_turns(session: SessionApi) -> None:
    said = [
        ("unknown", 1), ("healthy", 1), ("unhealthy", 2), ("unhealthy", 2), ("unknown", 2),
        ("healthy", 3), ("healthy", 3),
    ]  # fmt: skip
    for process, sequence in said:
        answer = present(session, process, detail="token=hunter2 expired")
        assert (answer["process"], answer["sequence"]) == (process, sequence)
    assert session.types() == ["session.created", "session.unhealthy", "session.recovered"]
    assert "hunter2" not in session.get("/events").text + session.get("/health").text


def test_presence_of_a_session_that_has_stopped(session: SessionApi) -> None:
    session.post("/stop")
    with session.nothing_recorded():
        for process in ("healthy", "unhealthy", "unknown"):
            body = {"reporter": "r", "process": process}
            refused(session.post("/presence", body), 409, "session_stopped")
        refused(
            session.api.post(f"{NOWHERE}/presence", {"reporter": "r"}), 404, "session_not_found"
        )


def test_health_as_time_goes_by(aged: tuple[Api, Callable[[str], None]]) -> None:
    api, age = aged
    session = api.create()
    assert health(session) | {"last_activity_at": ""} == {
        "session_id": session.id,
        "app": session.app,
        "user": session.user,
        "status": "idle",
        "sequence": 1,
        "state": "idle",
        "health": "stale",
        "badge": "hung",
        "active_prompt": False,
        "attachable": True,
        "eligible_for_wake": False,
        "ineligibility_reason": "session_health_stale",
        "last_activity_at": "",
        "last_presence_at": None,
        "reporter": None,
        "process": None,
        "process_since": None,
        "last_error": None,
        "attached_to": None,
        "attach_expires_at": None,
    }
    sign = present(session)
    now = health(session)
    assert (now["health"], now["badge"], now["eligible_for_wake"]) == ("healthy", "idle", True)
    assert (now["ineligibility_reason"], now["process"], now["reporter"]) == (None, "healthy", "r")
    assert now["last_presence_at"] == now["process_since"] == sign["presence_at"]
    assert now["last_activity_at"] == done(session.get())["session"]["updated_at"]

    age("119 seconds")
    assert health(session)["health"] == "healthy"
    age("2 seconds")
    with session.nothing_recorded():
        stale = health(session)
    assert (stale["health"], stale["badge"]) == ("stale", "hung")
    session.start()
    now = health(session)
    assert (now["state"], now["health"], now["badge"]) == ("prompting", "healthy", "running")
    session.complete()
    present(session, "unhealthy", detail="out of memory")
    now = health(session)
    assert (now["health"], now["badge"], now["last_error"]) == (
        "degraded", "unhealthy", "out of memory"
    )  # fmt: skip
    assert done(session.get())["session"]["badge"] == "unhealthy"
    session.post("/stop")
    now = health(session)
    assert (now["state"], now["health"], now["badge"]) == ("stopped", "dead", "stopped")


def test_reading_health_writes_nothing(session: SessionApi) -> None:
    first = health(session)
    for _ in range(3):
        assert health(session) == first
        done(session.api.get("/v1/health/sessions", params={"app": session.app}))
        done(session.api.get("/v1/sessions", params={"app": session.app, "include_health": "true"}))
        done(session.get("/wait?for=stopped"))
    assert first["last_presence_at"] is None
    assert session.types() == ["session.created"]


RECORDED = {
    "/v1/audit/events",
    "/v1/audit/verify",
    "/v1/sessions/{session_id}/verify",
    "/v1/sessions/{session_id}/export",
}
"""Reads that leave a record of who read, and nothing else: see `tests/audit/test_accesses.py`."""
BEATING = {"job_owners", "job_processes"}
"""Tables that processes write every other second to say that they are there."""


def test_no_get_of_any_route_writes_anything(own: tuple[Api, psycopg.Connection[Any]]) -> None:
    api, connection = own
    session = api.create(state={"k": 1, "app:k": 1, "user:k": 1})
    said = session.say()["message_id"]
    session.start("t1")
    session.ask("r1")
    session.queue("i1")
    attach(session)
    present(session)
    done(session.post("/spawn", {"agent": {"name": "coder"}, "ttl_seconds": 600}), 201)
    done(session.post("/fork", {}), 201)
    blobs = f"/v1/apps/{session.app}/users/{session.user}/blobs"
    sent = api.request("POST", blobs, content=b"x", headers={"Content-Type": "image/png"})
    names = {
        "session_id": session.id, "turn_id": "t1", "message_id": said,
        "app": session.app, "user": session.user, "asset": "docs.css", "level": "0",
        "blob": done(sent, 201)["blob"],
    }  # fmt: skip
    keys = {"/v1/apps/{app}/state": "app:k", "/v1/apps/{app}/users": "user:k"}
    queries = {
        "/v1/sessions": ["", "include_health=true", "attachable=true", "badge=hung"],
        "/v1/audit/proof": ["position=1", "from=1"],
    }

    def filled(path: str) -> str:
        key = next((key for start, key in keys.items() if path.startswith(start)), "k")
        # A log as short as this one has a part of a tile.
        tile = "000.p/5"
        return path.format_map(defaultdict(lambda: NIL, names, key=key, tile=tile))

    reads = [
        f"{filled(path)}?{query}"
        for path, operations in openapi()["paths"].items()
        if "get" in operations and path not in RECORDED
        for query in queries.get(path, [""])
    ]

    def tables() -> dict[str, Any]:
        found = connection.execute(
            "select relname from pg_stat_user_tables where schemaname = current_schema()"
        ).fetchall()
        digest = "select count(*), md5(string_agg(t::text, '' order by t::text)) from {} as t"
        return {
            name: connection.execute(sql.SQL(digest).format(sql.Identifier(name))).fetchone()
            for (name,) in found
            if name not in BEATING
        }

    before = tables()
    assert len(reads) > 35
    assert all(before[name][0] for name in ("presence", "leases", "sessions", "shared_state"))
    answers = {path: api.get(path).status_code for path in reads}

    assert tables() == before
    unread = {path for path, status in answers.items() if status != 200}
    assert len(unread) < 9, unread
    assert "/v1/audit/proof?position=1" not in unread


# ── lists ────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def crowd(api: Api) -> tuple[str, dict[str, SessionApi]]:
    """An app with a session of each kind."""
    app = uuid4().hex
    kinds = ("stale", "fresh", "leased", "running", "ill", "stopped", "failed", "starting")
    made = {
        kind: api.create(app=app, user="ada" if kind == "fresh" else "bob", title=kind)
        if kind != "starting"
        else api.create(app=app, user="bob", title=kind, starting=True)
        for kind in kinds
    }
    for kind in ("fresh", "leased"):
        present(made[kind])
    attach(made["leased"])
    made["running"].start()
    present(made["ill"], "unhealthy")
    made["stopped"].post("/stop")
    made["failed"].post("/stop", {"cause": "process_exited", "failure": {"kind": "crash"}})
    return app, made


def test_lists_of_health(api: Api, crowd: tuple[str, dict[str, SessionApi]]) -> None:
    app, made = crowd
    titles = {session.id: kind for kind, session in made.items()}

    def found(**query: Any) -> set[str]:
        page = done(api.get("/v1/health/sessions", params={"app": app, **query}))
        return {titles[one["session_id"]] for one in page["sessions"]}

    assert found() == set(made)
    assert found(user="ada") == {"fresh"}
    assert found(state="idle") == {"stale", "fresh", "leased", "ill"}
    assert found(state="prompting") == {"running"}
    assert found(state="stopped") == found(health="dead") == {"stopped", "failed"}
    assert found(state="detached") == found(health="unknown") == {"starting"}
    assert found(health="stale") == {"stale"}
    assert found(health="stale,degraded") == {"stale", "ill"}
    assert found(state=["stopped", "detached"]) == {"stopped", "failed", "starting"}
    assert found(health=["dead", "stale"]) == {"stopped", "failed", "stale"}
    assert found(health="healthy") == {"fresh", "leased", "running"}
    assert found(health="degraded") == {"ill"}
    assert found(eligible="true") == {"fresh"}
    assert found(eligible="false") == set(made) - {"fresh"}
    assert found(health="healthy", state="idle", eligible="false") == {"leased"}
    assert found(health="dead", state="idle") == set()
    assert found(session=made["ill"].id) == {"ill"}
    assert found(session=made["ill"].id, state="stopped") == set()
    assert found(workspace="none") == found(agent="nobody") == set()


def test_pages_of_health_follow_their_links(
    api: Api, crowd: tuple[str, dict[str, SessionApi]]
) -> None:
    app, made = crowd
    where: str | None = f"/v1/health/sessions?app={app}&limit=3"
    found: list[str] = []
    while where is not None:
        response = api.get(where)
        page = done(response)
        assert len(page["sessions"]) <= 3
        found += [one["session_id"] for one in page["sessions"]]
        where = response.links["next"]["url"] if "next" in response.links else None
        assert (page["next_cursor"] is None) == (where is None)
    assert sorted(found) == sorted(session.id for session in made.values())

    cursor = done(api.get(f"/v1/health/sessions?app={app}&limit=1"))["next_cursor"]
    for other in (f"app={app}&health=stale", "limit=1", f"app={app}&eligible=true"):
        response = api.get(f"/v1/health/sessions?{other}&cursor={cursor}")
        refused(response, 400, "invalid_cursor")
    refused(api.get(f"/v1/sessions?app={app}&cursor={cursor}"), 400, "invalid_cursor")


@pytest.mark.parametrize(
    "query", ["state=gone", "health=ill", "eligible=1", "limit=0", "limit=201", "app=", "title=x"]
)
def test_a_list_of_health_that_makes_no_sense(api: Api, query: str) -> None:
    name = query.partition("=")[0]
    response = api.get(f"/v1/health/sessions?{query}")
    refused(response, 400, "invalid_parameter", field=name)


def test_lists_of_sessions_say_who_drives_them(
    api: Api, crowd: tuple[str, dict[str, SessionApi]]
) -> None:
    app, _ = crowd

    def found(**query: Any) -> dict[str, Json]:
        page = done(api.get("/v1/sessions", params={"app": app, **query}))
        return {one["title"]: one for one in page["sessions"]}

    everything = found()
    assert everything["leased"]["attached_to"] == "cli:1"
    assert {one["attached_to"] for one in everything.values()} == {None, "cli:1"}
    free = {kind for kind, one in everything.items() if one["attachable"]}
    assert free == set(found(attachable="true")) == {"stale", "fresh", "running", "ill"}
    assert set(found(attachable="false")) == set(everything) - free
    assert set(found(attachable="true", status="running")) == {"running"}
    assert all("health" not in one for one in everything.values())
    assert everything["stale"]["badge"] == "idle"

    healths = found(include_health="true")
    badges = {kind: one["badge"] for kind, one in healths.items()}
    assert badges == {
        "stale": "hung", "fresh": "idle", "leased": "idle", "running": "running",
        "ill": "unhealthy", "stopped": "stopped", "failed": "failed", "starting": "running",
    }  # fmt: skip
    for kind, one in healths.items():
        health = one.pop("health")
        assert health["badge"] == one["badge"] == badges[kind]
        assert one | {"badge": ""} == everything[kind] | {"badge": ""}
    assert healths.keys() == found(include_health="true", sort="title").keys()
    for badge in get_args(Badge):
        shown = found(include_health="true", badge=badge)
        assert shown.keys() == {kind for kind in badges if badges[kind] == badge}
    assert found(include_health="true", badge="hung", attachable="false") == {}
    for query in ("attachable=1", "include_health=yes"):
        name = query.partition("=")[0]
        refused(api.get(f"/v1/sessions?{query}"), 400, "invalid_parameter", field=name)


def test_pages_of_what_can_be_attached(api: Api, crowd: tuple[str, dict[str, SessionApi]]) -> None:
    app, _ = crowd
    for sort in ("title", "-title", "created_at", "-updated_at"):
        where: str | None = f"/v1/sessions?app={app}&attachable=true&limit=1&sort={sort}"
        titles: list[str] = []
        while where is not None:
            response = api.get(where)
            titles += [one["title"] for one in done(response)["sessions"]]
            where = response.links["next"]["url"] if "next" in response.links else None
        assert sorted(titles) == ["fresh", "ill", "running", "stale"]
        if sort.endswith("title"):
            assert titles == sorted(titles, reverse=sort.startswith("-"))
    cursor = done(api.get(f"/v1/sessions?app={app}&attachable=true&limit=1"))["next_cursor"]
    for other in ("", "&attachable=false"):
        response = api.get(f"/v1/sessions?app={app}{other}&cursor={cursor}")
        refused(response, 400, "invalid_cursor")


def test_one_session_with_its_health(session: SessionApi) -> None:
    present(session)
    shown = done(session.get(params={"include_health": "true"}))["session"]

    own = health(session)
    for name in ("session_id", "app", "user", "status", "sequence"):
        own.pop(name)
    assert shown["health"] == own
    assert "health" not in done(session.get())["session"]
    # What is not of the sequence is not answered by it.
    headers = {"If-None-Match": '"1"'}
    assert session.get(headers=headers).status_code == 304
    assert session.get(params={"include_health": "true"}, headers=headers).status_code == 200


# ── waiting ──────────────────────────────────────────────────────────────────────────────────


@contextmanager
def waiting(session: SessionApi, query: str) -> Iterator[Future[httpx.Response]]:
    """Ask, and go on when the server has the question."""
    asked = threading.Event()
    api = Api(session.api.base_url)

    def ask() -> httpx.Response:
        asked.set()
        return api.get(f"{session.path}/wait?{query}")

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(ask)
        asked.wait(5)
        yield future
    api.close()


@pytest.mark.parametrize(
    ("aim", "path", "body"),
    [("attached", "/attach", {"holder": "cli:1"}), ("stopped", "/stop", {})],
)
def test_waiting_ends_when_it_is_so(session: SessionApi, aim: str, path: str, body: Json) -> None:
    with waiting(session, f"for={aim}&wait=20s") as answer:
        assert done(session.get(f"/wait?for={aim}"))["met"] is False
        assert session.post(path, body).is_success
        waited = done(answer.result(timeout=60))

    # A lease may be seen a moment before the event that tells of it.
    assert waited["sequence"] == 2 or (aim, waited["sequence"]) == ("attached", 1)
    assert (waited["for"], waited["met"]) == (aim, True)
    assert waited["attached_to"] == ("cli:1" if aim == "attached" else None)


def test_waiting_until_the_agent_is_up(api: Api) -> None:
    session = api.create(starting=True)
    with waiting(session, "wait=20s") as answer:
        assert done(session.get("/wait"))["met"] is False
        done(session.post("/activate"))
        waited = done(answer.result(timeout=60))
    assert (waited["for"], waited["met"], waited["status"]) == ("ready", True, "idle")


def test_waiting_ends_when_time_is_up(session: SessionApi) -> None:
    began = monotonic()
    response = session.get("/wait?for=stopped&wait=200ms")
    waited = done(response)
    assert 0.15 < monotonic() - began < 20
    assert (waited["met"], waited["status"]) == (False, "idle")
    assert response.headers["etag"] == '"1"'


def test_waiting_for_what_is_not_there(session: SessionApi) -> None:
    refused(session.api.get(f"{NOWHERE}/wait?for=stopped"), 404, "session_not_found")
    refused(session.get("/wait?for=sleep"), 400, "invalid_parameter", field="for")
    refused(session.get("/wait?wait=2m"), 400, "invalid_parameter", field="wait")
    session.delete()
    assert done(session.get("/wait?for=stopped&wait=20s"))["status"] == "deleted"
    refused(session.get("/wait?for=ready&wait=20s"), 404, "session_not_found")


def test_health_is_listed_by_workspace_and_agent(api: Api) -> None:
    here = api.create(workspace="mill", agent={"name": "miller"})
    api.create(app=here.app, workspace="desk", agent={"name": "clerk"})

    for query in ({"workspace": "mill"}, {"agent": "miller"}):
        page = done(api.get("/v1/health/sessions", params={"app": here.app, **query}))
        assert [one["session_id"] for one in page["sessions"]] == [here.id]
    refused(api.get("/v1/health/sessions?session=x"), 400, "invalid_parameter", field="session")
