"""What is below the id of a session that another server keeps, whatever that server answers."""

import socket
from dataclasses import dataclass
from uuid import uuid4

import httpx
import pytest

from tests.agentapi.fake_manager import FakeManager
from tests.agentapi.proxied import Proxy
from tests.agentapi.signed import SESSIONS, Signed


@dataclass
class Answer:
    """Of a proxy, as it stands on the wire."""

    status: int
    headers: dict[str, str]
    body: bytes
    """With the sizes of its chunks, if it comes in chunks."""


def ask(proxy: Proxy, target: str, *lines: str, method: str = "GET") -> Answer:
    """Ask by hand: a client library would take dots out of a path, and join headers."""
    url = proxy.client.base_url
    head = [f"{method} {target} HTTP/1.1", f"Host: {url.netloc.decode()}", "Connection: close"]
    head += [f"{name}: {value}" for name, value in proxy.headers.items()]
    with socket.create_connection((url.host, url.port), timeout=60) as raw:
        raw.sendall("\r\n".join([*head, *lines, "", ""]).encode())
        said = b"".join(iter(lambda: raw.recv(65536), b""))
    first, _, body = said.partition(b"\r\n\r\n")
    line, *rest = first.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in rest)}
    return Answer(int(line.split()[1]), headers, body)


def answer(body: bytes, *lines: str, status: str = "200 OK") -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *lines]
    return "\r\n".join([*head, "", ""]).encode() + body


@pytest.mark.parametrize("out", ["..", "x/../..", "%2e%2e", "..%2f..", "x/%2E%2E/.."])
def test_nothing_of_another_user_is_reached_by_way_of_ones_own_session(
    proxy: Proxy, signed: Signed, out: str
):
    mine = proxy.of("ada").create("ada")
    theirs = signed.create("bob")
    ada = proxy.of("ada")
    for method, target in (
        ("GET", f"/{mine}/{out}{SESSIONS}"),
        ("GET", f"/{mine}/{out}/{theirs}/events"),
        ("DELETE", f"/{mine}/{out}{SESSIONS}/{theirs}"),
    ):
        refused = ask(ada, target, method=method)
        assert (refused.status, b"is not forwarded" in refused.body) == (400, True), target
    assert signed.ask("GET", f"{SESSIONS}/{theirs}").status_code == 200


def test_a_target_is_asked_for_as_it_came(proxy: Proxy, fake: FakeManager):
    session_id = proxy.create(manager="fake")
    fake.raw = answer(b"ok")
    for rest in ("a%2Fb/c%20d", "a|b", 'q?x="<>`&y=%zz&z=+', "x;y=1/@z:80/http://w"):
        assert ask(proxy, f"/{session_id}/{rest}").body == b"ok"
        line, _ = fake.asked[-1]
        assert line.split()[1].split("/", 2)[2] == rest


def test_a_cookie_of_a_manager_is_kept_for_nobody(proxy: Proxy, fake: FakeManager):
    mine, theirs = (proxy.of(who).create(who, manager="fake") for who in ("ada", "bob"))
    fake.raw = answer(b"ok", "Set-Cookie: session=of-ada; Path=/")
    assert "set-cookie" not in ask(proxy.of("ada"), f"/{mine}/login").headers
    ask(proxy.of("bob"), f"/{theirs}/private")
    _, sent = fake.asked[-1]
    assert "cookie" not in {name.lower() for name, _ in sent}


