"""google-adk itself: its client, its runner and its contract of session services."""

import asyncio
import functools
import importlib
import json
import sys
import warnings
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.adk.deviations import RUN_DEVIATIONS
from tests.adk.differences import check_listed
from tests.adk.golden import cases
from tests.adk.replay import play

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
AGENTS = ("golden", "raw", "scopes")
pytestmark = pytest.mark.filterwarnings("ignore")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("google.adk", reason="google-adk is installed by make setup-importers")
    sys.path[:0] = [str(ROOT / "clients/cairn_adk"), str(ROOT / "examples/adk_runner")]
    from google.adk.agents import LlmAgent
    from google.adk.cli.conformance.adk_web_server_client import AdkWebServerClient
    from google.adk.cli.service_registry import load_services_module
    from google.adk.cli.utils.service_factory import (
        create_artifact_service_from_options,
        create_session_service_from_options,
    )
    from google.adk.errors._stale_session_error import StaleSessionError
    from google.adk.errors.already_exists_error import AlreadyExistsError
    from google.adk.errors.session_not_found_error import SessionNotFoundError
    from google.adk.events._rewind_events import _apply_rewinds
    from google.adk.events.event import Event
    from google.adk.events.event_actions import EventActions
    from google.adk.models.base_llm import BaseLlm
    from google.adk.models.llm_response import LlmResponse
    from google.adk.runners import Runner
    from google.adk.sessions.base_session_service import GetSessionConfig
    from google.genai import types

    adk_runner: Any = importlib.import_module("adk_runner")
    cairn_adk: Any = importlib.import_module("cairn_adk")

APP, USER = "app", "ada"


@pytest.fixture
async def service(adk_server: str) -> AsyncIterator[Any]:
    made = cairn_adk.CairnSessionService(adk_server.replace("http://", "cairn://"))
    yield made
    await made.close()


@pytest.fixture
def app() -> str:
    return f"app-{uuid4().hex[:8]}"


def event(text: str = "hi", **fields: Any) -> Event:
    content = types.Content(role="user", parts=[types.Part(text=text)])
    return Event(**{"author": "user", "content": content, **fields})


async def test_a_session_comes_back_as_it_was_created(service: Any, app: str):
    state = {"a": 1, "n": None, "app:x": True, "user:y": [1], "temp:z": 1}
    made = await service.create_session(app_name=app, user_id=USER, state=state, session_id="s")
    found = await service.get_session(app_name=app, user_id=USER, session_id="s")
    assert found == made
    assert found.state == {"a": 1, "n": None, "app:x": True, "user:y": [1]}
    assert (await service.create_session(app_name=app, user_id=USER, session_id="  ")).id
    for name in ("s", " s "):
        with pytest.raises(AlreadyExistsError):
            await service.create_session(app_name=app, user_id=USER, session_id=name)
    other = await service.create_session(app_name=app, user_id="bob", session_id="s")
    assert (other.user_id, other.state) == ("bob", {"app:x": True})
    assert await service.get_session(app_name=app, user_id=USER, session_id="none") is None
    assert await service.get_user_state(app_name=app, user_id=USER) == {"y": [1]}
    assert await service.get_user_state(app_name=app, user_id="bob") == {}


async def test_of_many_who_create_one_session_one_wins(service: Any, app: str):
    async def create() -> bool:
        try:
            await service.create_session(app_name=app, user_id=USER, session_id="s")
        except AlreadyExistsError:
            return False
        return True

    assert sum(await asyncio.gather(*(create() for _ in range(16)))) == 1


async def test_lists_have_all_users_or_one_and_the_last_changed_last(service: Any, app: str):
    for user, name, at in ((USER, "b", 300.0), (USER, "a", 100.0), ("bob", "c", 200.0)):
        session = await service.create_session(app_name=app, user_id=user, session_id=name)
        await service.append_event(session, event(timestamp=at))
    everybody = (await service.list_sessions(app_name=app)).sessions
    assert [(one.id, one.last_update_time, one.events) for one in everybody] == [
        ("a", 100.0, []),
        ("c", 200.0, []),
        ("b", 300.0, []),
    ]
    mine = (await service.list_sessions(app_name=app, user_id=USER)).sessions
    assert [one.id for one in mine] == ["a", "b"]
    assert (await service.list_sessions(app_name=app, user_id="nobody")).sessions == []


