"""One event, one line, whatever a client has put into it."""

import logging

import pytest

from api.logs import _Lines


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
