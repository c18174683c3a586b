"""Bad input, item by item: each gets its documented answer, and nothing of it is recorded."""

import base64
import json
import re
from typing import Any
from uuid import uuid4

import pytest

from tests.support.api import HELLO, Api, Json, SessionApi, done, openapi, refused

DEEPEST = 100
EVENTS, DATA = "/turns/t1/events", "events[0].data"


def report(name: str, data: Any) -> dict[str, Any]:
    """A body that reports one event."""
    return {"events": [{"type": name, "data": data}]}


def said(*parts: Any) -> dict[str, Any]:
    """A body of a message."""
    return {"role": "user", "parts": list(parts)}


NOWHERE = f"/v1/sessions/{uuid4()}"


def nested(levels: int, opening: bytes = b"[", closing: bytes = b"]", middle: bytes = b"") -> bytes:
    return opening * levels + middle + closing * levels


def message(data: bytes) -> bytes:
    """A body whose part has this data, three levels deep in it."""
    return b'{"role":"user","parts":[{"type":"data","data":%s}]}' % data


# ── JSON ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "data",
    [
        b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1e999", b"9" * 5000, b"1" + b"0" * 40000,
        b"+1", b"01", b".5", b"0x10", b"1_000", b"'x'", b'"\t"', b'"\x00"', b"undefined", b"",
        rb'"\ud800"', rb'"\udc00\ud800"', rb'"\ud800x"', rb'"\uD83D"', rb'{"\ud800":1}',
        b'"\xed\xa0\x80"', b'"\xff"', b'"\xc0\xaf"', b"[1,]", b'{"a":1,}', b"[1", b"/* */1",
        rb'"\x41"', b"1" + b"0" * 400, b"-1" + b"0" * 400, b"1e-400", b"-2.5E-0330",
        b"0." + b"0" * 400 + b"1", b'{"a":1,"a":2}', rb'{"a":1,"\u0061":1}', b'{"a" :1,"a"\t:2}',
        rb'{"b\\":1,"b\\":2}', rb'[{"a":0},{"a":"\":","c":{"d":"x:y","d":0}}]',
    ],
)  # fmt: skip
def test_values_that_json_does_not_have(session: SessionApi, data: bytes) -> None:
    session.start()
    events = b'{"events":[{"type":"x","data":%s}]}' % data
    state = b'{"set":{"k":%s}}' % data
    with session.nothing_recorded():
        for method, path, body in (
            ("POST", "/messages", message(data)),
            ("POST", "/turns/t1/events", events),
            ("PATCH", "/state", state),
        ):
            response = session.api.raw(method, session.path + path, body)
            refused(response, 400, "malformed_json")


@pytest.mark.parametrize(
    "value",
    [
        0, -0.0, 2**53, 2**63, 2**64, -(2**63) - 1, 10**38, 1.7976931348623157e308, 5e-324, 0.1,
        123456789012345678901234567890, "\u0000", "\U0010ffff", "\ufffe", "é", "e\u0301", "",
        {"": None, "\u0000": []}, [[]], True, None, {"a": {"a": "a:", "\\": '"a":'}}, 0.0,
    ],
)  # fmt: skip
def test_values_at_the_edges_come_back_as_they_went(session: SessionApi, value: Any) -> None:
    session.api.raw("POST", f"{session.path}/messages", message(json.dumps(value).encode()))

    stored = session.events()[-1]["data"]["parts"][0]["data"]
    assert (stored, type(stored)) == (value, type(value))
    read = done(session.get("/messages"))["messages"][0]["parts"][0]["data"]
    assert (read, type(read)) == (value, type(value))
    done(session.patch("/state", {"set": {"k": value, "user:k": value}}))
    assert done(session.get("/snapshot"))["state"] == {"k": value, "user:k": value}


