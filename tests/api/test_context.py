"""What surrounds an agent: its persona, its sandbox, its runtime and its peers."""

import hashlib
import json
from typing import Any
from uuid import uuid4

import pytest

from tests.support.api import HELLO, Api, SessionApi, done, refused
from tests.support.every_route import (
    refuses_the_past_and_repeats_an_answer,
    refuses_to_change_what_is_not_there,
    refuses_to_read_what_is_not_there,
)

CLERK = {"name": "clerk", "body": "Be kind.\n", "profile": {"tone": "warm", "n": [1, None, 0.5]}}


def digest_as_documented(body: dict[str, Any]) -> str:
    whole = {"body": body["body"], "name": body["name"], "profile": body.get("profile", {})}
    text = json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


# ── the persona ──────────────────────────────────────────────────────────────────────────────


def test_a_persona_is_captured_refreshed_and_taken_away(session: SessionApi) -> None:
    assert done(session.get("/profile")) == {"profile": None, "sequence": 1}
    first = done(session.put("/profile", CLERK))["digest"]
    assert first == digest_as_documented(CLERK)
    read = session.get("/profile")
    shown = done(read)["profile"]
    assert shown.pop("at").endswith("Z")
    assert shown == {**CLERK, "digest": first, "at_sequence": 2}
    assert read.headers["etag"] == '"2"'
    assert session.get("/profile", headers={"If-None-Match": '"2"'}).status_code == 304
    mark = {"digest": first, "name": "clerk", "sequence": 2}
    assert session.document()["profile"] == mark

    with session.nothing_recorded():
        assert done(session.put("/profile", CLERK))["digest"] == first
        same = {"profile": CLERK["profile"], "body": CLERK["body"], "name": CLERK["name"]}
        assert done(session.put("/profile", same))["digest"] == first
    other = {"name": "Zoë", "body": "日本"}
    second = done(session.put("/profile", {**other, "expected_digest": first}))["digest"]
    assert second == digest_as_documented(other) != first
    shown = done(session.get("/profile"))["profile"]
    assert (shown["body"], shown["profile"], shown["at_sequence"]) == ("日本", {}, 3)

    done(session.delete("/profile", params={"expected_digest": second}))
    assert done(session.get("/profile"))["profile"] is None
    assert session.document()["profile"] is None
    assert session.types()[1:] == ["profile.captured", "profile.refreshed", "profile.refreshed"]
    assert session.events()[-1]["data"]["previous"] == second
    with session.nothing_recorded():
        done(session.delete("/profile"))


def test_a_persona_is_the_one_that_was_expected_or_nothing_changes(session: SessionApi) -> None:
    with session.nothing_recorded():
        none = session.put("/profile", {**CLERK, "expected_digest": "sha256:0"})
        refused(none, 409, "profile_changed", digest=None)
        gone = session.delete("/profile", params={"expected_digest": "sha256:0"})
        refused(gone, 409, "profile_changed", digest=None)
    digest = done(session.put("/profile", CLERK))["digest"]
    with session.nothing_recorded():
        other = {"name": "other", "body": "", "expected_digest": "sha256:0"}
        refused(session.put("/profile", other), 409, "profile_changed", digest=digest)
        # It is judged before it turns out that nothing would change.
        same = session.put("/profile", {**CLERK, "expected_digest": "sha256:0"})
        refused(same, 409, "profile_changed", digest=digest)
        gone = session.delete("/profile", params={"expected_digest": "sha256:0"})
        refused(gone, 409, "profile_changed", digest=digest)


