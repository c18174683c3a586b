"""A session manager as agentapi-proxy is one: it knows no pages, and lists in no order."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from time import time_ns
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4


@dataclass
class FakeManager:
    """What it has.

    Args:
        url: Where it is.
        sessions: What is told of each.
        status: Of its answer to a list.
        raw: What it answers, byte for byte, to whatever is asked below a session; then it hangs up.
        asked: The line and the headers of what was asked there.
    """

    url: str = ""
    sessions: list[dict[str, str]] = field(default_factory=list)
    status: int = 200
    raw: bytes = b""
    asked: list[tuple[str, list[tuple[str, str]]]] = field(default_factory=list)

    def begun(self, user: str) -> dict[str, str]:
        now = time_ns()
        second = datetime.fromtimestamp(now // 10**9, UTC).isoformat()[:19]
        info = {
            "id": str(uuid4()),
            "user_id": user,
            "status": "active",
            "created_at": f"{second}.{now % 10**9:09}Z",
        }
        self.sessions.insert(len(self.sessions) // 2, info)
        return info


@contextmanager
def serving() -> Iterator[FakeManager]:
    """Serve one in a thread."""
    manager = FakeManager()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = json.loads(self.rfile.read(int(self.headers["content-length"])))
            info = manager.begun(sent["session"]["user_id"])
            self._answer(201, {"session_id": info["id"]})

        def do_GET(self) -> None:
            if not self.path.startswith("/api/v1/sessions"):
                manager.asked.append((self.requestline, self.headers.items()))
                self.wfile.write(manager.raw)
                self.close_connection = True
                return
            asked = parse_qs(urlsplit(self.path).query)
            users = asked.get("user_id")
            listed = [one for one in manager.sessions if not users or one["user_id"] in users]
            self._answer(manager.status, {"sessions": listed})

        def _answer(self, status: int, value: Any) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        manager.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield manager
        finally:
            server.shutdown()
            thread.join()
