"""What was told live is told again, to the byte: to all, to who comes back, after a restart."""

import socket
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from random import Random
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.docker_agent.test_sessions import begin, ok
from tests.support.postgres import Server
from tests.support.server import running

Json = dict[str, Any]
Block = tuple[int | None, str]
LAST = "the last word"


def blocks_in(lines: Iterator[str]) -> Iterator[Block]:
    """Yield the frames of a stream as they stand there; comments are none."""
    number: int | None = None
    for line in lines:
        if line.startswith("id: "):
            number = int(line[4:])
        elif line.startswith("data: "):
            yield number, line
            number = None


def read(base: str, session: str, since: int | None = None) -> list[Block]:
    """Return the frames of a session until its last word, or until it has exited."""
    query = {} if since is None else {"since": since}
    found: list[Block] = []
    at = f"{base}/api/sessions/{session}/events"
    with httpx.stream("GET", at, params=query, timeout=60) as answer:
        assert answer.status_code == 200
        for block in blocks_in(answer.iter_lines()):
            found.append(block)
            if LAST in block[1]:
                break
    return found


class Life:
    """A session that lives through whatever chance has it do, by both doors."""

    def __init__(self, client: httpx.Client, chance: Random) -> None:
        self.client, self.chance = client, chance
        self.session = begin(client, title="t")
        self.native, self.door = f"/v1/sessions/{self.session}", f"/api/sessions/{self.session}"
        self.turn = ""
        self.count = 0
        self.refused = 0

    def name(self) -> str:
        self.count += 1
        return f"n{self.count}"

    def ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        answer = self.client.request(method, path, json=body)
        # What does not suit the moment is refused, and nothing breaks.
        assert answer.status_code < 500, answer.text
        self.refused += answer.status_code >= 400
        return answer

    def step(self) -> None:
        own = self.turn if self.turn and self.chance.random() < 0.8 else ""
        self.chance.choice(self._within if own else self._without)()

    def do(self, kind: str, **data: Any) -> None:
        body = {"events": [{"type": kind, "data": data}]}
        self.ask("POST", f"{self.native}/turns/{self.turn}/events", body)

    @property
    def _without(self) -> list[Callable[[], object]]:
        text = {"role": "user", "content": self.name()}
        rewind = {"to": self.chance.randint(1, 5)}
        return [
            self._start, self._start, self._start,
            lambda: self.ask("POST", f"{self.door}/followup", {"messages": [text]}),
            lambda: self.ask("POST", f"{self.door}/steer", {"messages": [text, text]}),
            lambda: self.ask("POST", f"{self.door}/messages", {"message": {"message": text}}),
            lambda: self.ask("PATCH", f"{self.door}/title", {"title": self.name()}),
            lambda: self.ask("PATCH", f"{self.door}/starred", {"starred": True}),
            lambda: self.ask("PATCH", f"{self.door}/tokens", {"input_tokens": self.count}),
            lambda: self.ask("POST", f"{self.door}/tools/toggle"),
            lambda: self.ask("POST", f"{self.door}/summaries", {"summary": "s", "tokens": 0}),
            lambda: self.ask("PATCH", f"{self.door}/permissions", {"permissions": {"deny": ["x"]}}),
            lambda: self.ask("POST", f"{self.native}/rewind", rewind),
            lambda: self.ask("POST", f"{self.native}/clear", {}),
            self._stop, self._spawn,
        ]  # fmt: skip

    @property
    def _within(self) -> list[Callable[[], object]]:
        said = [{"type": "text", "text": self.name()}]
        thought = [{"type": "reasoning", "text": "hm"}]
        call, agent = self.name(), {"name": self.name(), "model": "m"}
        used = {"input_tokens": 3, "output_tokens": 1, "cost": 0.25}
        shell = {"type": "shell", "output": self.name()}
        at = f"{self.native}/turns/{self.turn}"
        return [
            lambda: self.do("agent.message", parts=said),
            lambda: self.do("agent.message", parts=[*thought, *said]),
            lambda: self.do("agent.thought", parts=thought),
            lambda: self.do("tool.called", tool_call_id=call, name="ls", input={"a": 1}),
            lambda: self.do("tool.progressed", tool_call_id=f"n{self.count - 3}", content="x"),
            lambda: self.do("tool.returned", tool_call_id=f"n{self.count - 3}", output="x"),
            lambda: self.do("agent.switched", agent=agent),
            lambda: self.do("usage.reported", **used),
            lambda: self.do("runtime.notice", level="warning", text="w"),
            lambda: self.do("context.compacted", summary="s"),
            lambda: self.do("docker-agent", **shell),
            lambda: self.do("something.else", x=1),
            self._ask_for_permission, self._ask_a_form,
            lambda: self._end(f"{at}/complete", {}),
            lambda: self._end(f"{at}/fail", {"kind": "rate_limited"}),
            lambda: self._end(f"{at}/cancel", {}),
        ]  # fmt: skip

    def _start(self) -> None:
        name = self.name()
        body = {"turn_id": name, "input": {"parts": [{"type": "text", "text": name}]}}
        if self.ask("POST", f"{self.native}/turns", body).is_success:
            self.turn = name

    def _end(self, path: str, body: Json) -> None:
        self.ask("POST", path, body)
        shown = ok(self.client.get(self.native))["session"]
        self.turn = (shown.get("turn") or {}).get("turn_id") or shown.get("turn_id") or ""

    def _stop(self) -> None:
        self.ask("POST", f"{self.native}/stop", {"cause": "completed"})
        self.ask("POST", f"{self.native}/resume", {})
        self.turn = ""

    def _spawn(self) -> None:
        asked = {"role": "worker", "ttl_seconds": 60, "agent": {"name": "sub"}}
        made = self.ask("POST", f"{self.native}/spawn", asked)
        if made.is_success:
            child = made.json()["session"]["id"]
            self.ask("POST", f"/v1/sessions/{child}/stop", {"cause": "completed"})
            self.ask("PATCH", f"/api/sessions/{child}/title", {"title": "later"})

    def _ask_for_permission(self) -> None:
        options = [{"option_id": kind, "name": kind, "kind": kind}
                   for kind in ("allow_once", "reject_once")]  # fmt: skip
        body = {"request_id": self.name(), "turn_id": self.turn, "options": options, "tool": "rm"}
        self.ask("POST", f"{self.native}/interactions", body)
        said = self.chance.choice(["approve", "reject", "approve-session"])
        self.ask("POST", f"{self.door}/resume", {"confirmation": said})

    def _ask_a_form(self) -> None:
        schema = {"type": "object", "properties": {}}
        body = {"kind": "elicitation", "request_id": self.name(), "message": "?", "schema": schema}
        self.ask("POST", f"{self.native}/interactions", body)
        self.ask("POST", f"{self.door}/elicitation", {"action": "accept", "content": {}})