def test_a_persona_is_not_changed_under_a_running_turn(session: SessionApi) -> None:
    done(session.put("/profile", CLERK))
    session.start()
    with session.nothing_recorded():
        done(session.put("/profile", CLERK))
        other = session.put("/profile", {"name": "other", "body": ""})
        refused(other, 409, "turn_in_progress", turn_id="t1")
        refused(session.delete("/profile"), 409, "turn_in_progress")
    session.complete()
    session.post("/stop")
    with session.nothing_recorded():
        refused(session.put("/profile", CLERK), 409, "session_stopped")
        refused(session.delete("/profile"), 409, "session_stopped")
    assert done(session.get("/profile"))["profile"]["body"] == CLERK["body"]
    starting = session.api.create(starting=True)
    refused(starting.put("/profile", CLERK), 409, "session_starting")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": "n"}, "body"),
        ({"name": "", "body": ""}, "name"),
        ({"name": " ", "body": ""}, "name"),
        ({"name": "x" * 201, "body": ""}, "name"),
        ({"name": "n", "body": None}, "body"),
        ({"name": "n", "body": "x" * (32 * 1024 + 1)}, "body"),
        ({"name": "n", "body": "é" * (16 * 1024 + 1)}, "body"),
        ({"name": "n", "body": "", "profile": []}, "profile"),
        ({"name": "n", "body": "", "expected_digest": ""}, "expected_digest"),
        ({"name": "n", "body": "", "expected_digest": 1}, "expected_digest"),
        ({"name": "n", "body": "", "digest": "x"}, "digest"),
    ],
)
def test_a_persona_that_makes_no_sense(
    session: SessionApi, body: dict[str, Any], field: str
) -> None:
    with session.nothing_recorded():
        problem = refused(session.put("/profile", body), 422, "invalid")
        assert problem["errors"][0]["field"] == field


def test_the_largest_persona_is_taken(session: SessionApi) -> None:
    done(session.put("/profile", {"name": "n", "body": "é" * (16 * 1024)}))
    assert len(done(session.get("/profile"))["profile"]["body"]) == 16 * 1024


def test_the_query_of_a_deletion_is_part_of_what_its_key_stands_for(session: SessionApi) -> None:
    digest = done(session.put("/profile", CLERK))["digest"]
    headers = {"Idempotency-Key": uuid4().hex}
    first = session.delete("/profile", params={"expected_digest": digest}, headers=headers)
    done(first)

    with session.nothing_recorded():
        again = session.delete("/profile", params={"expected_digest": digest}, headers=headers)
        assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")
        other = session.delete("/profile", params={"expected_digest": "x"}, headers=headers)
        refused(other, 422, "idempotency_key_reused")
        wrong = session.delete("/profile", params={"expected_digest": ""})
        refused(wrong, 400, "invalid_parameter", field="expected_digest")


# ── the sandbox ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("outcome", ["started", "completed", "failed"])
def test_news_of_the_sandbox_is_kept(session: SessionApi, outcome: str) -> None:
    body = {
        "sandbox_id": "sb-1", "operation": "prepare", "outcome": outcome, "detail": "in 3 s",
        "duration_ms": 3000, "meta": {"backend": "docker"},
    }  # fmt: skip
    done(session.post("/sandbox", body))
    done(session.post("/sandbox", {"sandbox_id": "sb-1", "operation": "x", "outcome": outcome}))

    first, second = session.events(types="sandbox.reported")
    assert first["data"] == body
    assert second["data"] == {"sandbox_id": "sb-1", "operation": "x", "outcome": outcome}
    session.post("/stop")
    done(session.post("/sandbox", body))


def test_a_detail_is_stored_without_secrets(session: SessionApi) -> None:
    detail = "clone https://ada:secret@git.test failed, token=abcdef012345"
    body = {"sandbox_id": "s", "operation": "sync", "outcome": "failed", "detail": detail}
    done(session.post("/sandbox", body))

    stored = session.events()[-1]["data"]["detail"]
    assert stored == "clone https://[redacted]@git.test failed, token=[redacted]"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"sandbox_id": None}, "sandbox_id"),
        ({"sandbox_id": " "}, "sandbox_id"),
        ({"operation": ""}, "operation"),
        ({"operation": "a\u0000"}, "operation"),
        ({"outcome": "done"}, "outcome"),
        ({"detail": "x" * 2049}, "detail"),
        ({"duration_ms": -1}, "duration_ms"),
        ({"duration_ms": 0.5}, "duration_ms"),
        ({"meta": []}, "meta"),
        ({"exit_code": 1}, "exit_code"),
    ],
)
def test_news_of_the_sandbox_that_make_no_sense(
    session: SessionApi, change: dict[str, Any], field: str
) -> None:
    body = {"sandbox_id": "s", "operation": "sync", "outcome": "failed", **change}
    with session.nothing_recorded():
        problem = refused(session.post("/sandbox", body), 422, "invalid")
        assert problem["errors"][0]["field"] == field


