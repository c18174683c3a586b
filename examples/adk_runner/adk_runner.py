"""Runs an agent of google-adk for the runs that Cairn is asked for: `/run` and `/run_sse`.

    python examples/adk_runner/adk_runner.py cairn://127.0.0.1:8080 package.module:root_agent

It follows the log for turns that begin, takes a lease on the session, has google-adk run the agent
with the sessions of Cairn, and says how the turn ended.
"""

import asyncio
import importlib
import json
import sys
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

import httpx
from cairn_adk import CairnArtifactService, CairnSessionService
from google.adk.agents.base_agent import BaseAgent
from google.adk.agents.run_config import RunConfig, StreamingMode
from google.adk.artifacts.base_artifact_service import BaseArtifactService
from google.adk.events.event import Event
from google.adk.runners import Runner
from google.adk.sessions.session import Session
from google.genai import types

RUN, EVENT = "adk.run", "adk.event"
_HOLDER = "adk-runner"
_LEASE = 60
"""Seconds for which the session of a runner that has died stays its own."""
_RENEWED_EVERY = 20.0


class RunSessions(CairnSessionService):
    """Sessions of one run: what the user said is recorded already, and anybody may write beside.

    Args:
        uri: Of the server.
        given: The event that the run began with; None when it began without one.
    """

    def __init__(self, uri: str, given: dict[str, Any] | None) -> None:
        super().__init__(uri)
        self._given = given
        self.writing: str | None = None
        """The id of the message that is being written."""

    async def append_event(self, session: Session, event: Event) -> Event:
        if event.author == "user" and self._given is not None:
            self._given = None
            return event
        if self.writing is not None and not event.partial:
            # Its pieces are gone as soon as it is recorded.
            event.id, self.writing = self.writing, None
        # Whoever changes the state meanwhile does not end the run.
        session._storage_update_marker = None
        return await super().append_event(session, event)


async def serve(
    uri: str,
    agent: BaseAgent,
    app: str,
    ready: asyncio.Event | None = None,
    artifacts: BaseArtifactService | None = None,
) -> None:
    """Run the agent for every run of an app, until it is cancelled.

    Args:
        uri: Of the server, such as `cairn://127.0.0.1:8080`.
        agent: Who answers.
        app: Whose sessions.
        ready: Set when turns that begin from then on are heard of.
        artifacts: Where the agent keeps its artifacts; None is in Cairn.
    """
    service = CairnSessionService(uri)
    own = CairnArtifactService(uri)
    kept = artifacts or own
    running: set[asyncio.Task[None]] = set()
    sessions: dict[str, asyncio.Lock] = {}
    async with httpx.AsyncClient(
        base_url=service._base,
        headers=service._headers,
        timeout=None,  # noqa: S113
    ) as client:
        try:
            async for begun in _turns(client, app, ready):
                # One run after the other: the lease of the one before is let go of first.
                lock = sessions.setdefault(begun["session_id"], asyncio.Lock())
                task = asyncio.create_task(_run(client, uri, agent, begun, lock, kept))
                running.add(task)
                task.add_done_callback(running.discard)
        finally:
            await asyncio.gather(*running, return_exceptions=True)
            await own.close()


async def _turns(
    client: httpx.AsyncClient, app: str, ready: asyncio.Event | None
) -> AsyncGenerator[dict[str, Any]]:
    """Yield the turns of runs, as they begin; no event is missed when a connection is lost."""
    query = {"types": "turn.started", "app": app, "after": "now"}
    while True:
        with suppress(httpx.TransportError):
            headers = {"Accept": "text/event-stream"}
            async with client.stream("GET", "/v1/events", params=query, headers=headers) as stream:
                stream.raise_for_status()
                async for line in _lines(stream):
                    if line.startswith("id: "):
                        query["after"] = line[4:]
                    if line.startswith("event: caught-up") and ready is not None:
                        ready.set()
                    if line.startswith("data: ") and RUN in line:
                        yield json.loads(line[6:])
        await asyncio.sleep(0.2)


