"""What a program that runs an agent asks of Cairn, in few words."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.support.sse import Answer, Connection, connected

AGENT = {"app": "console", "user": "ada"}


def said(
    text: str, kind: str = "agent.message", *, message: str | None = None, **place: int
) -> dict[str, Any]:
    """Return the report of something the agent said, or of a piece of it with its place."""
    data: dict[str, Any] = {"parts": [{"type": "text", "text": text}]}
    if message is not None:
        data["message_id"] = message
    return {"type": kind, "data": data, **place}


class Agent:
    """Sends commands over one connection, and insists that they are done.

    Args:
        connection: To a server.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send a request, whatever becomes of it."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.connection.request(method, path, body, named)

    async def do(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send a request that must be done, and return the body of its answer."""
        answer = await self.ask(method, path, body, **headers)
        assert answer.is_accepted, f"{method} {path}: {answer.status} {answer.body!r}"
        return answer.json

    async def session(self, **fields: Any) -> str:
        """Begin a session and return its id."""
        return str((await self.do("POST", "/v1/sessions", AGENT | fields))["session"]["id"])

    async def message(self, session: str, text: str = "hello") -> int:
        """Add a message and return its sequence."""
        body = {"role": "user", "parts": [{"type": "text", "text": text}]}
        return int((await self.do("POST", f"/v1/sessions/{session}/messages", body))["sequence"])

    async def messages(self, session: str, count: int, text: str = "hello") -> int:
        """Add messages and return the sequence of the last."""
        return [await self.message(session, text) for _ in range(count)][-1]

    async def turn(self, session: str) -> str:
        """Start a turn and return its id."""
        body = {"input": {"parts": [{"type": "text", "text": "go"}]}}
        return str((await self.do("POST", f"/v1/sessions/{session}/turns", body))["turn_id"])

    async def record(self, session: str, turn: str, *events: Any, partial: bool = False) -> int:
        """Report what happened in a turn and return the sequence after it."""
        body = {"events": list(events), "partial": partial}
        path = f"/v1/sessions/{session}/turns/{turn}/events"
        return int((await self.do("POST", path, body))["sequence"])

    async def write(self, session: str, turn: str, *pieces: Any) -> Answer:
        """Send pieces of what is being written, whatever becomes of them."""
        path = f"/v1/sessions/{session}/turns/{turn}/events"
        return await self.ask("POST", path, {"events": list(pieces), "partial": True})

    async def written(self, session: str) -> list[dict[str, Any]]:
        """Return what a snapshot has of the messages that are being written."""
        snapshot = await self.do("GET", f"/v1/sessions/{session}/snapshot")
        found: list[dict[str, Any]] = snapshot["turn"]["partial"]
        return found

    async def busy_session(self) -> tuple[str, str]:
        """Begin a session and a turn in it."""
        session = await self.session()
        return session, await self.turn(session)

    async def log(self, session: str) -> list[dict[str, Any]]:
        """Return all events of a session, read page by page."""
        events: list[dict[str, Any]] = []
        since, up_to_date = 0, False
        while not up_to_date:
            page = await self.do("GET", f"/v1/sessions/{session}/events?since={since}&limit=200")
            events += page["events"]
            since, up_to_date = page["next"], page["up_to_date"]
        return events


@asynccontextmanager
async def agents(*ports: Callable[[], int] | int) -> AsyncIterator[list[Agent]]:
    """Lend an agent for each port."""
    async with connected(*ports) as connections:
        yield [Agent(connection) for connection in connections]
