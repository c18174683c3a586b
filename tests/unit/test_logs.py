"""One event, one line, whatever a client has put into it."""

import logging
import sys

import pytest

from api.http.around.request_log import RequestLog
from api.logs import _Lines
from tests.support.own_logs import own_records


def line(message: str, **fields: object) -> str:
    record = logging.LogRecord("cairn", logging.INFO, "", 0, message, None, None)
    record.fields = fields
    return _Lines(as_json=False).format(record).partition("cairn: ")[2]


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/v1/sessions/%2f", "/v1/sessions/%2f"),
        ("/a\n2026-01-01 error cairn: forged", '"/a\\n2026-01-01 error cairn: forged"'),
        ("/a\r\x1b[31m", '"/a\\r\\u001b[31m"'),
        ("/a\u2028b\x85", '"/a\\u2028b\\u0085"'),
        ("/a status=200", '"/a status=200"'),
        ('/"', '"/\\""'),
        ("/a=b", '"/a=b"'),
    ],
)
def test_a_field_is_one_field_of_one_line(path: str, shown: str) -> None:
    assert line("request", path=path, status=404) == f"request path={shown} status=404"


def test_a_message_is_one_line() -> None:
    assert line("lost:\nfoo\u2029") == "lost:\\u000afoo\\u2029"


def test_what_was_raised_passes_for_no_line_of_the_log() -> None:
    try:
        raise ValueError("bad\n2026-01-01T00:00:00.000+00:00 error   cairn: forged\r\x1b[31m")
    except ValueError:
        record = logging.LogRecord("cairn", logging.ERROR, "", 0, "failed", None, sys.exc_info())

    first, *below = _Lines(as_json=False).format(record).splitlines()

    assert first.endswith("cairn: failed")
    assert below[-1] == "  2026-01-01T00:00:00.000+00:00 error   cairn: forged\\u000d\\u001b[31m"
    assert all(one.startswith("  ") for one in below)


class Seconds:
    def __init__(self) -> None:
        self.passed = 0.0

    def __call__(self) -> float:
        return self.passed


def answered(log: RequestLog, *statuses: int, seconds: float = 0.1) -> None:
    for status in statuses:
        log.answered({"method": "GET", "path": "/"}, status, seconds, "an-id")  # type: ignore[typeddict-item]


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[int, object]]:
    fields = [record.fields for record in own_records(caplog)]  # type: ignore[attr-defined]
    return [(one["status"], one.get("refused")) for one in fields]


def test_requests_that_cannot_be_served_have_a_line_every_ten_seconds(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Seconds()
    log = RequestLog(everything=False, clock=clock)
    with caplog.at_level(logging.INFO, "cairn.http"):
        answered(log, *[503] * 100, 500, 200, 404)
        clock.passed = 9.9
        answered(log, 503)
        clock.passed = 10.0
        answered(log, 503, 503, 500)

    assert told(caplog) == [(503, None), (500, None), (503, 101), (500, None)]


def test_slow_requests_have_a_line_and_all_have_one_if_asked_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, "cairn.http"):
        answered(RequestLog(everything=False), 200, seconds=1.1)
        answered(RequestLog(everything=True), 200, 503, 503)

    assert [status for status, _ in told(caplog)] == [200, 200, 503, 503]