async def test_a_deleted_session_is_gone_and_takes_no_event(service: Any, app: str):
    session = await service.create_session(app_name=app, user_id=USER, session_id="s")
    await service.delete_session(app_name=app, user_id="bob", session_id="s")
    assert await service.get_session(app_name=app, user_id=USER, session_id="s")
    await service.delete_session(app_name=app, user_id=USER, session_id="s")
    await service.delete_session(app_name=app, user_id=USER, session_id="s")
    assert await service.get_session(app_name=app, user_id=USER, session_id="s") is None
    with pytest.raises(SessionNotFoundError):
        await service.append_event(session, event())


async def test_a_whole_event_comes_back(service: Any, app: str):
    session = await service.create_session(app_name=app, user_id=USER, session_id="s")
    parts = [
        types.Part(text="t", thought=True, thought_signature=b"\xfb\xff"),
        types.Part(inline_data=types.Blob(data=b"\x00\xff\xfe", mime_type="a/b")),
        types.Part(function_call=types.FunctionCall(id="c", name="f", args={"x": None})),
    ]
    whole = Event(
        author="m",
        invocation_id="i",
        content=types.Content(role="model", parts=parts),
        error_code="E",
        error_message="m",
        interrupted=True,
        partial=False,
        turn_complete=True,
        branch="a.b",
        custom_metadata={"k": None},
        long_running_tool_ids={"c"},
        usage_metadata=types.GenerateContentResponseUsageMetadata(prompt_token_count=3),
        citation_metadata=types.CitationMetadata(citations=[types.Citation(uri="u")]),
        grounding_metadata=types.GroundingMetadata(web_search_queries=["q"]),
        actions=EventActions(transfer_to_agent="b", artifact_delta={"a": 1}, escalate=True),
        timestamp=1699781400.25,
    )
    await service.append_event(session, whole)
    found = await service.get_session(app_name=app, user_id=USER, session_id="s")
    assert found.events == [whole]
    assert found.last_update_time == pytest.approx(whole.timestamp, abs=1e-6)
    assert session.events == [whole]


async def test_keys_go_where_their_prefix_says(service: Any, app: str):
    session = await service.create_session(app_name=app, user_id=USER, session_id="s")
    delta = {"d": {"a": 1}, "app:x": None, "user:y": True, "temp:t": 1, "odd": object()}
    given = event(actions=EventActions(state_delta=delta))
    await service.append_event(session, given)
    assert session.state["temp:t"] == 1
    assert "temp:t" in given.actions.state_delta
    replaced = event(actions=EventActions(state_delta={"d": {"b": 2}}))
    await service.append_event(session, replaced)
    found = await service.get_session(app_name=app, user_id=USER, session_id="s")
    assert {**found.state, "odd": type(found.state["odd"])} == {
        "d": {"b": 2},
        "app:x": None,
        "user:y": True,
        "odd": str,
    }
    assert "temp:t" not in found.events[0].actions.state_delta


async def test_events_can_be_asked_for_by_number_and_time(service: Any, app: str):
    session = await service.create_session(app_name=app, user_id=USER, session_id="s")
    for n in range(5):
        await service.append_event(session, event(str(n), id=f"e{n}", timestamp=100.0 + n))

    async def ids(**config: Any) -> list[str]:
        chosen = GetSessionConfig(**config)
        found = await service.get_session(app_name=app, user_id=USER, session_id="s", config=chosen)
        return [one.id for one in found.events]

    assert await ids() == ["e0", "e1", "e2", "e3", "e4"]
    assert await ids(num_recent_events=3) == ["e2", "e3", "e4"]
    assert await ids(num_recent_events=0) == []
    assert await ids(after_timestamp=101.0) == ["e1", "e2", "e3", "e4"]
    assert await ids(num_recent_events=2, after_timestamp=100.0) == ["e3", "e4"]


async def test_of_two_writers_of_one_snapshot_exactly_one_wins(service: Any, app: str):
    await service.create_session(app_name=app, user_id=USER, session_id="s")

    async def load() -> Any:
        return await service.get_session(app_name=app, user_id=USER, session_id="s")

    async def append(session: Any) -> bool:
        try:
            await service.append_event(session, event())
        except StaleSessionError:
            return False
        return True

    for n in range(1, 9):
        wrote = await asyncio.gather(append(await load()), append(await load()))
        assert sorted(wrote) == [False, True]
        assert len((await load()).events) == n