def test_every_header_goes_along_but_those_of_a_connection_and_of_this_server(
    proxy: Proxy, fake: FakeManager
):
    session_id = proxy.of("ada").create("ada", manager="fake")
    fake.raw = answer(b"ok", "Connection: close, X-Hop", "X-Hop: 1", "X-Of-Agent: a",
                      "Access-Control-Allow-Origin: *", "X-Request-Id: forged")  # fmt: skip
    told = ask(proxy.of("ada"), f"/{session_id}/x", "X-Twice: 1", "X-Twice: 2", "Connection: X-Own",
               "X-Own: 1", "X-Forwarded-Groups: admin", "X_Forwarded_User: root",
               "Origin: https://page.example", "Cookie: a=b")  # fmt: skip
    assert told.headers["x-of-agent"] == "a"
    assert {"x-hop", "access-control-allow-origin"}.isdisjoint(told.headers)
    assert told.headers["x-request-id"] != "forged"
    sent = [(name.lower(), value) for name, value in fake.asked[-1][1]]
    assert [value for name, value in sent if name == "x-twice"] == ["1", "2"]
    assert [value for name, value in sent if "forwarded" in name] == ["ada"]
    assert {"x-own", "origin", "cookie", "authorization"}.isdisjoint(dict(sent))


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    ("raw", "status", "body"),
    [
        (answer(b"odd", status="999 Odd"), 502, None),
        (answer(b"odd", status="099 Odd"), 502, None),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", 502, None),
        (b"no answer of HTTP\r\n\r\n", 502, None),
        (b"", 502, None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", 502, None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabc", 502, None),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + answer(b"after"), 200, b"after"),
        (b'HTTP/1.1 304 Not Modified\r\nContent-Length: 50\r\nETag: "x"\r\n\r\n', 304, b""),
        (CHUNKED + b"Content-Length: 3\r\n\r\n5\r\nabcde\r\n0\r\n\r\n", 200,
         b"5\r\nabcde\r\n0\r\n\r\n"),
        (CHUNKED + b"\r\n3\r\nabc\r\n0\r\nX-Trailer: 1\r\n\r\n", 200, b"3\r\nabc\r\n0\r\n\r\n"),
        (b"HTTP/1.0 200 OK\r\n\r\nto the end", 200, b"a\r\nto the end\r\n0\r\n\r\n"),
        # Without the last chunk: nobody takes it for a whole answer.
        (CHUNKED + b"\r\n3\r\nabc\r\n5\r\nha", 200, b"3\r\nabc\r\n2\r\nha\r\n"),
        (CHUNKED + b"\r\nno size\r\n", 200, b""),
        (CHUNKED + b"Content-Type: text/event-stream\r\n\r\n10\r\nid: 7\ndata: half\r\n", 200,
         b"10\r\nid: 7\ndata: half\r\n"),
    ],
)  # fmt: skip
def test_whatever_a_manager_answers_is_told_as_far_as_it_is_whole(
    proxy: Proxy, fake: FakeManager, raw: bytes, status: int, body: bytes | None
):
    session_id = proxy.create(manager="fake")
    fake.raw = raw
    told = ask(proxy, f"/{session_id}/x")
    assert told.status == status
    if body is None:
        assert b"the session manager fake gives no answer" in told.body
    else:
        assert told.body == body
    # The server goes on.
    fake.raw = answer(b"ok")
    assert ask(proxy, f"/{session_id}/x").body == b"ok"


def test_events_are_streamed_to_who_may_have_them_alone(proxy: Proxy, fake: FakeManager):
    """However the request is written that another server takes for one of a stream."""
    session_id = proxy.create("ada", manager="fake")
    fake.raw = answer(b"data: x\n\n", "Content-Type: text/event-stream")
    assert ask(proxy, f"/{session_id}/x", "Accept: text/*").body == b"data: x\n\n"
    refused = ask(proxy.of("reader"), f"/{session_id}/x", "Accept: text/*")
    assert (refused.status, b"stream" in refused.body) == (403, True)


def test_a_page_of_an_allowed_origin_may_write_at_the_other_server(proxy: Proxy):
    """The other one is told nothing of the page, which this one has looked at."""
    session_id = proxy.create(f"u-{uuid4().hex[:8]}")
    page = {"Origin": str(proxy.client.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    said = {"role": "user", "parts": [{"type": "text", "text": "hi"}]}
    assert proxy.ask("POST", f"/{session_id}/messages", json=said, headers=page).status_code == 201
    del page["Sec-Fetch-Site"]
    assert proxy.ask("POST", f"/{session_id}/messages", json=said, headers=page).status_code == 201
    assert isinstance(proxy.client, httpx.Client)