# ── peers ────────────────────────────────────────────────────────────────────────────────────


def test_peers_join_and_leave(session: SessionApi) -> None:
    able = {"capabilities": [{"name": "search"}, {"name": "buy", "limit": 5}]}
    body = {"peer_id": "b/1", "display_name": "Bea", "channel": "general", **able}
    joined = session.post("/peers", body)
    assert done(joined, 201)["peer_id"] == "b/1"
    assert joined.headers["location"] == f"{session.path}/peers/b%2F1"
    done(session.post("/peers", {"peer_id": "a"}), 201)

    peers = session.get("/peers")
    assert done(peers)["peers"] == [
        {"peer_id": "a", "display_name": None, "channel": None, "at_sequence": 3},
        {"peer_id": "b/1", "display_name": "Bea", "channel": "general", "at_sequence": 2},
    ]
    assert session.events()[1]["data"] == body
    assert peers.headers["etag"] == '"3"'
    assert session.get("/peers", headers={"If-None-Match": '"3"'}).status_code == 304
    assert session.document()["peers"] == 2

    with session.nothing_recorded():
        assert done(session.post("/peers", body))["peer_id"] == "b/1"
    done(session.api.delete(joined.headers["location"]))
    body = {"reason": "timeout"}
    left = session.api.request("DELETE", f"{session.path}/peers/a", json=body)
    done(left)
    assert session.events()[-1]["data"] == {"peer_id": "a", "reason": "timeout"}
    assert done(session.get("/peers"))["peers"] == []
    with session.nothing_recorded():
        refused(session.delete("/peers/a"), 404, "peer_not_found", peer_id="a")


@pytest.mark.parametrize(
    "news",
    [{"capabilities": [{"name": "x"}]}, {"channel": "other"}, {"display_name": "B"}],
)
def test_a_peer_that_says_something_else_joins_again(
    session: SessionApi, news: dict[str, Any]
) -> None:
    done(session.post("/peers", {"peer_id": "b", "capabilities": [{"name": "y"}]}), 201)
    done(session.post("/peers", {"peer_id": "b", **news}), 201)

    (peer,) = done(session.get("/peers"))["peers"]
    assert peer["at_sequence"] == 3
    assert session.events()[2]["data"].items() >= news.items()


def test_nobody_reaches_what_has_stopped(session: SessionApi) -> None:
    done(session.post("/peers", {"peer_id": "b"}), 201)
    session.post("/stop")

    assert done(session.get("/peers"))["peers"] == []
    with session.nothing_recorded():
        refused(session.post("/peers", {"peer_id": "b"}), 409, "session_stopped")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "peer_id"),
        ({"peer_id": ""}, "peer_id"),
        ({"peer_id": "\n"}, "peer_id"),
        ({"peer_id": "p", "display_name": "x" * 201}, "display_name"),
        ({"peer_id": "p", "display_name": " "}, "display_name"),
        ({"peer_id": "p", "channel": 1}, "channel"),
        ({"peer_id": "p", "capabilities": {}}, "capabilities"),
        ({"peer_id": "p", "capabilities": ["search"]}, "capabilities[0]"),
        ({"peer_id": "p", "capabilities": [{}] * 101}, "capabilities"),
        ({"peer_id": "p", "url": "x"}, "url"),
    ],
)
def test_a_peer_that_makes_no_sense(session: SessionApi, body: dict[str, Any], field: str) -> None:
    with session.nothing_recorded():
        problem = refused(session.post("/peers", body), 422, "invalid")
        assert problem["errors"][0]["field"] == field


