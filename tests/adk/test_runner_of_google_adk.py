"""The runner of google-adk on Cairn leaves what it leaves in its own services in memory."""

import asyncio
import importlib
import itertools
import json
import sys
import warnings
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest

HERE = Path(__file__).resolve().parent
pytestmark = pytest.mark.filterwarnings("ignore")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("google.adk", reason="google-adk is installed by make setup-importers")
    sys.path[:0] = [str(HERE.parents[1] / "clients/cairn_adk")]
    from google.adk.agents import LiveRequestQueue, LlmAgent, ParallelAgent, SequentialAgent
    from google.adk.agents.run_config import RunConfig, StreamingMode
    from google.adk.apps._configs import EventsCompactionConfig, ResumabilityConfig
    from google.adk.apps.app import App
    from google.adk.apps.llm_event_summarizer import LlmEventSummarizer
    from google.adk.artifacts.in_memory_artifact_service import InMemoryArtifactService
    from google.adk.events.event import Event
    from google.adk.models.base_llm import BaseLlm
    from google.adk.models.base_llm_connection import BaseLlmConnection
    from google.adk.models.llm_response import LlmResponse
    from google.adk.platform import time as platform_time
    from google.adk.platform import uuid as platform_uuid
    from google.adk.runners import Runner
    from google.adk.sessions.in_memory_session_service import InMemorySessionService
    from google.genai import types

    cairn_adk: Any = importlib.import_module("cairn_adk")

USER = "ada"
SCRIPTS = (
    *("text", "stream", "parallel", "settool", "artifact", "artifact", "thought", "blob"),
    *("toolerror", "unknowntool", "errorevent", "error", "long", "confirm"),
)

_TIMES = {"timestamp", "lastUpdateTime", "startTimestamp", "endTimestamp"}


class Played:
    """A run of the runner on services of one kind, with times and ids that count.

    Args:
        app: What runs.
        sessions: A session service.
        artifacts: An artifact service.
    """

    def __init__(self, app: App, sessions: Any, artifacts: Any) -> None:
        ids, seconds = itertools.count(1), itertools.count(1_700_000_000)
        platform_uuid.set_id_provider(lambda: f"id-{next(ids)}")
        platform_time.set_time_provider(lambda: float(next(seconds)))
        self.named = {"app_name": app.name, "user_id": USER, "session_id": "s"}
        self.sessions, self.artifacts = sessions, artifacts
        self.runner = Runner(app=app, session_service=sessions, artifact_service=artifacts)
        self.told: list[Any] = []

    async def run(self, message: Any, mode: StreamingMode = StreamingMode.NONE, **more: Any) -> Any:
        """Run once, and return what was told, less what went wrong."""
        if isinstance(message, str):
            message = types.Part(text=message)
        content = None if message is None else types.Content(role="user", parts=[message])
        found: list[Any] = []
        try:
            running = self.runner.run_async(
                user_id=USER,
                session_id="s",
                new_message=content,
                run_config=RunConfig(streaming_mode=mode),
                **more,
            )
            async for event in running:
                found.append(event)  # noqa: PERF401 - what came before an error counts
        except (RuntimeError, ValueError) as error:
            self.told.append(str(error))
        self.told += map(_told, found)
        return found

    async def all_that_is_kept(self) -> list[Any]:
        """Return the session and its artifacts, and what was told."""
        session = await self.sessions.get_session(**self.named)
        kept: list[Any] = [session.model_dump(mode="json", by_alias=True), *self.told]
        for name in await self.artifacts.list_artifact_keys(**self.named):
            for version in await self.artifacts.list_versions(**self.named, filename=name):
                part = await self.artifacts.load_artifact(
                    **self.named, filename=name, version=version
                )
                kept.append([name, version, part and part.model_dump(mode="json")])
        return kept


@asynccontextmanager
async def in_cairn(server: str) -> AsyncGenerator[tuple[Any, Any]]:
    uri = server.replace("http://", "cairn://")
    sessions, artifacts = cairn_adk.CairnSessionService(uri), cairn_adk.CairnArtifactService(uri)
    try:
        yield sessions, artifacts
    finally:
        await sessions.close()
        await artifacts.close()


