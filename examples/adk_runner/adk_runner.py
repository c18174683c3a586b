"""Runs an agent of google-adk for the runs that Cairn is asked for: `/run` and `/run_sse`.

    python examples/adk_runner/adk_runner.py cairn://127.0.0.1:8080 package.module:root_agent

It follows the log for turns that begin, takes a lease on the session, has google-adk run the agent
with the sessions of Cairn, and says how the turn ended.
"""

import asyncio
import importlib
import json
import logging
import signal
import sys
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing, suppress
from typing import Any
from uuid import uuid4

import httpx
from cairn_adk import CairnArtifactService, CairnSessionService
from cairn_adk.client import CairnClient
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
_TAKEN_WITHIN = 10.0
"""Seconds for which a lease that another runner is about to let go of is waited for."""
_ASKED_EVERY = 0.25
_SILENCE = 60.0
"""Seconds after which a stream without even a sign of life is opened anew."""
_REFUSED = frozenset({400, 401, 403, 404})
"""The statuses with which asking again is of no use."""
_logger = logging.getLogger("adk_runner")


class Cairn(CairnClient):
    """The native API, by the URI that the services of google-adk are given."""

    async def ask(self, path: str, body: dict[str, Any]) -> httpx.Response:
        """Give a command, which is done once however often it is sent."""
        return await self._ask("POST", path, document=body, key=uuid4().hex)

    async def turns(self, app: str, ready: asyncio.Event | None) -> AsyncGenerator[dict[str, Any]]:
        """Yield the turns of runs, as they begin; none is missed when a connection is lost.

        Raises:
            httpx.HTTPStatusError: The server refuses to tell them.
        """
        query = {"types": "turn.started", "app": app, "after": "now"}
        headers = {"Accept": "text/event-stream"}
        while True:
            with suppress(httpx.TransportError):
                stream = self._client().stream(
                    "GET", "/v1/events", params=query, headers=headers, timeout=_SILENCE
                )
                async with stream as answer:
                    if answer.status_code in _REFUSED:
                        answer.raise_for_status()
                    async for line in _lines(answer):
                        if line.startswith("id: "):
                            query["after"] = line[4:]
                        if line.startswith("event: caught-up") and ready is not None:
                            ready.set()
                        if line.startswith("data: ") and RUN in line:
                            yield json.loads(line[6:])
            await asyncio.sleep(_ASKED_EVERY)


class RunSessions(CairnSessionService):
    """Sessions of one run: what the user said is recorded already, and anybody may write beside.

    Args:
        uri: Of the server.
        given: The event that the run began with; None when it began without one.
    """

    def __init__(self, uri: str, given: dict[str, Any] | None) -> None:
        super().__init__(uri, refuse_stale=False)
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
        return await super().append_event(session, event)


async def serve(
    uri: str,
    agent: BaseAgent,
    app: str,
    ready: asyncio.Event | None = None,
    artifacts: BaseArtifactService | None = None,
    grace: float = 30.0,
) -> None:
    """Run the agent for every run of an app, until it is cancelled.

    Then it begins no other run. Those that are going on may end; cancelled once more, or after
    `grace`, they fail.

    Args:
        uri: Of the server, such as `cairn://127.0.0.1:8080`.
        agent: Who answers.
        app: Whose sessions.
        ready: Set when turns that begin from then on are heard of.
        artifacts: Where the agent keeps its artifacts; None is in Cairn.
        grace: Seconds that runs may take to end.

    Raises:
        httpx.HTTPStatusError: The server lets nobody in with this URI.
    """
    cairn, own = Cairn(uri), CairnArtifactService(uri)
    running: set[asyncio.Task[None]] = set()
    sessions: dict[str, asyncio.Lock] = {}
    try:
        async with aclosing(cairn.turns(app, ready)) as turns:
            async for begun in turns:
                # One run after the other: the lease of the one before is let go of first.
                lock = sessions.setdefault(begun["session_id"], asyncio.Lock())
                run = _run(cairn, uri, agent, begun, lock, artifacts or own)
                task = asyncio.create_task(_told_of(run))
                running.add(task)
                task.add_done_callback(running.discard)
    finally:
        this = asyncio.current_task()
        try:
            # Who cancels it again does not wait until it has come here.
            if running and (this is None or this.cancelling() < 2):
                await asyncio.wait(running, timeout=grace)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            await cairn.close()
            await own.close()


