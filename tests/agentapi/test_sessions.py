"""Sessions by the agentapi door, and the same sessions by the native one."""

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest
from openapi_spec_validator import validate

from api.agentapi.route_table import OPENAPI
from api.agentapi.session_settings import HIDDEN, without_secrets
from tests.agentapi.signed import SESSIONS, Signed

Json = dict[str, Any]
MARK = "s3cr3t-that-nobody-may-read"
SECRETS: Json = {
    "session": {
        "id": "mine",
        "user_id": "ada",
        "scope": "team",
        "team_id": "org/core",
        "agent_type": "claude",
        "oneshot": True,
        "teams": ["org/core"],
        "memory_key": {"k": "v"},
    },
    "env": {"ANTHROPIC_API_KEY": MARK, "EMPTY": ""},
    "initial_message": "hello",
    "credentials": MARK,
    "claude": {
        "claude_json": {"oauth": {"access_token": MARK}, "numbers": [1, 1.0, 10**30, None]},
        "mcp_servers": {"x": {"env": {"T": MARK}, "headers": {"Authorization": MARK}, "url": "u"}},
    },
    "codex": {"config_toml": f'[mcp_servers.x.env]\nT = "{MARK}"'},
    "repository": {"fullname": "org/it", "clone_dir": "/it", "branch": "main"},
    "startup": {
        "args": ["--verbose"],
        "pre_script": "curl -H 'Authorization: Bearer " + MARK + "'",
    },
    "github": {"token": MARK, "secret_name": "its-name"},
    "slack_params": {"channel": "C1", "bot_token": MARK},
    "docker": {"enabled": True, "registries": [{"server": "r", "password": MARK}]},
    "files": [{"path": "/a", "content": MARK, "permissions": "0600"}],
    "not_known_yet": {"Deep": [{"kept": True}]},
}


def ok(answer: httpx.Response) -> Any:
    assert answer.is_success, answer.text
    return answer.json()


def post(signed: Signed, body: Any, **headers: str) -> httpx.Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return signed.ask("POST", SESSIONS, raw, **headers)


# ── create ───────────────────────────────────────────────────────────────────────────────────


def test_a_session_is_an_ordinary_one_of_cairn(signed: Signed):
    made = post(signed, SECRETS)
    assert (made.status_code, list(made.json())) == (201, ["session_id"])
    session_id = made.json()["session_id"]
    info = ok(signed.ask("GET", f"{SESSIONS}/{session_id}"))
    assert list(info) == ["id", "user_id", "status", "created_at"]
    native = ok(signed.client.get(f"/v1/sessions/{session_id}"))["session"]
    assert info == {
        "id": session_id,
        "user_id": "ada",
        "status": "active",
        "created_at": native["created_at"],
    }
    owner = {key: native[key] for key in ("app", "user", "team", "scope")}
    assert owner == {"app": "agentapi", "user": "ada", "team": "org/core", "scope": "team"}
    assert native["agent"]["name"] == "claude"
    assert native["metadata"]["agentapi"] == {
        "agent_type": "claude",
        "oneshot": True,
        "teams": ["org/core"],
        "repository": {"fullname": "org/it", "clone_dir": "/it", "branch": "main"},
    }
    (said,) = ok(signed.client.get(f"/v1/sessions/{session_id}/messages"))["messages"]
    assert said["parts"] == [{"type": "text", "text": "hello"}]
    events = ok(signed.client.get(f"/v1/sessions/{session_id}/events"))["events"]
    assert {(one["actor"], one["origin"]) for one in events} == {("agentapi", "agentapi")}


