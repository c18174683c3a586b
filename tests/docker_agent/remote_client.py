"""A client of docker-agent, written from the eight methods of its `RemoteClient`.

It knows nothing of Cairn: what it sends and reads is what the Go client sends and reads, over real
sockets, with `net/http`'s equivalent.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

Json = dict[str, Any]


class RemoteError(Exception):
    """An answer that is no success: its status and its message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


@dataclass
class RemoteClient:
    """The eight methods."""

    base_url: str
    token: str | None = None

    def get_agent(self, agent: str) -> Json:
        config: Json = self._ask("GET", f"/api/agents/{agent}")
        return config

    def create_session(self, template: Mapping[str, Any]) -> Json:
        session: Json = self._ask("POST", "/api/sessions", template)
        return session

    def resume_session(
        self, session: str, confirmation: str, reason: str = "", tool_name: str = ""
    ) -> None:
        body = {"confirmation": confirmation, "reason": reason, "tool_name": tool_name}
        self._ask("POST", f"/api/sessions/{session}/resume", body)

    def resume_elicitation(
        self, session: str, action: str, content: Mapping[str, Any] | None
    ) -> None:
        body = {"action": action, "content": content}
        self._ask("POST", f"/api/sessions/{session}/elicitation", body)

    def run_agent(self, session: str, agent: str, messages: Sequence[Json]) -> Iterator[Json]:
        return self._run(f"/api/sessions/{session}/agent/{agent}", messages)

    def run_agent_with_agent_name(
        self, session: str, agent: str, agent_name: str, messages: Sequence[Json]
    ) -> Iterator[Json]:
        return self._run(f"/api/sessions/{session}/agent/{agent}/{agent_name}", messages)

    def update_session_title(self, session: str, title: str) -> None:
        self._ask("PATCH", f"/api/sessions/{session}/title", {"title": title})

    def get_agent_tool_count(self, agent: str, agent_name: str) -> int:
        counted: int = self._ask("GET", f"/api/agents/{agent}/{agent_name}/tools/count")[
            "available_tools"
        ]
        return counted

    @property
    def _headers(self) -> dict[str, str]:
        return {} if self.token is None else {"Authorization": f"Bearer {self.token}"}

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        with httpx.Client(base_url=self.base_url, headers=self._headers, timeout=60) as client:
            answer = (
                client.request(method, path, json=body) if body else client.request(method, path)
            )
        if answer.status_code >= 400:
            raise RemoteError(answer.status_code, answer.json()["message"])
        return answer.json()

    def _run(self, path: str, messages: Sequence[Json]) -> Iterator[Json]:
        body = {"messages": list(messages)}
        with httpx.stream(
            "POST", self.base_url + path, json=body, headers=self._headers, timeout=60
        ) as answer:
            if answer.status_code >= 400:
                answer.read()
                raise RemoteError(answer.status_code, answer.json()["message"])
            for line in answer.iter_lines():
                # As the Go client does: what is no `data:` line is passed over.
                if line.startswith("data: "):
                    yield json.loads(line[6:])
