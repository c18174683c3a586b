"""`cairn verify` against what servers, and those between, answer when not all is well."""

import json
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.in_process import Run, said_by

BEGUN = '{"expected":2}\n'
ONE = '{"session_id":"00000000-0000-7000-8000-000000000001","findings":[]}\n'
WELL = '{"ok":true,"sessions":2,"events":7,"findings":[]}\n'
SESSION = "00000000-0000-7000-8000-000000000001"
FOUND = [
    {"session_id": SESSION, "code": "digest_mismatch", "sequence": 3, "detail": "it is another"},
    {"session_id": None, "code": "position_gap", "sequence": None, "detail": "9 is missing"},
]
ILL = json.dumps({"ok": False, "sessions": 2, "events": 7, "findings": FOUND}) + "\n"


class Other(ThreadingHTTPServer):
    """Answers everything with the same."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.status, self.body, self.more = 200, "", 0
        self.asked: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answering(BaseHTTPRequestHandler):
    """Answers one request, and closes."""

    def do_GET(self) -> None:
        other = self.server
        assert isinstance(other, Other)
        body = other.body.encode()
        other.asked.append((self.path, self.headers.get("authorization")))
        self.send_response(other.status)
        self.send_header("Content-Length", str(len(body) + other.more))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing."""


@pytest.fixture
def other() -> Iterator[Other]:
    with Other() as server:
        thread = threading.Thread(target=partial(server.serve_forever, 0.01))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    return partial(said_by, capsys)


@pytest.fixture
def verify(run: Run, other: Other) -> Callable[..., tuple[int, str, str]]:
    return partial(run, "verify", "--url", other.url)


@pytest.mark.parametrize(
    ("status", "body", "more", "said"),
    [
        (403, '{"code":"forbidden","detail":"it is not for you"}', 0, "it is not for you"),
        (403, '{"title":"another problem"}', 0, "this is no answer of Cairn"),
        (502, "<html>", 0, "this is no answer of Cairn"),
        (200, "", 0, "broke off in the middle"),
        (200, BEGUN, 0, "broke off in the middle"),
        (200, BEGUN + ONE, 0, "broke off in the middle"),
        (200, BEGUN + ONE, 1, "broke before the whole answer came"),
        (200, BEGUN + ONE[:20], 0, "was cut off"),
        (200, "<html>", 0, "is no Cairn server, or"),
    ],
)
def test_what_cannot_be_read_to_its_end_is_neither_well_nor_ill(
    other: Other,
    verify: Callable[..., tuple[int, str, str]],
    status: int,
    body: str,
    more: int,
    said: str,
) -> None:
    other.status, other.body, other.more = status, body, more
    ended, out, err = verify("--all")
    assert (ended, out) == (2, "")
    assert said in err


def test_what_was_found_is_said_with_its_place_and_nothing_is_well(
    other: Other, verify: Callable[..., tuple[int, str, str]]
) -> None:
    line = json.dumps({"session_id": SESSION, "findings": FOUND[:1]}) + "\n"
    other.body = BEGUN + line + ILL
    status, out, _ = verify("--all")
    assert status == 1
    assert f"{SESSION} at 3: digest_mismatch: it is another\n" in out
    assert "the log: position_gap: 9 is missing\n" in out
    assert "7 events of 2 sessions were verified." in out
    assert "2 findings" in out
    assert "All is well" not in out
    status, out, _ = verify("--all", "--json")
    assert (status, json.loads(out)) == (1, json.loads(ILL))


def test_reports_of_several_sessions_are_added_up(
    other: Other, verify: Callable[..., tuple[int, str, str]]
) -> None:
    other.body = WELL
    status, out, _ = verify(SESSION, SESSION[:-1] + "2")
    assert status == 0
    assert "14 events of 4 sessions were verified." in out
    assert "All is well." in out


@pytest.mark.parametrize(("sample", "part"), [("1%", 0.01), ("0.25", 0.25), ("100%", 1.0)])
def test_the_server_is_told_who_asks_and_for_how_much(
    other: Other,
    verify: Callable[..., tuple[int, str, str]],
    tmp_path: Path,
    sample: str,
    part: float,
) -> None:
    token = tmp_path / "token"
    token.write_text("secret-of-the-auditor\n")
    token.chmod(0o600)
    other.body = BEGUN + WELL
    assert verify("--all", "--sample", sample, "--token-file", token)[0] == 0
    ((path, who),) = other.asked
    query = parse_qs(urlsplit(path).query)
    assert [float(one) for one in query["sample"]] == [part]
    assert who == "Bearer secret-of-the-auditor"
