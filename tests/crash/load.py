"""Clients that keep asking, remember every answer, and ask again when there was none."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.crash.evidence import Log
from tests.streams.agent import AGENT, said
from tests.support.sse import PATIENCE, Answer, Connection, Lost, eventually

REFUSALS = {
    "turn_in_progress",
    "turn_not_running",
    "turn_not_found",
    "turn_ended",
    "stale_sequence",
    "busy",
    "idempotency_key_in_flight",
    "store_unavailable",
    "outcome_unknown",
    "not_ready",
}
"""Every way in which a command of this load may be refused."""
AGAIN = {"idempotency_key_in_flight", "store_unavailable", "outcome_unknown", "busy", "not_ready"}


@dataclass
class Asked:
    """A command with its key, and all that was answered to it; None is no answer."""

    key: str
    path: str
    body: Any
    events: int
    method: str = "POST"
    may_be_so_already: bool = False
    answers: list[Answer | None] = field(default_factory=list)

    @property
    def accepted(self) -> list[Answer]:
        """The answers that say it is done."""
        return [answer for answer in self.answers if answer and answer.is_accepted]

    @property
    def is_uncertain(self) -> bool:
        """Whether nobody has told the client what became of it."""
        if self.accepted:
            return False
        open_ends = [
            i
            for i, answer in enumerate(self.answers)
            if answer is None or answer.code in ("outcome_unknown", "idempotency_key_in_flight")
        ]
        if not open_ends:
            return False
        # A refusal by the rules that came after is one: had it been stored, that would be replayed.
        later = self.answers[open_ends[-1] + 1 :]
        return not any(answer and answer.code not in AGAIN for answer in later)


@dataclass
class Load:
    """What all clients share.

    Args:
        ports: Of the servers as they are now.
        retries: The part of unanswered commands that are asked again.
    """

    ports: Sequence[Callable[[], int]]
    seed: int
    retries: float = 0.7
    sessions: list[str] = field(default_factory=list)
    turns: dict[str, str] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    done: int = 0
    slowest: float = 0.0

    async def run(self, clients: int, meanwhile: Callable[["Load"], Any]) -> None:
        """Have clients ask for as long as something else is done to the servers."""
        rng = Random(self.seed)
        async with asyncio.TaskGroup() as group:
            for n in range(clients):
                client = _Client(self, n, Random(rng.random()))
                group.create_task(client.run())
            try:
                await meanwhile(self)
            finally:
                self.over.set()

    async def until_done(self, more: int) -> None:
        """Wait until so many more commands were accepted."""
        wanted = self.done + more
        await eventually(lambda: self.done >= wanted, "more commands are accepted")

    @property
    def codes(self) -> Counter[str]:
        """How often each answer was given."""
        return Counter(
            "none" if answer is None else answer.code or "done"
            for asked in self.asked
            for answer in asked.answers
        )

    def judge(self, log: Log) -> None:
        """Hold the log against everything that the clients were told."""
        for asked in self.asked:
            stored = log.of_key(asked.key)
            for answer in asked.answers:
                _is_documented(answer)
            if asked.accepted:
                first = asked.accepted[0]
                told = {(a.json["sequence"], a.json["position"]) for a in asked.accepted}
                assert len(told) == 1, (asked, "two answers to one key")
                if asked.may_be_so_already and not stored:
                    continue
                assert len(stored) == asked.events, (asked, stored)
                at = (stored[-1].sequence, stored[-1].position)
                assert at == (first.json["sequence"], first.json["position"]), asked
                sequences = [event.sequence for event in stored]
                assert sequences == list(range(at[0] - asked.events + 1, at[0] + 1)), asked
            elif asked.is_uncertain:
                assert len(stored) in (0, asked.events), (asked, stored)
            else:
                assert stored == [], (asked, "was refused")


def _is_documented(answer: Answer | None) -> None:
    if answer is None or answer.is_accepted:
        return
    assert answer.code in REFUSALS, answer
    if answer.status in (429, 503):
        assert int(answer.headers["retry-after"]) > 0


class _Client:
    def __init__(self, load: Load, n: int, rng: Random) -> None:
        self._load = load
        self._name = f"{load.seed}.{n}"
        self._rng = rng
        self._count = 0
        self._connection = Connection(lambda: rng.choice(load.ports)())

    async def run(self) -> None:
        try:
            while not self._load.over.is_set():
                await self._ask(self._choose())
                # Agents think, if only for a moment: and who starts again needs a processor too.
                await asyncio.sleep(self._rng.random() * 0.03)
        finally:
            self._connection.close()

    def _choose(self) -> Asked:
        rng, load = self._rng, self._load
        self._count += 1
        key = f"{self._name}.{self._count}"
        if len(load.sessions) < 6 or rng.random() < 0.03:
            return Asked(key, "/v1/sessions", AGENT | {"title": key, "state": {"app:n": key}}, 1)
        path = f"/v1/sessions/{rng.choice(load.sessions[-8:])}"
        turn = load.turns.get(path, "none")
        kinds = {"message": 4, "record": 5, "start": 2, "end": 1, "state": 1, "title": 1}
        match rng.choices(list(kinds), list(kinds.values()))[0]:
            case "record":
                events = [said(f"{key} {i}") for i in range(rng.randint(1, 5))]
                return Asked(key, f"{path}/turns/{turn}/events", {"events": events}, len(events))
            case "start":
                body: Any = {"input": {"parts": [{"type": "text", "text": key}]}}
                return Asked(key, f"{path}/turns", body, 1)
            case "end":
                end = rng.choice(["complete", "cancel"])
                # Ending a turn that has ended in this way changes nothing.
                ended = f"{path}/turns/{turn}/{end}"
                return Asked(key, ended, {}, 1, may_be_so_already=True)
            case "state":
                body = {"set": {"n": key, rng.choice(["app:n", "user:n"]): key}}
                return Asked(key, f"{path}/state", body, 1, "PATCH")
            case "title":
                return Asked(key, path, {"title": key}, 1, "PATCH")
            case _:
                body = {"role": "user", "parts": [{"type": "text", "text": key}]}
                return Asked(key, f"{path}/messages", body, 1)

    async def _ask(self, asked: Asked) -> None:
        """Ask until there is an answer, or not more than once: both are clients."""
        load = self._load
        load.asked.append(asked)
        persistent = self._rng.random() < load.retries
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        while loop.time() < deadline:
            began = loop.time()
            answer: Answer | None = None
            with suppress(Lost):
                answer = await self._connection.request(
                    asked.method, asked.path, asked.body, {"idempotency-key": asked.key}
                )
            asked.answers.append(answer)
            load.slowest = max(load.slowest, loop.time() - began)
            if answer is not None and answer.is_accepted:
                load.done += 1
                self._learn(asked, answer)
            if answer is not None and answer.code not in AGAIN:
                return
            if not persistent:
                return
            # A little patience of a client, far less than Retry-After asks for.
            await asyncio.sleep(0.02 + 0.1 * self._rng.random())

    def _learn(self, asked: Asked, answer: Answer) -> None:
        load = self._load
        if asked.path == "/v1/sessions":
            load.sessions.append(answer.json["session"]["id"])
        elif asked.path.endswith("/turns"):
            load.turns[asked.path.removesuffix("/turns")] = answer.json["turn_id"]