def test_a_reason_that_makes_no_sense(session: SessionApi) -> None:
    done(session.post("/peers", {"peer_id": "b"}), 201)
    with session.nothing_recorded():
        for reason in ("", " ", 1, "x" * 201):
            response = session.api.request(
                "DELETE", f"{session.path}/peers/b", json={"reason": reason}
            )
            refused(response, 422, "invalid")


# ── the runtime ──────────────────────────────────────────────────────────────────────────────

FAST = {"ref": "fast", "provider": "acme", "model": "small-1", "is_default": True}
LARGE = {"ref": "acme/large-1", "name": "Large", "details": {"context_limit": 200_000}}
RUNTIME = {
    "runtime_session_id": "thread-7",
    "name": "runner",
    "version": "1.9",
    "capabilities": {"load_session": True, "nested": {"n": [1, None]}},
    "models": [FAST, LARGE],
    "switching": "offered",
}


def current_of(session: SessionApi) -> list[str]:
    return [one["ref"] for one in done(session.get("/models"))["choices"] if one["is_current"]]


def test_a_runtime_says_what_it_is_and_each_report_replaces_the_last(session: SessionApi) -> None:
    assert done(session.get("/runtime")) == {"runtime": None, "sequence": 1}
    assert session.document()["runtime"] is None
    done(session.put("/runtime", RUNTIME))
    read = session.get("/runtime")
    shown = done(read)["runtime"]
    assert shown.pop("at").endswith("Z")
    models = [{**FAST, "name": None, "details": None},
              {"provider": None, "model": None, "is_default": False, **LARGE}]  # fmt: skip
    assert shown == {**RUNTIME, "models": models, "at_sequence": 2}
    assert session.get("/runtime", headers={"If-None-Match": '"2"'}).status_code == 304
    mark = {"runtime_session_id": "thread-7", "name": "runner", "version": "1.9",
            "switching": "offered", "sequence": 2}  # fmt: skip
    assert session.document()["runtime"] == mark
    assert done(session.get("/snapshot"))["session"]["runtime"] == mark
    with session.nothing_recorded():
        done(session.put("/runtime", RUNTIME))

    done(session.post("/stop", {}))
    assert done(session.get("/runtime"))["runtime"]["runtime_session_id"] == "thread-7"
    done(session.put("/runtime", {}))
    shown = done(session.get("/runtime"))["runtime"]
    assert (shown["runtime_session_id"], shown["capabilities"], shown["models"]) == (None, {}, [])
    assert session.types().count("runtime.reported") == 2


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"runtime_session_id": ""}, "runtime_session_id"),
        ({"runtime_session_id": "x" * 4097}, "runtime_session_id"),
        ({"capabilities": [1]}, "capabilities"),
        ({"models": [{}]}, "models[0].ref"),
        ({"models": [{"ref": " "}]}, "models[0].ref"),
        ({"models": [{"ref": "a", "price": 1}]}, "models[0].price"),
        ({"models": [{"ref": "a"}, {"ref": "a"}]}, "models[1].ref"),
        ({"models": [{"ref": str(n), "is_default": True} for n in range(2)]}, "models"),
        ({"models": [{"ref": str(n)} for n in range(501)]}, "models"),
        ({"switching": "maybe"}, "switching"),
        ({"pid": 1}, "pid"),
    ],
)
def test_a_report_of_a_runtime_that_makes_no_sense(
    session: SessionApi, body: dict[str, Any], field: str
) -> None:
    with session.nothing_recorded():
        problem = refused(session.put("/runtime", body), 422, "invalid")
        assert problem["errors"][0]["field"] == field


def test_one_of_the_choices_is_the_model_that_answers(api: Api) -> None:
    session = api.create(agent={"name": "clerk"})
    shown = done(session.get("/models"))
    assert (shown["agent"], shown["is_overridden"], shown["choices"]) == ("clerk", False, [])
    assert shown["switching"] == "any"

    done(session.put("/runtime", {**RUNTIME, "switching": "any"}))
    assert current_of(session) == ["fast"]
    done(session.put("/models/clerk", {"model": "large-1", "provider": "acme"}))
    assert current_of(session) == ["acme/large-1"]
    assert done(session.get("/models"))["is_overridden"] is True
    done(session.put("/models/clerk", {"model": "small-1"}))
    assert current_of(session) == ["fast"]
    done(session.put("/models/clerk", {"model": "huge", "provider": "other"}))
    choices = done(session.get("/models"))["choices"]
    assert [one["is_offered"] for one in choices] == [True, True, False]
    assert current_of(session) == ["other/huge"]
    done(session.delete("/models/clerk"))
    assert current_of(session) == ["fast"]

    own = api.create(agent={"name": "clerk", "model": "large-1", "provider": "acme"})
    assert current_of(own) == ["acme/large-1"]
    done(own.put("/runtime", RUNTIME))
    assert current_of(own) == ["acme/large-1"]


