"""Structured logs: one line an event, JSON or text, never a body, a token or a database URL."""

import json
import logging
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_PLAIN = re.compile(r"[^\s\"=\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _quoted(value: object) -> str:
    """Return a value of a field; in quotes if it could be taken for another field or line."""
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text)


class _Lines(logging.Formatter):
    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """Return one line; a traceback follows it in text, and is a field in JSON."""
        fields = dict(getattr(record, "fields", {}))
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        if self._as_json:
            return json_line(record.levelname.lower(), record.name, record.getMessage(), fields)
        at = _now()
        traceback = fields.pop("traceback", None)
        shown = " ".join(f"{name}={_quoted(value)}" for name, value in fields.items())
        message = _CONTROL.sub(_escaped, record.getMessage())
        text = f"{at} {record.levelname.lower():<7} {record.name}: {message} {shown}"
        if traceback is None:
            return text.rstrip()
        # Indented, so that no line of what was raised passes for one of the log.
        below = [_CONTROL.sub(_escaped, line) for line in traceback.split("\n")]
        return "\n  ".join([text.rstrip(), *below])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def json_line(
    level: str, logger: str, message: str, fields: Mapping[str, object] | None = None
) -> str:
    """Return a line of the log as JSON.

    Args:
        level: In lower case.
        logger: Who says it.
        message: What is said.
        fields: More that programs may want to know.
    """
    line = {"at": _now(), "level": level, "logger": logger, "message": message, **(fields or {})}
    return json.dumps(line, ensure_ascii=False)


def configure_logs(form: Literal["text", "json"]) -> None:
    """Send all logs to standard error.

    Args:
        form: How a line looks.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(as_json=form == "json"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for noisy in ("httpx", "httpcore", "psycopg.pool", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
