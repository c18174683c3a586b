"""What a client may take before any work is done for it, tried over real sockets."""

import http.client
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.cli.conftest import PATIENCE, Serve, Served, cairn, eventually, read_all

HEAD_SECONDS = 1.0
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def impatient(data_dir, tmp_path_factory) -> Iterator[Served]:
    """A server with small limits."""
    log = tmp_path_factory.mktemp("hostile") / "log"
    command = cairn("serve", "--port", "0", "--data-dir", str(data_dir))
    limits = {
        "CAIRN_HEAD_SECONDS": str(HEAD_SECONDS),
        "CAIRN_STALLED_SECONDS": "1",
        "CAIRN_IDLE_SECONDS": "1",
        "CAIRN_MAX_CONNECTIONS": "40",
        "CAIRN_MAX_CONNECTIONS_PER_PEER": "30",
    }
    served = Served(command, log, limits)
    try:
        yield served
    finally:
        served.close()


def address(server: Served) -> tuple[str, int]:
    host, _, port = server.url.removeprefix("http://").partition(":")
    return host, int(port)


@contextmanager
def connected(server: Served) -> Iterator[socket.socket]:
    with socket.create_connection(address(server), timeout=60) as connection:
        yield connection


def answer(connection: socket.socket) -> tuple[int, dict[str, object]]:
    raw = read_all(connection)
    head, _, body = raw.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), json.loads(body)


def test_a_head_may_take_64_kib(impatient: Served) -> None:
    with connected(impatient) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 70_000)
        status, problem = answer(connection)
    assert (status, problem["code"]) == (431, "head_too_large")
    assert "65536" in str(problem["detail"])
    with connected(impatient) as connection:
        connection.sendall(
            b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: "
            + b"a" * 60_000
            + b"\r\n\r\n"
        )
        assert read_all(connection).startswith(b"HTTP/1.1 200")


def test_100_mb_in_one_header_are_not_read(impatient: Served) -> None:
    with connected(impatient) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: ")
        with pytest.raises(OSError, match=r"Broken pipe|reset"):
            connection.sendall(b"a" * (100 * MIB))
    with urllib.request.urlopen(f"{impatient.url}/health", timeout=PATIENCE) as answered:
        assert answered.status == 200


POST = b"POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
PACKED = POST + b"Transfer-Encoding: gzip, chunked"


@pytest.mark.parametrize(
    ("sent", "status", "code", "said"),
    [
        (b"FOO / HTTP/1.1\r\nHost: localhost\r\n\r\n", 501, "not_implemented", "no path takes"),
        (b"GETX / HTTP/1.1\r\nHost: localhost\r\n\r\n", 501, "not_implemented", "no path takes"),
        (PACKED + b"\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 501, "not_implemented", "chunked"),
        (POST + b"Transfer-Encoding: gzip\r\n\r\n{}", 501, "not_implemented", "chunked"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 400, "malformed_request", "http://"),
        (b"GET / HTTP/9.9\r\n\r\n", 400, "malformed_request", "HTTP/1.1"),
        (b"GET / HTTP/1.1\r\nno header\r\n\r\n", 400, "malformed_request", "HTTP/1.1"),
    ],
    ids=[
        "another method",
        "nearly a method",
        "packed",
        "only packed",
        "TLS",
        "another version",
        "a line that is no header",
    ],
)
def test_what_is_no_request_is_told_so(
    impatient: Served, sent: bytes, status: int, code: str, said: str
) -> None:
    with connected(impatient) as connection:
        connection.sendall(sent)
        told, problem = answer(connection)
    assert (told, problem["code"]) == (status, code)
    assert len(str(problem["request_id"])) == 24
    assert said in str(problem["detail"])
    assert "Traceback" not in impatient.errors()


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /health HTT",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\n",
        POST + b"Content-Length: 100\r\n\r\n{",
        POST + b'Content-Length: 900000\r\n\r\n{"app": "' + b"a" * 800_000,
        POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    ],
    ids=[
        "nothing",
        "half a line",
        "half a head",
        "half a body",
        "most of a body at once",
        "endless chunks",
    ],
)
def test_who_does_not_go_on_is_told_so_and_hung_up_on(impatient: Served, sent: bytes) -> None:
    with connected(impatient) as connection:
        connection.sendall(sent)
        status, problem = answer(connection)
    assert (status, problem["code"]) == (408, "request_timeout")


