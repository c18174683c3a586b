"""A client that signs what it sends."""

import json
from itertools import count
from time import time
from typing import Any

import httpx

from domain.request_signature import sign

SECRET = "test-secret"
SESSIONS = "/api/v1/sessions"
_USED: set[str] = set()


class Signed:
    """Sends signed requests.

    Args:
        client: Sends them.
        secret: What both sides know.
    """

    def __init__(self, client: httpx.Client, secret: str = SECRET) -> None:
        self.client = client
        self.secret = secret.encode()

    def headers(self, method: str, target: str, body: bytes = b"", at: str | None = None) -> Any:
        """Return the headers of a request."""
        # Two that are alike are told apart by their times, as those of a client that sends fewer.
        for seconds in count(int(time()), -1):
            timestamp = at or str(seconds)
            shown = sign(self.secret, method, target.encode(), timestamp, body)
            if at or shown not in _USED:
                break
        _USED.add(shown)
        return {"X-Hub-Signature-256": shown, "X-Timestamp": timestamp}

    def ask(self, method: str, target: str, body: bytes = b"", **headers: str) -> httpx.Response:
        """Return the answer to a request."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if body:
            given.setdefault("Content-Type", "application/json")
        given = {**self.headers(method, target, body), **given}
        return self.client.request(method, target, content=body, headers=given)

    def create(self, user: str = "ada", **settings: Any) -> str:
        """Return the id of a new session."""
        section = {"user_id": user, **settings.pop("session", {})}
        body = json.dumps({"session": section, **settings}).encode()
        made = self.ask("POST", SESSIONS, body)
        assert made.status_code == 201, made.text
        session_id: str = made.json()["session_id"]
        return session_id

    def listed(self, query: str = "") -> list[dict[str, str]]:
        """Return the sessions of a list."""
        answer = self.ask("GET", SESSIONS + query)
        assert answer.status_code == 200, answer.text
        sessions: list[dict[str, str]] = answer.json()["sessions"]
        return sessions