async def test_an_event_twice_is_one_and_a_partial_one_none(service: Any, app: str):
    session = await service.create_session(app_name=app, user_id=USER, session_id="s")
    once = event(id="e", actions=EventActions(state_delta={"n": 1}))
    await service.append_event(session, once)
    await service.append_event(session, once)
    await service.append_event(session, event(partial=True))
    assert [one.id for one in session.events] == ["e"]
    found = await service.get_session(app_name=app, user_id=USER, session_id="s")
    assert [one.id for one in found.events] == ["e"]
    with pytest.raises(ValueError, match="has this id"):
        await service.append_event(found, event("other", id="e"))


async def test_a_runner_that_rewinds_takes_back_what_both_doors_show(
    adk_server: str, service: Any, app: str
):
    named = {"app_name": app, "user_id": USER, "session_id": "s"}
    session = await service.create_session(**named)
    for name in ("one", "two", "three"):
        await service.append_event(session, event(name, id=name, invocation_id=f"of-{name}"))
    agent = LlmAgent(name="nobody")
    runner = Runner(app_name=app, agent=agent, session_service=service)
    rewind = functools.partial(runner.rewind_async, user_id=USER, session_id="s")
    async with httpx.AsyncClient(base_url=adk_server, timeout=60) as native:
        (row,) = (await native.get("/v1/sessions", params={"app": app})).json()["sessions"]
        at = f"/v1/sessions/{row['id']}"
        start = {"input": {"parts": [{"type": "text", "text": "go"}]}, "turn_id": "t"}
        assert (await native.post(f"{at}/turns", json=start)).status_code == 201
        with pytest.raises(ValueError, match="turn is running"):
            await rewind(rewind_before_invocation_id="of-two")
        await native.post(f"{at}/turns/t/complete", json={"stop_reason": "end_turn"})
        await rewind(rewind_before_invocation_id="of-two")
        shown = (await native.get(f"{at}/messages")).json()["messages"]
    found = await service.get_session(**named)
    assert [one.id for one in _apply_rewinds(found.events)] == ["one"]
    assert [one["id"] for one in shown] == ["one"]


@pytest.fixture
async def artifacts(adk_server: str) -> AsyncIterator[Any]:
    made = cairn_adk.CairnArtifactService(adk_server.replace("http://", "cairn://"))
    yield made
    await made.close()


async def test_artifacts_are_kept_in_versions_of_a_session_or_of_its_user(
    service: Any, artifacts: Any, app: str
):
    here = {"app_name": app, "user_id": USER, "session_id": "s"}
    await service.create_session(**here)
    image = types.Part.from_bytes(data=b"\xfb\xff\x00", mime_type="image/png")
    text = types.Part(text="hello")

    async def save(name: str, part: Any, **more: Any) -> int:
        return await artifacts.save_artifact(**here, filename=name, artifact=part, **more)

    async def load(name: str, version: int | None = None) -> Any:
        return await artifacts.load_artifact(**here, filename=name, version=version)

    assert await artifacts.list_artifact_keys(**here) == []
    assert [await save("a b/x.png", text), await save("a b/x.png", image)] == [0, 1]
    assert await save("user:u", {"text": "shared"}, custom_metadata={"k": 1}) == 0
    assert await load("a b/x.png") == image
    assert await load("a b/x.png", 0) == text
    assert await load("a b/x.png", 2) is None
    assert await load("none") is None
    assert await artifacts.list_artifact_keys(**here) == ["a b/x.png", "user:u"]
    named = {**here, "filename": "a b/x.png"}
    assert await artifacts.list_versions(**named) == [0, 1]
    versions = await artifacts.list_artifact_versions(**named)
    assert [one.mime_type for one in versions] == ["text/plain", "image/png"]
    assert await artifacts.get_artifact_version(**named) == versions[1]
    assert await artifacts.get_artifact_version(**named, version=2) is None
    await service.create_session(**{**here, "session_id": "other"})
    found = await artifacts.get_artifact_version(
        **{**here, "session_id": "other"}, filename="user:u"
    )
    assert found.custom_metadata == {"k": 1}
    await artifacts.delete_artifact(**named)
    assert await artifacts.list_versions(**named) == []
    with pytest.raises(ValueError, match="Not supported"):
        await save("a", types.Part())
    with pytest.raises(ValueError, match="Session ID"):
        await artifacts.list_artifact_keys(app_name=app, user_id=USER)