class Follower(threading.Thread):
    """A reader who comes back with the last `id` until the last word is said."""

    def __init__(self, base: str, session: str, start: int = 0) -> None:
        super().__init__(daemon=True)
        self.base, self.session, self.cursor = base, session, start
        self.told: list[Block] = []
        self.connections = 0
        self.faults: SimpleQueue[BaseException] = SimpleQueue()

    def run(self) -> None:
        try:
            while not (self.told and LAST in self.told[-1][1]):
                self.connections += 1
                self._follow()
        except BaseException as error:  # noqa: BLE001 - told to whoever waits
            self.faults.put(error)

    def _follow(self) -> None:
        at, held = f"{self.base}/api/sessions/{self.session}/events", list[Block]()
        headers = {"Last-Event-ID": str(self.cursor)}
        try:
            with httpx.stream("GET", at, headers=headers, timeout=60) as answer:
                for block in blocks_in(answer.iter_lines()):
                    # What has no `id` yet belongs to the next one: cut off before, it comes again.
                    held.append(block)
                    if block[0] is not None:
                        self.told += held
                        self.cursor = block[0]
                        held.clear()
                        if LAST in block[1]:
                            return
        except httpx.TransportError:
            return

    def all(self) -> list[Block]:
        self.join(120)
        if not self.faults.empty():
            raise self.faults.get()
        assert not self.is_alive(), self.told[-3:]
        return [one for one in self.told if "session_exited" not in one[1]]


def say_last(life: Life) -> None:
    ok(life.client.patch(f"{life.door}/title", json={"title": LAST}))


def test_what_was_told_live_is_told_again_to_everybody_and_after_a_restart(
    postgres_server: Server,
):
    kinds: set[str] = set()
    lives: list[tuple[str, list[Block]]] = []
    with postgres_server.database() as url:
        with running(url, doors="docker-agent") as base, httpx.Client(base_url=base) as client:
            for seed in range(4):
                life = Life(client, Random(seed))
                readers = [Follower(base, life.session) for _ in range(3)]
                for reader in readers:
                    reader.start()
                for _ in range(40):
                    life.step()
                say_last(life)
                told, *others = [reader.all() for reader in readers]
                assert others == [told, told]
                again = read(base, life.session)
                assert again == told
                kinds |= {data.split('"')[3] for _, data in told}
                lives.append((life.session, told))
                assert life.refused < 60
        # Enough has happened, of as many kinds as there are for what a session lives through.
        assert len(kinds) >= 18, kinds
        with running(url, doors="docker-agent") as base:
            for session, told in lives:
                assert read(base, session) == told
                middle = told[len(told) // 2][0]
                if middle is not None:
                    assert read(base, session, middle) == told[len(told) // 2 + 1 :]


@contextmanager
def cutting(base: str, chance: Random) -> Generator[str]:
    """Give the URL of a way to a server that is cut after bytes that nobody knows before."""
    there = urlsplit(base)
    door = socket.create_server(("127.0.0.1", 0))

    def passing() -> None:
        while True:
            try:
                client, _ = door.accept()
            except OSError:
                return
            with (
                suppress(OSError),
                client,
                socket.create_connection((there.hostname or "", there.port or 0)) as server,
            ):
                server.sendall(client.recv(65536))
                left = chance.randint(1, 900)
                while left > 0 and (piece := server.recv(left)):
                    client.sendall(piece)
                    left -= len(piece)

    thread = threading.Thread(target=passing, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{door.getsockname()[1]}"
    finally:
        door.shutdown(socket.SHUT_RDWR)
        door.close()
        thread.join(60)


def test_who_comes_back_a_hundred_times_loses_nothing_and_is_told_nothing_twice(
    agent_server: str, agent: httpx.Client
):
    life = Life(agent, Random(100))
    with cutting(agent_server, Random(1)) as way:
        reader = Follower(way, life.session)
        reader.start()
        for _ in range(60):
            life.step()
        say_last(life)
        whole = read(agent_server, life.session)
        assert reader.all() == whole
        connections = reader.connections
        while connections < 100:
            reader = Follower(way, life.session)
            reader.start()
            assert reader.all() == whole
            connections += reader.connections
