"""What holds for every route: problems, conditions, limits, headers and methods."""

import json
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.api import HELLO, Api, SessionApi, conforms, done, openapi, refused
from tests.support.postgres import Server
from tests.support.promtool import PROMTOOL, WHY_NOT, faults_of_metrics
from tests.support.server import running

MEBIBYTE = 1024 * 1024
ANY = "00000000-0000-4000-8000-000000000000"


def _filled(path: str) -> str:
    for name, value in (("session_id", ANY), ("message_id", "m"), ("turn_id", "t")):
        path = path.replace(f"{{{name}}}", value)
    path = path.replace("{webhook_id}", "w").replace("{number}", "1")
    path = path.replace("{input_id}", "i")
    for name in ("agent", "peer_id", "key", "app", "user", "blob"):
        path = path.replace(f"{{{name}}}", name)
    return path.replace("{request_id}", "r").replace("{asset}", "docs.css")


def _routes(*methods: str) -> list[tuple[str, str]]:
    return [
        (method.upper(), _filled(path))
        for path, operations in openapi()["paths"].items()
        for method in operations
        if method.upper() in methods
    ]


READS = _routes("GET")
COMMANDS = _routes("POST", "PATCH", "PUT", "DELETE")
OPEN = ("/", "/health", "/ready", "/version")
V1_COMMANDS = [one for one in COMMANDS if one[1].startswith("/v1")]
V1_BODIES = [one for one in V1_COMMANDS if one[1] != "/v1/import" and "/blobs" not in one[1]]
"""Those whose body is JSON; the others take files."""


# ── problems ─────────────────────────────────────────────────────────────────────────────────


def test_a_problem_has_every_member(api: Api) -> None:
    response = api.get(f"/v1/sessions/{ANY}", headers={"X-Request-Id": "from-client-1"})

    assert response.json() == {
        "type": "urn:cairn:problem:session-not-found",
        "title": "Session not found",
        "status": 404,
        "detail": "No session has this id.",
        "code": "session_not_found",
        "request_id": "from-client-1",
    }
    assert response.headers["x-request-id"] == "from-client-1"


@pytest.mark.parametrize("given", ["", "with space", "ü", "x" * 101])
def test_a_request_id_that_is_no_simple_word_is_replaced(api: Api, given: str) -> None:
    response = api.get("/version", headers={b"X-Request-Id": given.encode()})

    assert response.headers["x-request-id"] not in ("", given)


def test_no_fact_takes_the_place_of_a_member(session: SessionApi) -> None:
    other = session.api.post("/v1/sessions", {"id": session.id, "app": "other", "user": "x"})

    assert refused(other, 409, "session_exists")["status"] == 409


def test_a_path_that_is_none(api: Api) -> None:
    for path in ("/v1", "/v2/sessions", f"/v1/sessions/{ANY}/nothing", "/docs/assets/x.js"):
        refused(api.get(path), 404, "not_found")


@pytest.mark.parametrize(("method", "path"), [*READS, *COMMANDS])
def test_a_method_that_a_path_does_not_take(api: Api, method: str, path: str) -> None:
    response = api.request("TRACE", path)

    refused(response, 405, "method_not_allowed")
    allowed = {one.strip() for one in response.headers["allow"].split(",")}
    assert method in allowed
    assert "TRACE" not in allowed
    options = api.request("OPTIONS", path)
    assert (options.status_code, options.content) == (204, b"")
    assert {one.strip() for one in options.headers["allow"].split(",")} == allowed
    assert ("HEAD" in allowed) == ("GET" in allowed)