def test_what_is_not_known_is_kept_and_every_key_but_secrets_is_in_the_log(signed: Signed):
    session_id = post(signed, SECRETS).json()["session_id"]
    events = ok(signed.client.get(f"/v1/sessions/{session_id}/events"))["events"]
    (told,) = [one["data"] for one in events if one["data"].get("kind") == "agentapi.settings"]
    logged = told["data"]["event"]
    assert logged == without_secrets(SECRETS)
    assert logged["not_known_yet"] == SECRETS["not_known_yet"]
    assert logged["session"] == SECRETS["session"]
    assert logged["env"] == {"ANTHROPIC_API_KEY": HIDDEN, "EMPTY": ""}
    assert logged["claude"]["claude_json"]["numbers"] == [1, 1.0, 10**30, None]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "session.user_id is required"),
        (b"null", "session.user_id is required"),
        ({}, "session.user_id is required"),
        ({"session": None}, "session.user_id is required"),
        ({"session": {"user_id": ""}}, "session.user_id is required"),
        ([], "invalid request body: it must be a JSON object"),
        ("a", "invalid request body: it must be a JSON object"),
        (b"{", "invalid request body: "),
        (b'{"session":{"user_id":"a"}} more', "invalid request body: "),
        (b'{"session":{"user_id":"a","user_id":"b"}}', "invalid request body: "),
        (b'{"session":{"user_id":"\\ud800"}}', "invalid request body: "),
        (b'{"session":{"user_id":"\xff"}}', "invalid request body: "),
        ({"session": 5}, "invalid request body: session: "),
        ({"session": {"user_id": 5}}, "invalid request body: session.user_id: "),
        ({"session": {"user_id": "a"}, "env": ["A=1"]}, "invalid request body: env: "),
        ({"session": {"user_id": "a", "oneshot": "yes"}}, "invalid request body: session.oneshot"),
        ({"session": {"user_id": "a", "User_ID": "b"}}, "invalid request body: session: "),
        ({"session": {"user_id": "a"}, "ENV": {}, "env": {"A": "1"}}, "invalid request body: "),
        ({"session": {"user_id": "a\u0000"}}, "invalid request body: "),
        ({"session": {"user_id": "a" * 300}}, "invalid request body: "),
        ({"session": {"user_id": "a", "scope": "s" * 300}}, "invalid request body: "),
    ],
)
def test_what_makes_no_session_is_refused_and_nothing_is_kept(
    signed: Signed, body: Any, message: str
):
    before = len(signed.listed())
    answer = post(signed, body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["message"].startswith(message)
    assert len(signed.listed()) == before


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "x"])
def test_a_body_must_say_that_it_is_json(signed: Signed, kind: str):
    answer = post(signed, SECRETS, Content_Type=kind)
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("invalid request body: code=415, message=")
    named = post(signed, SECRETS, Content_Type="application/json; charset=utf-8")
    assert named.status_code == 201


def test_keys_are_matched_whatever_their_case_and_null_is_absent(signed: Signed):
    body = {"Session": {"USER_ID": "cased", "scope": None, "Teams": None}, "ENV": {"A": MARK}}
    session_id = post(signed, body).json()["session_id"]
    assert MARK not in signed.client.get(f"/v1/sessions/{session_id}/events").text
    (found,) = signed.listed("?user_id=cased&scope=user")
    assert found["id"] == session_id


def test_a_body_beyond_the_cap_is_refused_and_one_below_may_have_large_files(signed: Signed):
    small = {"session": {"user_id": "a"}, "files": [{"path": "/a", "content": "x" * 60_000}]}
    large = {"session": {"user_id": "a"}, "files": [{"path": "/a", "content": "x" * 70_000}]}
    assert post(signed, small).status_code == 201
    answer = post(signed, large)
    assert answer.status_code == 413
    assert answer.json() == {"message": "the body has more than 65536 bytes"}


# ── secrets ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "value",
    [
        {"ENV": {"A": MARK}},
        {"git\u212aub": 1, "github": {"to\u212aen": MARK}},
        {"files": [{"Content": MARK}, {"content": [MARK, {"a": MARK}]}]},
        {"slack_params": {"bot_token": MARK}},
        {"docker": {"registries": [{"Password": MARK}]}},
        {"credentials": {"a": [MARK]}},
        {"pi": {"models_json": {"providers": {"x": {"apiKey": MARK}}}}},
        {"startup": {"args": ["https://user:" + MARK + "@host/"]}},
        *({"claude": {"settings_json": {"x": {key: MARK}}}} for key in (
            "privateKey", "secretAccessKey", "encryption-key", "clientSecret", "dbPassword",
            "PASSWD", "passphrase", "httpHeaders", "http-headers", "extraHeaders", "envVars",
            "cookie", "key", "apiKeys", "secrets", "toKEN", "smtp_pass", "X-Api-Key",
        )),
    ],
)  # fmt: skip
def test_secrets_are_hidden_wherever_they_stand(value: Json):
    assert MARK not in json.dumps(without_secrets(value))


