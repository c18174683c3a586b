"""The runner of `examples/` when it is stopped, is one of two, or loses its server."""

import asyncio
import importlib
import signal
import sys
import warnings
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.adk.losing import Losing

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.filterwarnings("ignore")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("google.adk", reason="google-adk is installed by make setup-importers")
    sys.path[:0] = [str(ROOT / "clients/cairn_adk"), str(ROOT / "examples/adk_runner")]
    from google.adk.agents import BaseAgent
    from google.adk.events.event import Event
    from google.genai import types

    adk_runner: Any = importlib.import_module("adk_runner")

PATIENCE = 60.0


class Patient(BaseAgent):
    """Says its name at once, and again when it may go on."""

    begun: Any
    going_on: Any

    async def _run_async_impl(self, ctx: Any) -> Any:
        def said(text: str) -> Event:
            content = types.Content(role="model", parts=[types.Part(text=text)])
            return Event(invocation_id=ctx.invocation_id, author=self.name, content=content)

        yield said(f"{self.name} begins")
        self.begun.set()
        await self.going_on.wait()
        yield said(f"{self.name} ends")


class Runs:
    """Runners of one app, and clients that ask for runs of one of its sessions."""

    def __init__(self, server: str) -> None:
        self.server, self.app = server, f"app-{uuid4().hex[:8]}"
        self.client = httpx.AsyncClient(base_url=server, timeout=PATIENCE)
        self.tasks: list[asyncio.Task[Any]] = []

    async def runner(
        self, name: str, where: str | None = None, **more: Any
    ) -> tuple[asyncio.Task[None], Patient]:
        """Begin to serve by an agent of this name."""
        agent = Patient(name=name, begun=asyncio.Event(), going_on=asyncio.Event())
        ready = asyncio.Event()
        uri = f"cairn://{where or self.server.removeprefix('http://')}"
        serving = adk_runner.serve(uri, agent, self.app, ready, **more)
        task: asyncio.Task[None] = asyncio.create_task(serving)
        self.tasks.append(task)
        await asyncio.wait_for(ready.wait(), PATIENCE)
        return task, agent

    def run(self) -> asyncio.Task[httpx.Response]:
        """Ask for a run."""
        message = {"role": "user", "parts": [{"text": "hi"}]}
        body = {"appName": self.app, "userId": "u", "sessionId": "s", "newMessage": message}
        task = asyncio.create_task(self.client.post("/run", json=body))
        self.tasks.append(task)
        return task

    async def begin(self) -> None:
        await self.client.post(f"/apps/{self.app}/users/u/sessions", json={"sessionId": "s"})

    async def native(self) -> dict[str, Any]:
        """Return the session as the native API has it."""
        answer = await self.client.get("/v1/sessions", params={"app": self.app})
        found: dict[str, Any] = answer.json()["sessions"][0]
        return found

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
            await asyncio.sleep(0)
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.client.aclose()


@pytest.fixture
async def runs(driven_server: str) -> AsyncIterator[Runs]:
    made = Runs(driven_server)
    await made.begin()
    yield made
    await made.close()


def texts(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [event["content"]["parts"][0]["text"] for event in answer.json()]


async def test_a_runner_that_is_stopped_ends_its_run_and_leaves_the_next_to_another(runs: Runs):
    first, one = await runs.runner("one")
    asked = runs.run()
    await asyncio.wait_for(one.begun.wait(), PATIENCE)
    _, two = await runs.runner("two")
    first.cancel()
    # It waits for the first one to end: both are of one session.
    next_asked = runs.run()
    two.going_on.set()
    one.going_on.set()
    assert texts(await asked) == ["one begins", "one ends"]
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(first, PATIENCE)
    assert texts(await next_asked) == ["two begins", "two ends"]


async def test_a_runner_that_is_stopped_twice_says_so_of_its_run(runs: Runs):
    first, one = await runs.runner("one", grace=3600)
    asked = runs.run()
    await asyncio.wait_for(one.begun.wait(), PATIENCE)
    first.cancel()
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(first, PATIENCE)
    answer = await asked
    assert (answer.status_code, "stopped" in answer.text) == (500, True)
    native = await runs.native()
    assert (native["status"], native["turn_id"]) == ("idle", None)
    health = (await runs.client.get(f"/v1/sessions/{native['id']}/health")).json()
    assert health["attached_to"] is None


async def test_of_two_runners_one_runs(runs: Runs):
    agents = [(await runs.runner(name))[1] for name in ("one", "two")]
    for agent in agents:
        agent.going_on.set()
    for asked in [runs.run() for _ in range(3)]:
        told = texts(await asked)
        assert told in (["one begins", "one ends"], ["two begins", "two ends"])
    session = (await runs.client.get(f"/apps/{runs.app}/users/u/sessions/s")).json()
    assert len(session["events"]) == 9


async def test_a_runner_whose_answers_are_lost_records_everything_once(runs: Runs):
    proxy = Losing(runs.server)
    async with proxy.serve() as where:
        serving, agent = await runs.runner("one", where)
        proxy.left = 3
        asked = runs.run()
        await asyncio.wait_for(agent.begun.wait(), PATIENCE)
        proxy.left = 3
        agent.going_on.set()
        assert texts(await asked) == ["one begins", "one ends"]
        assert proxy.lost == 6
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    assert (await runs.native())["turns"] == 1


async def test_a_runner_that_nobody_lets_in_says_so(monkeypatch: pytest.MonkeyPatch):
    cairn = adk_runner.Cairn("cairn://h")
    answers = iter([httpx.ConnectError("away"), 503, 401])

    def answer(_: httpx.Request) -> httpx.Response:
        match next(answers):
            case int(status):
                return httpx.Response(status)
            case error:
                raise error

    monkeypatch.setattr(adk_runner, "_ASKED_EVERY", 0.001)
    client = httpx.AsyncClient(base_url="http://h", transport=httpx.MockTransport(answer))
    cairn._clients[asyncio.get_running_loop()] = client
    with pytest.raises(httpx.HTTPStatusError, match="401"):
        await anext(cairn.turns("app", None))
    await cairn.close()


async def test_sigterm_stops_it_in_good_order():
    begun, ended = asyncio.Event(), False

    async def serving() -> None:
        nonlocal ended
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            ended = True

    task = asyncio.create_task(adk_runner.until_told(serving()))
    await begun.wait()
    signal.raise_signal(signal.SIGTERM)
    await asyncio.wait_for(task, PATIENCE)
    assert ended