def test_who_takes_nothing_of_its_answer_is_hung_up_on(impatient: Served) -> None:
    session_id = impatient.session()
    for _ in range(12):
        impatient.say(session_id, "x" * 900_000)
    # One is a stream, the other one whole answer; both are more than sockets hold.
    for path, accept in ((b"events", b"text/event-stream"), (b"snapshot", b"application/json")):
        with socket.socket() as stalled:
            stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stalled.settimeout(PATIENCE)
            stalled.connect(address(impatient))
            stalled.sendall(
                b"GET /v1/sessions/%s/%s HTTP/1.1\r\nHost: localhost\r\nAccept: %s\r\n\r\n"
                % (session_id.encode(), path, accept)
            )
            assert stalled.recv(12) == b"HTTP/1.1 200"
            assert eventually(lambda: connections_of(impatient, stalled) == 0)


def connections_of(server: Served, client: socket.socket) -> int:
    """How many connections of the server to a client have a process."""
    local, remote = client.getsockname()[1], address(server)[1]
    table = Path("/proc/net/tcp").read_text().splitlines()[1:]
    ours = f":{remote:04X}", f":{local:04X}"
    rows = [row.split() for row in table]
    found = [row for row in rows if row[1].endswith(ours[0]) and row[2].endswith(ours[1])]
    # What the system still keeps for the last bytes belongs to no descriptor.
    return sum(row[9] != "0" for row in found)


def test_a_connection_that_is_idle_after_its_answer_is_closed(impatient: Served) -> None:
    with connected(impatient) as connection:
        connection.sendall(b"GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200 OK" in read_all(connection)


def test_idle_connections_leave_no_one_outside(serve: Serve) -> None:
    server = serve(CAIRN_MAX_CONNECTIONS="4")

    def greeted(connection: socket.socket) -> bytes:
        connection.sendall(b"GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return connection.recv(65536)

    def is_served() -> bool:
        with connected(server) as late:
            return b"200 OK" in greeted(late)

    with ExitStack() as stack:
        idle = [stack.enter_context(connected(server)) for _ in range(4)]
        assert all(b"200 OK" in greeted(one) for one in idle)
        # By the setting it would be more than a minute.
        assert eventually(is_served, 60.0)


@pytest.mark.parametrize("hosts", [b"", b"Host: a\r\nHost: b\r\n"])
def test_exactly_one_host_is_named(impatient: Served, hosts: bytes) -> None:
    with connected(impatient) as connection:
        # Alone: the answer to another request could come before that to this one.
        connection.sendall(b"GET /health HTTP/1.1\r\n" + hosts + b"\r\n")
        status, problem = answer(connection)
    assert (status, problem["code"]) == (400, "malformed_header")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (b"Idempotency-Key: a\r\nIdempotency-Key: b\r\n", "idempotency-key"),
        (b"Content-Type: application/json\r\ncontent-type: text/plain\r\n", "content-type"),
        (b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n", "authorization"),
        (b"Sec-Fetch-Site: same-origin\r\nSec-Fetch-Site: cross-site\r\n", "sec-fetch-site"),
    ],
)
def test_a_header_that_says_one_thing_does_not_say_two(
    impatient: Served, lines: bytes, said: str
) -> None:
    with connected(impatient) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + lines + b"\r\n")
        status, problem = answer(connection)
    assert (status, problem["code"]) == (400, "malformed_header")
    assert said in str(problem["detail"])


def test_a_header_that_says_the_same_twice_is_taken(impatient: Served) -> None:
    twice = b"Cairn-Actor: ada\r\n" * 2 + b"Connection: close\r\n\r\n"
    with connected(impatient) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + twice)
        assert read_all(connection).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("wanted", [b"websocket", b"h2c"])
def test_an_upgrade_is_answered_in_http_1_1_without_a_word_in_the_log(
    impatient: Served, wanted: bytes
) -> None:
    with connected(impatient) as connection:
        connection.sendall(
            b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close, upgrade\r\n"
            b"Upgrade: " + wanted + b"\r\n\r\n"
        )
        assert read_all(connection).startswith(b"HTTP/1.1 200")
    assert "pgrade" not in impatient.errors()
    assert "pip install" not in impatient.errors()


