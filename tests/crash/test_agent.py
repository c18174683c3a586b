"""The agent of the crash tests takes no for an answer only where it is one."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.crash.agent import Persistent
from tests.support.sse import Answer, Connection


def answer(status: int, code: str = "") -> Answer:
    kind = "application/problem+json" if code else "application/json"
    body = {"code": code} if code else {"sequence": 2}
    return Answer(status, {"content-type": kind}, json.dumps(body).encode())


class Played(Connection):
    def __init__(self, *answers: Answer) -> None:
        super().__init__(0)
        self.answers = [*answers]
        self.keys: list[str | None] = []

    async def request(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        self.keys.append((headers or {}).get("idempotency-key"))
        return self.answers.pop(0)


async def test_what_is_not_settled_is_asked_again_under_the_same_key() -> None:
    again = [
        answer(503, "store_unavailable"),
        answer(503, "outcome_unknown"),
        answer(409, "idempotency_key_in_flight"),
    ]
    connection = Played(*again, answer(201))
    assert await Persistent(connection).message("s") == 2
    assert len(connection.keys) == 4
    assert len({*connection.keys}) == 1
    assert connection.keys[0]


async def test_a_key_that_is_given_is_kept_and_a_read_has_none() -> None:
    connection = Played(answer(503, "store_unavailable"), answer(201), answer(200))
    agent = Persistent(connection)
    await agent.do("POST", "/v1/x", {}, idempotency_key="mine")
    await agent.do("GET", "/v1/x")
    assert connection.keys == ["mine", "mine", None]


@pytest.mark.parametrize("said", [answer(409, "turn_in_progress"), answer(500, "internal")])
async def test_what_is_refused_is_a_failure(said: Answer) -> None:
    with pytest.raises(AssertionError):
        await Persistent(Played(said)).message("s")