def test_the_service_is_found_by_its_uri(tmp_path: Path):
    (tmp_path / "services.yaml").write_text(
        "services:\n  - scheme: cairn\n    type: session\n"
        "    class: cairn_adk.CairnSessionService\n"
        "  - scheme: cairn\n    type: artifact\n"
        "    class: cairn_adk.CairnArtifactService\n"
    )
    load_services_module(str(tmp_path))
    found = create_session_service_from_options(
        base_dir=tmp_path, session_service_uri="cairn://127.0.0.1:1"
    )
    assert isinstance(found, cairn_adk.CairnSessionService)
    artifacts = create_artifact_service_from_options(
        base_dir=tmp_path, artifact_service_uri="cairn://127.0.0.1:1"
    )
    assert isinstance(artifacts, cairn_adk.CairnArtifactService)


# ── its client, and a runner behind the door ─────────────────────────────────────────────────


class Scripted(BaseLlm):
    """Answers by a script: the last word of the user says which."""

    async def generate_content_async(self, llm_request: Any, stream: bool = False) -> Any:
        last = llm_request.contents[-1].parts[-1]
        if last.function_response is not None:
            yield LlmResponse(content=_model(types.Part(text="3 degrees")))
        elif last.text == "weather":
            call = types.FunctionCall(name="get_weather", args={"city": "Oslo"})
            yield LlmResponse(content=_model(types.Part(function_call=call)))
        elif last.text == "fail":
            raise RuntimeError("kaput")
        else:
            yield LlmResponse(content=_model(types.Part(text=f"echo: {last.text}")))


def _model(*parts: types.Part) -> types.Content:
    return types.Content(role="model", parts=list(parts))


def get_weather(city: str) -> dict[str, Any]:
    """Return the weather of a city."""
    return {"city": city, "degrees": 3}


@pytest.fixture
async def driven(driven_server: str, app: str) -> AsyncIterator[str]:
    """A server for whose runs of one app google-adk runs an agent."""
    agent = LlmAgent(name="helper", model=Scripted(model="scripted"), tools=[get_weather])
    ready = asyncio.Event()
    uri = driven_server.replace("http://", "cairn://")
    runner = asyncio.create_task(adk_runner.serve(uri, agent, app, ready))
    await asyncio.wait_for(ready.wait(), 60)
    yield driven_server
    runner.cancel()
    await asyncio.gather(runner, return_exceptions=True)


def run_request(app: str, session_id: str, text: str, **more: Any) -> Any:
    from google.adk.cli.adk_web_server import RunAgentRequest

    message = types.Content(role="user", parts=[types.Part(text=text)])
    return RunAgentRequest(
        app_name=app, user_id=USER, session_id=session_id, new_message=message, **more
    )


async def test_a_runner_keeps_its_lease_for_as_long_as_a_run_takes(
    monkeypatch: pytest.MonkeyPatch,
):
    renewed, asked = asyncio.Event(), list[tuple[str, dict[str, Any]]]()

    def answer(request: httpx.Request) -> httpx.Response:
        name = request.url.path.rsplit("/", 1)[1]
        asked.append((name, json.loads(request.content)))
        if len(asked) == 2:
            raise httpx.ConnectError("the server starts again")
        if len(asked) == 4:
            renewed.set()
        return httpx.Response(200, json={"lease_id": "l1", "session": {"turn_id": "t1"}})

    async def play(*_: Any) -> None:
        await asyncio.wait_for(renewed.wait(), 60)

    monkeypatch.setattr(adk_runner, "_RENEWED_EVERY", 0.001)
    monkeypatch.setattr(adk_runner, "_play", play)
    begun = {"session_id": "s1", "data": {"turn_id": "t1", "meta": {adk_runner.RUN: {}}}}
    cairn = adk_runner.Cairn("cairn://cairn")
    transport = httpx.MockTransport(answer)
    async with httpx.AsyncClient(base_url="http://cairn", transport=transport) as client:
        cairn._clients[asyncio.get_running_loop()] = client
        await adk_runner._run(cairn, "cairn://cairn", None, begun, asyncio.Lock(), None)

    (_, first), *renewals = [one for one in asked if one[0] == "attach"]
    assert first == {"holder": "adk-runner", "ttl_seconds": 60}
    assert len(renewals) >= 3
    assert all(body == {**first, "lease_id": "l1"} for _, body in renewals)
    assert [name for name, _ in asked if name != "attach"] == ["complete", "detach"]


