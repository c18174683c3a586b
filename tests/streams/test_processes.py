"""Several processes over one log: commands interleave, tails hear of each other's events."""

import asyncio
import time
from collections import Counter
from itertools import chain
from random import Random
from statistics import median, quantiles
from typing import Any

from tests.streams.agent import Agent, agents, said
from tests.support.processes import Cairn
from tests.support.sse import Answer, streaming

DOCUMENTED = {
    "turn_in_progress",
    "stale_sequence",
    "busy",
    "idempotency_key_in_flight",
    "version_conflict",
}


def message(text: str) -> dict[str, Any]:
    return {"role": "user", "parts": [{"type": "text", "text": text}]}


def text_of(event: dict[str, Any]) -> str:
    return str(event["data"]["parts"][0]["text"])


async def test_commands_to_one_session_through_both_interleave(pair: list[Cairn], agent: Agent):
    session, turn = await agent.busy_session()

    async def write(one: Agent, name: str) -> list[tuple[int, list[str]]]:
        done: list[tuple[int, list[str]]] = []
        for i in range(40):
            if i % 4 == 3:
                texts = [f"{name}.{i}.{k}" for k in range(3)]
                sequence = await one.record(session, turn, *map(said, texts))
            else:
                texts = [f"{name}.{i}"]
                sequence = await one.message(session, texts[0])
            done.append((sequence, texts))
        return done

    async with agents(*[server.port for server in pair] * 4) as writers:
        done = await asyncio.gather(*(write(one, f"w{n}") for n, one in enumerate(writers)))

    log = await agent.log(session)
    assert [event["sequence"] for event in log] == list(range(1, len(log) + 1))
    assert len(log) == 2 + 8 * (30 + 10 * 3)
    at = {event["sequence"]: text_of(event) for event in log[2:]}
    for sequence, texts in chain.from_iterable(done):
        # What one command recorded stands together, where its answer says.
        assert [at[sequence - len(texts) + 1 + k] for k in range(len(texts))] == texts
    assert len(set(at.values())) == len(at)


async def test_of_turns_that_start_at_once_through_both_one_runs(pair: list[Cairn], agent: Agent):
    async with agents(*[server.port for server in pair] * 4) as starters:
        for _ in range(10):
            session = await agent.session()
            body = {"input": {"parts": [{"type": "text", "text": "go"}]}}
            answers = await asyncio.gather(
                *(one.ask("POST", f"/v1/sessions/{session}/turns", body) for one in starters)
            )
            assert Counter(answer.code for answer in answers) == {"": 1, "turn_in_progress": 7}
            assert [e["type"] for e in await agent.log(session)] == [
                "session.created",
                "turn.started",
            ]


async def test_one_key_through_both_at_once_has_one_effect(pair: list[Cairn], agent: Agent):
    async with agents(*[server.port for server in pair] * 3) as askers:
        for i in range(10):
            session = await agent.session()
            answers = await asyncio.gather(
                *(
                    one.ask(
                        "POST",
                        f"/v1/sessions/{session}/messages",
                        message("once"),
                        idempotency_key=f"once {i}",
                    )
                    for one in askers
                )
            )
            accepted = [answer for answer in answers if answer.is_accepted]
            assert accepted
            assert len({answer.body for answer in accepted}) == 1
            replayed = [a for a in accepted if a.headers.get("idempotent-replayed") == "true"]
            assert len(replayed) == len(accepted) - 1
            refused = {answer.code for answer in answers if not answer.is_accepted}
            assert refused <= {"idempotency_key_in_flight"}
            assert len(await agent.log(session)) == 2


async def test_a_session_made_twice_at_once_with_one_key_is_one(pair: list[Cairn]):
    async with agents(*[server.port for server in pair] * 3) as askers:
        answers = await asyncio.gather(
            *(
                one.ask(
                    "POST", "/v1/sessions", {"app": "a", "user": "u"}, idempotency_key="the one"
                )
                for one in askers
            )
        )

    made = {answer.json["session"]["id"] for answer in answers if answer.is_accepted}
    assert len(made) == 1
    refused = {answer.code for answer in answers if not answer.is_accepted}
    assert refused <= {"idempotency_key_in_flight"}


async def test_a_tail_is_told_of_what_the_other_process_wrote(
    pair: list[Cairn], other: Agent, measured: Any
):
    session = await other.session()
    late: list[float] = []

    async with streaming(pair[0].port, f"/v1/sessions/{session}/events") as stream:
        await stream.until("caught-up")
        for _ in range(150):
            await other.message(session)
            answered = time.monotonic()
            await stream.stored(1)
            late.append(time.monotonic() - answered)

    measured("p50, ms", round(median(late) * 1000, 2))
    measured("p95, ms", round(quantiles(late, n=20)[-1] * 1000, 2))
    measured("the latest, ms", round(max(late) * 1000, 2))
    # Who is not told finds each event by looking, once a second.
    assert median(late) < 0.5


async def test_two_hundred_writers_on_one_session_are_each_done_or_refused(
    pair: list[Cairn], agent: Agent, measured: Any
):
    """Through both processes, some with a key, some with a sequence they insist on."""
    session, turn = await agent.busy_session()
    rng = Random(200)
    plans = [rng.choice(["message", "key", "if-match", "record", "turn"]) for _ in range(200)]

    async def write(one: Agent, n: int) -> Answer:
        path, headers = f"/v1/sessions/{session}", {}
        match plans[n]:
            case "turn":
                body: Any = {"input": {"parts": [{"type": "text", "text": f"{n}"}]}}
                path += "/turns"
            case "record":
                body, path = {"events": [said(f"{n}"), said(f"{n}")]}, f"{path}/turns/{turn}/events"
            case plan:
                body, path = message(f"{n}"), f"{path}/messages"
                if plan == "key":
                    headers = {"idempotency_key": f"writer {n}"}
                if plan == "if-match":
                    headers = {"if_match": f'"{rng.randint(2, 60)}"'}
        return await one.ask("POST", path, body, **headers)

    async with agents(*[server.port for server in pair] * 100) as writers:
        await asyncio.gather(*(one.ask("GET", "/version") for one in writers))
        began = time.monotonic()
        answers = await asyncio.gather(*(write(one, n) for n, one in enumerate(writers)))
        took = time.monotonic() - began

    measured("seconds", round(took, 2))
    measured("answers", dict(Counter(answer.code or "done" for answer in answers)))
    assert {answer.code for answer in answers if not answer.is_accepted} <= DOCUMENTED
    log = await agent.log(session)
    assert [event["sequence"] for event in log] == list(range(1, len(log) + 1))
    found = Counter(text_of(event) for event in log[2:])
    for n, answer in enumerate(answers):
        each = 2 if plans[n] == "record" else 1
        assert found.pop(f"{n}", 0) == (each if answer.is_accepted else 0), (plans[n], answer)
        if answer.is_accepted:
            assert text_of(log[answer.json["sequence"] - 1]) == f"{n}"
        if plans[n] in ("message", "key", "record"):
            assert answer.is_accepted
        if plans[n] == "turn":
            assert (answer.status, answer.code) == (409, "turn_in_progress")
    assert not found
