"""Record a real ACP agent, on a scripted model, as the lines that `cairn demo` plays.

Every line of the recording is one request to Cairn's HTTP contract with the time at which it was
due. See README.md for how to run this.
"""

import argparse
import asyncio
import contextlib
import json
import os
import re
import shutil
import socket
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from acp import (
    PROTOCOL_VERSION,
    RequestError,
    RequestPermissionResponse,
    spawn_agent_process,
    text_block,
)
from acp.client.connection import ClientSideConnection
from acp.connection import StreamDirection, StreamEvent
from acp.interfaces import Client
from acp.schema import (
    AllowedOutcome,
    ClientCapabilities,
    FileSystemCapabilities,
    Implementation,
    InitializeResponse,
    PromptResponse,
)
from fake_model import CONVERSATION, MODEL, WORKSPACE, FakeModel

JsonObject = dict[str, Any]

TITLE = "A duration parser, from plan to README"

ANSWERS: tuple[tuple[str, str], ...] = (
    ("pip install", "reject_once"),
    ("import sys", "allow_always"),
)
"""The kind of option the person picks when the request mentions the text; else `allow_once`."""

CANCEL_AFTER: Mapping[str, float] = {"t4": 4.0}
"""The turns that the person stops, and after how many seconds."""

BETWEEN_TURNS = 1.5
BEFORE_ANSWER = 0.8
TURN_TIMEOUT = 120.0
START_TIMEOUT = 60.0

_TEXT_EVENTS = {"agent_message_chunk": "agent.message", "agent_thought_chunk": "agent.thought"}

# ── what the agent sends, in the order in which it came ──────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Update:
    """A `session/update`, verbatim."""

    t: float
    data: JsonObject


@dataclass(frozen=True, slots=True)
class Permission:
    """A `session/request_permission`, under an id of our own."""

    t: float
    request_id: str
    data: JsonObject


@dataclass(frozen=True, slots=True)
class Decision:
    """What the person answered."""

    t: float
    request_id: str
    option_id: str
    allowed: bool


Item = Update | Permission | Decision


class Desk:
    """The client's side of the connection: takes down what arrives, answers what is asked.

    The observer sees every message in the order in which it was received and before the SDK
    starts a task for it, so putting it into the queue there keeps the order. It sees the message
    as it was sent, too: kinds of update that the SDK does not know would not reach a handler.
    """

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Item] = asyncio.Queue()
        self._started = time.monotonic()
        self._asked: deque[str] = deque()
        self._requests = 0

    def now(self) -> float:
        """Return the seconds since the recording began."""
        return time.monotonic() - self._started

    def restart(self) -> None:
        """Let the recording begin now: what came before had no turn to belong to."""
        self._started = time.monotonic()

    def observe(self, event: StreamEvent) -> None:
        """Queue an incoming message, if it is one that is recorded."""
        if event.direction is not StreamDirection.INCOMING:
            return
        method = event.message.get("method")
        params: JsonObject = event.message.get("params") or {}
        if method == "session/update":
            self.queue.put_nowait(Update(self.now(), params["update"]))
        elif method == "session/request_permission":
            self._requests += 1
            request_id = f"perm-{self._requests}"
            self._asked.append(request_id)
            self.queue.put_nowait(Permission(self.now(), request_id, params))

    def on_connect(self, conn: Any) -> None:
        """Nothing to do: the SDK calls this."""

    async def session_update(self, **_: Any) -> None:
        """Nothing to do: `observe` has it already."""

    async def request_permission(
        self, tool_call: Any, options: Sequence[Any], **_: Any
    ) -> RequestPermissionResponse:
        """Answer as the person would, after the time a person takes."""
        request_id = self._asked.popleft()
        mentioned = json.dumps(tool_call.model_dump(mode="json", by_alias=True), default=str)
        wanted = next((kind for text, kind in ANSWERS if text in mentioned), "allow_once")
        option = next(option for option in options if option.kind == wanted)
        await asyncio.sleep(BEFORE_ANSWER)
        allowed = wanted.startswith("allow")
        self.queue.put_nowait(Decision(self.now(), request_id, option.option_id, allowed))
        outcome = AllowedOutcome(outcome="selected", option_id=option.option_id)
        return RequestPermissionResponse(outcome=outcome)