async def test_every_method_of_the_client_of_google_adk(driven: str, app: str):
    async with AdkWebServerClient(base_url=driven, timeout=60) as client:
        made = await client.create_session(app_name=app, user_id=USER, state={"a": 1})
        assert made.state == {"a": 1}
        kept = {"app_name": app, "user_id": USER, "session_id": made.id}
        changed = await client.update_session(**kept, state_delta={"b": 2})
        assert changed.state == {"a": 1, "b": 2}
        assert (await client.get_version_data())["language"] == "python"
        told = [one async for one in client.run_agent(run_request(app, made.id, "weather"))]
        assert [one.author for one in told] == ["helper"] * 3
        assert told[0].content.parts[0].function_call.args == {"city": "Oslo"}
        assert told[1].content.parts[0].function_response.response["degrees"] == 3
        assert told[2].content.parts[0].text == "3 degrees"
        session = await client.get_session(**kept)
        assert [one.id for one in session.events[2:]] == [one.id for one in told]
        assert session.events[1].content.parts[0].text == "weather"
        assert len({one.invocation_id for one in session.events[1:]}) == 1
        await client.delete_session(**kept)
        with pytest.raises(Exception, match="404"):
            await client.get_session(**kept)


async def test_a_run_that_breaks_is_an_error_of_the_client_and_the_next_one_works(
    driven: str, app: str
):
    async with AdkWebServerClient(base_url=driven, timeout=60) as client:
        made = await client.create_session(app_name=app, user_id=USER)
        with pytest.raises(RuntimeError, match="kaput"):
            [one async for one in client.run_agent(run_request(app, made.id, "fail"))]
        told = [one async for one in client.run_agent(run_request(app, made.id, "again"))]
        assert told[-1].content.parts[0].text == "echo: again"


# ── what its server answered when an agent ran ───────────────────────────────────────────────

FEW = {
    *("client-run-text@db", "run-artifact-tool@db", "run-long-running@db"),
    *("sse-two-parts-escape@db", "sse-tool-error@db"),
}


@pytest.fixture
async def scripted(driven_server: str) -> AsyncIterator[str]:
    """A server for whose runs the agents run that the cases were recorded with."""
    sys.path.insert(0, str(HERE / "agents"))
    try:
        of = {name: importlib.import_module(f"{name}.agent").root_agent for name in AGENTS}
    finally:
        sys.path.remove(str(HERE / "agents"))
    of |= {"raw_delta_sse": of["raw"]}
    of |= dict.fromkeys(("scopes_null", "scopes_null_value"), of["scopes"])
    uri = driven_server.replace("http://", "cairn://")
    ready = {name: asyncio.Event() for name in of}
    runners = [
        asyncio.create_task(adk_runner.serve(uri, agent, name, ready[name]))
        for name, agent in of.items()
    ]
    for one in ready.values():
        await asyncio.wait_for(one.wait(), 60)
    yield driven_server
    for runner in runners:
        runner.cancel()
    await asyncio.gather(*runners, return_exceptions=True)


async def test_some_runs_are_told_as_the_original_tells_them(scripted: str):
    for case in cases(runs=True):
        if case["name"] in FEW:
            assert await asyncio.to_thread(play, scripted, case) == [], case["name"]


@pytest.mark.hunt
@pytest.mark.timeout(900)
async def test_every_other_run_is_told_so_or_the_list_says_why_not(scripted: str):
    found: dict[str, list[str]] = {}
    for case in (one for one in cases(runs=True) if one["name"] not in FEW):
        name = case["name"]
        rewinds = functools.partial(rewind, scripted) if name.startswith("rewind-") else None
        found[name] = await asyncio.to_thread(play, scripted, case, rewinds)
    told = {name: differences for name, differences in found.items() if differences}
    check_listed(told, RUN_DEVIATIONS, "runs")


def rewind(base_url: str) -> None:
    """What was done beside its server: its runner went back to before the second invocation."""

    async def go_back() -> None:
        service = cairn_adk.CairnSessionService(base_url.replace("http://", "cairn://"))
        named = {"app_name": "raw", "user_id": "rewind", "session_id": "s1"}
        session = await service.get_session(**named)
        invocations = list(dict.fromkeys(one.invocation_id for one in session.events))
        agent = importlib.import_module("raw.agent").root_agent
        runner = Runner(app_name="raw", agent=agent, session_service=service)
        await runner.rewind_async(
            user_id="rewind", session_id="s1", rewind_before_invocation_id=invocations[2]
        )
        await service.close()

    asyncio.run(go_back())