@pytest.mark.parametrize(
    ("levels", "fits"),
    [(DEEPEST - 4, True), (DEEPEST - 3, True), (DEEPEST - 2, False), (1000, False), (10_000, False),
     (100_000, False)],
)  # fmt: skip
@pytest.mark.parametrize("middle", [b"", b"1"])
def test_nesting(session: SessionApi, levels: int, fits: bool, middle: bytes) -> None:
    for deep in (nested(levels, middle=middle), nested(levels, b'{"a":', b"}", middle or b"1")):
        before = session.head
        response = session.api.raw("POST", f"{session.path}/messages", message(deep))
        if fits:
            assert done(response, 201)["sequence"] == before + 1
        else:
            refused(response, 400, "malformed_json")
            assert session.head == before
    if fits:
        cloud = {"Accept": "application/cloudevents-batch+json"}
        assert len(session.get("/events", headers=cloud).json()) == 3
        for path in ("/events", "/history", "/messages", "/messages?format=ui", "/snapshot"):
            done(session.get(path))


def test_many_brackets_that_are_not_deep(session: SessionApi) -> None:
    wide = b"[%s]" % b",".join([b"[]"] * 10_000)
    done(session.api.raw("POST", f"{session.path}/messages", message(wide)), 201)
    brackets = json.dumps("[" * 10_000).encode()
    done(session.api.raw("POST", f"{session.path}/messages", message(brackets)), 201)


def test_nesting_without_a_door_around_it(api: Api) -> None:
    with api.nothing_recorded():
        for body in (nested(10_000), b"[" * 1_000_000, b'{"a":' * 100_000):
            refused(api.raw("POST", "/v1/sessions", body), 400, "malformed_json")


BLANK: Json = {"parts": [{"type": "image"}]}

