"""A driver of agents in a thread: it follows the log and works in the turns that begin."""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.docker_agent.test_sessions import ok

Json = dict[str, Any]
WAIT = {"types": "turn.started", "wait": "30s"}


class Turn:
    """A turn that has begun, as its driver sees it."""

    def __init__(self, client: httpx.Client, session: str, begun: Json) -> None:
        self.client = client
        self.session = session
        self.begun = begun["data"]
        self.at = f"/v1/sessions/{session}/turns/{self.begun['turn_id']}"

    def record(self, kind: str, **data: Any) -> None:
        ok(self.client.post(f"{self.at}/events", json={"events": [{"type": kind, "data": data}]}))

    def say(self, text: str, message_id: str | None = None) -> None:
        named = {} if message_id is None else {"message_id": message_id}
        self.record("agent.message", parts=[{"type": "text", "text": text}], **named)

    def write(self, text: str, message_id: str) -> None:
        data = {"message_id": message_id, "parts": [{"type": "text", "text": text}]}
        body = {"partial": True, "events": [{"type": "agent.message", "data": data}]}
        ok(self.client.post(f"{self.at}/events", json=body))

    def finish(self, work: "Callable[[Turn], None]") -> None:
        """Work; what goes wrong ends the turn, so that nobody waits for it."""
        try:
            work(self)
        except BaseException:
            self.client.post(f"{self.at}/fail", json={"kind": "driver_fault"})
            raise

    def complete(self) -> None:
        ok(self.client.post(f"{self.at}/complete", json={}))

    def hears(self, kind: str) -> Json:
        """Wait until the log says something of a kind, and return the newest of it."""
        query = {"types": kind, "wait": "30s", "since": 0}
        page = ok(self.client.get(f"/v1/sessions/{self.session}/events", params=query))
        event: Json = page["events"][-1]["data"]
        return event


def next_turn(client: httpx.Client, session: str, since: int) -> tuple[Turn, int]:
    """Wait until a turn begins after a sequence, and return it with its own sequence."""
    while True:
        query = WAIT | {"since": since}
        page = ok(client.get(f"/v1/sessions/{session}/events", params=query))
        if page["events"]:
            begun = page["events"][0]
            return Turn(client, session, begun), begun["sequence"]
        since = page["next"]


@contextmanager
def driven(
    base_url: str, session: str, work: Callable[[Turn], None], *, turns: int = 1, since: int = 0
) -> Generator[None]:
    """Work in the next turns of a session; what goes wrong there is raised here."""
    faults: list[BaseException] = []

    def drive() -> None:
        at = since
        try:
            with httpx.Client(base_url=base_url, timeout=60) as client:
                for _ in range(turns):
                    turn, at = next_turn(client, session, at)
                    turn.finish(work)
        except BaseException as error:  # noqa: BLE001 - told to whoever waits
            faults.append(error)

    thread = threading.Thread(target=drive)
    thread.start()
    try:
        yield
    finally:
        thread.join(60)
        if faults:
            raise faults[0]
        assert not thread.is_alive()
