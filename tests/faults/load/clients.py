"""Clients that write and read, note every answer, and ask again when there was none."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from random import Random
from typing import Any

import msgspec

from tests.faults.checks.commands import NOT_DONE, UNSETTLED
from tests.faults.history import GIVEN_UP, LOST, Attempt, Look, Read
from tests.faults.load.recorder import Recorder, worker_of
from tests.streams.agent import AGENT, said
from tests.support.sse import Answer, Connection, Lost

GIVE_UP = 25.0
"""Seconds after which a client no longer waits for an answer."""
ASK_FOR = 40.0
"""Seconds for which a command is sent again."""
_ACTIVE = 8
_LARGE = 150_000
_AGAIN = UNSETTLED | NOT_DONE


@dataclass
class Known:
    """What all clients know of each other's work.

    Args:
        recorder: Where answers are noted.
        sessions: Those that are written to.
        turns: The newest turn of each.
        requests: Permission requests that may wait for a decision, with their sessions.
        over: Set when nothing more is to be asked.
        accepted: How many commands were.
    """

    recorder: Recorder
    sessions: deque[str] = field(default_factory=lambda: deque[str](maxlen=_ACTIVE))
    all_sessions: list[str] = field(default_factory=list[str])
    turns: dict[str, str] = field(default_factory=dict[str, str])
    requests: dict[str, str] = field(default_factory=dict[str, str])
    heads: dict[str, int] = field(default_factory=dict[str, int])
    over: asyncio.Event = field(default_factory=asyncio.Event)
    accepted: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """A command before it is sent."""

    attempt: Attempt
    method: str
    path: str
    body: Any


class Client:
    """Sends one command after the other.

    Args:
        known: Shared by all.
        name: Begins its keys.
        port: Where it connects to.
        direct: Whether that is the server itself.
        rng: What it draws from.
        pace: The most seconds that it thinks.
    """

    def __init__(
        self,
        known: Known,
        name: str,
        port: int,
        *,
        direct: bool,
        rng: Random,
        pace: float,
    ) -> None:
        self._known = known
        self._recorder = known.recorder
        self._name = name
        self._direct = direct
        self._rng = rng
        self._pace = pace
        self._count = 0
        self._connection = Connection(port)
        self._worker = 0

    async def run(self) -> None:
        """Send commands until it is over."""
        try:
            while not self._known.over.is_set():
                await self._ask(self._choose())
                await asyncio.sleep(self._rng.random() * self._pace)
        finally:
            self._connection.close()

    def _choose(self) -> Asked:
        rng, known = self._rng, self._known
        self._count += 1
        key = f"{self._name}.{self._count}"
        if len(known.sessions) < _ACTIVE or rng.random() < 0.01:
            body: Any = AGENT | {"title": key, "state": {"app:n": key}}
            return self._asked(key, "", "create", "POST", "/v1/sessions", body)
        session = rng.choice(known.sessions)
        path, turn = f"/v1/sessions/{session}", known.turns.get(session, "none")
        kinds = {
            "message": 6,
            "record": 5,
            "start": 2,
            "end": 1,
            "state": 1,
            "title": 1,
            "star": 0.5,
            "tags": 0.5,
            "follow": 1,
            "permission": 0.5,
        }
        (kind,) = rng.choices([*kinds], [*kinds.values()])
        match kind:
            case "record":
                events = [said(f"{key} {i}") for i in range(rng.randint(1, 5))]
                there = f"{path}/turns/{turn}/events"
                return self._asked(
                    key, session, kind, "POST", there, {"events": events}, events=len(events)
                )
            case "start":
                body = {"input": {"parts": [{"type": "text", "text": key}]}}
                return self._asked(key, session, kind, "POST", f"{path}/turns", body)
            case "end":
                ended = f"{path}/turns/{turn}/{rng.choice(['complete', 'cancel'])}"
                # Whoever ends a turn in the way it has ended changes nothing; what still waits for
                # a decision in it is decided with it.
                return self._asked(
                    key, session, kind, "POST", ended, {}, may_be_so=True, or_more=True
                )
            case "state":
                body = {"set": {"n": key, rng.choice(["app:n", "user:n"]): key}}
                return self._asked(key, session, kind, "PATCH", f"{path}/state", body)
            case "title":
                return self._asked(key, session, kind, "PATCH", path, {"title": key})
            case "star":
                body = {"starred": rng.random() < 0.5}
                return self._asked(key, session, kind, "PATCH", path, body, may_be_so=True)
            case "tags":
                body = {"tags": [rng.choice("abc")]}
                return self._asked(key, session, kind, "PATCH", path, body, may_be_so=True)
            case "follow":
                body = {"role": "user", "parts": [{"type": "text", "text": key}]}
                after = known.heads.get(session, 1)
                return self._asked(
                    key, session, kind, "POST", f"{path}/messages", body, after=after
                )
            case "permission":
                body = {
                    "turn_id": turn,
                    "request_id": key,
                    "timeout_seconds": 2,
                    "options": [{"option_id": "yes", "name": "Allow", "kind": "allow_once"}],
                }
                return self._asked(key, session, kind, "POST", f"{path}/interactions", body)
            case _:
                text = key if rng.random() > 0.01 else key + "x" * rng.randint(1, _LARGE)
                body = {"role": "user", "parts": [{"type": "text", "text": text}]}
                return self._asked(key, session, kind, "POST", f"{path}/messages", body)

    def _asked(
        self,
        key: str,
        session: str,
        kind: str,
        method: str,
        path: str,
        body: Any,
        **facts: Any,
    ) -> Asked:
        attempt = Attempt(
            key=key,
            session=session,
            kind=kind,
            called=0.0,
            returned=0.0,
            direct=self._direct,
            **facts,
        )
        return Asked(attempt, method, path, body)

    async def _ask(self, asked: Asked) -> None:
        """Ask until there is an answer, or once: both are clients."""
        is_persistent = self._rng.random() < 0.8
        until = self._recorder.now() + ASK_FOR
        while True:
            answer = await self._attempt(asked)
            if answer is not None and answer.code not in _AGAIN:
                return
            if not is_persistent or self._recorder.now() > until:
                return
            # Far less patience than Retry-After asks for.
            await asyncio.sleep(0.03 + 0.2 * self._rng.random())

    async def _attempt(self, asked: Asked) -> Answer | None:
        headers = {"idempotency-key": asked.attempt.key}
        if asked.attempt.after is not None:
            headers["if-match"] = f'"{asked.attempt.after}"'
        answer: Answer | None = None
        worker = self._worker if self._connection.is_open else 0
        called = self._recorder.now()
        attempt = msgspec.structs.replace(asked.attempt, called=called, asked=worker)
        try:
            async with asyncio.timeout(GIVE_UP):
                answer = await self._connection.request(
                    asked.method, asked.path, asked.body, headers
                )
        except Lost:
            attempt.code = LOST
        except TimeoutError:
            self._connection.close()
            attempt.code = GIVEN_UP
        attempt.returned = self._recorder.now()
        if answer is not None:
            self._worker = attempt.worker = worker_of(answer.headers)
            attempt.status, attempt.code = answer.status, answer.code
            if answer.is_accepted:
                self._learn(asked, attempt, answer.json)
        self._recorder.add(attempt)
        return answer

    def _learn(self, asked: Asked, attempt: Attempt, told: Any) -> None:
        known = self._known
        known.accepted += 1
        attempt.sequence, attempt.position = told["sequence"], told["position"]
        if attempt.kind == "create":
            attempt.session = told["session"]["id"]
            if attempt.session not in known.all_sessions:
                known.sessions.append(attempt.session)
                known.all_sessions.append(attempt.session)
        elif attempt.kind == "start":
            known.turns[attempt.session] = told["turn_id"]
        known.heads[attempt.session] = attempt.sequence


class Reader:
    """Reads sessions in each of the ways there are.

    Args:
        known: Shared by all.
        port: Where it connects to.
        direct: Whether that is the server itself.
        rng: What it draws from.
        pace: The most seconds that it thinks.
    """

    def __init__(self, known: Known, port: int, *, direct: bool, rng: Random, pace: float) -> None:
        self._known = known
        self._recorder = known.recorder
        self._direct = direct
        self._rng = rng
        self._pace = pace
        self._connection = Connection(port)
        self._worker = 0

    async def run(self) -> None:
        """Read until it is over."""
        try:
            while not self._known.over.is_set():
                if self._known.sessions:
                    await self._read(self._rng.choice(self._known.sessions))
                await asyncio.sleep(self._rng.random() * self._pace)
        finally:
            self._connection.close()

    async def _read(self, session: str) -> None:
        way = self._rng.choice(["page", "row", "row", "snapshot"])
        since = max(self._known.heads.get(session, 0) - self._rng.randint(0, 40), 0)
        path = f"/v1/sessions/{session}"
        query = {"page": f"/events?since={since}&limit=100", "row": "", "snapshot": "/snapshot"}
        answer: Answer | None = None
        look = Look(
            session=session,
            way=way,
            called=self._recorder.now(),
            returned=0.0,
            asked=self._worker if self._connection.is_open else 0,
            direct=self._direct,
        )
        try:
            async with asyncio.timeout(GIVE_UP):
                answer = await self._connection.request("GET", path + query[way])
        except Lost:
            look.code = LOST
        except TimeoutError:
            self._connection.close()
            look.code = GIVEN_UP
        look.returned = self._recorder.now()
        if answer is not None:
            self._worker = look.worker = worker_of(answer.headers)
            look.status, look.code = answer.status, answer.code
        self._recorder.add(look)
        if answer is None or answer.status != 200:
            return
        read = Read(
            session=session,
            way=way,
            called=look.called,
            returned=look.returned,
            head=0,
            worker=look.worker,
        )
        told = answer.json
        match way:
            case "page":
                read.since, read.head = since, told["head"]
                read.events = [(one["sequence"], one["id"]) for one in told["events"]]
            case "row":
                row = told["session"]
                read.head, read.title = row["sequence"], row["title"]
                read.status, read.starred = row["status"], row["starred"]
            case _:
                read.head = told["sequence"]
        self._recorder.add(read)