# ── wrong types and contents ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "/messages", {"role": "boss", "parts": HELLO}, "role"),
        ("POST", "/messages", {"role": "user", "parts": []}, "parts"),
        ("POST", "/messages", {"role": "user", "parts": "Hello"}, "parts"),
        ("POST", "/messages", {"role": "user", "parts": HELLO * 1001}, "parts"),
        ("POST", "/messages", said({"type": "image"}), "parts[0]"),
        ("POST", "/messages", said({"type": "text", "text": 1}), "parts[0].text"),
        ("POST", "/messages", said({"type": "text"}), "parts[0].text"),
        ("POST", "/messages", said({"type": "file", "data": "%%%"}), "parts[0].data"),
        ("POST", "/messages", said({"text": "x"}), "parts[0].type"),
        ("POST", "/messages", said({**HELLO[0], "x": 1}), "parts[0].x"),
        ("POST", "/turns", {"input": BLANK}, "input.parts[0]"),
        ("POST", "/turns", {"input": "Hello"}, "input"),
        ("POST", "/inputs", {"inputs": [{"parts": HELLO}, BLANK]}, "inputs[1].parts[0]"),
        ("POST", "/messages", {"role": "user", "parts": HELLO, "id": ""}, "id"),
        ("POST", "/messages", {"role": "user", "parts": HELLO, "id": "x" * 4097}, "id"),
        ("POST", "/messages", {"role": "user", "parts": HELLO, "implicit": 1}, "implicit"),
        ("POST", "/messages", {"role": "user", "parts": HELLO, "id": "a\u0000"}, "message_id"),
        ("POST", "/messages", {"role": "user", "parts": HELLO, "id": " "}, "message_id"),
        ("POST", "/messages", {"role": "user", "parts": HELLO, "author": "\n"}, "author"),
        ("PATCH", "", {"title": ""}, "title"),
        ("PATCH", "", {"title": 1}, "title"),
        ("PATCH", "", {"title": "x" * 501}, "title"),
        ("PATCH", "", {"title": "  "}, "title"),
        ("PATCH", "", {"title": "a\u0000b"}, "title"),
        ("PATCH", "", {"tags": ["a", "b\u0000"]}, "tags[1]"),
        ("PATCH", "", {"tags": ["x"] * 51}, "tags"),
        ("PATCH", "", {"tags": None}, "tags"),
        ("PATCH", "", {"starred": "true"}, "starred"),
        ("POST", "/turns", {"input": {"parts": HELLO}, "source": "robot"}, "source"),
        ("POST", "/turns", {"input": {"parts": HELLO}, "turn_id": "a\u007f"}, "turn_id"),
        ("POST", "/turns", {"input": HELLO}, "input"),
        ("POST", "/turns", {"input": {"parts": HELLO}, "mode": "later"}, "mode"),
        ("POST", "/turns", {"input": {"parts": HELLO}, "expected_turn_id": ""}, "expected_turn_id"),
        ("POST", "/inputs", {"inputs": []}, "inputs"),
        ("POST", "/inputs", {"inputs": [{"parts": HELLO}] * 1001}, "inputs"),
        ("POST", "/inputs", {"inputs": [{"parts": HELLO, "id": " "}]}, "inputs[0].id"),
        ("POST", "/inputs", {"inputs": [{"parts": []}]}, "inputs[0].parts"),
        ("POST", "/inputs", {"inputs": [{"parts": HELLO}], "source": "robot"}, "source"),
        ("PATCH", "/inputs/i1", {"parts": []}, "parts"),
        ("DELETE", "/inputs/i1", {"reason": ""}, "reason"),
        ("POST", "/interrupt", {"reason": "\u0001"}, "reason"),
        ("POST", EVENTS, {"events": []}, "events"),
        ("POST", EVENTS, {"events": [{"type": "x"}] * 1001}, "events"),
        ("POST", EVENTS, {"events": [{"type": ""}]}, "events[0].type"),
        ("POST", EVENTS, {"events": [{"type": "a b"}]}, "events[0].type"),
        ("POST", EVENTS, report("tool.called", None), DATA),
        ("POST", EVENTS, report("usage.reported", {"input_tokens": -1}), f"{DATA}.input_tokens"),
        ("POST", EVENTS, report("usage.reported", {"cost": "1"}), f"{DATA}.cost"),
        ("POST", EVENTS, report("usage.reported", {"total_tokens": 2**60}), f"{DATA}.total_tokens"),
        ("POST", EVENTS, report("agent.message", {"parts": []}), f"{DATA}.parts"),
        ("POST", "/turns/t1/complete", {"stop_reason": ""}, "stop_reason"),
        ("POST", "/turns/t1/complete", {"stop_reason": " "}, "stop_reason"),
        ("POST", "/turns/t1/complete", {"usage": {"input_tokens": 1.5}}, "usage.input_tokens"),
        ("POST", "/turns/t1/fail", {"summary": "x" * 2049}, "summary"),
        ("POST", "/turns/t1/fail", {"kind": "\u0001"}, "kind"),
        ("POST", "/turns/t1/cancel", {"reason": "\u0001"}, "reason"),
        ("POST", "/turns/t1/cancel", {"hold": 1}, "hold"),
        ("POST", "/stop", {"cause": "boredom"}, "cause"),
        ("POST", "/stop", {"failure": {}}, "failure.kind"),
        ("POST", "/interactions", {"turn_id": "t1", "options": []}, "options"),
        ("PATCH", "/state", {"set": []}, "set"),
        ("PATCH", "/state", {"delete": "k"}, "delete"),
        ("POST", "/resume", {"cause": "x"}, "cause"),
        ("DELETE", "", {"force": True}, "force"),
    ],
)  # fmt: skip
def test_fields_that_are_wrong(
    session: SessionApi, method: str, path: str, body: Any, field: str
) -> None:
    session.start()
    with session.nothing_recorded():
        response = session.api.request(method, session.path + path, json=body)
        problem = refused(response, 422, "invalid")
        assert problem["errors"][0]["field"] == field


@pytest.mark.parametrize(
    "wrong", ["", "x", "{%s}", "urn:uuid:%s", "%s ", "0" * 32, 7, None, [], "٣"]
)
def test_ids_that_are_no_uuids(api: Api, wrong: Any) -> None:
    given = wrong % uuid4() if isinstance(wrong, str) and "%s" in wrong else wrong
    with api.nothing_recorded():
        if given is not None:
            body = {"id": given, "app": "a", "user": "u"}
            refused(api.post("/v1/sessions", body), 422, "invalid")
        if isinstance(given, str) and given:
            refused(api.get(f"/v1/sessions/{given}"), 404, "session_not_found")