def test_what_is_named_like_a_secret_and_is_none_stays():
    value = {"secret_name": "a", "maxTokens": 5, "memory_key": {"k": "v"}, "keyboard": "us"}
    assert without_secrets(value) == value


def test_no_secret_is_in_any_read_log_event_or_export(
    signed: Signed, caplog: pytest.LogCaptureFixture, manager_database: str
):
    caplog.set_level("DEBUG")
    session_id = post(signed, SECRETS).json()["session_id"]
    wrong = {**SECRETS, "otel_collector": {"exporter_port": "no number"}}
    refused = [post(signed, wrong), post(signed, json.dumps(SECRETS)[:-1].encode())]
    path = f"/v1/sessions/{session_id}"
    reads = [
        signed.client.get(path + rest)
        for rest in ("", "/events", "/snapshot", "/history", "/messages", "/state", "/export")
    ]
    reads += [signed.client.get("/v1/events"), signed.client.get("/v1/sessions?app=agentapi")]
    reads += [signed.ask("GET", SESSIONS), signed.ask("GET", f"{SESSIONS}/{session_id}")]
    assert all(one.is_success for one in reads), [one.status_code for one in reads]
    assert session_id in reads[1].text
    for one in (*reads, *refused):
        assert MARK not in one.text, one.url
        assert MARK.encode() not in one.content
    assert MARK not in caplog.text
    assert "test-secret" not in caplog.text


# ── read, list, delete ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "name",
    ["a%2Fb", "a/b", "a/b/c", "..%2f..", "%2e%2e", ".", "%25", "%00", "x" * 300, "ext:x", "%F0",
     "{id}", "urn:uuid:{id}", "%7B{id}%7D", "0{id}", "{id}%20", "{id}/"],
)  # fmt: skip
def test_an_id_that_is_none_is_not_found(signed: Signed, name: str):
    wanted = name.replace("{id}", str(uuid4()))
    for method in ("GET", "DELETE"):
        answer = signed.ask(method, f"{SESSIONS}/{wanted}")
        if name in (".", "%2e%2e"):
            continue  # a client takes these off the path
        if name == "%F0":
            assert answer.status_code == 400
            continue
        assert answer.status_code == 404, answer.text
        assert answer.json()["message"].startswith("session not found")


def test_a_session_of_another_app_is_not_there(signed: Signed):
    body = {"app": "shop", "user": "ada"}
    native = ok(signed.client.post("/v1/sessions", json=body))["session"]["id"]
    for method in ("GET", "DELETE"):
        assert signed.ask(method, f"{SESSIONS}/{native}").status_code == 404
    assert native not in {one["id"] for one in signed.listed()}
    assert ok(signed.client.get(f"/v1/sessions/{native}"))


def test_deleting_is_done_once(signed: Signed):
    session_id = signed.create()
    gone = signed.ask("DELETE", f"{SESSIONS}/{session_id}")
    assert (gone.status_code, gone.content) == (204, b"")
    for method, message in (
        ("DELETE", f"session not found: {session_id}"),
        ("GET", "session not found"),
    ):
        answer = signed.ask(method, f"{SESSIONS}/{session_id}")
        assert (answer.status_code, answer.json()) == (404, {"message": message})
    assert session_id not in {one["id"] for one in signed.listed()}


