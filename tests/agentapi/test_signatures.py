"""Signatures: the recorded ones let in, and nothing else does."""

import json
import socket
from hashlib import sha256
from pathlib import Path
from threading import Barrier, Thread
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from api.agentapi import signing
from domain.request_signature import is_in_time, is_signed, sign
from tests.agentapi.conftest import OLD_SECRET
from tests.agentapi.signed import SESSIONS, Signed
from tests.cli.conftest import eventually
from tests.support.postgres import Server
from tests.support.server import running

_TOLD = json.loads((Path(__file__).parents[1] / "vectors/hmac.json").read_text("utf-8"))
VECTORS: list[dict[str, Any]] = _TOLD["vectors"]
NEGATIVE: list[dict[str, Any]] = _TOLD["negative"]
BY_NAME = {vector["name"]: vector for vector in VECTORS}
SHOWN = "X-Hub-Signature-256"
BODY = b'{"session":{"user_id":"ada"}}'


def message_of(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/json"
    assert answer.content.endswith(b"}\n")
    assert list(answer.json()) == ["message"]
    return answer.status_code, answer.json()["message"]


def play(client: httpx.Client, vector: dict[str, Any], headers: dict[str, str]) -> httpx.Response:
    body = vector["body"].encode()
    kind = {"Content-Type": "application/json"} if body else {}
    return client.request(
        vector["method"].upper(), vector["request_target"], content=body, headers=kind | headers
    )


@pytest.mark.parametrize("vector", VECTORS, ids=lambda one: one["name"])
def test_a_recorded_request_is_signed_as_the_original_signs_it(vector: dict[str, Any]):
    given = (vector["method"], vector["request_target"].encode(), vector["timestamp"])
    assert (
        sign(vector["secret"].encode(), *given, vector["body"].encode())
        == (vector["headers"][SHOWN])
    )


@pytest.fixture(scope="module")
def frozen(
    postgres_server: Server, sealing_key: Path, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """A server that knows the secrets of all vectors, and what sets its clock."""
    secrets = tmp_path_factory.mktemp("vectors") / "secrets"
    secrets.write_text("\n".join({vector["secret"] for vector in VECTORS}), "utf-8")
    secrets.chmod(0o600)
    with (
        postgres_server.database() as url,
        running(
            url,
            session_manager_enabled=True,
            session_manager_hmac_secret_file=secrets,
            secrets_key_file=sealing_key,
        ) as base,
        httpx.Client(base_url=base) as client,
    ):
        yield client


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    def set_to(seconds: float) -> None:
        monkeypatch.setattr(signing, "seconds_of", lambda _: seconds)

    return set_to


@pytest.mark.parametrize("vector", VECTORS, ids=lambda one: one["name"])
def test_a_recorded_request_is_let_in_at_its_time(frozen: httpx.Client, clock: Any, vector: Any):
    clock(int(vector["timestamp"]))
    answer = play(frozen, vector, vector["headers"])
    wanted = {"GET": 200, "POST": 201, "DELETE": 404}[vector["method"].upper()]
    assert answer.status_code == wanted, answer.text


@pytest.mark.parametrize("case", NEGATIVE, ids=lambda one: one["name"])
def test_a_recorded_refusal_is_the_same(frozen: httpx.Client, clock: Any, case: dict[str, Any]):
    vector = BY_NAME[case["of"]]
    clock(int(vector["timestamp"]))
    answer = play(frozen, vector, case["headers"])
    assert message_of(answer) == (case["status"], case["message"])


LIST = BY_NAME["list, no query, no body"]
AT = int(LIST["timestamp"])


@pytest.mark.parametrize(
    ("now", "wanted"),
    [(AT + 300, 200), (AT - 300, 200), (AT + 300.001, 401), (AT - 300.001, 401)],
)
def test_a_signature_is_good_for_five_minutes_on_both_sides(
    frozen: httpx.Client, clock: Any, now: float, wanted: int
):
    clock(now)
    answer = play(frozen, LIST, LIST["headers"])
    assert answer.status_code == wanted
    if wanted == 401:
        assert answer.json()["message"] == "invalid or expired timestamp"


@pytest.mark.parametrize(
    "timestamp",
    ["", " 1711681200", "1711681200.0", "1_711_681_200", "0x6605f6f0", "١٧١١٦٨١٢٠٠", "-1711681200",
     "1711681200000", "9" * 18, "9" * 19, "9" * 40, "+", "++1711681200", "1e9", "nan"],
)  # fmt: skip
def test_what_is_no_timestamp_or_too_far_away_is_not_in_time(timestamp: str):
    assert not is_in_time(timestamp, AT)


@pytest.mark.parametrize("timestamp", ["1711681200", "+1711681200", "0001711681200"])
def test_a_sign_and_zeros_before_a_timestamp_are_taken_and_signed_as_text(
    frozen: httpx.Client, clock: Any, timestamp: str
):
    clock(AT)
    assert is_in_time(timestamp, AT)
    shown = sign(b"test-secret", "GET", SESSIONS.encode(), timestamp, b"")
    headers = {SHOWN: shown, "X-Timestamp": timestamp}
    assert frozen.get(SESSIONS, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("DELETE", SESSIONS, BODY),
        ("POST", SESSIONS + "?", BODY),
        ("POST", SESSIONS + "/", BODY),
        ("POST", "/api/v1/s%65ssions", BODY),
        ("POST", SESSIONS, BODY + b" "),
        ("POST", SESSIONS, BODY[:-1]),
        ("POST", SESSIONS, b""),
        ("POST", "http://other" + SESSIONS, BODY),
    ],
)
def test_a_signature_over_anything_else_lets_nobody_in(
    signed: Signed, method: str, target: str, body: bytes
):
    headers = signed.headers(method, target, body) | {"Content-Type": "application/json"}
    answer = signed.client.post(SESSIONS, content=BODY, headers=headers)
    assert message_of(answer) == (401, "invalid signature")


def test_an_escape_or_an_order_that_was_changed_on_the_way_lets_nobody_in(signed: Signed):
    for sent, other in (
        ("?team_id=a%2Fb", "?team_id=a/b"),
        ("?team_id=a%2Fb", "?team_id=a%2fb"),
        ("?scope=user&user_id=a", "?user_id=a&scope=user"),
        ("?user_id=a+b", "?user_id=a%20b"),
        ("", "?"),
    ):
        headers = signed.headers("GET", SESSIONS + sent)
        assert signed.client.get(SESSIONS + sent, headers=headers).status_code == 200
        # On the wire as it stands: a client library would tidy it up.
        host, port = signed.client.base_url.host, signed.client.base_url.port
        with socket.create_connection((host, port)) as raw:
            lines = [f"GET {SESSIONS}{other} HTTP/1.1", f"Host: {host}", "Connection: close"]
            lines += [f"{name}: {value}" for name, value in headers.items()]
            raw.sendall("\r\n".join([*lines, "", ""]).encode())
            answer = b"".join(iter(lambda: raw.recv(65536), b""))
        # A question mark with nothing behind it cannot be seen by the server.
        wanted = b"200" if other == "?" else b"401"
        assert answer.split(b" ", 2)[1] == wanted, (sent, other)


def test_a_question_mark_that_was_signed_is_refused_rather_than_guessed_at(signed: Signed):
    headers = signed.headers("GET", SESSIONS + "?")
    answer = signed.client.get(SESSIONS, headers=headers)
    assert message_of(answer) == (401, "invalid signature")


def test_every_secret_that_is_in_use_lets_in_and_no_other(client: httpx.Client):
    assert Signed(client, OLD_SECRET).listed() is not None
    for unknown in ("", "test-secret ", "Test-secret", f"{OLD_SECRET}\n", "x" * 1000):
        answer = Signed(client, unknown).ask("GET", SESSIONS)
        assert message_of(answer) == (401, "invalid signature")


def test_secrets_are_changed_while_the_server_runs(client: httpx.Client, old_secrets: Path):
    def status(secret: str) -> int:
        return Signed(client, secret).ask("GET", SESSIONS).status_code

    assert (status("a new one"), status(OLD_SECRET)) == (401, 200)
    old_secrets.write_text("a new one\n")
    try:
        assert eventually(lambda: status("a new one") == 200)
        assert status(OLD_SECRET) == 401
    finally:
        old_secrets.write_text(f"{OLD_SECRET}\n")
    assert eventually(lambda: status(OLD_SECRET) == 200)
    assert status("a new one") == 401


def test_checks_come_in_their_order(signed: Signed):
    large = b"x" * (64 * 1024 + 1)
    stale = {SHOWN: "sha256=", "X-Timestamp": "1"}
    for headers, body, wanted in (
        ({}, large, (401, f"missing {SHOWN} header")),
        ({SHOWN: ""}, large, (401, "missing X-Timestamp header")),
        (stale, large, (401, "invalid or expired timestamp")),
        (signed.headers("POST", SESSIONS), large, (413, "the body has more than 65536 bytes")),
        (signed.headers("POST", SESSIONS), b"{", (401, "invalid signature")),
    ):
        answer = signed.client.post(SESSIONS, content=body, headers=headers)
        assert message_of(answer) == wanted


def test_of_repeated_headers_the_first_counts(signed: Signed):
    good = signed.headers("GET", SESSIONS)
    names = list(good.items())
    for headers, wanted in (
        ([*names, (SHOWN, "sha256=0"), ("X-Timestamp", "0")], 200),
        ([(SHOWN, "sha256=0"), *names], 401),
        ([("X-Timestamp", "0"), *names], 401),
    ):
        assert signed.client.get(SESSIONS, headers=headers).status_code == wanted


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
@pytest.mark.parametrize("path", ["", "/", "/x", "/x/y/z", "/openapi.json"])
def test_nothing_below_the_path_is_open_without_a_signature(
    client: httpx.Client, method: str, path: str
):
    assert client.request(method, SESSIONS + path).status_code == 401
    token = {"Authorization": "Bearer test-secret"}
    assert client.request(method, SESSIONS + path, headers=token).status_code == 401


def test_options_tell_what_there_is_and_change_nothing(signed: Signed):
    session_id = signed.create()
    for path, allow in (
        (SESSIONS, "GET, HEAD, OPTIONS, POST"),
        (f"{SESSIONS}/{session_id}", "DELETE, GET, HEAD, OPTIONS"),
    ):
        answer = signed.ask("OPTIONS", path)
        assert (answer.status_code, answer.headers["allow"]) == (204, allow)
    assert signed.ask("GET", f"{SESSIONS}/{session_id}").status_code == 200


# ── once ─────────────────────────────────────────────────────────────────────────────────────


def test_a_request_that_is_sent_again_does_nothing(signed: Signed):
    headers = signed.headers("POST", SESSIONS, BODY) | {"Content-Type": "application/json"}
    assert signed.client.post(SESSIONS, content=BODY, headers=headers).status_code == 201
    before = len(signed.listed())
    again = signed.client.post(SESSIONS, content=BODY, headers=headers)
    assert message_of(again) == (401, "this request was received already; sign it anew")
    assert len(signed.listed()) == before
    target = f"{SESSIONS}/{signed.create()}"
    headers = signed.headers("DELETE", target)
    assert signed.client.delete(target, headers=headers).status_code == 204
    assert signed.client.delete(target, headers=headers).status_code == 401
    # Reads change nothing, and two of one second are alike.
    headers = signed.headers("GET", SESSIONS)
    assert [signed.client.get(SESSIONS, headers=headers).status_code for _ in "ab"] == [200, 200]


def test_a_request_is_known_for_longer_than_its_signature_is_good(
    signed: Signed, manager_database: str
):
    headers = signed.headers("POST", SESSIONS, BODY) | {"Content-Type": "application/json"}
    assert signed.client.post(SESSIONS, content=BODY, headers=headers).status_code == 201
    hashed = sha256(headers[SHOWN].encode()).digest()
    with psycopg.connect(manager_database) as connection:
        kept = connection.execute(
            "select extract(epoch from until)::float from seen_signatures where hashed = %s",
            [hashed],
        ).fetchone()
    assert kept is not None
    assert not is_in_time(headers["X-Timestamp"], kept[0] - 1)


def below(session_id: str, path: str) -> str:
    return f"/{session_id}/{path}"


def sends(signed: Signed, method: str, target: str, body: Any = None) -> list[int]:
    """Return the statuses of a request that is sent twice, byte for byte."""
    sent = b"" if body is None else json.dumps(body).encode()
    headers = signed.headers(method, target, sent) | {"X-Forwarded-User": "ada"}
    if sent:
        headers["Content-Type"] = "application/json"
    return [
        signed.client.request(method, target, content=sent, headers=headers).status_code
        for _ in "ab"
    ]


HI = {"parts": [{"type": "text", "text": "hi"}]}


def test_what_is_done_by_an_append_is_done_once(signed: Signed):
    """Each route whose append keeps the signature: all other ones ask before they do anything."""
    one = signed.create()
    for method, path, body in (
        ("POST", "messages", {"role": "user", "id": "m", **HI}),
        ("PATCH", "messages/m", HI),
        ("POST", "turns", {"turn_id": "t1", "input": HI}),
        ("POST", "turns/t1/complete", {}),
        ("POST", "turns", {"turn_id": "t2", "input": HI}),
        ("POST", "turns/t2/fail", {"kind": "timeout", "summary": "s"}),
        ("POST", "turns", {"turn_id": "t3", "input": HI}),
        ("POST", "inputs", {"inputs": [HI], "hold": True}),
        ("POST", "turns/t3/cancel", {}),
        ("PATCH", "state", {"set": {"k": 1}}),
        ("POST", "usage", {"mode": "add", "input_tokens": 1}),
        ("POST", "stop", {}),
    ):
        first, again = sends(signed, method, below(one, path), body)
        assert (first < 300, again) == (True, 401), (path, first)
    said = signed.client.get(f"/v1/sessions/{one}/events").json()["events"]
    types = [event["type"] for event in said]
    # That which had waited begins a turn of its own.
    for name, times in (("usage.recorded", 1), ("message.revised", 1), ("turn.started", 4)):
        assert types.count(name) == times, types


def test_one_that_was_refused_or_changed_nothing_is_not_let_in_later(signed: Signed):
    one = signed.create()
    turn = {"turn_id": "t", "input": HI}
    target, body = below(one, "turns/t/cancel"), b"{}"
    headers = signed.headers("POST", target, body)
    headers |= {"X-Forwarded-User": "ada", "Content-Type": "application/json"}
    assert signed.client.post(target, content=body, headers=headers).status_code == 404
    assert signed.client.post(f"/v1/sessions/{one}/turns", json=turn).status_code == 201
    # Whoever saw it refused must not be surprised by it afterwards.
    assert signed.client.post(target, content=body, headers=headers).status_code == 401
    target, body = below(one, "state"), b'{"delete":["k"]}'
    headers |= signed.headers("PATCH", target, body)
    assert signed.client.patch(target, content=body, headers=headers).json()["sequence"] == 3
    state = {"set": {"k": 1}}
    assert signed.client.patch(f"/v1/sessions/{one}/state", json=state).json()["sequence"] == 4
    assert signed.client.patch(target, content=body, headers=headers).status_code == 401


def test_of_several_servers_that_get_one_request_a_single_one_does_it(
    manager: str, manager_database: str, sealing_key: Path, signed: Signed
):
    user = f"u-{uuid4().hex}"
    body = json.dumps({"session": {"user_id": user}}).encode()
    with running(
        manager_database,
        doors="agentapi",
        session_manager_hmac_secret="test-secret",
        secrets_key_file=sealing_key,
    ) as other:
        with httpx.Client() as client:
            headers = Signed(client).headers("POST", SESSIONS, body)
        headers["Content-Type"] = "application/json"
        found: list[int] = []
        at_once = Barrier(6)

        def send(base: str) -> None:
            at_once.wait(timeout=60)
            found.append(httpx.post(base + SESSIONS, content=body, headers=headers).status_code)

        senders = [Thread(target=send, args=(base,)) for base in (manager, other) * 3]
        for one in senders:
            one.start()
        for one in senders:
            one.join(timeout=60)
    assert sorted(found) == [201] + [401] * 5
    assert len(signed.listed(f"?user_id={user}")) == 1


def test_comparing_takes_any_text(signed: Signed):
    for shown in ("sha256=é", "\udcff", "", "sha256=" + "0" * 64, "sha256=" + "0" * 65):
        assert not is_signed(shown, [b"s"], "GET", b"/", "1", b"")
    headers = signed.headers("GET", SESSIONS) | {SHOWN: b"sha256=\xff\xfe"}
    answer = signed.client.get(SESSIONS, headers=headers)
    assert message_of(answer) == (401, "invalid signature")