@pytest.mark.parametrize(
    "raw", [b"%00", b"%EF%BF%BD", b"%2F", b"%2e%2e%2f", b"a%2Fb", b"%0A", b"%252F"]
)
def test_paths_with_what_no_text_has(session: SessionApi, raw: bytes) -> None:
    session.start()
    text = raw.decode()
    with session.nothing_recorded():
        body: Any
        for method, path, body, code in (
            ("GET", "/messages/", None, "message_not_found"),
            ("PATCH", "/messages/", {"parts": HELLO}, "message_not_found"),
            ("POST", "/turns/{}/complete", {}, "turn_not_found"),
            ("POST", "/turns/{}/events", {"events": [{"type": "x"}]}, "turn_not_found"),
            ("POST", "/interactions/{}/decision", {"option_id": "a"}, "interaction_not_found"),
            ("GET", "/interactions/", None, "interaction_not_found"),
            ("GET", "/inputs/", None, "input_not_found"),
            ("POST", "/inputs/{}/steer", {}, "input_not_found"),
        ):
            where = session.path + (path.format(text) if "{}" in path else path + text)
            headers = {"Idempotency-Key": "k"} if body is not None else {}
            response = session.api.request(method, where, json=body, headers=headers)
            if method == "PATCH" and raw in (b"%00", b"%0A"):
                refused(response, 422, "invalid")  # no message could have this id
            else:
                refused(response, 404, code)
        refused(session.api.get(f"/v1/sessions/{text}"), 404, "session_not_found")
        assert session.api.get(f"/{text}").status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        (method.upper(), path)
        for path, operations in openapi()["paths"].items()
        for method in operations
    ],
)
def test_bytes_that_are_not_utf_8_are_refused_on_every_route(
    api: Api, method: str, path: str
) -> None:
    with api.nothing_recorded():
        for raw in ("%ED%A0%80", "%FF", "%C0%AF", "jos%E9", "%2F%E9"):
            if "{" in path:
                named = re.sub(r"{\w+}", raw, path)
                problem = refused(api.request(method, named), 400, "malformed_request")
                assert problem["detail"].startswith("the path is not UTF-8: byte 0x")
            whole = re.sub(r"{\w+}", "n", path)
            for query in (f"text={raw}", f"{raw}=1"):
                problem = refused(api.request(method, f"{whole}?{query}"), 400, "malformed_request")
                assert problem["detail"].startswith("the query is not UTF-8: byte 0x")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        (method.upper(), path)
        for path, operations in openapi()["paths"].items()
        for method in operations
        if "{" in path
    ],
)
def test_a_name_with_what_no_text_has_is_refused_on_every_route(
    api: Api, method: str, path: str
) -> None:
    with api.nothing_recorded():
        for name in ("a%00b", "%EF%BF%BE%0A", "%7F"):
            where = re.sub(r"{(?!blob|session_id)\w+}", name, path)
            where = where.replace("{blob}", f"sha256:{'0' * 64}")
            where = where.replace("{session_id}", "00000000-0000-4000-8000-000000000000")
            for body in ({}, {"content": b"x", "headers": {"content-type": "image/png"}}):
                assert 400 <= api.request(method, where, **body).status_code < 500


def test_names_that_are_not_utf_8_are_nobodys(api: Api) -> None:
    body = {"set": {"user:secret": 1}}
    for name in ("jos%E9", "jos%E8", "jos%FF"):
        where = f"/v1/apps/a/users/{name}/state"
        refused(api.request("PATCH", where, json=body), 400, "malformed_request")
        refused(api.get(where), 400, "malformed_request")
    assert done(api.get("/v1/apps/a/users/jos%EF%BF%BD/state"))["state"] == {}