def test_options_of_the_whole_server_tells_every_method(api: Api) -> None:
    url = httpx.URL(api.base_url)
    assert url.port is not None
    with socket.create_connection((url.host, url.port), timeout=60) as connection:
        connection.sendall(b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = connection.makefile("rb").read().decode().lower()
    assert answer.startswith("http/1.1 204 ")
    assert "allow: delete, get, head, options, patch, post, put\r\n" in answer
    refused(api.get("/*"), 404, "not_found")


@pytest.mark.parametrize(("method", "path"), READS)
def test_head_is_get_without_the_body(api: Api, method: str, path: str) -> None:
    read, head = api.request(method, path), api.request("HEAD", path)

    assert (head.status_code, head.content) == (read.status_code, b"")
    for name in ("content-type", "etag", "link", "vary", "cache-control"):
        assert head.headers.get(name) == read.headers.get(name), name


@pytest.mark.parametrize("method", ["PROPFIND", "PURGE", "LINK", "MKCOL"])
def test_a_method_that_no_path_takes(api: Api, method: str) -> None:
    for path in ("/v1/sessions", "/health", "/nothing"):
        refused(api.request(method, path), 501, "not_implemented")


@pytest.mark.parametrize("method", ["QUERY", "TRACE"])
def test_a_method_of_http_that_a_path_does_not_take(api: Api, method: str) -> None:
    answer = api.request(method, "/v1/sessions")
    refused(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    refused(api.request(method, "/nothing"), 404, "not_found")


# ── parameters ───────────────────────────────────────────────────────────────────────────────


STRICT = [one for one in [*READS, *V1_COMMANDS] if one[1] not in OPEN and one[1] != "/metrics"]


@pytest.mark.parametrize(("method", "path"), STRICT)
def test_an_unknown_parameter_is_named(api: Api, method: str, path: str) -> None:
    with api.nothing_recorded():
        response = api.request(method, path, params={"colour": "red"})
        refused(response, 400, "invalid_parameter", field="colour")


@pytest.mark.parametrize("limit", ["-1", "0", "1001", "1e3", "٣", "9" * 30, "", " 5", "+5"])
@pytest.mark.parametrize(
    "path", ["/v1/sessions", "/v1/events", "{}/events", "{}/messages", "{}/history"]
)
def test_a_limit_that_is_none(session: SessionApi, path: str, limit: str) -> None:
    where = path.format(session.path)
    refused(
        session.api.get(where, params={"limit": limit}), 400, "invalid_parameter", field="limit"
    )


@pytest.mark.parametrize("path", ["/v1/sessions", "{}/messages", "{}/history"])
def test_a_page_of_anything_but_events_has_200_at_most(session: SessionApi, path: str) -> None:
    where = path.format(session.path)
    refused(session.api.get(where, params={"limit": 201}), 400, "invalid_parameter", field="limit")


def test_a_parameter_that_is_given_twice(api: Api) -> None:
    refused(api.get("/v1/sessions?app=a&app=b"), 400, "invalid_parameter", field="app")


@pytest.mark.parametrize(
    "query",
    [
        "status=deleted", "status=x", "starred=1", "sort=user", "sort=--title", "text=", "app=",
        "created_after=yesterday", "created_after=2026-01-01T00:00:00", "updated_before=1",
        "updated_before=2026-01-01", "updated_after=2026-W01-1T00:00:00Z",
        "created_before=20260101T000000Z", "created_before=2026-02-30T00:00:00Z",
        "text=%00", "tag=a%0Ab", "app=" + "x" * 501,
    ],
)  # fmt: skip
def test_a_filter_that_makes_no_sense(api: Api, query: str) -> None:
    name = query.partition("=")[0]
    refused(api.get(f"/v1/sessions?{query}"), 400, "invalid_parameter", field=name)


@pytest.mark.parametrize(
    "moment",
    ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999999-12:00", "1150-11-27t05:30:24z",
     "2026-01-31T12:00:00.5+05:30"],
)  # fmt: skip
def test_a_time_is_any_that_rfc_3339_has(api: Api, moment: str) -> None:
    for name in ("created_after", "created_before", "updated_after", "updated_before"):
        assert api.get("/v1/sessions", params={name: moment}).status_code == 200


# ── bodies ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("method", "path"), V1_BODIES)
def test_a_body_that_is_not_json(api: Api, method: str, path: str) -> None:
    with api.nothing_recorded():
        for broken in (b"{", b"{'a': 1}", b"{} {}", b"\xef\xbb\xbf{}", b'{"a": NaN}', b'"\xff"'):
            refused(api.raw(method, path, broken), 400, "malformed_json")
        for media_type in ("text/plain", "application/x-www-form-urlencoded", "", "json"):
            headers = {"content-type": media_type}
            response = api.request(method, path, content=b"{}", headers=headers)
            refused(response, 415, "unsupported_media_type")


@pytest.mark.parametrize(("method", "path"), V1_BODIES)
def test_a_body_of_the_wrong_shape(api: Api, method: str, path: str) -> None:
    with api.nothing_recorded():
        for value in (b"[]", b"null", b"1", b'"x"', b"true"):
            refused(api.raw(method, path, value), 422, "invalid")
        problem = refused(api.request(method, path, json={"nobody": 1}), 422, "invalid")
        named = {one["field"]: one for one in problem["errors"]}
        assert named["nobody"] == {
            "field": "nobody", "message": "unknown field", "code": "extra_forbidden"
        }  # fmt: skip


def test_json_by_another_name(session: SessionApi) -> None:
    body = json.dumps({"role": "user", "parts": HELLO}).encode()
    for media_type in ("application/json; charset=utf-8", "APPLICATION/JSON", "application/x+json"):
        headers = {"content-type": media_type}
        response = session.api.request(
            "POST", f"{session.path}/messages", content=body, headers=headers
        )
        done(response, 201)


def test_every_wrong_field_is_named(api: Api) -> None:
    with api.nothing_recorded():
        body = {
            "app": 1,
            "tags": "x",
            "agent": {"name": "", "x": 1},
            "messages": [{"role": "boss"}],
        }
        problem = refused(api.post("/v1/sessions", body), 422, "invalid")

    assert {one["field"] for one in problem["errors"]} == {
        "app", "user", "tags", "agent.name", "agent.x", "messages[0].role", "messages[0].parts"
    }  # fmt: skip


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large(session: SessionApi, chunked: bool) -> None:
    whole = b" " * (5 * MEBIBYTE)
    body: Any = (whole[i : i + 65536] for i in range(0, len(whole), 65536)) if chunked else whole

    with session.nothing_recorded():
        response = session.api.raw("POST", f"{session.path}/messages", body)
        refused(response, 413, "body_too_large", limit=4 * MEBIBYTE)
    assert ("content-length" in response.request.headers) == (not chunked)


def test_a_body_of_exactly_the_limit_is_read(session: SessionApi) -> None:
    start, end = b'{"parts":[],"role":"', b'"}'
    body = start + b"x" * (4 * MEBIBYTE - len(start) - len(end)) + end

    refused(session.api.raw("POST", f"{session.path}/messages", body), 422, "invalid")
    over = session.api.raw("POST", f"{session.path}/messages", body + b" ")
    refused(over, 413, "body_too_large")


def test_an_event_that_is_too_large(session: SessionApi) -> None:
    session.start()
    large = [{"type": "text", "text": "x" * (2 * MEBIBYTE)}]
    small = {"type": "agent.message", "data": {"parts": HELLO}}
    with session.nothing_recorded():
        message = session.post("/messages", {"role": "user", "parts": large})
        problem = refused(message, 413, "record_too_large", limit=MEBIBYTE)
        assert problem["size"] > 2 * MEBIBYTE
        events = [small, {"type": "agent.message", "data": {"parts": large}}]
        refused(session.post("/turns/t1/events", {"events": events}), 413, "record_too_large")
        state = session.patch("/state", {"set": {"k": "x" * MEBIBYTE}})
        refused(state, 413, "record_too_large")
    session.record(("agent.message", {"parts": HELLO}))


# ── conditions ───────────────────────────────────────────────────────────────────────────────


def test_if_match(session: SessionApi) -> None:
    for allowed in ('"1"', '"7", "2"', "*", '"4" ,"9"'):
        session.say()
        etag = session.get().headers["etag"]
        given = etag if allowed == "*" else allowed
        before = session.head
        done_or_not = session.patch("", {"title": f"{before}"}, headers={"If-Match": given})
        if f'"{before}"' in given:
            done(done_or_not)
        else:
            problem = refused(done_or_not, 412, "stale_sequence", head=before)
            assert problem["current_etag"] == done_or_not.headers["etag"] == f'"{before}"'
    done(session.patch("", {"title": "any"}, headers={"If-Match": "*"}))


def test_an_if_match_that_a_proxy_has_made_weak(session: SessionApi) -> None:
    done(session.patch("", {"title": "a"}, headers={"If-Match": f'W/"{session.head}"'}))
    done(session.patch("", {"title": "b"}, headers={"If-Match": f'"x", W/"{session.head}"'}))


def test_an_if_match_on_several_lines_is_one_list(session: SessionApi) -> None:
    for title in ("a", "b"):
        tags = [f'"{session.head}"', '"999"']
        lines = [("If-Match", tag) for tag in (tags if title == "a" else tags[::-1])]
        done(session.api.request("PATCH", session.path, json={"title": title}, headers=lines))


@pytest.mark.parametrize("given", ['"x"', '"-1"', '""', '"01"', '"x,1"', 'W/"x"', f'"{10**30}"'])
def test_an_etag_that_is_not_ours_allows_nothing(session: SessionApi, given: str) -> None:
    with session.nothing_recorded():
        response = session.patch("", {"title": "new"}, headers={"If-Match": given})
        refused(response, 412, "stale_sequence", head=session.head)
    assert session.get(headers={"If-None-Match": given}).status_code == 200


@pytest.mark.parametrize(("method", "path"), V1_COMMANDS)
@pytest.mark.parametrize("given", ["1", 'w/"1"', '"1" "2"', "x", '"1', "", '"1",', "*,*"])
def test_an_if_match_that_is_malformed(
    session: SessionApi, method: str, path: str, given: str
) -> None:
    headers = {"If-Match": given}
    body = _example(method, path)
    with session.nothing_recorded():
        where = path.replace(ANY, session.id)
        response = session.api.request(method, where, json=body, headers=headers)
        refused(response, 400, "malformed_header")


_EXAMPLES: dict[str, Any] = {
    "sessions": {"app": "a", "user": "u"},
    "messages": {"role": "user", "parts": HELLO},
    "m": {"parts": HELLO},
    "turns": {"input": {"parts": HELLO}},
    "events": {"events": [{"type": "x"}]},
    "interactions": {"turn_id": "t", "options": [{"option_id": "a", "name": "a", "kind": "k"}]},
    "decision": {"option_id": "a"},
    "inputs": {"inputs": [{"parts": HELLO}]},
    "t/inputs": {},
    "i": {"parts": HELLO},
    "tool-approval": {"enabled": True},
    "evaluate": {"tool": "a"},
    "attach": {"holder": "h"},
    "detach": {"lease_id": ANY},
    "presence": {"reporter": "r"},
    "fail-start": {"failure": {"kind": "k"}},
    "rewind": {"to": 1},
    "batch/delete": {"session_ids": [ANY]},
    "usage": {"mode": "add", "cost": 1},
    "models/agent": {"model": "m"},
    "summaries": {"text": "x"},
    "spawn": {"agent": {"name": "a"}, "ttl_seconds": 60},
    "profile": {"name": "n", "body": "b"},
    "sandbox": {"sandbox_id": "s", "operation": "o", "outcome": "failed"},
    "peers": {"peer_id": "p"},
    "erase": {"reason": "asked for"},
    "legal-hold": {"reason": "court"},
}


def _example(method: str, path: str) -> Any:
    """Return a body that a command takes; of two that end alike, the longer end is asked first."""
    *_, before, last = path.split("/")
    if method == "DELETE" and last != "legal-hold":
        return {}
    return _EXAMPLES.get(f"{before}/{last}", _EXAMPLES.get(last, {}))


@pytest.mark.parametrize(("method", "path"), [one for one in V1_COMMANDS if ANY in one[1]])
def test_a_stale_if_match_refuses_every_command(
    session: SessionApi, method: str, path: str
) -> None:
    session.start("t")
    session.ask("r", "t")
    session.say(id="m")
    body = _example(method, path)
    with session.nothing_recorded():
        response = session.api.request(
            method, path.replace(ANY, session.id), json=body, headers={"If-Match": '"1"'}
        )
        refused(response, 412, "stale_sequence", head=4)


@pytest.mark.parametrize(
    "path",
    ["", "/snapshot", "/status", "/messages", "/messages?format=ui", "/messages/m", "/history",
     "/interactions", "/interactions?pending=false", "/inputs", "/permissions", "/events",
     "/events?last=1", "/models", "/summaries", "/profile", "/peers", "/ancestry"],
)  # fmt: skip
def test_if_none_match(session: SessionApi, path: str) -> None:
    session.say(id="m")
    etag = session.get(path).headers["etag"]
    assert etag == '"2"'

    for current in (etag, f"W/{etag}", f'"1", {etag}', "*"):
        response = session.get(path, headers={"If-None-Match": current})
        assert (response.status_code, response.content) == (304, b"")
        assert response.headers["etag"] == etag
    for other in ('"1"', "2", "garbage", "", '"2x"', '"3", "4"'):
        assert session.get(path, headers={"If-None-Match": other}).status_code == 200
    session.say()
    assert session.get(path, headers={"If-None-Match": etag}).headers["etag"] == '"3"'


def test_the_etag_of_an_answer_is_the_next_condition(session: SessionApi) -> None:
    etag = '"1"'
    for number in range(3):
        headers = {"If-Match": etag}
        response = session.patch("/state", {"set": {"n": number}}, headers=headers)
        done(response)
        assert response.headers["etag"] == f'"{response.json()["sequence"]}"'
        etag = response.headers["etag"]


def test_who_and_why_are_in_the_log(session: SessionApi) -> None:
    headers = {"Cairn-Actor": "user:ada", "Cairn-Causation": "ticket 7"}
    done(session.patch("", {"title": "T"}, headers=headers))
    event = session.events()[-1]
    assert (event["actor"], event["causation"], event["origin"]) == ("user:ada", "ticket 7", "http")

    with session.nothing_recorded():
        for name in headers:
            for wrong in ("", "x" * 201, "ü"):
                response = session.patch(
                    "", {"title": "U"}, headers={name.encode(): wrong.encode()}
                )
                refused(response, 400, "malformed_header")


# ── tokens ───────────────────────────────────────────────────────────────────────────────────


def test_a_token_is_asked_for_everywhere_but_at_the_probes(
    postgres_server: Server, tmp_path: Path
) -> None:
    token = "a-token-of-many-characters"
    file = tmp_path / "token"
    file.write_text(token + "\n")
    with (
        postgres_server.database() as url,
        running(url, auth_token_file=file) as base,
        httpx.Client(base_url=base) as client,
    ):
        for method, path in [*READS, *COMMANDS]:
            for given in (None, "Basic x", f"Bearer {token}x", "Bearer", token, "Bearer é"):
                headers = {} if given is None else {b"Authorization": given.encode()}
                response = client.request(method, path, headers=headers)
                conforms(response)
                if path in OPEN:
                    assert response.status_code == 200
                else:
                    refused(response, 401, "unauthorized")
                    assert response.headers["www-authenticate"].startswith("Bearer")
        welcome = Api(base, Authorization=f"bearer {token}")
        session = welcome.create()
        assert session.events()[0]["actor"] == "bearer"
        described = done(welcome.get("/schema/openapi.json"))
        assert described["security"] == [{"bearer": []}]
        assert welcome.get("/docs").status_code == 200
        welcome.close()


# ── encodings ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("br, gzip;q=0.5", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("zstd;q=0.5, gzip", "gzip"),
        ("zstd, gzip;q=0", "zstd"),
        ("zstd;q=0, *", "gzip"),
        ("x-gzip, *;q=0", "gzip"),
    ],
)
def test_a_large_answer_is_compressed_for_who_can_read_it(
    session: SessionApi, accept: str, coding: str
) -> None:
    session.post("/messages", {"role": "user", "parts": [{"type": "text", "text": "x" * 100_000}]})
    plain = session.get("/messages", headers={"Accept-Encoding": "identity"})
    small = session.get("/messages", headers={"Accept-Encoding": accept})

    assert small.headers["content-encoding"] == coding
    assert int(small.headers["content-length"]) < 2000
    assert small.json() == plain.json()
    assert "content-encoding" not in plain.headers
    for answer in (plain, small):
        assert "Accept-Encoding" in answer.headers["vary"]
    # The bytes are others, so the strong tag of the plain ones is not theirs; it is still current.
    assert small.headers["etag"] == f"W/{plain.headers['etag']}"
    again = session.get("/messages", headers={"If-None-Match": small.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    "accept",
    ["", "br", "gzip;q=0", "identity, *;q=0", "gzip;q=x", "gzip;q=0.5, identity", "zstd;q=0"],
)
def test_nobody_gets_what_he_cannot_read(session: SessionApi, accept: str) -> None:
    session.post("/messages", {"role": "user", "parts": [{"type": "text", "text": "x" * 10_000}]})
    assert (
        "content-encoding"
        not in session.get("/messages", headers={"Accept-Encoding": accept}).headers
    )


def test_small_answers_and_streams_are_sent_as_they_are(session: SessionApi) -> None:
    session.post("/messages", {"role": "user", "parts": [{"type": "text", "text": "x" * 10_000}]})
    asked = {"Accept-Encoding": "gzip"}
    assert "content-encoding" not in session.get("/status", headers=asked).headers
    asked["Accept"] = "text/event-stream"
    url = f"{session.api.base_url}{session.path}/events"
    with httpx.stream("GET", url, headers=asked) as stream:
        assert "content-encoding" not in stream.headers


def test_requests_are_counted_by_route_and_nothing_that_clients_make_up(
    session: SessionApi,
) -> None:
    for method, path in (
        ("GET", "/no/such/path"), ("PROPFIND", "/health"), ("GET", session.path),
        ("HEAD", session.path), ("OPTIONS", session.path), ("TRACE", session.path),
    ):  # fmt: skip
        session.api.request(method, path)
    families = {
        one.name: one for one in text_string_to_metric_families(session.api.get("/metrics").text)
    }
    labels = {tuple(sorted(one.labels.items())) for one in families["cairn_http_requests"].samples}
    told = {tuple(one[1] for one in sample) for sample in labels}
    assert ("GET", "/v1/sessions/{session_id}", "200") in told
    assert ("OPTIONS", "/v1/sessions/{session_id}", "204") in told
    assert ("GET", "none", "404") in told
    assert ("other", "none", "501") in told
    assert all("such" not in one[1] and one[0] != "PROPFIND" for one in told)
    assert session.id not in str(told)
    routes = {one.labels["route"] for one in families["cairn_http_request_seconds"].samples}
    assert "/v1/sessions/{session_id}" in routes


@pytest.mark.skipif(PROMTOOL is None, reason=WHY_NOT)
def test_prometheus_itself_finds_nothing_wrong_with_the_metrics(session: SessionApi) -> None:
    text = session.api.get("/metrics").text
    assert faults_of_metrics(text) == ""
    assert faults_of_metrics(text + "cairn broken{ 1\n") != ""
