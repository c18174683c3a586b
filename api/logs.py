"""Structured logs: one line an event, JSON or text, never a body, a token or a database URL."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal


class _Lines(logging.Formatter):
    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """Return one line; a traceback follows it in text, and is a field in JSON."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields = dict(getattr(record, "fields", {}))
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        if self._as_json:
            line = {
                "at": at,
                "level": record.levelname.lower(),
                "logger": record.name,
                "message": record.getMessage(),
                **fields,
            }
            return json.dumps(line, ensure_ascii=False)
        traceback = fields.pop("traceback", None)
        shown = " ".join(f"{name}={value}" for name, value in fields.items())
        text = f"{at} {record.levelname.lower():<7} {record.name}: {record.getMessage()} {shown}"
        return text.rstrip() + (f"\n{traceback}" if traceback else "")


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