def test_queries_with_what_no_text_has(session: SessionApi) -> None:
    for nul in ("text", "tag", "app", "cursor"):
        response = session.api.get(f"/v1/sessions?{nul}=%00")
        refused(response, 400, "invalid_parameter", field=nul)
    for nul in ("turn", "types", "since"):
        refused(session.get(f"/events?{nul}=a%00"), 400, "invalid_parameter", field=nul)


# ── cursors ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "since", ["-1", "abc", "1.0", "1e1", "", " ", "٣", "0x1", "+1", "9" * 20, "NOW", "1,2"]
)
def test_a_since_that_is_none(session: SessionApi, since: str) -> None:
    for path in ("/events", "/history"):
        response = session.get(path, params={"since": since})
        refused(response, 400, "invalid_parameter", field="since")
    response = session.api.get("/v1/events", params={"after": since})
    refused(response, 400, "invalid_parameter", field="after")
    if since.strip():
        headers = {"Last-Event-ID": since.encode()}
        if since.isascii():
            refused(session.get("/events", headers=headers), 400, "malformed_header")
    refused(session.get("/snapshot", params={"at": since}), 400, "invalid_parameter", field="at")


def test_a_since_beyond_the_head(session: SessionApi) -> None:
    for beyond in (2, 10**6, 2**62):
        for path in (f"/events?since={beyond}", f"/history?since={beyond}",
                     f"/events?since={beyond}&wait=5s"):  # fmt: skip
            refused(session.get(path), 409, "cursor_ahead", head=1, cursor=beyond)
        headers = {"Last-Event-ID": str(beyond)}
        refused(session.get("/events?since=0", headers=headers), 409, "cursor_ahead")
        cloud = {"Accept": "application/cloudevents-batch+json"}
        refused(session.get(f"/events?since={beyond}", headers=cloud), 409, "cursor_ahead")
        sse = {"Accept": "text/event-stream"}
        refused(session.get(f"/events?since={beyond}", headers=sse), 409, "cursor_ahead")
    head = session.api.feed_head()
    # The server may end meanwhile what tests of before have left open.
    for beyond in (head + 1000, 2**62):
        feed = session.api.get("/v1/events", params={"after": beyond})
        told = refused(feed, 409, "cursor_ahead", cursor=beyond)
        assert head <= told["head"] < beyond
    refused(session.get("/snapshot?at=2"), 409, "cursor_ahead", head=1)
    refused(session.get("/snapshot?at=0"), 400, "invalid_parameter", field="at")
    refused(session.get("/events?since=1&last=1"), 400, "invalid_parameter", field="last")


def test_a_speed_that_is_none(session: SessionApi) -> None:
    stream = {"Accept": "text/event-stream"}
    for speed in ("0", "-1", "1001", "1e9", "nan", "inf", "4x", "1_0", "", " 1", "0x1"):
        answer = session.get("/events", params={"replay_speed": speed}, headers=stream)
        refused(answer, 400, "invalid_parameter", field="replay_speed")
    refused(session.get("/events?replay_speed=2"), 400, "invalid_parameter", field="replay_speed")


@pytest.mark.parametrize(
    "wait", ["-1", "61", "61s", "2m", "1h", "abc", "", "1e1", "\u0661s", "60001ms", "nan", "inf"]
)
def test_a_wait_that_is_none(session: SessionApi, wait: str) -> None:
    for path in ("/events", "/status"):
        response = session.get(path, params={"wait": wait})
        refused(response, 400, "invalid_parameter", field="wait")


def cursors_of(api: Api) -> tuple[dict[str, str], str, SessionApi, str]:
    """A list with its cursor, and a transcript with its cursor."""
    user = uuid4().hex
    for _ in range(3):
        session = api.create(user=user)
    query = {"user": user, "limit": "2"}
    for number in range(3):
        session.say(str(number))
    of_list = done(api.get("/v1/sessions", params=query))["next_cursor"]
    of_transcript = done(session.get("/messages?limit=2"))["next_cursor"]
    return query, of_list, session, of_transcript


