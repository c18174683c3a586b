"""Sessions that their maker names: creation, lists and addresses by an external id."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.support.api import HELLO, Api, Json, done, refused

NAMES = [
    "7",
    "a/b",
    "/",
    "..",
    ".",
    "%2F",
    "100%",
    "ext:7",
    "Größe 😀",
    "x" * 255,
    "😀" * 255,
    "a?b#c",
]


def make(api: Api, app: str, external_id: str, **rest: Any) -> Any:
    body = {"app": app, "user": "u", "external_id": external_id, **rest}
    return api.post("/v1/sessions", body)


@pytest.mark.parametrize("name", NAMES)
def test_a_session_is_made_listed_and_addressed_by_its_external_id(api: Api, name: str) -> None:
    app, name = uuid4().hex, name if len(name) > 200 else name + uuid4().hex[:8]
    if len(name) == 255:
        name = uuid4().hex[:8] + name[8:]
    made = done(make(api, app, name, title="first"), 201)["session"]
    assert made["external_id"] == name
    page = done(api.get("/v1/sessions", params={"external_id": name, "app": app}))
    assert [one["id"] for one in page["sessions"]] == [made["id"]]
    path = f"/v1/sessions/ext:{quote(name, safe='')}"
    assert done(api.get(path))["session"]["id"] == made["id"]
    done(api.post(f"{path}/messages", {"role": "user", "parts": HELLO}), 201)
    assert done(api.get(f"{path}/status"))["sequence"] == 2


def test_a_creation_with_an_external_id_is_safe_to_repeat(api: Api) -> None:
    app = uuid4().hex
    made = done(make(api, app, "7", title="first"), 201)["session"]
    again = done(make(api, app, "7", title="second"), 200)["session"]
    assert (again["id"], again["title"]) == (made["id"], "first")
    refused(make(api, app, "7", user="another"), 409, "session_exists")
    assert done(make(api, uuid4().hex, "7"), 201)["session"]["id"] != made["id"]
    done(api.delete(f"/v1/sessions/{made['id']}"))
    refused(make(api, app, "7"), 409, "session_exists", session_status="deleted")
    assert done(api.get("/v1/sessions", params={"external_id": "7", "app": app}))["sessions"] == []
    refused(api.get(f"/v1/sessions/{made['id']}"), 404, "session_not_found")


def test_creations_at_once_meet(api: Api) -> None:
    app = uuid4().hex
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: make(api, app, "7", title=str(n)), range(8)))
    assert sorted(one.status_code for one in made) == [200] * 7 + [201]
    assert len({one.json()["session"]["id"] for one in made}) == 1


def test_an_external_id_of_two_apps_is_told_with_its_candidates(api: Api) -> None:
    name, apps = uuid4().hex, sorted([uuid4().hex, uuid4().hex])
    made = [done(make(api, app, name), 201)["session"]["id"] for app in apps]
    told = refused(api.get(f"/v1/sessions/ext:{name}"), 409, "ambiguous_name")
    assert told["candidates"] == [
        {"session_id": one, "app": app} for one, app in zip(made, apps, strict=True)
    ]
    done(api.delete(f"/v1/sessions/{made[0]}"))
    assert done(api.get(f"/v1/sessions/ext:{name}"))["session"]["id"] == made[1]


@pytest.mark.parametrize("name", ["", "x" * 256, "😀" * 256, "a\u0000b", "a\nb", " ", 7, ["x"]])
def test_an_external_id_that_is_none(api: Api, name: Any) -> None:
    with api.nothing_recorded():
        refused(make(api, "app", name), 422, "invalid")


def test_an_id_and_an_external_id(api: Api) -> None:
    with api.nothing_recorded():
        both = make(api, "app", "7", id=str(uuid4()))
        refused(both, 422, "invalid", field="external_id")


@pytest.mark.parametrize(
    "address", ["ext:", "ext:none", "ext:%00", "ext:" + "x" * 256, "EXT:7", "ext"]
)
def test_an_address_that_is_nobodys(api: Api, address: str) -> None:
    refused(api.get(f"/v1/sessions/{address}"), 404, "session_not_found")


@pytest.mark.parametrize("name", ["", "x" * 256, "a\nb"])
def test_a_filter_by_what_no_external_id_is(api: Api, name: str) -> None:
    asked = api.get("/v1/sessions", params={"external_id": name})
    refused(asked, 400, "invalid_parameter", field="external_id")


@pytest.fixture(scope="module")
def family(api: Api) -> tuple[str, Json, Json]:
    """Return the external id of a session with `/` in it, the session, and its child."""
    name = f"order/{uuid4().hex}"
    parent = done(make(api, uuid4().hex, name), 201)["session"]
    spawn = {"agent": {"name": "helper"}, "ttl_seconds": 3600}
    child = done(api.post(f"/v1/sessions/{parent['id']}/spawn", spawn), 201)["session"]
    return name, parent, child


def test_filters_name_a_session_by_its_external_id(
    api: Api, family: tuple[str, Json, Json]
) -> None:
    name, parent, child = family
    fork = done(api.post(f"/v1/sessions/{parent['id']}/fork", {}), 201)["session"]
    listed = {"parent": [child], "root": [child], "forked_from": [fork]}
    for field, wanted in listed.items():
        found = done(api.get("/v1/sessions", params={field: f"ext:{name}"}))["sessions"]
        assert {one["id"] for one in found} == {one["id"] for one in wanted}, field
    of_it = {"session": f"ext:{name}"}
    (health,) = done(api.get("/v1/health/sessions", params=of_it))["sessions"]
    assert health["session_id"] == parent["id"]
    seen = done(api.get("/v1/audit/events", params=of_it))["events"]
    assert {one["session_id"] for one in seen} == {parent["id"]}


def test_bodies_name_a_session_by_its_external_id(api: Api, family: tuple[str, Json, Json]) -> None:
    name, parent, _ = family
    ticket = done(api.post("/v1/tickets", {"session_id": f"ext:{name}"}), 201)
    assert ticket["path"].startswith(f"/v1/sessions/{parent['id']}/events?")
    named = {"session_ids": [f"ext:{name}"]}
    bundle = api.post("/v1/sessions/batch/export", named, headers={"Accept": "application/x-tar"})
    assert bundle.status_code == 200
    assert f"{parent['id']}.jsonl".encode() in bundle.content
    other = done(make(api, uuid4().hex, uuid4().hex), 201)["session"]
    wanted = [f"ext:{other['external_id']}", f"ext:{uuid4().hex}"]
    told = done(api.post("/v1/sessions/batch/delete", {"session_ids": wanted}))
    assert [one["status"] for one in told["results"]] == ["deleted", "not_found"]
    assert told["results"][0]["session_id"] == other["id"]


def test_a_name_that_nobody_has_is_answered_as_an_id_that_nobody_has(api: Api) -> None:
    for name in (f"ext:{uuid4().hex}", str(uuid4())):
        assert done(api.get("/v1/sessions", params={"parent": name}))["sessions"] == []
        ticket = api.post("/v1/tickets", {"session_id": name})
        refused(ticket, 404, "session_not_found")
        named = {"session_ids": [name]}
        refused(api.post("/v1/sessions/batch/export", named), 404, "session_not_found")


@pytest.mark.parametrize("name", ["ext:", "ext:a\nb", "ext:" + "x" * 256, "EXT:7", "7"])
def test_a_name_of_a_session_that_is_none(api: Api, name: str) -> None:
    asked = api.get("/v1/sessions", params={"root": name})
    told = refused(asked, 400, "invalid_parameter", field="root")
    assert "`ext:` and an external id" in told["detail"]
    with api.nothing_recorded():
        told = refused(
            api.post("/v1/sessions/batch/delete", {"session_ids": [name]}), 422, "invalid"
        )
    assert told["errors"][0]["field"] == "session_ids[0]"
    assert "`ext:` and an external id" in told["detail"]


def test_a_name_that_several_apps_have_is_told_wherever_it_stands(api: Api) -> None:
    name = uuid4().hex
    for _ in "ab":
        done(make(api, uuid4().hex, name), 201)
    address = f"ext:{name}"
    with api.nothing_recorded():
        for answer in (
            api.get("/v1/sessions", params={"parent": address}),
            api.post("/v1/tickets", {"session_id": address}),
            api.post("/v1/sessions/batch/delete", {"session_ids": [str(uuid4()), address]}),
        ):
            assert len(refused(answer, 409, "ambiguous_name")["candidates"]) == 2


def test_more_names_than_a_list_takes_are_refused_before_they_are_looked_up(api: Api) -> None:
    named = {"session_ids": ["ext:7"] * 10_001}
    refused(api.post("/v1/sessions/batch/delete", named), 422, "invalid")
