"""State: versions, the past, the history of a key, and what sessions share."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

import pytest

from tests.support.api import Api, Json, SessionApi, done, refused

NOWHERE = "/v1/sessions/00000000-0000-4000-8000-000000000000"


def state_of(session: SessionApi, **query: Any) -> Json:
    return done(session.get("/state", params=query))


def writes_of(api: Api, path: str, **query: Any) -> list[Json]:
    found: list[Json] = done(api.get(f"{path}/history", params=query))["writes"]
    return found


def told(writes: list[Json]) -> list[tuple[Any, int]]:
    """The value of each write, "-" for a deletion, with its sequence."""
    return [("-" if one["deleted"] else one["value"], one["sequence"]) for one in writes]


# ── versions ─────────────────────────────────────────────────────────────────────────────────


def test_a_patch_may_expect_a_version(session: SessionApi) -> None:
    assert state_of(session)["version"] == 0
    first = done(session.patch("/state", {"set": {"a": 1}, "expected_version": 0}))
    assert first["version"] == 2
    session.say()
    assert state_of(session)["version"] == 2

    with session.nothing_recorded():
        for behind in (0, 1, 3, 2**53):
            body = {"set": {"a": 2}, "expected_version": behind}
            refused(session.patch("/state", body), 412, "stale_state", head=2)
    second = done(session.patch("/state", {"delete": ["a"], "expected_version": 2}))
    assert (second["version"], state_of(session)["version"]) == (4, 4)
    with session.nothing_recorded():
        same = done(session.patch("/state", {"delete": ["a"], "expected_version": 4}))
        assert same["version"] == 4


def test_keys_that_are_shared_do_not_move_the_version(session: SessionApi) -> None:
    done(session.patch("/state", {"set": {"a": 1}}))
    moved = done(session.patch("/state", {"set": {"app:x": 1, "user:x": 1}}))
    assert (moved["version"], moved["sequence"]) == (2, 3)
    mixed = done(session.patch("/state", {"set": {"app:x": 2, "b": 1}}))
    assert mixed["version"] == 4


def test_a_session_that_begins_with_state_has_a_version(api: Api) -> None:
    assert state_of(api.create(state={"k": 1}))["version"] == 1
    assert state_of(api.create(state={"app:k": 1}))["version"] == 0


def test_of_many_that_expect_the_same_version_one_wins(session: SessionApi) -> None:
    def patch(number: int) -> int:
        body = {"set": {"winner": number}, "expected_version": 0}
        return session.patch("/state", body).status_code

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(patch, range(8)))
    assert sorted(answers) == [200] + [412] * 7
    assert state_of(session)["state"] == {"winner": answers.index(200)}


@pytest.mark.parametrize("wrong", [-1, "1", 1.5, True, 2**53 + 1])
def test_an_expected_version_that_is_none(session: SessionApi, wrong: Any) -> None:
    with session.nothing_recorded():
        response = session.patch("/state", {"set": {"k": 1}, "expected_version": wrong})
        problem = refused(response, 422, "invalid")
        assert problem["errors"][0]["field"] == "expected_version"


# ── the past ─────────────────────────────────────────────────────────────────────────────────


def test_state_is_read_as_it_was_after_any_event(api: Api) -> None:
    session = api.create(state={"k": 0, "user:n": "Ada"})
    other = api.create(app=session.app, user=session.user)
    done(session.patch("/state", {"set": {"k": 1, "app:motd": "hi"}}))
    done(other.patch("/state", {"set": {"app:motd": "hello"}}))
    session.say()
    done(session.patch("/state", {"delete": ["k", "user:n"]}))
    done(other.patch("/state", {"set": {"app:motd": "bye"}}))

    assert [state_of(session, at=at)["state"] for at in (1, 2, 3, 4)] == [
        {"k": 0, "user:n": "Ada"},
        {"k": 1, "user:n": "Ada", "app:motd": "hi"},
        {"k": 1, "user:n": "Ada", "app:motd": "hello"},
        {"app:motd": "hello"},
    ]
    assert state_of(session)["state"] == {"app:motd": "bye"}
    assert [state_of(session, at=at)["version"] for at in (1, 2, 3, 4)] == [1, 2, 2, 4]
    past = session.get("/state", params={"at": 2})
    assert (past.headers["etag"], past.json()["sequence"]) == ('"2"', 2)


def test_state_at_a_sequence_that_is_none(session: SessionApi) -> None:
    refused(session.get("/state?at=2"), 409, "cursor_ahead", head=1, cursor=2)
    for at in ("0", "-1", "x", "", "1.0", "now"):
        response = session.get("/state", params={"at": at})
        refused(response, 400, "invalid_parameter", field="at")


# ── the history of a key ─────────────────────────────────────────────────────────────────────


def test_the_history_of_a_key_tells_who_wrote_it_when(api: Api) -> None:
    session = api.create(state={"k": None, "other": 1})
    done(session.patch("/state", {"set": {"k": {"n": 1}}}, headers={"Cairn-Actor": "user:bea"}))
    done(session.patch("/state", {"set": {"other": 2}}))
    done(session.patch("/state", {"delete": ["k"]}))
    done(session.patch("/state", {"set": {"k": False}}))

    writes = writes_of(api, f"{session.path}/state/k")
    assert told(writes) == [(False, 5), ("-", 4), ({"n": 1}, 2), (None, 1)]
    assert [one["actor"] for one in writes] == ["anonymous", "anonymous", "user:bea", "anonymous"]
    assert "value" not in writes[1]
    events = session.events()
    for one in writes:
        event = events[one["sequence"] - 1]
        assert (one["position"], one["at"]) == (event["position"], event["at"])
        assert one["session_id"] == session.id
    assert writes_of(api, f"{session.path}/state/never") == []


def test_a_history_is_read_page_by_page(session: SessionApi) -> None:
    for number in range(5):
        done(session.patch("/state", {"set": {"a/b c": number}}))
    path = f"{session.path}/state/a%2Fb%20c/history"
    seen: list[Any] = []
    answer = session.api.get(path, params={"limit": 2})
    while True:
        page = done(answer)
        assert len(page["writes"]) <= 2
        assert page["key"] == "a/b c"
        seen += [one["value"] for one in page["writes"]]
        if page["next_before"] is None:
            assert "link" not in answer.headers
            break
        link = answer.headers["link"]
        base = str(answer.request.url).partition("/v1/")[0]
        assert link == f'<{base}{path}?limit=2&before={page["next_before"]}>; rel="next"'
        answer = session.api.get(link[1:].partition(">")[0])
    assert seen == [4, 3, 2, 1, 0]


def test_a_rewind_is_a_write_too(session: SessionApi) -> None:
    done(session.patch("/state", {"set": {"k": 1}}))
    done(session.patch("/state", {"set": {"k": 2, "new": 1}}))
    done(session.post("/rewind", {"to": 2}))

    assert told(writes_of(session.api, f"{session.path}/state/k")) == [(1, 4), (2, 3), (1, 2)]
    assert told(writes_of(session.api, f"{session.path}/state/new")) == [("-", 4), (1, 3)]


def test_the_history_of_a_shared_key_has_the_writes_of_all_sessions(api: Api) -> None:
    ada = api.create(state={"app:motd": "hi", "user:tier": 1})
    again = api.create(app=ada.app, user=ada.user)
    bob = api.create(app=ada.app)
    elsewhere = api.create(state={"app:motd": "x", "user:tier": 9})
    done(bob.patch("/state", {"set": {"app:motd": "hello", "user:tier": 5}}))
    done(again.patch("/state", {"set": {"user:tier": 2}, "delete": ["app:motd"]}))
    done(api.patch(f"/v1/apps/{ada.app}/state", {"set": {"app:motd": "direct"}}))

    for path in (f"{ada.path}/state/app:motd", f"/v1/apps/{ada.app}/state/app:motd"):
        writes = writes_of(api, path)
        values = ["-" if one["deleted"] else one["value"] for one in writes]
        assert values == ["direct", "-", "hello", "hi"]
        assert [one["session_id"] for one in writes[1:]] == [again.id, bob.id, ada.id]
        assert [one["position"] for one in writes] == sorted(
            (one["position"] for one in writes), reverse=True
        )
    for path in (
        f"{again.path}/state/user:tier",
        f"/v1/apps/{ada.app}/users/{ada.user}/state/user:tier",
    ):
        assert [one["value"] for one in writes_of(api, path)] == [2, 1]
    first = done(api.get(f"/v1/apps/{ada.app}/state/app:motd/history", params={"limit": 3}))
    rest = writes_of(api, f"{bob.path}/state/app:motd", before=first["next_before"])
    assert [one["value"] for one in rest] == ["hi"]
    assert len(writes_of(api, f"{elsewhere.path}/state/app:motd")) == 1


def test_a_temporary_key_has_no_history(session: SessionApi) -> None:
    done(session.patch("/state", {"set": {"temp:t": 1, "k": 1}}))
    assert writes_of(session.api, f"{session.path}/state/temp:t") == []


@pytest.mark.parametrize("key", ["%00", "a%0Ab", "%20", "x" * 201])
def test_a_key_that_could_not_be(session: SessionApi, key: str) -> None:
    app = f"/v1/apps/{session.app}"
    for path in (session.path, app, f"{app}/users/{session.user}"):
        response = session.api.get(f"{path}/state/{key}/history")
        refused(response, 400, "invalid_parameter", field="key")


def test_what_is_shared_has_no_history_of_other_keys(session: SessionApi) -> None:
    app = f"/v1/apps/{session.app}"
    for path, other in ((app, "user:k"), (f"{app}/users/{session.user}", "app:k")):
        for key in ("k", "temp:k", other):
            response = session.api.get(f"{path}/state/{key}/history")
            refused(response, 400, "invalid_parameter", field="key")


@pytest.mark.parametrize("before", ["0", "-1", "x", "", "1.5"])
def test_a_before_that_is_none(session: SessionApi, before: str) -> None:
    for path in (session.path, f"/v1/apps/{session.app}"):
        response = session.api.get(f"{path}/state/app:k/history", params={"before": before})
        refused(response, 400, "invalid_parameter", field="before")


# ── shared state itself ──────────────────────────────────────────────────────────────────────


def scopes_of(session: SessionApi) -> list[tuple[str, str]]:
    """The paths of what a session shares, each with the prefix of its keys."""
    app = f"/v1/apps/{session.app}"
    return [(f"{app}/state", "app"), (f"{app}/users/{session.user}/state", "user")]


def test_what_sessions_share_is_read_and_patched_without_one(session: SessionApi) -> None:
    for path, prefix in scopes_of(session):
        fresh = session.api.get(path)
        assert done(fresh) == {"state": {}, "version": 0}
        assert fresh.headers["etag"] == '"0"'
        patched = session.api.patch(path, {"set": {f"{prefix}:a": 1, f"{prefix}:n": None}})
        version = done(patched)["version"]
        assert patched.headers["etag"] == f'"{version}"'
        assert done(patched)["sequence"] == 2
        read = session.api.get(path)
        whole = {"state": {f"{prefix}:a": 1, f"{prefix}:n": None}, "version": version}
        assert done(read) == whole
        unchanged = session.api.get(path, headers={"If-None-Match": f'"{version}"'})
        assert unchanged.status_code == 304
        done(session.api.patch(path, {"delete": [f"{prefix}:a", f"{prefix}:none"]}))
    assert state_of(session)["state"] == {"app:n": None, "user:n": None}


def test_what_sessions_share_is_read_as_it_was(session: SessionApi) -> None:
    for path, prefix in scopes_of(session):
        key, api = f"{prefix}:k", session.api
        first = done(api.patch(path, {"set": {key: None}}))["version"]
        second = done(session.patch("/state", {"set": {key: 2}, "delete": [f"{prefix}:x"]}))
        done(api.patch(path, {"delete": [key]}))

        then = api.get(path, params={"at": first})
        assert done(then) == {"state": {key: None}, "version": first}
        assert then.headers["etag"] == f'"{first}"'
        later = done(api.get(path, params={"at": second["position"]}))
        assert later == {"state": {key: 2}, "version": second["position"]}
        assert done(api.get(path))["state"] == {}
        assert done(api.get(path, params={"at": first - 1}))["version"] < first
        refused(api.get(path, params={"at": 2**62}), 409, "cursor_ahead", cursor=2**62)
        for wrong in ("0", "-1", "x", ""):
            refused(api.get(path, params={"at": wrong}), 400, "invalid_parameter", field="at")


def test_a_patch_through_a_session_moves_the_version_of_what_it_shares(session: SessionApi) -> None:
    for path, prefix in scopes_of(session):
        before = done(session.api.get(path))["version"]
        moved = done(session.patch("/state", {"set": {f"{prefix}:x": 1}}))["position"]
        assert done(session.api.get(path))["version"] == moved > before
        done(session.patch("/state", {"set": {"plain": moved}}))
        assert done(session.api.get(path))["version"] == moved


def test_if_match_is_about_the_version_of_what_is_shared(session: SessionApi) -> None:
    for path, prefix in scopes_of(session):
        body = {"set": {f"{prefix}:k": 1}}
        first = session.api.patch(path, body, headers={"If-Match": '"0"'})
        version = done(first)["version"]
        other = done(session.patch("/state", {"set": {f"{prefix}:other": 1}}))["position"]
        with session.nothing_recorded():
            for behind in ('"0"', f'"{version}"', '"0", "1"', f'"{other + 1}"'):
                response = session.api.patch(path, body, headers={"If-Match": behind})
                refused(response, 412, "stale_scope", head=other)
                assert response.headers["etag"] == f'"{other}"'
                nothing = session.api.patch(path, {}, headers={"If-Match": behind})
                refused(nothing, 412, "stale_scope", head=other)
            for malformed in ("1", 'w/"1"', "x"):
                response = session.api.patch(path, body, headers={"If-Match": malformed})
                refused(response, 400, "malformed_header")
            same = session.api.patch(path, {}, headers={"If-Match": f'"{other}"'})
            assert done(same)["version"] == other
        several = f'"0", "{other}"'
        done(session.api.patch(path, body, headers={"If-Match": several}))
        done(session.api.patch(path, body, headers={"If-Match": "*"}))


def test_of_many_that_expect_the_same_version_of_what_is_shared_one_wins(
    session: SessionApi,
) -> None:
    path = f"/v1/apps/{session.app}/state"

    def patch(number: int) -> int:
        body = {"set": {"app:winner": number}}
        return session.api.patch(path, body, headers={"If-Match": '"0"'}).status_code

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(patch, range(8)))
    assert sorted(answers) == [200] + [412] * 7
    assert done(session.api.get(path))["state"] == {"app:winner": answers.index(200)}


def test_many_sessions_that_patch_one_app_lose_nothing(api: Api) -> None:
    sessions = [api.create()]
    sessions += [api.create(app=sessions[0].app) for _ in range(3)]
    path = f"/v1/apps/{sessions[0].app}/state"

    def patch(number: int) -> None:
        if number % 5 == 4:
            done(api.patch(path, {"set": {f"app:{number}": number}}))
        else:
            done(sessions[number % 5].patch("/state", {"set": {f"app:{number}": number}}))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(patch, range(40)))
    assert done(api.get(path))["state"] == {f"app:{number}": number for number in range(40)}


def test_a_patch_of_what_is_shared_again_with_the_same_key(session: SessionApi) -> None:
    for path, prefix in scopes_of(session):
        headers = {"Idempotency-Key": uuid4().hex, "If-Match": '"0"'}
        body = {"set": {f"{prefix}:n": 1}}
        first = session.api.patch(path, body, headers=headers)
        version = done(first)["version"]
        done(session.api.patch(path, {"set": {f"{prefix}:n": 2}}))

        with session.nothing_recorded():
            again = session.api.patch(path, body, headers=headers)
            assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")
            assert again.headers["etag"] == f'"{version}"'
            other = session.api.patch(path, {"set": {f"{prefix}:n": 3}}, headers=headers)
            refused(other, 422, "idempotency_key_reused")
        assert done(session.api.get(path))["state"] == {f"{prefix}:n": 2}


def test_the_log_of_what_is_shared_is_no_session(api: Api) -> None:
    app = f"app-{uuid4().hex[:12]}"
    path = f"/v1/apps/{app}/state"
    done(api.patch(path, {"set": {"app:k": 1}}))

    stream = writes_of(api, f"{path}/app:k")[0]["session_id"]
    assert done(api.get("/v1/sessions", params={"app": app}))["sessions"] == []
    refused(api.get(f"/v1/sessions/{stream}"), 404, "session_not_found")
    with api.nothing_recorded():
        refused(api.delete(f"/v1/sessions/{stream}"), 404, "session_not_found")
        refused(api.patch(f"/v1/sessions/{stream}", {"title": "T"}), 404, "session_not_found")
        body = {"id": stream, "app": app, "user": "u"}
        refused(api.post("/v1/sessions", body), 409, "session_exists")


def test_a_session_does_not_take_the_place_of_what_is_shared(api: Api) -> None:
    app = f"app-{uuid4().hex[:12]}"
    squatter = str(uuid5(uuid5(NAMESPACE_URL, "cairn:scopes"), f"app:{app}"))
    session = api.create(id=squatter, app=app, state={"app:k": 1})
    path = f"/v1/apps/{app}/state"

    with session.nothing_recorded():
        refused(api.patch(path, {"set": {"app:k": 2}}), 409, "session_exists")
    assert done(api.get(path))["state"] == {"app:k": 1}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"set": {"plain": 1}}, "set"),
        ({"set": {"temp:x": 1}}, "set"),
        ({"set": {"OTHER:x": 1}}, "set"),
        ({"delete": ["plain"]}, "set"),
        ({"set": {"PREFIX:x": 1}, "delete": ["PREFIX:x"]}, "delete"),
        ({"set": {"PREFIX:\u0000": 1}}, "set"),
        ({"set": {"PREFIX:" + "x" * 200: 1}}, "set"),
        ({"set": []}, "set"),
        ({"set": None}, "set"),
        ({"delete": "PREFIX:x"}, "delete"),
        ({"delete": [""]}, "delete[0]"),
        ({"expected_version": 1}, "expected_version"),
    ],
)
def test_a_patch_of_what_is_shared_that_makes_no_sense(
    session: SessionApi, body: dict[str, Any], field: str
) -> None:
    for path, prefix in scopes_of(session):
        other = "user" if prefix == "app" else "app"

        def named(key: str, mine: str = prefix, theirs: str = other) -> str:
            return key.replace("PREFIX", mine).replace("OTHER", theirs)

        given = dict(body)
        if isinstance(given.get("set"), dict):
            given["set"] = {named(key): value for key, value in given["set"].items()}
        if isinstance(given.get("delete"), list):
            given["delete"] = [named(key) for key in given["delete"]]
        with session.nothing_recorded():
            problem = refused(session.api.patch(path, given), 422, "invalid")
            assert problem["errors"][0]["field"] == field


def test_an_app_or_a_user_that_could_have_no_such_name(api: Api) -> None:
    with api.nothing_recorded():
        for name in ("%00", "%20", "x" * 201):
            body = {"set": {"app:k": 1}}
            wrong = api.patch(f"/v1/apps/{name}/state", body)
            refused(wrong, 422, "invalid", field="app")
            body = {"set": {"user:k": 1}}
            wrong = api.patch(f"/v1/apps/a/users/{name}/state", body)
            refused(wrong, 422, "invalid", field="user")
    for name in ("%00", "%20", "x" * 201):
        for tail in ("/state", "/state/app:k/history"):
            refused(api.get(f"/v1/apps/{name}{tail}"), 400, "invalid_parameter", field="app")
            wrong = api.get(f"/v1/apps/a/users/{name}{tail}")
            refused(wrong, 400, "invalid_parameter", field="user")


def test_names_with_a_slash_are_names(api: Api) -> None:
    name = f"a/{uuid4().hex}"
    session = api.create(app=name, user="b/c")
    quoted = name.replace("/", "%2F")
    done(api.patch(f"/v1/apps/{quoted}/users/b%2Fc/state", {"set": {"user:k": 1}}))
    done(api.patch(f"/v1/apps/{quoted}/state", {"set": {"app:k": 2}}))
    assert state_of(session)["state"] == {"user:k": 1, "app:k": 2}
    assert [one["value"] for one in writes_of(api, f"/v1/apps/{quoted}/state/app:k")] == [2]


def test_reads_of_a_session_that_is_no_more_or_never_was(api: Api) -> None:
    session = api.create(state={"k": 1})
    session.delete()
    refused(session.get("/state?at=1"), 404, "session_not_found")
    for path in ("/state?at=1", "/state/k/history"):
        refused(api.get(NOWHERE + path), 404, "session_not_found")
        refused(api.get("/v1/sessions/x" + path), 404, "session_not_found")


def test_the_history_of_a_key_outlives_its_session(api: Api) -> None:
    origin = api.create(state={"k": 1, "user:k": 2})
    fork = done(origin.post("/fork"), 201)["session"]
    origin.delete()

    elsewhere = done(api.get(f"/v1/sessions/{fork['id']}/state/k/history"))["continues_in"]
    assert elsewhere == {"session_id": origin.id, "before": 2}
    writes = writes_of(api, f"{origin.path}/state/k", before=elsewhere["before"])
    assert [one["value"] for one in writes] == [1]
    assert [one["value"] for one in writes_of(api, f"{origin.path}/state/user:k")] == [2]
