"""A server that forwards, as one of its users sees it."""

from dataclasses import dataclass
from typing import Any

import httpx

from tests.agentapi.signed import SESSIONS

RIGHTS = ["read", "write", "stream"]


@dataclass
class Proxy:
    """The one that forwards, as one of its users sees it."""

    client: httpx.Client
    tokens: dict[str, str]
    who: str = "all"

    def of(self, who: str) -> "Proxy":
        return Proxy(self.client, self.tokens, who)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[self.who]}"}

    def ask(self, method: str, path: str, **how: Any) -> httpx.Response:
        headers = {**self.headers, **how.pop("headers", {})}
        return self.client.request(method, path, headers=headers, **how)

    def create(self, user: str = "ada", manager: str | None = "b", **settings: Any) -> str:
        params = {} if manager is None else {"params": {"manager_id": manager}}
        session = {"user_id": user, **settings.pop("session", {})}
        made = self.ask("POST", SESSIONS, json={"session": session, **params, **settings})
        assert made.status_code == 201, made.text
        session_id: str = made.json()["session_id"]
        return session_id

    def listed(self, query: str = "") -> dict[str, Any]:
        answer = self.ask("GET", SESSIONS + query)
        assert answer.status_code == 200, answer.text
        return {one["id"]: one for one in answer.json()["sessions"]}