def test_a_model_that_cannot_be_chosen_is_refused_wherever_it_is_named(
    session: SessionApi,
) -> None:
    def choose(model: str) -> list[Any]:
        turn = {"input": {"parts": HELLO}, "model": {"model": model}}
        return [session.put("/models/clerk", {"model": model}), session.post("/turns", turn)]

    done(session.put("/runtime", RUNTIME))
    with session.nothing_recorded():
        for response in choose("huge"):
            problem = refused(response, 422, "model_not_offered")
            assert "there are: fast," in problem["detail"]
    done(session.put("/runtime", {**RUNTIME, "switching": "none"}))
    with session.nothing_recorded():
        for response in choose("fast"):
            refused(response, 422, "model_switching_unsupported")
    done(session.put("/runtime", RUNTIME))
    done(session.put("/models/clerk", {"model": "fast"}))
    begun = {"input": {"parts": HELLO}, "model": {"model": "acme/small-1"}}
    done(session.post("/turns", begun), 201)


# ── everywhere ───────────────────────────────────────────────────────────────────────────────

COMMANDS = [
    ("PUT", "/profile", CLERK),
    ("DELETE", "/profile", {}),
    ("POST", "/sandbox", {"sandbox_id": "s", "operation": "o", "outcome": "failed"}),
    ("PUT", "/runtime", {"runtime_session_id": "thread-7"}),
    ("POST", "/peers", {"peer_id": "p"}),
    ("DELETE", "/peers/there", {}),
]


@pytest.mark.parametrize(("method", "path", "body"), COMMANDS)
def test_commands_to_a_session_that_is_no_more_or_never_was(
    api: Api, method: str, path: str, body: dict[str, Any]
) -> None:
    session = api.create()
    session.delete()

    refuses_to_change_what_is_not_there(session, method, path, body)


@pytest.mark.parametrize(("method", "path", "body"), COMMANDS)
def test_commands_again_and_behind(
    session: SessionApi, method: str, path: str, body: dict[str, Any]
) -> None:
    done(session.post("/peers", {"peer_id": "there"}), 201)
    refuses_the_past_and_repeats_an_answer(session, method, path, body)


@pytest.mark.parametrize("path", ["/profile", "/runtime", "/models", "/peers"])
def test_reads_of_a_session_that_is_no_more_or_never_was(api: Api, path: str) -> None:
    session = api.create(messages=[{"role": "user", "parts": HELLO}])
    session.delete()

    refuses_to_read_what_is_not_there(session, path)


def test_the_newest_news_of_the_sandbox_is_shown_with_the_session(session: SessionApi):
    for outcome in ("started", "completed"):
        body = {"sandbox_id": "box", "operation": "prepare", "outcome": outcome}
        assert session.post("/sandbox", body).status_code in (200, 201)

    assert session.get().json()["session"]["sandbox"] == {
        "sandbox_id": "box",
        "operation": "prepare",
        "outcome": "completed",
        "sequence": 3,
    }


def test_a_child_says_which_persona_its_parent_had_and_has_none_itself(session: SessionApi):
    digest = session.api.request(
        "PUT", session.path + "/profile", json={"name": "soul", "body": "be kind"}
    ).json()["digest"]

    spawned = session.post("/spawn", {"agent": {"name": "kid"}, "ttl_seconds": 60})

    child = spawned.json()["session"]
    assert child["lineage"]["profile_digest"] == digest
    assert child["profile"] is None