async def _told_of(run: Coroutine[Any, Any, None]) -> None:
    """Run, and tell the log of what went wrong: it is the end of the run, not of the runner."""
    try:
        await run
    except Exception:
        _logger.exception("a run could not be driven to its end")


async def _lines(stream: httpx.Response) -> AsyncGenerator[str]:
    """Yield the lines of a stream, which only a line feed ends: a text may have other ends."""
    rest = b""
    async for chunk in stream.aiter_bytes():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.decode()


async def _run(
    cairn: Cairn,
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
        taken = await _taken(cairn, session, held)
        if taken is None:
            return  # Another runner has it.
        lease = taken["lease_id"]
        renewing = asyncio.create_task(_renew(cairn, session, {**held, "lease_id": lease}))
        end, told = "complete", dict[str, Any]()
        try:
            if taken["session"]["turn_id"] != turn:
                return  # It has ended meanwhile.
            try:
                await _play(cairn, session, uri, agent, turn, asked, given, artifacts)
            except asyncio.CancelledError:
                end, told = "fail", {"kind": "runner_stopped", "summary": "the runner was stopped"}
                raise
            except Exception as error:  # noqa: BLE001 - it is the end of the run, not of the runner
                end, told = "fail", {"kind": type(error).__name__}
                told["summary"] = str(error)[:2000] or "it failed"
            finally:
                await cairn.ask(f"{session}/turns/{turn}/{end}", told)
        finally:
            renewing.cancel()
            await cairn.ask(f"{session}/detach", {"lease_id": lease})


async def _taken(cairn: Cairn, session: str, held: dict[str, Any]) -> dict[str, Any] | None:
    """Take the lease on a session, and return it; None when another runner drives it."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _TAKEN_WITHIN
    while True:
        answer = await cairn.ask(f"{session}/attach", held)
        if answer.is_success:
            taken: dict[str, Any] = answer.json()
            return taken
        if answer.status_code != httpx.codes.CONFLICT:
            answer.raise_for_status()
        if loop.time() > until:
            return None
        await asyncio.sleep(_ASKED_EVERY)


async def _renew(cairn: Cairn, session: str, held: dict[str, Any]) -> None:
    """Keep the lease of a run that takes longer, until it is cancelled."""
    while True:
        await asyncio.sleep(_RENEWED_EVERY)
        with suppress(httpx.TransportError):
            await cairn.ask(f"{session}/attach", held)


async def _play(
    cairn: Cairn,
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
                    # They are in the event that comes when all of it is there, too.
                    with suppress(httpx.TransportError):
                        await cairn.ask(f"{session}/turns/{turn}/events", body)
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


async def until_told(serving: Coroutine[Any, Any, None]) -> None:
    """Serve until SIGTERM or SIGINT; the second of them ends what runs too."""
    task = asyncio.ensure_future(serving)
    loop = asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


def main() -> None:
    if len(sys.argv) not in (3, 4):
        raise SystemExit("usage: adk_runner.py cairn://HOST:PORT PACKAGE.MODULE[:AGENT] [APP]")
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    uri, named = sys.argv[1:3]
    module, _, attribute = named.partition(":")
    sys.path.insert(0, "")
    agent: BaseAgent = getattr(importlib.import_module(module), attribute or "root_agent")
    app = sys.argv[3] if len(sys.argv) > 3 else agent.name
    asyncio.run(until_told(serve(uri, agent, app)))


if __name__ == "__main__":
    main()