def test_cursors_go_on_and_belong_to_their_list(api: Api) -> None:
    query, of_list, session, of_transcript = cursors_of(api)

    def listed(cursor: str, **other: str) -> Any:
        return api.get("/v1/sessions", params={**query, "cursor": cursor, **other})

    def read(cursor: str, **other: str) -> Any:
        return session.get("/messages", params={"cursor": cursor, **other})

    assert len(done(listed(of_list))["sessions"]) == 1
    assert len(done(listed(of_list, limit="1"))["sessions"]) == 1
    assert len(done(read(of_transcript))["messages"]) == 1
    for other in ({"user": "x"}, {"sort": "title"}, {"starred": "true"}, {"sort": "updated_at"}):
        refused(listed(of_list, **other), 400, "invalid_cursor")
    refused(listed(of_transcript), 400, "invalid_cursor")
    refused(read(of_list), 400, "invalid_cursor")
    refused(read(of_transcript, order="desc"), 400, "invalid_cursor")
    refused(read(of_transcript, format="ui"), 400, "invalid_cursor")
    elsewhere = api.create()
    response = elsewhere.get("/messages", params={"cursor": of_transcript})
    refused(response, 400, "invalid_cursor")


def test_cursors_that_were_changed(api: Api) -> None:
    query, of_list, session, of_transcript = cursors_of(api)

    def tampered(cursor: str) -> list[str]:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        flipped = [
            base64.urlsafe_b64encode(raw[:i] + bytes([raw[i] ^ 1]) + raw[i + 1 :]).decode()
            for i in range(len(raw))
        ]
        return [
            *flipped,
            cursor[:-4],
            cursor + "AAAA",
            "x",
            "",
            "====",
            "é",
            "0",
            "-1",
            cursor * 20,
        ]

    for cursor in tampered(of_list):
        response = api.get("/v1/sessions", params={**query, "cursor": cursor})
        refused(response, 400, "invalid_cursor" if 0 < len(cursor) <= 2000 else "invalid_parameter")
    for cursor in tampered(of_transcript):
        response = session.get("/messages", params={"cursor": cursor})
        code = "invalid_cursor" if 0 < len(cursor) <= 200 else "invalid_parameter"
        refused(response, 400, code)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (rb'{"title": "\ud800"}', r"\ud800 at byte 11 is half of a surrogate pair"),
        (
            rb'{"a": "\ud83d\ude00 \\ud800 \udc00"}',
            r"\udc00 at byte 28 is half of a surrogate pair",
        ),
        (rb'{"\ud800x":1}', r"\ud800 at byte 2 is half of a surrogate pair"),
        (b'{"x": NaN}', "NaN at byte 6 is no number that JSON has"),
        (b'{"x": -Infinity}', "-Infinity at byte 6 is no number that JSON has"),
        (b'\xef\xbb\xbf{"title": "a"}', "byte order mark"),
        ('{"title": "a"}'.encode("utf-16"), "it is UTF-16"),
        (b"\x1f\x8b\x08\x00", "it is gzip"),
        (b'{"title": "jos\xe9"}', "byte 14 (0xe9) is not UTF-8"),
        (b'{"title": "a\nb"}', "the control character 0x0a at byte 12 is not escaped"),
        (b"{\"title\": 'a'}", "' at byte 10: a string is between double quotes"),
        (b'{"title": None}', "None at byte 10: JSON says null"),
        (b'{"title": undefined}', "undefined at byte 10: JSON has no undefined"),
        (b'{"a": 1, // b\n}', "/ at byte 9: JSON has no comments"),
        (b'{"title": "a",}', "trailing comma in object at byte 14"),
        (b'{"title": "a"', "it ends too early, at byte 13"),
        (b'{"title" "a"}', "expected ':' at byte 9"),
        (b'{"a": 1e400}', "1e400 at byte 6 is beyond the range of a double"),
        (b'{"\\"1e999": -1.5E+400}', "-1.5E+400 at byte 12 is beyond the range of a double"),
        (b'{"a": 1%s}' % (b"0" * 400), "... at byte 6 is beyond the range of a double"),
        (b'{"a": 1%s}' % (b"0" * 5000), "... at byte 6 is beyond the range of a double"),
        ('{"title": "a"}'.encode("utf-16-le"), "it is UTF-16"),
        ('{"title": "a"}'.encode("utf-32-be"), "it is UTF-16 or UTF-32"),
        (b'{"a": 1e-400}', "1e-400 is nearer to zero than a double can be"),
        (b'{"title": "a", "title": "b"}', "the name 'title' stands twice in one object"),
        (b'{"title": "a"} {}', "trailing characters at byte 15"),
    ],
)
def test_a_body_that_is_no_json_is_told_what_is_wrong_with_it(
    session: SessionApi, body: bytes, said: str
) -> None:
    with session.nothing_recorded():
        problem = refused(session.api.raw("PATCH", session.path, body), 400, "malformed_json")
    assert said in problem["detail"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "the body: Input should be a valid object"),
        ({"app": "a", "user": "u", "limits": []}, "limits: Input should be a valid object"),
        ({"app": "a", "user": "u", "tags": {}}, "tags: Input should be a valid array"),
        ({"app": "a", "user": "u", "messages": [5]}, "messages[0]: Input should be a valid object"),
        ({"app": "a", "user": "u", "id": 5}, "id: it must be a UUID such as"),
    ],
    ids=str,
)
def test_a_wrong_value_is_told_of_in_words_of_json(api: Api, body: object, said: str) -> None:
    problem = refused(api.post("/v1/sessions", body), 422, "invalid")
    assert problem["detail"].startswith(said)
    assert problem["errors"][0]["message"] in problem["detail"]