async def _lines(stream: httpx.Response) -> AsyncGenerator[str]:
    """Yield the lines of a stream, which only a line feed ends: a text may have other ends."""
    rest = b""
    async for chunk in stream.aiter_bytes():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.decode()


async def _run(
    client: httpx.AsyncClient,
    uri: str,
    agent: BaseAgent,
    begun: dict[str, Any],
    lock: asyncio.Lock,
    artifacts: BaseArtifactService,
) -> None:
    session, turn = f"/v1/sessions/{begun['session_id']}", begun["data"]["turn_id"]
    asked, given = begun["data"]["meta"][RUN], begun["data"]["meta"].get(EVENT)
    async with lock:
        held = {"holder": _HOLDER, "ttl_seconds": _LEASE}
        attached = await client.post(f"{session}/attach", json=held)
        if attached.status_code >= httpx.codes.BAD_REQUEST:
            return  # Another runner has it.
        lease = attached.json()["lease_id"]
        renewing = asyncio.create_task(_renew(client, session, {**held, "lease_id": lease}))
        try:
            await _play(client, session, uri, agent, turn, asked, given, artifacts)
        except Exception as error:  # noqa: BLE001 - it is the end of the run, not of the runner
            failure = {"kind": type(error).__name__, "summary": str(error)[:2000] or "it failed"}
            await client.post(f"{session}/turns/{turn}/fail", json=failure)
        else:
            await client.post(f"{session}/turns/{turn}/complete", json={})
        finally:
            renewing.cancel()
            await client.post(f"{session}/detach", json={"lease_id": lease})


async def _renew(client: httpx.AsyncClient, session: str, held: dict[str, Any]) -> None:
    """Keep the lease of a run that takes longer, until it is cancelled."""
    while True:
        await asyncio.sleep(_RENEWED_EVERY)
        with suppress(httpx.TransportError):
            await client.post(f"{session}/attach", json=held)


async def _play(
    client: httpx.AsyncClient,
    session: str,
    uri: str,
    agent: BaseAgent,
    turn: str,
    asked: dict[str, Any],
    given: dict[str, Any] | None,
    artifacts: BaseArtifactService,
) -> None:
    sessions = RunSessions(uri, given)
    runner = Runner(
        app_name=asked["appName"],
        agent=agent,
        session_service=sessions,
        artifact_service=artifacts,
    )
    said = (given or {}).get("content")
    mode = StreamingMode.SSE if asked.get("streaming") else StreamingMode.NONE
    try:
        async for event in runner.run_async(
            user_id=asked["userId"],
            session_id=asked["sessionId"],
            invocation_id=turn if given is None else given["invocationId"],
            new_message=None if said is None else types.Content.model_validate(said),
            run_config=RunConfig(streaming_mode=mode, custom_metadata=asked.get("customMetadata")),
        ):
            if event.partial:
                sessions.writing = sessions.writing or event.id
                pieces = _pieces(event, sessions.writing)
                if pieces:
                    body = {"partial": True, "events": pieces}
                    await client.post(f"{session}/turns/{turn}/events", json=body)
    finally:
        await sessions.close()


def _pieces(event: Event, message_id: str) -> list[dict[str, Any]]:
    """Return the text of an event that is partial, as pieces of a message."""
    parts = (event.content and event.content.parts) or ()
    return [
        {
            "type": "agent.thought" if part.thought else "agent.message",
            "data": {
                "message_id": message_id,
                "parts": [{"type": "reasoning" if part.thought else "text", "text": part.text}],
            },
        }
        for part in parts
        if part.text
    ]


def main() -> None:
    uri, named = sys.argv[1:3]
    module, _, attribute = named.partition(":")
    agent: BaseAgent = getattr(importlib.import_module(module), attribute or "root_agent")
    asyncio.run(serve(uri, agent, sys.argv[3] if len(sys.argv) > 3 else agent.name))


if __name__ == "__main__":
    main()