def test_the_answer_to_what_was_refused_half_way_is_no_fault(impatient: Served) -> None:
    head = b"GET /health HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with connected(impatient) as connection:
        # The request is being answered when its body turns out to be none.
        connection.sendall(head + b"zz\r\n{}\r\n0\r\n\r\n")
        assert answer(connection)[0] == 400
    with urllib.request.urlopen(f"{impatient.url}/health", timeout=PATIENCE) as answered:
        assert answered.status == 200
    assert "Traceback" not in impatient.errors()


def test_connections_beyond_the_cap_are_refused_with_a_word_in_the_log(serve: Serve) -> None:
    server = serve(CAIRN_MAX_CONNECTIONS_PER_PEER="5")
    with ExitStack() as open_ones:
        for _ in range(5):
            open_ones.enter_context(connected(server))
        # The kernel accepts at once; the refusals say that the server has seen them all.
        refusals = [answer(open_ones.enter_context(connected(server))) for _ in range(3)]
        assert [(status, problem["code"]) for status, problem in refusals] == [(503, "busy")] * 3
        assert server.errors().count("connections are refused: 5 are open of 127.0.0.1") == 1
    with urllib.request.urlopen(f"{server.url}/health", timeout=PATIENCE) as answered:
        assert answered.status == 200


@pytest.mark.parametrize("mebibytes", [5, 40])
def test_a_refusal_reaches_a_client_that_is_still_sending(
    impatient: Served, mebibytes: int
) -> None:
    body = b'{"app": "%s"}' % (b"a" * (mebibytes * MIB))
    headers = {"Content-Type": "application/json"}
    client = http.client.HTTPConnection(*address(impatient), timeout=60)
    client.request("POST", "/v1/sessions", body, headers)
    refused = client.getresponse()
    assert (refused.status, json.load(refused)["code"]) == (413, "body_too_large")
    client.close()
    request = urllib.request.Request(f"{impatient.url}/v1/sessions", body, headers)
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(request, timeout=60)
    assert refusal.value.code == 413
    refusal.value.close()


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"FOO / HTTP/1.1\r\nHost: localhost\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: a\r\nHost: b\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 70_000 + b"\r\n", 431),
    ],
    ids=["another method", "two hosts", "too large a head"],
)
def test_what_is_no_request_may_have_a_body_and_is_told_so(
    impatient: Served, head: bytes, status: int
) -> None:
    body = b"a" * (5 * MIB)
    with connected(impatient) as connection:
        connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body))
        connection.sendall(body)
        assert answer(connection)[0] == status


def test_a_head_without_end_is_not_read_to_its_end(impatient: Served) -> None:
    with connected(impatient) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX: ")
        with pytest.raises(OSError, match=r".+"):
            connection.sendall(b"a" * (64 * MIB))


def test_an_old_client_gets_a_stream_without_marks_that_ends_with_the_connection(
    impatient: Served,
) -> None:
    headers = {"Content-Type": "application/json"}
    made = urllib.request.Request(
        f"{impatient.url}/v1/sessions", b'{"app": "shop", "user": "ada"}', headers
    )
    with urllib.request.urlopen(made, timeout=60) as created:
        path = f"/v1/sessions/{json.load(created)['session']['id']}"
    gone = urllib.request.Request(f"{impatient.url}{path}", method="DELETE")
    urllib.request.urlopen(gone, timeout=60).close()
    with connected(impatient) as connection:
        accept = b"Host: localhost\r\nAccept: text/event-stream\r\n\r\n"
        connection.sendall(f"GET {path}/events?since=0 HTTP/1.0\r\n".encode() + accept)
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    assert b"200 OK" in head
    assert b"transfer-encoding" not in head.lower()
    frames = body.decode().removesuffix("\n\n").split("\n\n")
    assert all(line[0].isalpha() and ": " in line for f in frames for line in f.split("\n"))
    assert "event: session.closed" in frames[-1]
    with connected(impatient) as connection:
        connection.sendall(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert answer(connection)[0] == 200