# ── what it means in Cairn's words ───────────────────────────────────────────────────────────


def _given(**fields: Any) -> JsonObject:
    return {name: value for name, value in fields.items() if value is not None}


def _parts(text: str) -> list[JsonObject]:
    return [{"type": "text", "text": text}]


def _usage(meta: Mapping[str, Any]) -> JsonObject:
    usage = meta["usage"]
    return _given(
        input_tokens=usage.get("inputTokens"),
        output_tokens=usage.get("outputTokens"),
        total_tokens=usage.get("totalTokens"),
        cached_tokens=usage.get("cachedReadTokens"),
        reasoning_tokens=usage.get("thoughtTokens"),
    )


@dataclass(slots=True)
class _Run:
    """Chunks in a row that make one message or one thought."""

    type: str
    key: str
    fixed: JsonObject
    text: list[str] = field(default_factory=list)

    def event(self) -> JsonObject:
        return {"type": self.type, "data": {"parts": _parts("".join(self.text)), **self.fixed}}


class Translator:
    """Turns what the agent sent into lines, and keeps what must be closed with the turn."""

    def __init__(self, write: Callable[[float, str, JsonObject], None]) -> None:
        self._write = write
        self._turn = ""
        self._run: _Run | None = None
        self._known: set[str] = set()
        self._open: dict[str, None] = {}
        self._calls_of_requests: dict[str, str] = {}
        self._rejected: set[str] = set()
        self._used: Counter[str] = Counter()

    def begin(self, t: float, turn: str, text: str) -> None:
        """Start a turn."""
        self._turn = turn
        self._used.clear()
        self._write(t, "turn.start", {"turn": turn, "body": {"input": {"parts": _parts(text)}}})

    def take(self, item: Item) -> None:
        """Write what one item of the queue means."""
        if isinstance(item, Permission):
            self._permission(item)
        elif isinstance(item, Decision):
            self._decision(item)
        else:
            self._update(item)

    def notice(self, t: float, level: str, text: str, meta: JsonObject | None = None) -> None:
        """Write something that the recorder itself has to say."""
        data = _given(level=level, text=text, meta=meta)
        self._events(t, [*self._finished_run(), {"type": "runtime.notice", "data": data}])

    def settle(self, t: float) -> JsonObject:
        """Close what is still open in the turn, which is about to end, and return its usage."""
        events = [*self._finished_run(), *self._refused()]
        events += [self._closed(call, "the turn ended first") for call in list(self._open)]
        self._events(t, events)
        return dict(self._used)

    def end(self, t: float, how: Literal["complete", "cancel", "fail"], body: JsonObject) -> None:
        """End the turn."""
        self._write(t, f"turn.{how}", {"turn": self._turn, "body": body})

    def _events(self, t: float, events: list[JsonObject]) -> None:
        if events:
            self._write(t, "events", {"turn": self._turn, "events": events})

    def _finished_run(self) -> list[JsonObject]:
        run, self._run = self._run, None
        return [run.event()] if run else []

    def _closed(self, call: str, why: str) -> JsonObject:
        self._open.pop(call, None)
        self._rejected.discard(call)
        data = {"tool_call_id": call, "status": "failed", "output": why}
        return {"type": "tool.returned", "data": {**data, "meta": {"closed_by": "client"}}}

    def _refused(self, but: str | None = None) -> list[JsonObject]:
        """Close the calls that were refused and of which the agent says nothing more."""
        return [self._closed(call, "refused by the user") for call in self._rejected - {but}]

    def _update(self, item: Update) -> None:
        data = item.data
        kind = data["sessionUpdate"]
        refused = self._refused(but=data.get("toolCallId"))
        content: Any = data.get("content")
        if kind in _TEXT_EVENTS and content.get("type") == "text" and content["text"]:
            self._events(item.t, [*(self._finished_run() if refused else []), *refused])
            self._chunk(item.t, _TEXT_EVENTS[kind], data, content["text"])
            return
        self._events(item.t, [*self._finished_run(), *refused, *self._translate(kind, data)])

    def _chunk(self, t: float, type_: str, data: JsonObject, text: str) -> None:
        fixed = _given(message_id=data.get("messageId"), meta=data.get("_meta"))
        key = json.dumps([type_, fixed], sort_keys=True)
        if self._run is None or self._run.key != key:
            self._events(t, self._finished_run())
            self._run = _Run(type_, key, fixed)
        self._run.text.append(text)
        event = {"type": type_, "data": {"parts": _parts(text), **fixed}}
        self._write(t, "partial", {"turn": self._turn, "events": [event]})

    def _translate(self, kind: str, data: JsonObject) -> list[JsonObject]:
        meta = data.get("_meta")
        match kind:
            case "agent_message_chunk" if meta and "usage" in meta:
                usage = _usage(meta)
                self._used.update(usage)
                return [{"type": "usage.reported", "data": {**usage, "meta": meta}}]
            case "plan":
                plan = _given(entries=data["entries"], meta=meta)
                return [{"type": "plan.updated", "data": plan}]
            case "tool_call":
                return self._tool_call(data)
            case "tool_call_update" if data["toolCallId"] not in self._known:
                return self._tool_call(data)
            case "tool_call_update" if data["toolCallId"] in self._open:
                return self._tool_news(data)
            case _:
                return [{"type": f"acp.{kind}", "data": data}]

    def _tool_call(self, data: JsonObject) -> list[JsonObject]:
        """A call may first be heard of in its announcement, its result or a permission request."""
        call = data["toolCallId"]
        meta = data.get("_meta")
        self._known.add(call)
        self._open[call] = None
        called = _given(
            tool_call_id=call,
            name=(meta or {}).get("toolName") or data.get("kind") or "tool",
            title=data.get("title"),
            kind=data.get("kind"),
            input=data.get("rawInput"),
            meta=meta,
        )
        events: list[JsonObject] = [{"type": "tool.called", "data": called}]
        if data.get("status") in ("completed", "failed") or data.get("content"):
            events += self._tool_news({name: data[name] for name in data if name != "title"})
        return events

    def _tool_news(self, data: JsonObject) -> list[JsonObject]:
        call = data["toolCallId"]
        status = data.get("status")
        title, content, meta = data.get("title"), data.get("content"), data.get("_meta")
        if status not in ("completed", "failed"):
            news = _given(tool_call_id=call, title=title, content=content or None, meta=meta)
            return [{"type": "tool.progressed", "data": news}]
        self._open.pop(call, None)
        self._rejected.discard(call)
        output = _given(content=content, raw_output=data.get("rawOutput")) or None
        result = _given(tool_call_id=call, status=status, output=output, meta=meta)
        return [{"type": "tool.returned", "data": result}]

    def _permission(self, item: Permission) -> None:
        data = item.data["toolCall"]
        call = data["toolCallId"]
        events = [*self._finished_run(), *self._refused(but=call)]
        news = self._tool_news if call in self._open else self._tool_call
        self._events(item.t, events + news(data))
        self._calls_of_requests[item.request_id] = call
        options = [
            {"option_id": option["optionId"], "name": option["name"], "kind": option["kind"]}
            for option in item.data["options"]
        ]
        title = data.get("title")
        body = _given(request_id=item.request_id, tool_call_id=call, title=title, options=options)
        self._write(item.t, "permission.request", {"turn": self._turn, "body": body})

    def _decision(self, item: Decision) -> None:
        if not item.allowed:
            self._rejected.add(self._calls_of_requests[item.request_id])
        answer = {"request_id": item.request_id, "body": {"option_id": item.option_id}}
        self._write(item.t, "permission.decide", answer)