def test_filters_are_exact_and_all_hold(signed: Signed):
    user = f"u-{uuid4().hex[:8]} +&é"
    alone = signed.create(user)
    core = signed.create(user, session={"scope": "team", "team_id": "org/core"})
    signed.create(user, session={"scope": "other"})
    quoted = httpx.QueryParams({"user_id": user})

    def found(more: str = "") -> list[str]:
        return [one["id"] for one in signed.listed(f"?{quoted}{more}")]

    assert len(found()) == 3
    assert found()[1:] == [core, alone]
    assert found("&scope=user") == [alone]
    assert found("&scope=team&team_id=org%2Fcore") == [core]
    assert found("&scope=&status=&team_id=") == found()
    assert found("&scope=team&scope=user") == [core]
    assert found("&scope=Team") == found("&scope=nothing") == found("&team_id=org") == []
    assert found("&status=ACTIVE") == found()
    assert found("&status=running") == found("&status=no-such") == []
    assert found("&limit=2") == found()[:2]
    first = signed.ask("GET", f"{SESSIONS}?{quoted}&limit=2")
    following = httpx.URL(first.links["next"]["url"])
    rest = signed.listed("?" + following.query.decode())
    assert [one["id"] for one in rest] == [alone]
    nobody = signed.ask("GET", SESSIONS + "?user_id=nobody")
    assert nobody.content == b'{"sessions":[]}\n'


@pytest.mark.parametrize(
    "query",
    ["team_id=%zz", "user_id=a;b", "user_id=%", "user_id=%4", "usr_id=a", "user_id=%00",
     "limit=0", "limit=-1", "limit=1e3", "limit=99999999999", "cursor=x", "user_id=%FF"],
)  # fmt: skip
def test_a_malformed_query_is_refused_and_shows_nothing(signed: Signed, query: str):
    answer = signed.ask("GET", f"{SESSIONS}?{query}")
    assert answer.status_code == 400, answer.text
    assert list(answer.json()) == ["message"]


def test_running_and_active_are_told_apart(signed: Signed):
    user = f"u-{uuid4().hex[:8]}"
    session_id = signed.create(user)
    path = f"/v1/sessions/{session_id}"

    def shown() -> str:
        status: str = ok(signed.ask("GET", f"{SESSIONS}/{session_id}"))["status"]
        for other in ("active", "running", "stopped", "error", "timeout", "unhealthy", "starting"):
            listed = signed.listed(f"?user_id={user}&status={other}")
            assert [one["status"] for one in listed] == ([status] if other == status else [])
        return status

    native = signed.client
    assert shown() == "active"
    turn = {"turn_id": "t1", "input": {"parts": [{"type": "text", "text": "go"}]}}
    ok(native.post(f"{path}/turns", json=turn))
    assert shown() == "running"
    ok(native.post(f"{path}/turns/t1/complete", json={}))
    assert shown() == "active"
    ok(native.post(f"{path}/stop", json={}))
    assert shown() == "stopped"
    ok(native.post(f"{path}/resume", json={}))
    failure = {"kind": "process_exit", "summary": "it is gone"}
    ok(native.post(f"{path}/stop", json={"cause": "process_exited", "failure": failure}))
    assert shown() == "error"


def test_other_methods_are_405_and_head_has_no_body(signed: Signed):
    for method, path in (("PUT", SESSIONS), ("DELETE", SESSIONS), ("POST", f"{SESSIONS}/x")):
        answer = signed.ask(method, path)
        assert (answer.status_code, answer.json()) == (405, {"message": "Method Not Allowed"})
        assert "allow" in answer.headers
    head = signed.ask("HEAD", SESSIONS)
    assert (head.status_code, head.content) == (200, b"")


def test_a_condition_that_does_not_hold_deletes_nothing(signed: Signed):
    session_id = signed.create()
    refused = signed.ask("DELETE", f"{SESSIONS}/{session_id}", If_Match='"99"')
    assert refused.status_code == 412
    read = signed.ask("GET", f"{SESSIONS}/{session_id}")
    again = signed.ask("DELETE", f"{SESSIONS}/{session_id}", If_Match=read.headers["etag"])
    assert again.status_code == 204


def test_the_door_describes_itself(client: httpx.Client):
    document = client.get(OPENAPI).json()
    validate(document)
    assert set(document["paths"]) == {SESSIONS, SESSIONS + "/{name}", OPENAPI}
    settings = document["components"]["schemas"]["SessionSettings"]["properties"]
    assert set(SECRETS) - {"not_known_yet"} <= set(settings)