def test_an_empty_list_is_told_of_in_words_of_json(session: SessionApi) -> None:
    session.start()
    problem = refused(session.post("/turns/t1/events", {"events": []}), 422, "invalid")
    assert problem["detail"] == "events: Array should have at least 1 item, not 0"


def test_zero_is_a_number_however_it_is_written(session: SessionApi) -> None:
    for written in (b"0e-999", b"0.0e-400", b"-0." + b"0" * 400, b"0e400"):
        done(session.api.raw("POST", f"{session.path}/messages", message(written)), 201)


def test_names_are_compared_character_by_character(api: Api) -> None:
    number = uuid4()
    one, two = f"caf\u00e9-{number}", f"cafe\u0301-{number}"
    first, second = (api.create(user=user) for user in (one, two))

    for user, session in ((one, first), (two, second)):
        listed = done(api.get("/v1/sessions", params={"user": user}))["sessions"]
        assert [entry["id"] for entry in listed] == [session.id]
    for wrong in ("a\u0085b", "a\u2028b", "a\u200bb", "a\u202eb"):
        refused(api.post("/v1/sessions", {"app": "a", "user": wrong}), 422, "invalid", field="user")


@pytest.mark.parametrize("charset", ["utf-16", "iso-8859-1", '"latin1"', ""])
def test_a_body_in_another_charset(session: SessionApi, charset: str) -> None:
    headers = {"Content-Type": f"application/json; charset={charset}"}
    with session.nothing_recorded():
        response = session.api.request("PATCH", session.path, content=b"{}", headers=headers)
        problem = refused(response, 415, "unsupported_media_type")
    assert "send UTF-8" in problem["detail"]


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate, gzip", "GZIP", "nonsense"])
def test_a_body_that_is_encoded(session: SessionApi, encoding: str) -> None:
    headers = {"Content-Encoding": encoding}
    with session.nothing_recorded():
        response = session.patch("", {"title": "a"}, headers=headers)
        problem = refused(response, 415, "unsupported_media_type")
    assert encoding.lower() in problem["detail"]
    assert done(session.patch("", {"title": "a"}, headers={"Content-Encoding": "Identity"}))