# ── the recording ────────────────────────────────────────────────────────────────────────────


class Recording:
    """The lines, without anything that says on which machine they were made."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._lines: list[str] = []
        self._last = 0.0
        self._scrub = [
            (re.compile(rf"(?<![\w-]){re.escape(found)}(?![\w-])"), told)
            for found, told in sorted(secrets.items(), key=lambda pair: -len(pair[0]))
            if found
        ]
        self.count: Counter[str] = Counter()

    def write(self, t: float, do: str, fields: JsonObject) -> None:
        """Add a line; time never runs backwards."""
        self._last = max(self._last, t)
        line = {"t": round(self._last, 3), "do": do, **fields}
        text = json.dumps(line, ensure_ascii=False, separators=(",", ":"))
        for pattern, told in self._scrub:
            text = pattern.sub(told, text)
        self._lines.append(text)
        self.count[do] += 1
        if do == "events":
            self.count.update(event["type"] for event in fields["events"])

    def save(self, path: Path, forbidden: Iterable[str]) -> int:
        """Write the file and return its size.

        Raises:
            ValueError: Something in it tells where it was made.
        """
        text = "\n".join(self._lines) + "\n"
        told = [word for word in forbidden if word and word in text]
        if told:
            raise ValueError(f"the recording still mentions {told}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return len(text.encode())


async def _write_all(queue: asyncio.Queue[Item], translator: Translator) -> None:
    """The only writer: takes the items one by one, in their order."""
    while True:
        translator.take(await queue.get())
        queue.task_done()


async def _until(work: Awaitable[Any], writer: asyncio.Task[None], seconds: float) -> Any:
    """Wait for some work, but not longer than the writer lives."""
    task = asyncio.ensure_future(work)
    await asyncio.wait({task, writer}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    if writer.done():
        task.cancel()
        await writer
    if not task.done():
        task.cancel()
        raise TimeoutError("the agent did not answer in time")
    return await task


async def _cancel(agent: ClientSideConnection, session_id: str, after: float) -> None:
    await asyncio.sleep(after)
    await agent.cancel(session_id=session_id)


async def _play_turn(
    agent: ClientSideConnection,
    session_id: str,
    desk: Desk,
    translator: Translator,
    turn: str,
    text: str,
    greeting: JsonObject | None,
) -> None:
    """Send one prompt, write all that came of it, then end the turn."""
    translator.begin(desk.now(), turn, text)
    if greeting is not None:
        told = f"{greeting['agent_info']['name']} is connected over ACP"
        translator.notice(desk.now(), "info", told, greeting)
    writer = asyncio.create_task(_write_all(desk.queue, translator))
    stopper: asyncio.Task[None] | None = None
    if turn in CANCEL_AFTER:
        stopper = asyncio.create_task(_cancel(agent, session_id, CANCEL_AFTER[turn]))
    answer: PromptResponse | None = None
    failure: RequestError | None = None
    try:
        prompt = agent.prompt(session_id=session_id, prompt=[text_block(text)])
        try:
            answer = await _until(prompt, writer, TURN_TIMEOUT)
        except RequestError as error:
            failure = error
        await _until(desk.queue.join(), writer, TURN_TIMEOUT)
    finally:
        for task in (writer, stopper):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
    if failure is not None:
        detail = failure.data if isinstance(failure.data, dict) else {}
        summary = str(detail.get("details") or failure)
        error_meta = _given(code=failure.code, message=str(failure), data=failure.data)
        translator.notice(desk.now(), "error", "the agent answered with an error", error_meta)
        translator.settle(desk.now())
        translator.end(desk.now(), "fail", {"kind": "prompt_failure", "summary": summary})
        return
    assert answer is not None
    usage = translator.settle(desk.now())
    if answer.stop_reason == "cancelled":
        translator.end(desk.now(), "cancel", {"reason": "user_requested"})
    else:
        body = _given(stop_reason=answer.stop_reason, usage=usage or None)
        translator.end(desk.now(), "complete", body)


def _greeting(hello: InitializeResponse) -> JsonObject:
    assert hello.agent_info is not None
    capabilities = hello.agent_capabilities
    return {
        "protocol_version": hello.protocol_version,
        "agent_info": hello.agent_info.model_dump(mode="json", by_alias=True, exclude_none=True),
        "agent_capabilities": capabilities.model_dump(
            mode="json", by_alias=True, exclude_unset=True, exclude_none=True
        )
        if capabilities
        else {},
    }


async def _tail(stream: asyncio.StreamReader, lines: deque[str]) -> None:
    while line := await stream.readline():
        lines.append(line.decode(errors="replace").rstrip())


async def record(agent: Path, home: Path, model: FakeModel, recording: Recording) -> None:
    """Run the whole conversation.

    Args:
        agent: The agent program.
        home: An empty home directory for it.
        model: The model that it talks to.
        recording: Where the lines go.
    """
    desk = Desk()
    translator = Translator(recording.write)
    environment = {
        "HOME": str(home),
        "PATH": os.pathsep.join(["/usr/local/bin", "/usr/bin", "/bin"]),
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OPENAI_API_KEY": "none",
        "OPENAI_BASE_URL": model.base_url,
        "OPENAI_MODEL": MODEL,
    }
    node = shutil.which("node")
    if node is None:
        raise FileNotFoundError("node")
    command = (node, str(agent), "--acp", "--auth-type", "openai")
    errors: deque[str] = deque(maxlen=20)
    async with spawn_agent_process(
        cast("Client", desk), *command, env=environment, cwd=WORKSPACE, observers=[desk.observe]
    ) as (connection, process):
        assert process.stderr is not None
        tail = asyncio.create_task(_tail(process.stderr, errors))
        hello = await asyncio.wait_for(
            connection.initialize(
                protocol_version=PROTOCOL_VERSION,
                client_capabilities=ClientCapabilities(
                    fs=FileSystemCapabilities(read_text_file=False, write_text_file=False),
                    terminal=False,
                ),
                client_info=Implementation(name="cairn-record", version="1"),
            ),
            START_TIMEOUT,
        )
        greeting = _greeting(hello)
        started = connection.new_session(cwd=WORKSPACE, mcp_servers=[])
        session_id = (await asyncio.wait_for(started, START_TIMEOUT)).session_id
        info = greeting["agent_info"]
        desk.restart()
        recording.write(
            0.0,
            "create",
            {
                "body": {
                    "app": "demo",
                    "user": "ada",
                    "title": TITLE,
                    "agent": {"name": info["name"], "provider": "openai", "model": MODEL},
                    "tags": ["demo", "acp"],
                    "metadata": {
                        "agent_version": info.get("version"),
                        "acp_session_id": session_id,
                        "recorded": "a real agent program on a scripted model",
                    },
                }
            },
        )
        for index, script in enumerate(CONVERSATION):
            await asyncio.sleep(BETWEEN_TURNS)
            await _play_turn(
                connection,
                session_id,
                desk,
                translator,
                f"t{index + 1}",
                script.prompt,
                greeting if index == 0 else None,
            )
            print(f"t{index + 1} ended at {desk.now():.1f} s", file=sys.stderr)
        await asyncio.sleep(BETWEEN_TURNS)
        recording.write(desk.now(), "stop", {"body": {"cause": "user_requested"}})
        late = desk.queue.qsize()
    await tail
    print(f"the agent exited with {process.returncode}; {late} late updates", file=sys.stderr)
    if process.returncode:
        print("\n".join(errors), file=sys.stderr)


def main() -> int:
    """Read the command line, record, and say what there is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("agent", type=Path, help="the qwen program, node_modules/.bin/qwen")
    parser.add_argument("output", type=Path, help="the .jsonl file to write")
    arguments = parser.parse_args()
    agent = arguments.agent.resolve()
    workspace = Path(WORKSPACE)
    workspace.mkdir(parents=True)  # refuses one that is there already: it will be removed
    home = Path(tempfile.mkdtemp(prefix="home-"))
    try:
        settings = {"privacy": {"usageStatisticsEnabled": False}}
        (home / ".qwen").mkdir()
        (home / ".qwen" / "settings.json").write_text(json.dumps(settings))
        with FakeModel() as model:
            hidden = {
                str(home): "/home/demo",
                str(Path.home()): "/home/demo",
                str(agent.parent): "/opt/agent",
                model.base_url: "http://model.invalid/v1",
                socket.gethostname(): "demo-host",
            }
            recording = Recording(hidden)
            asyncio.run(record(agent, home, model, recording))
            print(
                f"the model answered {model.requests} requests, {model.unscripted} off the script",
                file=sys.stderr,
            )
        forbidden = [str(home), str(Path.home()), tempfile.gettempdir(), "127.0.0.1", "registry"]
        size = recording.save(arguments.output, [*forbidden, "node_modules", "localhost"])
    finally:
        shutil.rmtree(home, ignore_errors=True)
        shutil.rmtree(workspace, ignore_errors=True)
    print(f"{arguments.output}: {size} bytes")
    for name, number in sorted(recording.count.items()):
        print(f"{number:6} {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
