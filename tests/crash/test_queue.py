"""A queue that a server dies with is there when it comes back: nothing lost, nothing twice."""

import asyncio
from typing import Any

from infrastructure.embedded_postgres import EmbeddedPostgres
from tests.crash.agent import agents
from tests.crash.conftest import start_again
from tests.crash.evidence import examine
from tests.crash.load import AGAIN
from tests.streams.agent import Agent
from tests.support.processes import Cairn
from tests.support.sse import Answer, Lost

CLIENTS, EACH = 8, 10


def says(text: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text}]


async def drained(agent: Agent, session: str, turn: str | None) -> list[str]:
    """Complete one turn after the other until none follows, and return them."""
    ran: list[str] = []
    while turn is not None:
        ran.append(turn)
        path = f"/v1/sessions/{session}/turns/{turn}/complete"
        turn = (await agent.do("POST", path, {}))["next_turn_id"]
    return ran


async def test_a_queue_survives_the_server_that_it_was_given_to(
    servers: list[Cairn], postgres: EmbeddedPostgres
):
    server = servers[0]
    async with agents(lambda: server.port) as (agent,):
        session, turn = await agent.busy_session()
        path = f"/v1/sessions/{session}"
        inputs = [{"id": f"{session}.{i}", "parts": says(str(i))} for i in range(5)]
        await agent.do("POST", f"{path}/inputs", {"inputs": inputs})
        first, second, third, fourth, fifth = [one["id"] for one in inputs]
        await agent.do("PATCH", f"{path}/inputs/{second}", {"parts": says("changed")})
        await agent.do("DELETE", f"{path}/inputs/{third}", {})
        await agent.do("POST", f"{path}/inputs/{fourth}/steer", {})
        before = await agent.do("GET", f"{path}/inputs")
        server.kill()
        await start_again(server)

        after = await agent.do("GET", f"{path}/inputs")
        assert after == before
        assert [one["input_id"] for one in after["inputs"]] == [first, second, fourth, fifth]
        assert [one["mode"] for one in after["inputs"]] == ["queue", "queue", "steer", "queue"]
        assert after["inputs"][1]["parts"] == says("changed")
        # The turn still runs, and what is staged for it reaches it.
        taken = await agent.do("POST", f"{path}/turns/{turn}/inputs", {})
        assert [one["input_id"] for one in taken["inputs"]] == [fourth]
        assert await drained(agent, session, turn) == [turn, first, second, fifth]
    examine(postgres.url)


async def test_inputs_that_a_server_dies_under_run_once_each_and_in_order(
    servers: list[Cairn], postgres: EmbeddedPostgres
):
    """Clients ask again for as long as they have no answer; the kill comes between any two."""
    server = servers[0]
    async with agents(lambda: server.port) as (agent,):
        session, turn = await agent.busy_session()
        path = f"/v1/sessions/{session}"
        accepted: dict[str, Answer] = {}
        unanswered = 0
        enough = asyncio.Event()

        async def send(sender: Agent, turn_id: str) -> None:
            nonlocal unanswered
            body = {"turn_id": turn_id, "mode": "queue", "input": {"parts": says(turn_id)}}
            while turn_id not in accepted:
                try:
                    answer = await sender.ask(
                        "POST", f"{path}/turns", body, idempotency_key=turn_id
                    )
                except Lost:
                    unanswered += 1
                    await asyncio.sleep(0.01)
                    continue
                if answer.is_accepted:
                    accepted[turn_id] = answer
                else:
                    # On a busy machine the database may answer too late.
                    assert answer.code in AGAIN, answer
            if len(accepted) >= CLIENTS * EACH // 2:
                enough.set()

        async def send_all(sender: Agent, number: int) -> None:
            for again in range(EACH):
                await send(sender, f"{session}.{number}.{again}")

        async def kill() -> None:
            await enough.wait()
            server.kill()
            await start_again(server)

        ports = [lambda: server.port] * CLIENTS
        async with agents(*ports) as senders, asyncio.TaskGroup() as group:
            group.create_task(kill())
            for number, sender in enumerate(senders):
                group.create_task(send_all(sender, number))
        assert unanswered, "the kill has met nobody"

        waiting = (await agent.do("GET", f"{path}/inputs"))["inputs"]
        in_order = sorted(accepted, key=lambda one: accepted[one].json["sequence"])
        assert [one["input_id"] for one in waiting] == in_order
        assert len(in_order) == CLIENTS * EACH
        assert await drained(agent, session, turn) == [turn, *in_order]
        log = await agent.log(session)
        began = [e["data"]["turn_id"] for e in log if e["type"] == "turn.started"]
        assert began == [turn, *in_order]
    examine(postgres.url)