async def in_both(server: str, app: App, play: Any) -> list[Any]:
    """Play the same on both kinds of services, and return what is kept in both."""
    kept: list[Any] = []

    async def once(sessions: Any, artifacts: Any) -> None:
        played = Played(app, sessions, artifacts)
        await played.sessions.create_session(**played.named, state={"a": 1, "user:b": 2})
        await play(played)
        kept.append(await played.all_that_is_kept())

    # Each in a context of its own, where its ids and times begin anew.
    await asyncio.create_task(once(InMemorySessionService(), InMemoryArtifactService()))
    async with in_cairn(server) as services:
        await asyncio.create_task(once(*services))
    theirs, ours = kept
    assert len(theirs) == len(ours)
    for one, other in zip(theirs, ours, strict=True):
        differences = list(_differences(one, other))
        assert differences == [], differences[:9]
    return ours


def _told(event: Event) -> dict[str, Any]:
    document: dict[str, Any] = event.model_dump(mode="json", by_alias=True)
    # Theirs take such keys out of the runner's own event too; ours leaves that as it was, as
    # google-adk for Go asks of a service.
    delta = document["actions"]["stateDelta"]
    for key in [one for one in delta if one.startswith("temp:")]:
        del delta[key]
    return document


def _differences(one: Any, other: Any, at: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield where two values differ, with both."""
    if isinstance(one, dict) and isinstance(other, dict):
        mine, yours = cast("dict[str, Any]", one), cast("dict[str, Any]", other)
        # Theirs ask for the time themselves, so that what is asked later has another one.
        for key in sorted({*mine, *yours} - _TIMES):
            yield from _differences(mine.get(key, "-"), yours.get(key, "-"), f"{at}.{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for n in range(len(one)):
            yield from _differences(one[n], other[n], f"{at}[{n}]")
    elif json.dumps(one) != json.dumps(other):
        yield at, one, other


def app_of(agent: Any, **more: Any) -> App:
    return App(name=f"app_{uuid4().hex[:12]}", root_agent=agent, **more)


@pytest.fixture
def golden() -> Any:
    sys.path.insert(0, str(HERE / "agents"))
    try:
        return importlib.import_module("golden.agent")
    finally:
        sys.path.remove(str(HERE / "agents"))


@pytest.mark.parametrize("resumable", [False, True])
async def test_runs_with_tools_and_artifacts_a_resumption_and_a_rewind(
    adk_server: str, golden: Any, resumable: bool
):
    async def play(played: Played) -> None:
        for script in SCRIPTS:
            mode = StreamingMode.SSE if script == "stream" else StreamingMode.NONE
            told = await played.run(script, mode)
            calls = [
                call
                for event in told
                for call in event.get_function_calls()
                if call.id in (event.long_running_tool_ids or ())
            ]
            for call in calls:
                asks = call.name == "adk_request_confirmation"
                answered = {"confirmed": True} if asks else {"status": "approved"}
                response = types.FunctionResponse(id=call.id, name=call.name, response=answered)
                resumed = {"invocation_id": told[0].invocation_id} if resumable else {}
                await played.run(types.Part(function_response=response), **resumed)
        session = await played.sessions.get_session(**played.named)
        before = list(dict.fromkeys(one.invocation_id for one in session.events))
        await played.run("settool", state_delta={"a": 2, "given": None})
        await played.runner.rewind_async(
            user_id=USER, session_id="s", rewind_before_invocation_id=before[3]
        )
        await played.run("text")

    app = app_of(golden.root_agent, resumability_config=ResumabilityConfig(is_resumable=resumable))
    session, *_ = kept = await in_both(adk_server, app, play)
    told = json.dumps(kept)
    for wanted in ("approved", "wiped", "Hello w", "kaput", "rewindBeforeInvocationId"):
        assert wanted in told
    assert session["state"]["user:colour"] == "blue"
    assert len(session["events"]) > 40


async def test_events_that_are_compacted(adk_server: str, golden: Any):
    summarizer = LlmEventSummarizer(llm=golden.ScriptedLlm(model="scripted-1"))
    compaction = EventsCompactionConfig(
        summarizer=summarizer, compaction_interval=2, overlap_size=1
    )

    async def play(played: Played) -> None:
        for script in ("text", "parallel", "settool", "long", "text"):
            await played.run(script)

    app = app_of(golden.root_agent, events_compaction_config=compaction)
    session, *_ = await in_both(adk_server, app, play)
    compacted = [one for one in session["events"] if one["actions"]["compaction"]]
    assert compacted


async def test_agents_within_agents(adk_server: str, golden: Any):
    def agent(name: str, script: str, **more: Any) -> LlmAgent:
        model = golden.ScriptedLlm(model="scripted-1")
        tools = [golden.get_weather, golden.remember]
        return LlmAgent(name=name, model=model, instruction=script, tools=tools, **more)

    first = agent("first", "x", output_key="temp:first")
    second = agent("second", "{temp:first}", output_key="second")
    root = SequentialAgent(name="root", sub_agents=[first, second])

    async def play(played: Played) -> None:
        for script in ("text", "parallel", "settool"):
            await played.run(script)

    session, *_ = await in_both(adk_server, app_of(root), play)
    assert session["state"]["second"]
    assert not any(key.startswith("temp:") for key in session["state"])


async def test_agents_beside_each_other_lose_nothing(adk_server: str, golden: Any):
    def agent(name: str) -> LlmAgent:
        model = golden.ScriptedLlm(model="scripted-1")
        return LlmAgent(name=name, model=model, tools=[golden.get_weather], output_key=name)

    names = [f"agent{n}" for n in range(6)]
    app = app_of(ParallelAgent(name="root", sub_agents=[agent(name) for name in names]))
    async with in_cairn(adk_server) as services:
        played = Played(app, *services)
        await played.sessions.create_session(**played.named)
        told = await played.run("parallel")
        session = await played.sessions.get_session(**played.named)
    assert [one.id for one in session.events[1:]] == [one.id for one in told]
    assert sorted(session.state) == names
    assert len(told) == 3 * len(names)


class Live(BaseLlmConnection):
    """Says the same to whatever it hears."""

    def __init__(self) -> None:
        self.heard = asyncio.Event()

    async def send_history(self, history: Any) -> None:
        pass

    async def send_content(self, content: Any, **_: Any) -> None:
        self.heard.set()

    async def send_realtime(self, *_: Any, **__: Any) -> None:
        pass

    async def receive(self) -> AsyncGenerator[LlmResponse]:
        await self.heard.wait()
        said = types.Transcription(text="hello", finished=True)
        yield LlmResponse(output_transcription=said, partial=False)
        yield LlmResponse(
            content=types.Content(role="model", parts=[types.Part(text="hello")]), partial=False
        )
        yield LlmResponse(turn_complete=True)
        self.heard.clear()
        await self.heard.wait()

    async def close(self) -> None:
        pass


class LiveModel(BaseLlm):
    """Is only there live."""

    async def generate_content_async(self, llm_request: Any, stream: bool = False) -> Any:
        raise NotImplementedError
        yield

    @asynccontextmanager
    async def connect(self, llm_request: Any) -> AsyncGenerator[Live]:
        yield Live()


async def test_a_live_run(adk_server: str):
    async def play(played: Played) -> None:
        queue = LiveRequestQueue()
        queue.send_content(types.Content(role="user", parts=[types.Part(text="hi")]))
        live = played.runner.run_live(
            user_id=USER,
            session_id="s",
            live_request_queue=queue,
            run_config=RunConfig(
                response_modalities=[types.Modality.TEXT],
                output_audio_transcription=types.AudioTranscriptionConfig(),
            ),
        )
        async for event in live:
            played.told.append(_told(event))
            if event.turn_complete:
                break
        await live.aclose()

    app = app_of(LlmAgent(name="live", model=LiveModel(model="scripted")))
    session, *_ = await in_both(adk_server, app, play)
    assert len(session["events"]) >= 2
