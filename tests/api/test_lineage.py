"""Children and forks over HTTP: spawn, fork, and who comes from whom."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from tests.support.api import HELLO, Api, Json, SessionApi, done, refused
from tests.support.every_route import (
    refuses_to_change_what_is_not_there,
    refuses_to_read_what_is_not_there,
)

CHILD: Json = {"agent": {"name": "helper"}, "ttl_seconds": 3600}


def spawn(parent: SessionApi, **rest: Any) -> SessionApi:
    """Have a session spawn a child."""
    return SessionApi(parent.api, done(parent.post("/spawn", {**CHILD, **rest}), 201)["session"])


def ids_of(page: Json) -> list[str]:
    return [one["id"] for one in page["sessions"]]


# ── spawning ─────────────────────────────────────────────────────────────────────────────────


def test_a_child_has_what_it_is_given_and_no_more(api: Api) -> None:
    parent = api.create(
        workspace="w", team="t", grants={"tools": ["read", "write"], "skills": ["s"]},
        limits={"depth": 2, "queued_inputs": 7},
        permissions={"mode": "ask", "allow": ["read*"], "deny": ["rm"], "ask": ["write"]},
    )  # fmt: skip
    digest = done(parent.put("/profile", {"name": "clerk", "body": "Be kind."}))["digest"]
    child_id = str(uuid4())
    body = {
        "id": child_id,
        "agent": {"name": "helper", "provider": "p", "model": "m", "reasoning_effort": "low"},
        "ttl_seconds": 60,
        "role": "reviewer",
        "auto_stop": False,
        "grants": {"tools": [" read "]},
        "workspace": "w",
        "title": "Look at it",
        "permissions": {"mode": "deny-all", "allow": ["read*"], "ask": [], "deny": ["cp"]},
        "limits": {"queued_inputs": 3},
        "metadata": {"why": "review"},
    }
    answer = parent.post("/spawn", body)

    told = done(answer, 201)
    assert answer.headers["location"] == f"/v1/sessions/{child_id}"
    assert (told["sequence"], answer.headers["etag"]) == (3, '"3"')
    child = told["session"]
    assert (child["id"], child["sequence"], child["status"]) == (child_id, 1, "idle")
    assert (child["type"], child["title"], child["agent"]) == (
        "spawned", "Look at it", body["agent"]
    )  # fmt: skip
    assert (child["app"], child["user"], child["workspace"], child["team"]) == (
        parent.app, parent.user, "w", "t"
    )  # fmt: skip
    assert child["lineage"] == {
        "parent_id": parent.id, "root_id": parent.id, "depth": 1, "role": "reviewer",
        "auto_stop": False, "profile_digest": digest,
    }  # fmt: skip
    assert child["permissions"] == {
        "mode": "deny-all", "allow": ["read*"], "ask": ["write"], "deny": ["rm", "cp"]
    }  # fmt: skip
    assert (child["limits"]["queued_inputs"], child["limits"]["depth"]) == (3, 2)
    assert child["metadata"] == {"why": "review"}
    assert child["expires_at"] > child["created_at"]
    read = done(api.get(answer.headers["location"]))["session"]
    assert {key: read[key] for key in child} == child

    assert child["profile"] is None
    spawned, created = parent.events()[2], SessionApi(api, child).events()[0]
    assert spawned["data"].pop("asked").startswith("sha256:")
    assert spawned["data"] == {
        "child_id": child_id, "role": "reviewer", "depth": 1, "ttl_seconds": 60,
        "auto_stop": False, "agent": "helper",
    }  # fmt: skip
    assert created["data"]["grants"]["tools"] == ["read"]
    assert created["position"] == spawned["position"] + 1
    assert parent.document()["live_children"] == 1
    assert done(parent.get("/snapshot"))["session"]["live_children"] == 1
    SessionApi(api, child).start()


def test_a_child_never_has_more_than_it_was_spawned_with(api: Api) -> None:
    parent = api.create(permissions={"mode": "approve-all"}, grants={"tools": ["read"]})
    rules = {"mode": "approve-reads", "allow": [], "ask": [], "deny": ["rm"]}
    spawned = spawn(parent, permissions=rules, grants={"tools": ["read"]})
    fork = SessionApi(api, done(spawned.post("/fork", {}), 201)["session"])

    for child in (spawned, fork):
        for wider in ({"mode": "approve-all"}, {**rules, "deny": []}, {**rules, "allow": ["ls"]}):
            refused(child.put("/permissions", wider), 403, "permission_denied")
        refused(child.put("/tool-approval", {"enabled": True}), 403, "permission_denied")
        read = done(child.get("/permissions"))
        assert (read["permissions"], read["ceiling"], read["tool_approval"]) == (
            rules,
            rules,
            False,
        )
        assert (read["grants"]["tools"], read["grants"]["skills"]) == (["read"], [])
        able = {"load_session": True, "modes": ["plan"]}
        assert done(child.get("/snapshot"))["capabilities"] is None
        done(child.put("/runtime", {"capabilities": able}))
        opened = done(child.get("/snapshot"))
        assert (opened["ceiling"], opened["grants"]) == (rules, read["grants"])
        assert opened["capabilities"] == able
        done(child.put("/permissions", {"mode": "deny-all"}))
        done(child.put("/permissions", rules))
    wanted = {"permissions": {"mode": "approve-all"}}
    refused(spawned.post("/fork", wanted), 403, "permission_denied")
    assert done(parent.get("/permissions"))["ceiling"] is None
    done(parent.put("/tool-approval", {"enabled": True}))


def test_a_child_of_few_words(session: SessionApi) -> None:
    child = done(session.post("/spawn", CHILD), 201)["session"]

    assert (child["lineage"]["role"], child["lineage"]["auto_stop"]) == ("worker", True)
    assert child["permissions"]["mode"] == "ask"
    assert child["title"] is None
    grants = SessionApi(session.api, child).events()[0]["data"]["grants"]
    assert all(atoms == [] for atoms in grants.values())


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"agent": None}, "agent"),
        ({"agent": {}}, "agent.name"),
        ({"agent": {"name": " "}}, "agent.name"),
        ({"agent": "helper"}, "agent"),
        ({"ttl_seconds": None}, "ttl_seconds"),
        ({"ttl_seconds": 0}, "ttl_seconds"),
        ({"ttl_seconds": -1}, "ttl_seconds"),
        ({"ttl_seconds": 366 * 24 * 3600 + 1}, "ttl_seconds"),
        ({"role": "coordinator"}, "role"),
        ({"role": " Coordinator "}, "role"),
        ({"role": ""}, "role"),
        ({"role": "a\u0000"}, "role"),
        ({"auto_stop": "yes"}, "auto_stop"),
        ({"allow_stopped_parent": True, "auto_stop": False}, "allow_stopped_parent"),
        ({"allow_stopped_parent": True, "role": "memory-extractor"}, "allow_stopped_parent"),
        ({"grants": {"tools": [" "]}}, "tools[0]"),
        ({"grants": {"rooms": []}}, "grants.rooms"),
        ({"workspace": ""}, "workspace"),
        ({"title": ""}, "title"),
        ({"title": " "}, "title"),
        ({"permissions": {"mode": "x"}}, "permissions.mode"),
        ({"permissions": {"allow": ["a:b=["]}}, "allow[0]"),
        ({"limits": {"depth": 17}}, "limits.depth"),
        ({"metadata": []}, "metadata"),
        ({"id": "x"}, "id"),
        ({"parent": "x"}, "parent"),
    ],
)
def test_a_spawn_that_makes_no_sense(
    session: SessionApi, change: dict[str, Any], field: str
) -> None:
    with session.nothing_recorded():
        problem = refused(session.post("/spawn", {**CHILD, **change}), 422, "invalid")
        assert problem["errors"][0]["field"] == field


@pytest.mark.parametrize(
    ("held", "asked", "wider"),
    [
        ({"tools": ["a"]}, {"tools": ["a", "b"]}, ["tools:b"]),
        ({"tools": ["a*"]}, {"tools": ["ab"]}, ["tools:ab"]),
        ({"tools": ["a"]}, {"skills": ["a"]}, ["skills:a"]),
        ({"workspace_paths": ["/w"]}, {"workspace_paths": ["/w/x"]}, ["workspace_paths:/w/x"]),
        ({}, {"tools": ["*"]}, ["tools:*"]),
    ],
)
def test_a_child_has_no_atom_that_its_parent_has_not(
    api: Api, held: dict[str, Any], asked: dict[str, Any], wider: list[str]
) -> None:
    parent = api.create(grants=held)

    with parent.nothing_recorded():
        response = parent.post("/spawn", {**CHILD, "grants": asked})
        refused(response, 403, "permission_denied", wider=wider)
    spawn(parent, grants=held)


@pytest.mark.parametrize(
    ("held", "asked", "wider"),
    [
        ({"permissions": {"mode": "ask"}}, {"permissions": {"mode": "approve-reads"}},
         ["mode:approve-reads"]),
        ({"permissions": {"allow": ["a"]}}, {"permissions": {"allow": ["a", "b"]}}, ["allow:b"]),
        ({"limits": {"queued_inputs": 2}}, {"limits": {"queued_inputs": 3}},
         ["limits.queued_inputs:3"]),
        ({}, {"limits": {"depth": 2, "children": 6}}, ["limits.children:6", "limits.depth:2"]),
    ],
)  # fmt: skip
def test_a_child_has_no_wider_rules_and_limits(
    api: Api, held: Json, asked: Json, wider: list[str]
) -> None:
    parent = api.create(**held)
    with parent.nothing_recorded():
        refused(parent.post("/spawn", {**CHILD, **asked}), 403, "permission_denied", wider=wider)
    child = spawn(parent)
    rules = ("permissions", "limits")
    assert {name: child.document()[name] for name in rules} == {
        name: parent.document()[name] for name in rules
    }


def test_a_child_works_in_the_workspace_of_its_parent(api: Api) -> None:
    parent = api.create(workspace="w")
    with parent.nothing_recorded():
        elsewhere = parent.post("/spawn", {**CHILD, "workspace": "w/sub"})
        refused(elsewhere, 403, "permission_denied", workspace="w")


def test_only_so_many_children_live_at_once(api: Api) -> None:
    parent = api.create(limits={"children": 2})
    first, second = spawn(parent), spawn(parent)
    with parent.nothing_recorded():
        refused(parent.post("/spawn", CHILD), 409, "spawn_limit", limit=2)

    done(first.post("/stop"))
    # Its parent is told a moment later.
    assert parent.get("/events", params={"types": "child.reaped", "wait": "20s"}).json()["events"]
    third = spawn(parent)
    with parent.nothing_recorded():
        refused(parent.post("/spawn", CHILD), 409, "spawn_limit")
    done(second.delete())
    done(third.delete())
    spawn(parent)
    assert parent.types().count("child.reaped") >= 2
    default = api.create()
    for _ in range(5):
        spawn(default)
    with default.nothing_recorded():
        refused(default.post("/spawn", CHILD), 409, "spawn_limit", limit=5)
    none = api.create(limits={"children": 0})
    with none.nothing_recorded():
        refused(none.post("/spawn", CHILD), 409, "spawn_limit", limit=0)


def test_a_child_that_is_resumed_counts_again(api: Api) -> None:
    parent = api.create(limits={"children": 1})
    first = spawn(parent)
    done(first.post("/stop"))
    second = spawn(parent)
    done(first.post("/resume"))
    done(second.post("/stop"))

    refused(parent.post("/spawn", CHILD), 409, "spawn_limit", limit=1)

    done(parent.post("/stop"))
    asked = {"since": 3, "types": "session.stopped", "wait": "20s"}
    (stopped,) = done(first.get("/events", params=asked))["events"]
    assert stopped["data"]["detail"] == "parent_stopped"


def test_of_many_that_spawn_at_once_no_one_too_many_lives(api: Api) -> None:
    parent = api.create(limits={"children": 3})

    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(parent.post, "/spawn", CHILD) for _ in range(8)]
        statuses = sorted(answer.result().status_code for answer in answers)
    assert statuses == [201] * 3 + [409] * 5
    assert len(ids_of(done(parent.get("/children")))) == 3


def test_only_so_many_generations(api: Api) -> None:
    root = api.create(limits={"depth": 2})
    child = spawn(root)
    grandchild = spawn(child)
    assert grandchild.document()["lineage"] == {
        "parent_id": child.id, "root_id": root.id, "depth": 2, "role": "worker",
        "auto_stop": True, "profile_digest": None,
    }  # fmt: skip
    with grandchild.nothing_recorded():
        refused(grandchild.post("/spawn", CHILD), 409, "spawn_limit", limit=2)
    only = spawn(api.create())
    with only.nothing_recorded():
        refused(only.post("/spawn", CHILD), 409, "spawn_limit", limit=1)


def test_a_parent_must_be_there_and_active(api: Api) -> None:
    parent = api.create(starting=True)
    with parent.nothing_recorded():
        refused(parent.post("/spawn", CHILD), 409, "session_starting")
    done(parent.post("/activate"))
    parent.start()
    done(parent.post("/stop", {"when_idle": True}))
    with parent.nothing_recorded():
        refused(parent.post("/spawn", CHILD), 409, "session_stopping")
    parent.complete()
    with parent.nothing_recorded():
        refused(parent.post("/spawn", CHILD), 409, "session_stopped")
    extractor = {"role": "memory-extractor", "allow_stopped_parent": True, "auto_stop": False}
    assert spawn(parent, **extractor).document()["lineage"]["role"] == "memory-extractor"


def test_a_child_is_spawned_once(session: SessionApi) -> None:
    body = {**CHILD, "id": str(uuid4())}
    first = done(session.post("/spawn", body), 201)
    with session.nothing_recorded():
        again = session.post("/spawn", body)
        assert done(again)["session"]["id"] == first["session"]["id"] == body["id"]
        assert again.headers["location"] == f"/v1/sessions/{body['id']}"
        for other in ({"role": "x"}, {"title": "T"}, {"grants": {"tools": ["x__y"]}}):
            refused(session.post("/spawn", {**body, **other}), 409, "session_exists")
    SessionApi(session.api, first["session"]).say()
    with session.nothing_recorded():
        assert done(session.post("/spawn", body))["session"]["sequence"] == 2


def test_a_spawn_again_with_the_same_key(session: SessionApi) -> None:
    headers = {"Idempotency-Key": uuid4().hex}
    first = session.post("/spawn", CHILD, headers=headers)
    child = SessionApi(session.api, done(first, 201)["session"])

    for _ in range(2):
        with session.nothing_recorded():
            again = session.post("/spawn", CHILD, headers=headers)
            assert (again.status_code, again.json()) == (201, first.json())
            assert again.headers["idempotent-replayed"] == "true"
            other = session.post("/spawn", {**CHILD, "role": "x"}, headers=headers)
            refused(other, 422, "idempotency_key_reused")
        # The answer stays that of the first request, whatever became of the child.
        child.delete()
        session.delete()


def test_a_child_with_the_id_of_another_session(api: Api, session: SessionApi) -> None:
    other = api.create()
    gone = api.create()
    gone.delete()
    with api.nothing_recorded():
        for taken in (other.id, gone.id, session.id):
            refused(session.post("/spawn", {**CHILD, "id": taken}), 409, "session_exists")


def test_a_child_ends_for_its_parent_when_it_is_deleted(session: SessionApi) -> None:
    child = spawn(session)
    done(child.delete())
    spawn(session)

    reaped = session.events(types="child.reaped")
    assert [one["data"] for one in reaped] == [{"child_id": child.id, "reason": "deleted"}]


# ── who comes from whom ──────────────────────────────────────────────────────────────────────


def test_children_and_ancestry(api: Api) -> None:
    root = api.create(limits={"depth": 3, "children": 10})
    child, sibling = spawn(root), spawn(root)
    grandchild = spawn(child)

    assert ids_of(done(root.get("/children"))) == [child.id, sibling.id]
    assert ids_of(done(child.get("/children"))) == [grandchild.id]
    assert ids_of(done(sibling.get("/children"))) == []
    assert done(root.get("/ancestry"))["ancestors"] == []
    lineage = grandchild.get("/ancestry")
    assert done(lineage) == {"ancestors": [child.id, root.id], "sequence": 1}
    assert lineage.headers["etag"] == '"1"'
    assert grandchild.get("/ancestry", headers={"If-None-Match": '"1"'}).status_code == 304

    def listed(**query: str) -> set[str]:
        return set(ids_of(done(api.get("/v1/sessions", params=query))))

    assert listed(parent=root.id) == {child.id, sibling.id}
    assert listed(root=root.id) == {child.id, sibling.id, grandchild.id}
    assert listed(root=root.id, parent=child.id.upper()) == {grandchild.id}
    assert listed(parent=str(uuid4())) == set()
    done(sibling.delete())
    assert ids_of(done(root.get("/children"))) == [child.id]
    done(child.delete())
    assert done(grandchild.get("/ancestry"))["ancestors"] == [child.id, root.id]


def test_children_are_listed_page_by_page(api: Api) -> None:
    parent = api.create(limits={"children": 10})
    born = [spawn(parent).id for _ in range(5)]
    seen: list[str] = []
    answer = parent.get("/children", params={"limit": 2})
    while True:
        page = done(answer)
        seen += ids_of(page)
        if page["next_cursor"] is None:
            break
        link = answer.headers["link"]
        whole = f"{api.base_url}{parent.path}"
        assert link.startswith(f"<{whole}/children?limit=2&cursor=")
        answer = api.get(link[1:].partition(">")[0])
    assert seen == born
    cursor = done(parent.get("/children", params={"limit": 2}))["next_cursor"]
    other = api.create()
    refused(other.get("/children", params={"cursor": cursor}), 400, "invalid_cursor")


@pytest.mark.parametrize("name", ["parent", "root", "forked_from"])
@pytest.mark.parametrize("value", ["", "x", "{}", "0" * 32])
def test_a_relative_that_is_no_session_id(api: Api, name: str, value: str) -> None:
    response = api.get("/v1/sessions", params={name: value})
    refused(response, 400, "invalid_parameter", field=name)


def test_a_badge_is_a_filter_of_the_list(api: Api) -> None:
    idle = api.create()
    busy = api.create(user=idle.user, app=idle.app)
    busy.start()

    def listed(badge: str) -> list[str]:
        query = {"user": idle.user, "badge": badge}
        return ids_of(done(api.get("/v1/sessions", params=query)))

    assert (listed("idle"), listed("running")) == ([idle.id], [busy.id])
    busy.post("/stop", {"cause": "process_exited"})
    idle.post("/stop", {"cause": "completed"})
    assert (listed("failed"), listed("stopped"), listed("hung")) == ([busy.id], [idle.id], [])
    for wrong in ("", "well", "IDLE"):
        response = api.get("/v1/sessions", params={"badge": wrong})
        refused(response, 400, "invalid_parameter", field="badge")


# ── forking ──────────────────────────────────────────────────────────────────────────────────


def origin_of(api: Api) -> SessionApi:
    """A session with something said and something known."""
    session = api.create(
        title="T", tags=["a"], agent={"name": "clerk"}, metadata={"n": 1}, workspace="w",
        permissions={"mode": "approve-all"}, state={"k": 0},
    )  # fmt: skip
    session.say("one", id="m1")
    done(session.patch("/state", {"set": {"k": 1, "app:shared": 1}}))
    session.say("two", id="m2")
    done(session.patch("/state", {"set": {"k": 2}}))
    return session


def test_a_fork_says_and_knows_what_its_origin_did(api: Api) -> None:
    origin = origin_of(api)
    answer = origin.post("/fork", {"at": 4})

    told = done(answer, 201)["session"]
    assert answer.headers["location"] == f"/v1/sessions/{told['id']}"
    fork = SessionApi(api, told)
    events = origin.events()
    assert told["forked_from"] == {
        "session_id": origin.id, "sequence": 4, "digest": events[3]["digest"]
    }  # fmt: skip
    same = ("title", "tags", "agent", "metadata", "workspace", "app", "user", "permissions")
    mine = origin.document()
    assert {name: told[name] for name in same} == {name: mine[name] for name in same}
    assert fork.types() == ["session.created"]
    then, now = done(origin.get("/snapshot?at=4")), done(fork.get("/snapshot"))
    assert now["transcript"] == then["transcript"]
    assert [entry["id"] for entry in now["transcript"]] == ["m1", "m2"]
    assert now["state"] == then["state"] == {"k": 1, "app:shared": 1}

    fork.say("other", id="m3")
    done(fork.patch("/state", {"set": {"k": 9}}))
    assert [one["id"] for one in done(fork.get("/messages"))["messages"]] == ["m1", "m2", "m3"]
    assert [one["id"] for one in done(origin.get("/messages"))["messages"]] == ["m1", "m2"]
    assert done(origin.get("/state"))["state"]["k"] == 2
    page = done(api.get("/v1/sessions", params={"forked_from": origin.id}))
    assert ids_of(page) == [fork.id]
    with fork.nothing_recorded():
        refused(
            fork.post("/messages", {"role": "user", "parts": HELLO, "id": "m1"}),
            409,
            "message_exists",
        )


def test_a_fork_may_be_different(api: Api) -> None:
    origin = origin_of(api)
    fork_id = str(uuid4())
    body = {
        "id": fork_id,
        "title": "Other",
        "tags": ["b"],
        "agent": {"name": "other"},
        "metadata": {"m": 2},
        "permissions": {"mode": "deny-all"},
        "limits": {"depth": 3},
        "starting": True,
        "ttl_seconds": 3600,
    }
    fork = done(origin.post("/fork", body), 201)["session"]

    assert fork["id"] == fork_id
    assert (fork["title"], fork["tags"], fork["metadata"]) == ("Other", ["b"], {"m": 2})
    assert (fork["agent"]["name"], fork["permissions"]["mode"]) == ("other", "deny-all")
    assert (fork["limits"]["depth"], fork["status"]) == (3, "starting")
    assert fork["expires_at"] is not None
    assert fork["forked_from"]["sequence"] == 5
    assert fork["lineage"] is None
    with origin.nothing_recorded():
        again = origin.post("/fork", body)
        assert done(again)["session"]["id"] == fork_id
        refused(origin.post("/fork", {**body, "title": "x"}), 409, "session_exists")
        refused(origin.post("/fork", {"id": origin.id}), 409, "session_exists")


def test_what_runs_and_waits_stays_with_the_origin(api: Api) -> None:
    origin = origin_of(api)
    origin.start()
    origin.record(("tool.called", {"tool_call_id": "c", "name": "n"}))
    origin.ask()
    fork = SessionApi(api, done(origin.post("/fork"), 201)["session"])

    assert fork.document()["status"] == "idle"
    snapshot = done(fork.get("/snapshot"))
    assert (snapshot["turn"], snapshot["interactions"], snapshot["tool_calls"]) == (None, [], [])
    fork.start("t2")
    assert origin.document()["status"] == "waiting"


def test_a_fork_of_a_fork_and_of_a_stopped_session(api: Api) -> None:
    origin = origin_of(api)
    fork = SessionApi(api, done(origin.post("/fork", {"at": 2}), 201)["session"])
    fork.say("in the fork", id="f1")
    again = SessionApi(api, done(fork.post("/fork"), 201)["session"])
    ids = [one["id"] for one in done(again.get("/messages"))["messages"]]
    assert ids == ["m1", "f1"]
    fork.post("/stop")
    late = SessionApi(api, done(fork.post("/fork"), 201)["session"])
    assert late.document()["status"] == "idle"
    assert late.document()["stop"] is None
    late.start()


def test_the_history_of_a_key_goes_on_in_the_origin(api: Api) -> None:
    origin = origin_of(api)
    fork = SessionApi(api, done(origin.post("/fork", {"at": 4}), 201)["session"])
    done(fork.patch("/state", {"set": {"k": 9}}))

    page = done(fork.get("/state/k/history"))
    assert [one["value"] for one in page["writes"]] == [9]
    assert page["continues_in"] == {"session_id": origin.id, "before": 5}
    further = done(origin.get("/state/k/history", params={"before": 5}))
    assert [one["value"] for one in further["writes"]] == [1, 0]
    assert further["continues_in"] is None


def test_a_fork_refused(api: Api) -> None:
    origin = origin_of(api)
    with origin.nothing_recorded():
        refused(origin.post("/fork", {"at": 6}), 409, "cursor_ahead", head=5, cursor=6)
        for body, field in (
            ({"at": 0}, "at"),
            ({"at": "now"}, "at"),
            ({"title": ""}, "title"),
            ({"title": " "}, "title"),
            ({"tags": ["a", "a"]}, "tags"),
            ({"agent": {}}, "agent.name"),
            ({"metadata": None}, "metadata"),
            ({"permissions": {"mode": 1}}, "permissions.mode"),
            ({"limits": {"children": 1001}}, "limits.children"),
            ({"starting": 1}, "starting"),
            ({"ttl_seconds": 0}, "ttl_seconds"),
            ({"id": "x"}, "id"),
            ({"user": "other"}, "user"),
        ):
            problem = refused(origin.post("/fork", body), 422, "invalid")
            assert problem["errors"][0]["field"] == field


def test_a_fork_goes_by_the_sequence_of_its_origin(api: Api) -> None:
    origin = origin_of(api)
    with origin.nothing_recorded():
        behind = origin.post("/fork", headers={"If-Match": '"4"'})
        refused(behind, 412, "stale_sequence", head=5, current_etag='"5"')
    key = {"Idempotency-Key": uuid4().hex}
    first = origin.post("/fork", headers={"If-Match": '"5"', **key})
    done(first, 201)
    origin.say()

    for _ in range(2):
        with api.nothing_recorded():
            again = origin.post("/fork", headers={"If-Match": '"5"', **key})
            assert (again.status_code, again.json()) == (201, first.json())
            assert again.headers["location"] == first.headers["location"]
            assert again.headers["idempotent-replayed"] == "true"
        origin.delete()
    with api.nothing_recorded():
        refused(origin.post("/fork", {"at": 1}, headers=key), 422, "idempotency_key_reused")


# ── everywhere ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("path", "body"), [("/spawn", CHILD), ("/fork", {}), ("/fork", {"at": 1})])
def test_commands_to_a_session_that_is_no_more_or_never_was(
    api: Api, path: str, body: dict[str, Any]
) -> None:
    session = api.create()
    session.delete()

    refuses_to_change_what_is_not_there(session, "POST", path, body)


@pytest.mark.parametrize("path", ["/children", "/ancestry"])
def test_reads_of_a_session_that_is_no_more_or_never_was(api: Api, path: str) -> None:
    session = api.create()
    session.delete()

    refuses_to_read_what_is_not_there(session, path)


# ── what ends together ───────────────────────────────────────────────────────────────────────


def test_a_turn_ends_with_those_of_the_children_if_that_is_asked(api: Api) -> None:
    parent = api.create(limits={"depth": 2})
    child, idle = spawn(parent, limits={"depth": 2}), spawn(parent)
    grandchild = spawn(child)
    busy = [parent, child, grandchild]
    for number, one in enumerate(busy):
        one.start(f"t{number}")
    done(
        grandchild.post("/turns", {"turn_id": "next", "mode": "queue", "input": {"parts": HELLO}}),
        202,
    )
    running = [{"session_id": one.id, "turn_id": f"t{n}"} for n, one in enumerate(busy)]

    alone = done(parent.post("/turns/t0/cancel", {"reason": "enough"}))
    assert alone["children"] == []
    together = done(
        parent.post("/turns/t0/cancel", {"reason": "enough", "hold": True, "children": True})
    )

    assert together["children"] == running[1:]
    assert done(grandchild.get("/turns/t2"))["status"] == "cancelled"
    assert done(grandchild.get("/status"))["status"] == "idle"
    assert [one["type"] for one in idle.events()] == ["session.created"]
    for body in ({"children": True}, {"children": True}):
        again = done(parent.post("/turns/t0/cancel", body))
        assert again["children"] == []
    # What waits in a child runs no more after an interruption, and nothing ran.
    told = done(parent.post("/interrupt", {"children": True}))
    assert (told["interrupted"], told["children"]) == (False, [])
    assert done(grandchild.get("/inputs"))["pending"] == 0
    refused(parent.post("/turns/t0/cancel", {"children": "yes"}), 422, "invalid")
